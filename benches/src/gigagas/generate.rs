//! Makes blocks of a billion gas, and the state before them.

use alloy_consensus::{Header, SignableTransaction, TxEnvelope, TxLegacy};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, map::HashMap};
use pleach::{CancelToken, SerialExecutor};
use pleach_evm::{Account, BlockFile, ChainSpec, EvmBlock, EvmState};

use super::{
    Kind, Settings, Workload,
    contracts::{Contracts, allowance_slot, balance_slot, call, pair, word},
    people::{Draw, What, address},
};
use crate::{blocks::Case, payments::Numbers};

/// What a person has of ether, and of each token that it uses.
const WEALTH: u64 = 1_000_000_000_000_000_000;
/// What it has where all it can pay comes from the one before: enough for fees, but not for that.
const POCKET: u64 = 1_000_000_000;
/// What goes from person to person.
const AMOUNT: u64 = 1_000;
const CHAINED_AMOUNT: u64 = 10 * POCKET;
/// What a pair holds of each token.
const RESERVE: u128 = 1_000_000_000_000_000_000_000_000;
/// Pairs to trade on where they are drawn.
const PAIRS: u64 = 100;
const HYBRID_TOKENS: u64 = 3;
const HYBRID_PAIRS: u64 = 2;
/// The second of the block.
const TIME: u32 = 1_700_000_000;

/// What a transaction does.
#[derive(Clone, Copy, Debug)]
enum Action {
    Pay {
        from: u64,
        to: u64,
    },
    Token {
        token: u64,
        from: u64,
        to: u64,
    },
    /// Pays in the first token of the pair or in the second.
    Swap {
        pair: u64,
        from: u64,
        side: usize,
    },
}

impl Action {
    /// How much gas it may use.
    const fn gas_limit(self) -> u64 {
        match self {
            Self::Pay { .. } => 21_000,
            Self::Token { .. } => 60_000,
            Self::Swap { .. } => 200_000,
        }
    }

    /// Less gas than it uses.
    const fn least_gas(self) -> u64 {
        match self {
            Self::Pay { .. } => 21_000,
            Self::Token { .. } => 25_000,
            Self::Swap { .. } => 60_000,
        }
    }
}

/// Makes a block, and the state before it: the same for the same settings on every machine.
///
/// Its transactions have no valid signatures, as nobody has keys for its senders.
///
/// # Panics
///
/// If there are fewer than two accounts, or the kind is not one of the workload's, see [`Workload::kinds`].
#[must_use]
pub fn generate(settings: &Settings) -> Case {
    assert!(settings.accounts >= 2, "payments take two accounts");
    assert!(
        settings.workload.kinds().contains(&settings.kind),
        "there are no such blocks"
    );
    let actions = actions(settings);
    let mut world = World::new(settings);
    let mut senders = Vec::with_capacity(actions.len());
    let mut transactions = Vec::with_capacity(actions.len());
    for action in &actions {
        let (sender, transaction) = world.transaction(*action);
        senders.push(sender);
        transactions.push(transaction);
    }
    let mut case = Case {
        file: BlockFile {
            // From Cancun on the protocol calls contracts of its own before the first transaction, but not in block 0.
            spec: ChainSpec::with_fork(CHAIN, "cancun").expect("there is such a fork"),
            block: EvmBlock {
                header: Header {
                    gas_limit: u64::MAX,
                    timestamp: TIME.into(),
                    base_fee_per_gas: Some(0),
                    beneficiary: Address::repeat_byte(0xfe),
                    excess_blob_gas: Some(0),
                    blob_gas_used: Some(0),
                    ..Header::default()
                },
                hash: alloy_primitives::B256::ZERO,
                transactions,
                senders: senders.clone(),
                ommers: Vec::new(),
                withdrawals: Some(Vec::new()),
            },
            state: world.into_state(),
        },
        senders,
    };
    cut(&mut case, settings.gas);
    case
}

const CHAIN: u64 = 1337;

