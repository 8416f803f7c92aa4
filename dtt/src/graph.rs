//! The tree as petgraph sees it, so that whatever petgraph offers runs on it.

use petgraph::{
    Directed,
    Direction::{self, Incoming, Outgoing},
    graph::NodeIndex,
    visit::{
        Data, EdgeCount, GraphBase, GraphProp, IntoEdgeReferences, IntoEdges, IntoEdgesDirected,
        IntoNeighbors, IntoNeighborsDirected, IntoNodeIdentifiers, IntoNodeReferences,
        NodeCompactIndexable, NodeCount, NodeIndexable, Visitable,
    },
};

use crate::{
    dependents::Dependents,
    tree::{Code, Dtt, Source},
};

/// A node of a [`Graph`]: a transaction or a sum.
pub type Node = NodeIndex<u32>;

/// A tree without its root as a directed graph: an edge leads from what is needed to who needs it.
///
/// A reference to it implements petgraph's visit traits. Nodes are transactions, which have their own indices, and sums,
/// which come after them; [`source`](Self::source) and [`node`](Self::node) translate.
///
/// # Examples
///
/// ```
/// use petgraph::{algo, visit::Bfs};
/// use pleach_dtt::{AccessSet, OpenTree, Source, Trust};
///
/// let mut open = OpenTree::new();
/// for keys in [["a", "b"], ["c", "d"], ["b", "c"]] {
///     let mut set = AccessSet::new();
///     set.update(keys[0]).update(keys[1]);
///     open.push(&set, Trust::Exact)?;
/// }
/// let graph = open.tree().graph();
/// assert_eq!(algo::connected_components(&graph), 1);
/// assert_eq!(algo::toposort(&graph, None).map(|order| order.len()), Ok(3));
///
/// let mut later = Bfs::new(&graph, graph.node(Source::Transaction(0)));
/// later.next(&graph);
/// assert_eq!(later.next(&graph).map(|node| graph.source(node)), Some(Source::Transaction(2)));
/// # Ok::<(), pleach_dtt::TooLarge>(())
/// ```
#[derive(Clone, Debug)]
pub struct Graph<'a> {
    tree: &'a Dtt,
    dependents: Dependents,
    /// What each node is.
    sources: Vec<Source>,
}

impl Dtt {
    /// The tree as a graph for petgraph. O(transactions + edges).
    #[must_use]
    pub fn graph(&self) -> Graph<'_> {
        let transactions = (0..self.len()).map(Source::Transaction);
        Graph {
            tree: self,
            dependents: self.dependents(),
            sources: transactions
                .chain((0..self.sums()).map(Source::Sum))
                .collect(),
        }
    }
}

impl Graph<'_> {
    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Dtt {
        self.tree
    }

    /// The node of a transaction or a sum.
    #[must_use]
    pub fn node(&self, source: Source) -> Node {
        Node::new(match source {
            Source::Transaction(index) => index,
            Source::Sum(index) => self.tree.len() + index,
        })
    }

    /// What a node is.
    ///
    /// # Panics
    ///
    /// If it is a node of another graph, and not of this.
    #[must_use]
    pub fn source(&self, node: Node) -> Source {
        self.sources[node.index()]
    }

    /// What a node has an edge from, or to.
    fn codes(&self, node: Node, direction: Direction) -> &[Code] {
        match (direction, self.source(node)) {
            (Outgoing, source) => self.dependents.codes(source),
            (Incoming, Source::Transaction(index)) => self.tree.codes(index),
            (Incoming, Source::Sum(index)) => self.tree.sums.inputs(index),
        }
    }
}

impl GraphBase for Graph<'_> {
    type NodeId = Node;
    type EdgeId = (Node, Node);
}

impl Data for Graph<'_> {
    type NodeWeight = Source;
    type EdgeWeight = ();
}

impl GraphProp for Graph<'_> {
    type EdgeType = Directed;
}

impl NodeCount for Graph<'_> {
    fn node_count(&self) -> usize {
        self.sources.len()
    }
}

impl EdgeCount for Graph<'_> {
    fn edge_count(&self) -> usize {
        self.tree.edges()
    }
}

impl NodeIndexable for Graph<'_> {
    fn node_bound(&self) -> usize {
        self.sources.len()
    }

    fn to_index(&self, node: Node) -> usize {
        node.index()
    }

    fn from_index(&self, index: usize) -> Node {
        Node::new(index)
    }
}

