//! New orders and payments by the input rules of TPC-C (revision 5.11), half of each.
//!
//! All that an order will touch is known before it is executed: a row of an order is named by the client's transaction, and
//! holds the number that the district gives it; who asks for a customer by name has looked up which one that is, as names never
//! change here.

use pleach::{AccessSet, NoAmount, Value};

use super::{Access, Key, Map, Output, Workload, key};
use crate::payments::{Numbers, work};

const WAREHOUSE: u64 = 0;
const DISTRICT: u64 = 1;
const CUSTOMER: u64 = 2;
const ITEM: u64 = 3;
const STOCK: u64 = 4;
const ORDER: u64 = 5;
const NEW_ORDER: u64 = 6;
const ORDER_LINE: u64 = 7;
const HISTORY: u64 = 8;

const DISTRICTS: u64 = 10;
const CUSTOMERS: u64 = 3_000;
const ITEMS: u64 = 100_000;
/// Different last names.
const NAMES: u64 = 1_000;
const MOST_LINES: u64 = 15;

/// A block of such transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tpcc {
    /// How many there are.
    pub transactions: usize,
    /// How many warehouses: at least one.
    pub warehouses: u64,
    /// Of [`work`], for each transaction.
    pub rounds: u32,
    /// What fixes all that is drawn.
    pub seed: u64,
}

/// The numbers of a row, by the table: those of an order are the customer, its number and how many lines it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Row([u64; 4]);

impl Value for Row {
    type Amount = NoAmount;

    fn amount(&self) -> Option<NoAmount> {
        None
    }

    fn from_amount(_: NoAmount) -> Option<Self> {
        None
    }
}

/// A line of an order.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    item: Key,
    stock: Key,
    own: Key,
    quantity: u64,
    is_remote: bool,
}

/// Who asks for it.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    warehouse: Key,
    district: Key,
    customer: Key,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Action {
    /// A customer orders something.
    NewOrder {
        /// Who orders.
        terminal: Terminal,
        /// The order's row.
        order: Key,
        /// That it was not delivered yet.
        new_order: Key,
        /// What is ordered. One in a hundred orders asks for something that does not exist, as its last line.
        lines: Box<[Line]>,
    },
    /// A customer pays.
    Payment {
        /// Who pays, which may be at another warehouse than this one's.
        terminal: Terminal,
        /// Cents.
        amount: u64,
        /// The payment's row.
        history: Key,
    },
}

/// What `NURand` takes for `A`: for last names, customers and items.
const NAME_SPREAD: u64 = 255;
const CUSTOMER_SPREAD: u64 = 1_023;
const ITEM_SPREAD: u64 = 8_191;

/// Draws as the specification says.
struct Draws {
    numbers: Numbers,
    /// What it takes for `C`, which is drawn once for each of them.
    name_shift: u64,
    customer_shift: u64,
    item_shift: u64,
    /// The customers of each last name: the same in each district.
    names: Vec<Vec<u64>>,
}

impl Draws {
    fn new(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let mut draw = |most: u64| numbers.below(most + 1);
        let loaded = draw(NAME_SPREAD);
        let mut draws = Self {
            name_shift: loaded,
            customer_shift: draw(CUSTOMER_SPREAD),
            item_shift: draw(ITEM_SPREAD),
            numbers,
            names: Vec::new(),
        };
        let mut names = vec![Vec::new(); NAMES as usize];
        for customer in 0..CUSTOMERS {
            // The first thousand have all names once.
            let name = if customer < NAMES {
                customer
            } else {
                draws.name()
            };
            names[name as usize].push(customer);
        }
        draws.names = names;
        // Names are asked for with another one than they were given with.
        while !is_apart(loaded, draws.name_shift) {
            draws.name_shift = draws.below(NAME_SPREAD + 1);
        }
        draws
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.numbers.below(bound)
    }

    /// `NURand` of the specification: from `least` to `most`.
    fn uneven(&mut self, spread: u64, shift: u64, [least, most]: [u64; 2]) -> u64 {
        let count = most - least + 1;
        let drawn = self.below(spread + 1) | (least + self.below(count));
        (drawn + shift) % count + least
    }

    /// One of this many in a hundred.
    fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// The specification counts customers and items from one, we from zero.
    fn customer(&mut self) -> u64 {
        self.uneven(CUSTOMER_SPREAD, self.customer_shift, [1, CUSTOMERS]) - 1
    }

    fn item(&mut self) -> u64 {
        self.uneven(ITEM_SPREAD, self.item_shift, [1, ITEMS]) - 1
    }

    fn name(&mut self) -> u64 {
        self.uneven(NAME_SPREAD, self.name_shift, [0, NAMES - 1])
    }

    /// By last name: the one in the middle, or before it, of those in order.
    fn named(&mut self) -> u64 {
        let name = self.name();
        let customers = &self.names[name as usize];
        customers[(customers.len() - 1) / 2]
    }
}

/// Whether the constant of a run is as far from that of the load as it must be (clause 2.1.6.1).
fn is_apart(load: u64, run: u64) -> bool {
    let apart = load.abs_diff(run);
    (65..=119).contains(&apart) && apart != 96 && apart != 112
}