/// Leaves those transactions out that come after so much gas.
fn cut(case: &mut Case, gas: u64) {
    let prepared = case
        .file
        .block
        .prepare_with_senders(&case.file.spec, &case.senders)
        .expect("there are as many senders");
    let result = prepared
        .execute(
            &SerialExecutor::new(),
            &case.file.state,
            &CancelToken::new(),
        )
        .expect("the block is valid");
    let used: Vec<_> = result
        .receipts
        .iter()
        .map(|receipt| receipt.receipt.cumulative_gas_used)
        .collect();
    let count = used.partition_point(|used| *used < gas);
    let count = (count + 1).min(used.len());
    drop(prepared);
    let block = &mut case.file.block;
    block.transactions.truncate(count);
    block.senders.truncate(count);
    case.senders.truncate(count);
    block.header.gas_used = used[..count].last().copied().unwrap_or(0);
    // The last one enters if all the gas is left that it may use.
    block.header.gas_limit = block.header.gas_used + 200_000;
}

/// At least as many as there is gas for.
fn actions(settings: &Settings) -> Vec<Action> {
    let mut numbers = Numbers::new(settings.seed);
    let people = Draw::new(settings.kind, settings.accounts, settings.hot);
    let pairs = Draw::new(settings.kind, PAIRS, settings.hot);
    let (mut actions, mut gas) = (Vec::new(), 0);
    while gas < settings.gas {
        let index = actions.len() as u64;
        let action = match settings.workload {
            Workload::Transfers => pay(&people, index, &mut numbers),
            Workload::Erc20 => {
                let token = if settings.kind == Kind::Independent {
                    index
                } else {
                    0
                };
                pass(token, &people, index, &mut numbers)
            }
            Workload::Swaps => {
                let pair = if settings.kind == Kind::Chained {
                    0
                } else {
                    pairs.one(index, &mut numbers)
                };
                swap(pair, &people, index, &mut numbers)
            }
            Workload::Hybrid => match numbers.below(10) {
                0..6 => pay(&people, index, &mut numbers),
                6..8 => {
                    let token = numbers.below(HYBRID_TOKENS);
                    // The first ones are those of the pairs.
                    pass(2 * HYBRID_PAIRS + token, &people, index, &mut numbers)
                }
                _ => swap(numbers.below(HYBRID_PAIRS), &people, index, &mut numbers),
            },
        };
        gas += action.least_gas();
        actions.push(action);
    }
    actions
}

fn pay(people: &Draw, index: u64, numbers: &mut Numbers) -> Action {
    let [from, to] = people.two(index, numbers);
    Action::Pay { from, to }
}

fn pass(token: u64, people: &Draw, index: u64, numbers: &mut Numbers) -> Action {
    let [from, to] = people.two(index, numbers);
    Action::Token { token, from, to }
}

fn swap(pair: u64, people: &Draw, index: u64, numbers: &mut Numbers) -> Action {
    let from = people.one(index, numbers);
    let side = numbers.below(2) as usize;
    Action::Swap { pair, from, side }
}

/// The tokens that a pair trades.
fn tokens_of(pair: u64) -> [u64; 2] {
    [2 * pair, 2 * pair + 1]
}

/// The state before the block. It has what transactions use, and all the accounts that are drawn from.
struct World {
    state: EvmState,
    contracts: Contracts,
    nonces: HashMap<u64, u64>,
    kind: Kind,
    router: Address,
    tokens: HashMap<u64, Account>,
    pairs: HashMap<u64, Account>,
}

impl World {
    fn new(settings: &Settings) -> Self {
        let contracts = Contracts::deploy();
        let mut state = EvmState::default();
        for template in [&contracts.token, &contracts.pair, &contracts.router] {
            template.insert_code(&mut state);
        }
        let router = address(What::Router, 0);
        state.insert_account(router, contracts.router.account());
        let mut world = Self {
            state,
            contracts,
            nonces: HashMap::default(),
            kind: settings.kind,
            router,
            tokens: HashMap::default(),
            pairs: HashMap::default(),
        };
        if settings.kind.draws() {
            for person in 0..settings.accounts {
                world.person(person);
            }
        }
        world
    }