impl NodeCompactIndexable for Graph<'_> {}

impl Visitable for Graph<'_> {
    type Map = <petgraph::Graph<(), ()> as Visitable>::Map;

    fn visit_map(&self) -> Self::Map {
        let mut map = Self::Map::default();
        self.reset_map(&mut map);
        map
    }

    fn reset_map(&self, map: &mut Self::Map) {
        map.clear();
        map.grow(self.sources.len());
    }
}

impl IntoNodeIdentifiers for &Graph<'_> {
    type NodeIdentifiers = Nodes;

    fn node_identifiers(self) -> Nodes {
        Nodes(0..self.sources.len() as u32)
    }
}

impl<'a> IntoNodeReferences for &'a Graph<'_> {
    type NodeRef = (Node, &'a Source);
    type NodeReferences = std::iter::Zip<Nodes, std::slice::Iter<'a, Source>>;

    fn node_references(self) -> Self::NodeReferences {
        self.node_identifiers().zip(&self.sources)
    }
}

impl<'a> IntoNeighbors for &'a Graph<'_> {
    type Neighbors = Neighbors<'a>;

    fn neighbors(self, node: Node) -> Neighbors<'a> {
        self.neighbors_directed(node, Outgoing)
    }
}

impl<'a> IntoNeighborsDirected for &'a Graph<'_> {
    type NeighborsDirected = Neighbors<'a>;

    fn neighbors_directed(self, node: Node, direction: Direction) -> Neighbors<'a> {
        Neighbors {
            codes: self.codes(node, direction).iter(),
            transactions: self.tree.len(),
        }
    }
}

impl<'a> IntoEdges for &'a Graph<'_> {
    type Edges = Edges<'a>;

    fn edges(self, node: Node) -> Edges<'a> {
        self.edges_directed(node, Outgoing)
    }
}

impl<'a> IntoEdgesDirected for &'a Graph<'_> {
    type EdgesDirected = Edges<'a>;

    fn edges_directed(self, node: Node, direction: Direction) -> Edges<'a> {
        Edges {
            node,
            direction,
            neighbors: self.neighbors_directed(node, direction),
        }
    }
}

impl<'a> IntoEdgeReferences for &'a Graph<'_> {
    type EdgeRef = (Node, Node, &'static ());
    type EdgeReferences = AllEdges<'a>;

    fn edge_references(self) -> AllEdges<'a> {
        AllEdges {
            graph: self,
            nodes: self.node_identifiers(),
            edges: None,
        }
    }
}

/// The nodes of a [`Graph`].
#[derive(Clone, Debug)]
pub struct Nodes(std::ops::Range<u32>);

impl Iterator for Nodes {
    type Item = Node;

    fn next(&mut self) -> Option<Node> {
        self.0.next().map(|index| Node::new(index as usize))
    }
}

/// The nodes that a node of a [`Graph`] has edges to, or from.
#[derive(Clone, Debug)]
pub struct Neighbors<'a> {
    codes: std::slice::Iter<'a, Code>,
    transactions: usize,
}

impl Iterator for Neighbors<'_> {
    type Item = Node;

    fn next(&mut self) -> Option<Node> {
        Some(Node::new(match self.codes.next()?.source() {
            Source::Transaction(index) => index,
            Source::Sum(index) => self.transactions + index,
        }))
    }
}

/// The edges of a node of a [`Graph`].
#[derive(Clone, Debug)]
pub struct Edges<'a> {
    node: Node,
    direction: Direction,
    neighbors: Neighbors<'a>,
}

impl Iterator for Edges<'_> {
    type Item = (Node, Node, &'static ());

    fn next(&mut self) -> Option<Self::Item> {
        let other = self.neighbors.next()?;
        Some(match self.direction {
            Outgoing => (self.node, other, &()),
            Incoming => (other, self.node, &()),
        })
    }
}

/// The edges of a [`Graph`].
#[derive(Clone, Debug)]
pub struct AllEdges<'a> {
    graph: &'a Graph<'a>,
    nodes: Nodes,
    edges: Option<Edges<'a>>,
}

impl Iterator for AllEdges<'_> {
    type Item = (Node, Node, &'static ());

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(edge) = self.edges.as_mut().and_then(Iterator::next) {
                return Some(edge);
            }
            self.edges = Some(self.graph.edges(self.nodes.next()?));
        }
    }
}