impl Tpcc {
    /// Another warehouse than this one, if there is one.
    fn other(&self, draws: &mut Draws, than: u64) -> u64 {
        if self.warehouses == 1 {
            return than;
        }
        (than + 1 + draws.below(self.warehouses - 1)) % self.warehouses
    }

    fn new_order(&self, draws: &mut Draws, id: u64) -> Action {
        let (warehouse, district) = (draws.below(self.warehouses), draws.below(DISTRICTS));
        let customer = draws.customer();
        let count = 5 + draws.below(MOST_LINES - 4);
        let fails = draws.is(1);
        let lines = (0..count).map(|number| {
            // The unused item has a number that no item has.
            let item = if fails && number + 1 == count {
                ITEMS
            } else {
                draws.item()
            };
            let is_remote = draws.is(1);
            let supplier = if is_remote {
                self.other(draws, warehouse)
            } else {
                warehouse
            };
            Line {
                item: key(item, ITEM),
                stock: key(supplier * (ITEMS + 1) + item, STOCK),
                own: key(id * MOST_LINES + number, ORDER_LINE),
                quantity: 1 + draws.below(10),
                is_remote: supplier != warehouse,
            }
        });
        Action::NewOrder {
            lines: lines.collect(),
            terminal: terminal(warehouse, warehouse, district, customer, district),
            order: key(id, ORDER),
            new_order: key(id, NEW_ORDER),
        }
    }

    fn payment(&self, draws: &mut Draws, id: u64) -> Action {
        let (warehouse, district) = (draws.below(self.warehouses), draws.below(DISTRICTS));
        let (of, its) = if draws.is(85) {
            (warehouse, district)
        } else {
            let other = self.other(draws, warehouse);
            (other, draws.below(DISTRICTS))
        };
        let customer = if draws.is(60) {
            draws.named()
        } else {
            draws.customer()
        };
        Action::Payment {
            terminal: terminal(warehouse, of, district, customer, its),
            amount: 100 + draws.below(499_901),
            history: key(id, HISTORY),
        }
    }
}

fn district_of(warehouse: u64, district: u64) -> u64 {
    warehouse * DISTRICTS + district
}

/// At a district of a warehouse, a customer of a district of a warehouse.
fn terminal(warehouse: u64, of: u64, district: u64, customer: u64, its: u64) -> Terminal {
    Terminal {
        warehouse: key(warehouse, WAREHOUSE),
        district: key(district_of(warehouse, district), DISTRICT),
        customer: key(district_of(of, its) * CUSTOMERS + customer, CUSTOMER),
    }
}

impl Workload for Tpcc {
    type Transaction = Action;
    type Value = Row;
    type Table = Map<Row>;

    fn begin(&self, put: &mut dyn FnMut(Key, Row)) {
        let mut numbers = Numbers::new(!self.seed);
        for item in 0..ITEMS {
            let price = 100 + numbers.below(9_901);
            put(key(item, ITEM), Row([price, 0, 0, 0]));
        }
        for warehouse in 0..self.warehouses {
            let tax = numbers.below(2_001);
            put(key(warehouse, WAREHOUSE), Row([30_000_000, tax, 0, 0]));
            for item in 0..ITEMS {
                let quantity = 10 + numbers.below(91);
                let stock = key(warehouse * (ITEMS + 1) + item, STOCK);
                put(stock, Row([quantity, 0, 0, 0]));
            }
            for district in 0..DISTRICTS {
                let district = district_of(warehouse, district);
                let tax = numbers.below(2_001);
                put(key(district, DISTRICT), Row([3_000_000, tax, 3_001, 0]));
                for customer in 0..CUSTOMERS {
                    let discount = numbers.below(5_001);
                    let row = Row([0, 1_000, 1, discount]);
                    put(key(district * CUSTOMERS + customer, CUSTOMER), row);
                }
            }
        }
    }