    /// The transaction of an action, and who sends it.
    fn transaction(&mut self, action: Action) -> (Address, TxEnvelope) {
        let (from, to, value, input) = match action {
            Action::Pay { from, to } => {
                self.person(to);
                let to = address(What::Person, to);
                (from, to, self.amount(), Bytes::new())
            }
            Action::Token { token, from, to } => {
                self.hold(token, from);
                self.hold(token, to);
                let to = address(What::Person, to);
                let arguments = [word(to), self.amount()];
                let input = call("transfer(address,uint256)", arguments);
                (from, address(What::Token, token), U256::ZERO, input)
            }
            Action::Swap { pair, from, side } => {
                let tokens = self.pair(pair);
                // Of what they buy they have none before: the first of it takes a new word of storage.
                self.hold(tokens[side], from);
                self.approve(tokens[side], from);
                let token_in = address(What::Token, tokens[side]);
                let pair = address(What::Pair, pair);
                let arguments = [word(pair), word(token_in), U256::from(AMOUNT), U256::ONE];
                let input = call("swap(address,address,uint256,uint256)", arguments);
                (from, self.router, U256::ZERO, input)
            }
        };
        let sender = self.person(from);
        let nonce = self.nonces.entry(from).or_default();
        let transaction = TxLegacy {
            chain_id: Some(CHAIN),
            nonce: *nonce,
            gas_price: 1,
            gas_limit: action.gas_limit(),
            to: TxKind::Call(to),
            value,
            input,
        };
        *nonce += 1;
        let signed = transaction.into_signed(Signature::test_signature());
        (sender, TxEnvelope::Legacy(signed))
    }

    fn amount(&self) -> U256 {
        U256::from(match self.kind {
            Kind::Chained => CHAINED_AMOUNT,
            _ => AMOUNT,
        })
    }

    /// What a person has to begin with: in a chain only the first one has anything worth giving.
    fn wealth(&self, person: u64) -> U256 {
        U256::from(match (self.kind, person) {
            (Kind::Chained, 1..) => POCKET,
            _ => WEALTH,
        })
    }

    /// Sees that a person has ether.
    fn person(&mut self, person: u64) -> Address {
        let address = address(What::Person, person);
        if self.state.account(address).is_none() {
            let balance = self.wealth(person);
            let account = Account {
                balance,
                ..Account::default()
            };
            self.state.insert_account(address, account);
        }
        address
    }

    fn token(&mut self, token: u64) -> &mut Account {
        let template = &self.contracts.token;
        let tokens = self.tokens.entry(token);
        tokens.or_insert_with(|| template.account())
    }

    /// Sees that a person has some of a token.
    fn hold(&mut self, token: u64, person: u64) {
        let wealth = self.wealth(person);
        let slot = balance_slot(address(What::Person, person));
        self.token(token).storage.entry(slot).or_insert(wealth);
    }

    /// Sees that the router may take a person's token.
    fn approve(&mut self, token: u64, person: u64) {
        let slot = allowance_slot(address(What::Person, person), self.router);
        self.token(token).storage.insert(slot, U256::MAX);
    }

    /// Sees that there is a pair, and says what it trades.
    fn pair(&mut self, pair: u64) -> [u64; 2] {
        let tokens = tokens_of(pair);
        if !self.pairs.contains_key(&pair) {
            let mut account = self.contracts.pair.account();
            let addresses = tokens.map(|token| address(What::Token, token));
            account
                .storage
                .extend(pair::words(addresses, RESERVE, TIME - 12));
            self.pairs.insert(pair, account);
            let slot = balance_slot(address(What::Pair, pair));
            for token in tokens {
                let reserve = U256::from(RESERVE);
                self.token(token).storage.insert(slot, reserve);
            }
        }
        tokens
    }

    fn into_state(mut self) -> EvmState {
        let tokens = self.tokens.into_iter().map(|(n, a)| (What::Token, n, a));
        let pairs = self.pairs.into_iter().map(|(n, a)| (What::Pair, n, a));
        for (what, number, account) in tokens.chain(pairs) {
            self.state.insert_account(address(what, number), account);
        }
        self.state
    }
}
