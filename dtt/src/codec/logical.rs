//! The form for people: each transaction with its parent and what it waits for. Unlike the decoder of bytes, it has no limits:
//! whoever reads it from strangers bounds its length before.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::{
    access::Trust,
    tree::{Code, Dtt, Source},
};

/// The version of this form.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logical {
    version: u32,
    transactions: Vec<Transaction>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transaction {
    trust: Trust,
    /// The latest dependency, for readers only: it follows from the sources.
    parent: Option<usize>,
    sources: Vec<Node>,
    /// The sums that this transaction is the first to need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    new_sums: Vec<Vec<Node>>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(untagged)]
enum Node {
    Transaction(u32),
    Sum { sum: u32 },
}

impl From<Source> for Node {
    fn from(source: Source) -> Self {
        match source {
            Source::Transaction(index) => Self::Transaction(index as u32),
            Source::Sum(sum) => Self::Sum { sum: sum as u32 },
        }
    }
}

impl Serialize for Dtt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut new_sums = Vec::new();
        let mut transactions = Vec::with_capacity(self.len());
        let nodes = |codes: &[Code]| codes.iter().map(|code| code.source().into()).collect();
        self.walk(|node, codes| match node {
            Source::Sum(_) => new_sums.push(nodes(codes)),
            Source::Transaction(index) => transactions.push(Transaction {
                trust: self.trust(index),
                parent: self.parent(index),
                sources: nodes(codes),
                new_sums: std::mem::take(&mut new_sums),
            }),
        });
        let version = VERSION;
        Logical {
            version,
            transactions,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Dtt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let logical = Logical::deserialize(deserializer)?;
        if logical.version != VERSION {
            let version = logical.version;
            return Err(D::Error::custom(format!("version {version} is not known")));
        }
        let mut tree = Dtt::new();
        for (index, transaction) in logical.transactions.iter().enumerate() {
            push(&mut tree, transaction)
                .map_err(|error| D::Error::custom(format!("transaction {index}: {error}")))?;
        }
        Ok(tree)
    }
}

/// Appends a transaction if it is as the analysis would have made it.
fn push(tree: &mut Dtt, transaction: &Transaction) -> Result<(), String> {
    let index = tree.len();
    let mut unneeded = BTreeSet::new();
    for inputs in &transaction.new_sums {
        let codes = codes(tree, index, inputs)?;
        if codes.len() < 2 {
            return Err("a sum has less than two inputs".to_owned());
        }
        let sum = tree.sums.push(index as u32, &codes);
        for code in &codes {
            unneeded.remove(code);
        }
        unneeded.insert(sum.map_err(|error| error.to_string())?);
    }
    let sources = codes(tree, index, &transaction.sources)?;
    for source in &sources {
        unneeded.remove(source);
    }
    if !unneeded.is_empty() {
        return Err("a new sum is not needed".to_owned());
    }
    tree.push(transaction.trust, sources.into_iter())
        .map_err(|error| error.to_string())?;
    if tree.parent(index) != transaction.parent {
        return Err("the parent is not the latest of the sources".to_owned());
    }
    Ok(())
}

fn codes(tree: &Dtt, transaction: usize, nodes: &[Node]) -> Result<Vec<Code>, String> {
    let codes: Vec<Code> = nodes
        .iter()
        .map(|node| match *node {
            Node::Transaction(index) if (index as usize) < transaction => {
                Ok(Code::transaction(index))
            }
            Node::Sum { sum } if (sum as usize) < tree.sums() => Ok(Code::sum(sum)),
            Node::Transaction(index) => Err(format!("transaction {index} is not before it")),
            Node::Sum { sum } => Err(format!("sum {sum} is not there")),
        })
        .collect::<Result<_, _>>()?;
    if !codes.is_sorted_by(|a, b| a < b) {
        return Err("the sources do not ascend".to_owned());
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::tree;
    use crate::Dtt;

    #[test]
    fn people_can_read_it_and_it_can_be_read_back() {
        let json = serde_json::to_string(&tree()).unwrap();
        assert!(json.starts_with(
            r#"{"version":1,"transactions":[{"trust":"exact","parent":null,"sources":[]}"#
        ));
        assert!(json.contains(
            r#"{"trust":"predicted","parent":2,"sources":[1,{"sum":0}],"new_sums":[[0,1,2]]}"#
        ));
        assert_eq!(serde_json::from_str::<Dtt>(&json).unwrap(), tree());
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let json = serde_json::to_string(&tree()).unwrap();
        for (from, to, message) in [
            ("\"version\":1", "\"version\":2", "version 2 is not known"),
            (
                "[1,{",
                "[3,{",
                "transaction 3: transaction 3 is not before it",
            ),
            ("[1,{\"sum\":0}]", "[1]", "a new sum is not needed"),
            ("[[0,1,2]]", "[[2]]", "less than two inputs"),
            ("[[0,1,2]]", "[[1,0,2]]", "do not ascend"),
            (
                "\"parent\":2",
                "\"parent\":1",
                "the parent is not the latest",
            ),
            ("[{\"sum\":0}]", "[{\"sum\":1}]", "sum 1 is not there"),
        ] {
            let changed = json.replace(from, to);
            assert_ne!(changed, json, "{from}");
            let error = serde_json::from_str::<Dtt>(&changed).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }
}