    fn block(&self) -> Vec<Action> {
        let mut draws = Draws::new(self.seed);
        let action = |id| {
            if draws.below(2) == 0 {
                self.new_order(&mut draws, id)
            } else {
                self.payment(&mut draws, id)
            }
        };
        (0..self.transactions as u64).map(action).collect()
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn accesses(&self, action: &Action, set: &mut AccessSet<Key>) {
        match action {
            Action::NewOrder {
                terminal,
                order,
                new_order,
                lines,
            } => {
                set.read(terminal.warehouse)
                    .update(terminal.district)
                    .read(terminal.customer)
                    .write(*order)
                    .write(*new_order);
                for line in lines {
                    set.read(line.item).update(line.stock).write(line.own);
                }
            }
            Action::Payment {
                terminal, history, ..
            } => {
                set.update(terminal.warehouse)
                    .update(terminal.district)
                    .update(terminal.customer)
                    .write(*history);
            }
        }
    }

    fn execute<A: Access<Row>>(&self, action: &Action, state: &mut A) -> Result<Output, A::Stop> {
        match action {
            Action::NewOrder {
                terminal,
                order,
                new_order,
                lines,
            } => {
                let Row([_, warehouse_tax, ..]) = row(state, &terminal.warehouse)?;
                let mut district = row(state, &terminal.district)?;
                let Row([.., discount]) = row(state, &terminal.customer)?;
                let mut total = 0;
                for line in lines {
                    // An order of what does not exist is rolled back.
                    let Some(Row([price, ..])) = state.get(&line.item)? else {
                        return Ok(None);
                    };
                    total += price * line.quantity;
                }
                let Row([_, district_tax, number, _]) = district;
                work(number, self.rounds);
                district.0[2] += 1;
                state.put(&terminal.district, district)?;
                state.put(order, Row([discount, number, lines.len() as u64, 0]))?;
                state.put(new_order, Row([number, 0, 0, 0]))?;
                for line in lines {
                    sell(state, line)?;
                }
                // In ten thousandths.
                let taxed = total * (10_000 + warehouse_tax + district_tax) / 10_000;
                Ok(Some(taxed * (10_000 - discount) / 10_000))
            }
            Action::Payment {
                terminal,
                amount,
                history,
            } => {
                let mut warehouse = row(state, &terminal.warehouse)?;
                let mut district = row(state, &terminal.district)?;
                let mut customer = row(state, &terminal.customer)?;
                work(customer.0[1], self.rounds);
                warehouse.0[0] += amount;
                district.0[0] += amount;
                // What is owed may become less than nothing.
                customer.0[0] = customer.0[0].wrapping_sub(*amount);
                customer.0[1] += amount;
                customer.0[2] += 1;
                state.put(&terminal.warehouse, warehouse)?;
                state.put(&terminal.district, district)?;
                state.put(&terminal.customer, customer)?;
                state.put(history, Row([*amount, 0, 0, 0]))?;
                Ok(Some(customer.0[1]))
            }
        }
    }
}

fn row<A: Access<Row>>(state: &mut A, key: &Key) -> Result<Row, A::Stop> {
    Ok(state.get(key)?.unwrap_or_default())
}

/// Takes what a line asks for from the stock, which is filled up when it runs low.
fn sell<A: Access<Row>>(state: &mut A, line: &Line) -> Result<(), A::Stop> {
    let Row([quantity, sold, orders, remote]) = row(state, &line.stock)?;
    let left = if quantity >= line.quantity + 10 {
        quantity - line.quantity
    } else {
        quantity + 91 - line.quantity
    };
    let stock = Row([
        left,
        sold + line.quantity,
        orders + 1,
        remote + u64::from(line.is_remote),
    ]);
    state.put(&line.stock, stock)?;
    state.put(&line.own, Row([line.quantity, left, 0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_the_specification() {
        for seed in 0..50 {
            let loaded = Numbers::new(seed).below(NAME_SPREAD + 1);
            let mut draws = Draws::new(seed);
            let apart = loaded.abs_diff(draws.name_shift);
            assert!((65..=119).contains(&apart) && ![96, 112].contains(&apart));
            for _ in 0..1_000 {
                assert!(draws.customer() < CUSTOMERS && draws.item() < ITEMS);
                assert!(draws.name() < NAMES && draws.named() < CUSTOMERS);
            }
        }
        // Before they are shifted, bits that `A` can set are set three times of four.
        let mut draws = Draws::new(1);
        let back = ITEMS - draws.item_shift;
        let items: Vec<_> = (0..10_000).map(|_| (draws.item() + back) % ITEMS).collect();
        for bit in 0..13 {
            let set = items.iter().filter(|item| *item >> bit & 1 == 1).count();
            assert!((7_100..7_900).contains(&set), "bit {bit}: {set} of 10,000");
        }
    }

    #[test]
    fn warehouses_have_what_their_districts_have() {
        let tpcc = Tpcc {
            transactions: 2_000,
            warehouses: 2,
            rounds: 0,
            seed: 3,
        };
        let mut map = Map::default();
        tpcc.begin(&mut |key, value| _ = map.insert(key, value));
        let (mut orders, mut failed, mut paid) = (0, 0, 0);
        for action in tpcc.block() {
            let output = tpcc.execute_in_place(&action, &mut map);
            match action {
                Action::NewOrder { .. } if output.is_none() => failed += 1,
                Action::NewOrder { lines, .. } => {
                    assert!((5..=15).contains(&lines.len()));
                    orders += 1;
                }
                Action::Payment { amount, .. } => paid += amount,
            }
        }
        let sum = |table, rows: u64, column: usize| {
            let row = |id| map[&key(id, table)].0[column];
            (0..rows).map(row).sum::<u64>()
        };
        // Condition 1 of the specification, and what is left of the others.
        assert_eq!(sum(WAREHOUSE, 2, 0), 2 * 30_000_000 + paid);
        assert_eq!(sum(DISTRICT, 2 * DISTRICTS, 0), 2 * 30_000_000 + paid);
        assert_eq!(
            sum(DISTRICT, 2 * DISTRICTS, 2),
            2 * DISTRICTS * 3_001 + orders
        );
        assert!((850..1_150).contains(&orders), "{orders} of 2,000");
        assert!((1..30).contains(&failed), "one in a hundred: {failed}");
    }
}
