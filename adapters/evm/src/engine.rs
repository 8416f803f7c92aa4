//! revm, put together over a Pleach view, and run.

use revm::{
    bytecode::opcode::{BALANCE, SELFBALANCE, SSTORE},
    context::{
        BlockEnv, CfgEnv, Context, Evm, FrameStack, JournalEntry, JournalInner, LocalContext,
        TxEnv, result::ExecutionResult,
    },
    context_interface::{ContextTr, context::ContextError},
    handler::{
        EthFrame, EthPrecompiles, EvmTr, FrameInitOrResult, FrameResult, FrameTr, Handler,
        ItemOrResult, evm::FrameInitResult, instructions::InstructionProvider,
    },
    interpreter::{
        FrameInput, Instruction, InstructionContext, InstructionResult, instruction_table,
        instructions::{GasTable, InstructionTable, gas_table_spec, host},
        interpreter::EthInterpreter,
        interpreter_action::FrameInit,
    },
    primitives::{constants::CALL_STACK_LIMIT, hardfork::SpecId},
    state::EvmState,
};

use crate::{
    constantinople,
    database::{Loaded, Mode, View, ViewDatabase, ViewError},
    handler::{EvmContext, EvmError, LazyHandler},
    journal::LazyJournal,
    settle::{Adds, Settled, settle},
    transfer::transfer,
};

/// Buffers that a worker keeps from one transaction to the next: the interpreter's frames, stack and memory, and the
/// journal.
#[derive(Debug)]
pub struct Scratch(
    /// They move into revm for the time of a transaction; `None` only then.
    Option<Buffers>,
);

#[derive(Debug)]
struct Buffers {
    // Boxed, so that handing it over moves a pointer.
    journal: Box<JournalInner<JournalEntry>>,
    loaded: Vec<Loaded>,
    adds: Adds,
    frames: FrameStack<EthFrame>,
    local: LocalContext,
}

impl Default for Scratch {
    fn default() -> Self {
        Self(Some(Buffers {
            journal: Box::new(JournalInner::new()),
            loaded: Vec::new(),
            adds: Adds::new(),
            frames: FrameStack::new_prealloc(8),
            local: LocalContext::default(),
        }))
    }
}

/// Clearing a map costs what it can hold. A map that one transaction blew up past this is given back.
const KEPT_ACCOUNTS: usize = 512;

/// What is the same for all transactions of a block.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) block: BlockEnv,
    pub(crate) cfg: CfgEnv,
    pub(crate) gas_table: GasTable,
    pub(crate) mode: Mode,
    /// Whether Constantinople holds without Petersburg.
    pub(crate) constantinople: bool,
}

impl Environment {
    pub(crate) fn new(block: BlockEnv, cfg: CfgEnv) -> Self {
        // Amsterdam looks at balances in more places, which the lazy journal does not know.
        let mode = if cfg.spec.is_enabled_in(SpecId::AMSTERDAM) {
            Mode::Eager
        } else {
            Mode::Lazy
        };
        Self {
            gas_table: gas_table_spec(cfg.spec),
            block,
            cfg,
            mode,
            constantinople: false,
        }
    }
}

/// How revm is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// A transaction that somebody signed and pays for.
    Transaction,
    /// A call by the protocol itself: free, and without a nonce.
    System,
}

/// Executes `tx` and leaves its changes in `view`.
pub(crate) fn run(
    environment: &Environment,
    entry: Entry,
    tx: &TxEnv,
    view: &mut View<'_>,
    scratch: &mut Scratch,
) -> Result<ExecutionResult, EvmError> {
    if let Some(result) = attempt(environment, entry, tx, view, scratch, environment.mode)? {
        return Ok(result);
    }
    // Some balance went past 256 bits, and lazy balances do not say when. Nothing was changed yet.
    let result = attempt(environment, entry, tx, view, scratch, Mode::Eager)?;
    result.ok_or_else(|| EvmError::Custom("a balance overflows".to_owned()))
}

/// Executes `tx` once. `None`, and no changes, if a balance overflowed that was not looked at.
fn attempt(
    environment: &Environment,
    entry: Entry,
    tx: &TxEnv,
    view: &mut View<'_>,
    scratch: &mut Scratch,
    mode: Mode,
) -> Result<Option<ExecutionResult>, EvmError> {
    let mut engine = Engine::new(environment, tx, view, scratch, mode);
    let result = engine.execute(entry, mode);
    engine.put_back(scratch);
    result
}

/// revm's EVM with lazy balances.
pub(crate) struct Engine<'a>(
    pub(crate) Evm<EvmContext<'a>, (), Instructions<'a>, EthPrecompiles, EthFrame>,
);

impl<'a> Engine<'a> {
    const INSTRUCTIONS: InstructionTable<EthInterpreter, EvmContext<'a>> = {
        let mut table = instruction_table();
        table[BALANCE as usize] = Instruction::new(balance);
        table[SELFBALANCE as usize] = Instruction::new(self_balance);
        table
    };

    const CONSTANTINOPLE: InstructionTable<EthInterpreter, EvmContext<'a>> = {
        let mut table = Self::INSTRUCTIONS;
        table[SSTORE as usize] = Instruction::new(constantinople::sstore);
        table
    };

    fn new(
        environment: &'a Environment,
        tx: &'a TxEnv,
        view: &'a mut View<'a>,
        scratch: &mut Scratch,
        mode: Mode,
    ) -> Self {
        let spec = environment.cfg.spec;
        // A panic of an earlier transaction may have kept the buffers.
        let Buffers {
            journal: mut inner,
            loaded,
            adds,
            frames,
            local,
        } = scratch
            .0
            .take()
            .unwrap_or_else(|| Scratch::default().0.expect("it was just made"));
        inner.cfg.spec = spec;
        inner.cfg.eip7708_disabled = environment.cfg.amsterdam_eip7708_disabled;
        let database = ViewDatabase::new(view, mode, spec, loaded);
        let ctx = Context {
            block: &environment.block,
            tx,
            cfg: &environment.cfg,
            journaled_state: LazyJournal::with_buffers(database, inner, adds),
            chain: (),
            local,
            error: Ok(()),
        };
        Self(Evm {
            ctx,
            inspector: (),
            instruction: Instructions {
                table: if environment.constantinople {
                    &Self::CONSTANTINOPLE
                } else {
                    &Self::INSTRUCTIONS
                },
                gas: &environment.gas_table,
            },
            precompiles: EthPrecompiles::new(spec),
            frame_stack: frames,
        })
    }

    fn execute(&mut self, entry: Entry, mode: Mode) -> Result<Option<ExecutionResult>, EvmError> {
        let mut handler = LazyHandler::new();
        if entry == Entry::Transaction
            && mode == Mode::Lazy
            && let Some(result) = transfer(&handler, self)?
        {
            return Ok(Some(result));
        }
        let result = match entry {
            Entry::Transaction => handler.run(self)?,
            Entry::System => handler.run_system_call(self)?,
        };
        let Context {
            block,
            journaled_state,
            ..
        } = &mut self.0.ctx;
        Ok(match settle(journaled_state, block.beneficiary)? {
            Settled::Done => Some(result),
            Settled::Overflowed => None,
        })
    }

    /// Gives the buffers back, emptied.
    fn put_back(self, scratch: &mut Scratch) {
        let Evm {
            ctx,
            mut frame_stack,
            ..
        } = self.0;
        let LazyJournal {
            mut database,
            mut inner,
            mut adds,
            ..
        } = ctx.journaled_state;
        adds.clear();
        frame_stack.clear();
        database.loaded.clear();
        inner.commit_tx();
        if inner.state.capacity() > KEPT_ACCOUNTS {
            inner.state = EvmState::default();
        } else {
            inner.state.clear();
        }
        scratch.0 = Some(Buffers {
            journal: inner,
            loaded: database.loaded,
            adds,
            frames: frame_stack,
            local: ctx.local,
        });
    }
}

impl<'a> EvmTr for Engine<'a> {
    type Context = EvmContext<'a>;
    type Instructions = Instructions<'a>;
    type Precompiles = EthPrecompiles;
    type Frame = EthFrame;

    fn all(
        &self,
    ) -> (
        &Self::Context,
        &Self::Instructions,
        &Self::Precompiles,
        &FrameStack<EthFrame>,
    ) {
        self.0.all()
    }

    fn all_mut(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<EthFrame>,
    ) {
        self.0.all_mut()
    }

    fn frame_init(
        &mut self,
        init: FrameInit,
    ) -> Result<FrameInitResult<'_, EthFrame>, ContextError<ViewError>> {
        // revm compares a creator's balance with the endowment. It finds a placeholder, which is always enough, or,
        // if the answer here is no, the balance.
        if let FrameInput::Create(inputs) = &init.frame_input
            && !inputs.value().is_zero()
            && init.depth <= CALL_STACK_LIMIT as usize
        {
            let journal = self.0.ctx.journal_mut();
            journal
                .can_pay(inputs.caller(), inputs.value())
                .map_err(ContextError::Db)?;
        }
        let frame = self.0.frame_init(init)?;
        // A new frame borrows all of `self`; it is fetched again once that is over.
        let result = match frame {
            ItemOrResult::Item(_) => None,
            ItemOrResult::Result(result) => Some(result),
        };
        if let Some(error) = self.0.ctx.journaled_state.take_error() {
            return Err(ContextError::Db(error));
        }
        Ok(match result {
            Some(result) => ItemOrResult::Result(result),
            None => ItemOrResult::Item(self.0.frame_stack.get()),
        })
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<EthFrame>, ContextError<ViewError>> {
        self.0.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: <EthFrame as FrameTr>::FrameResult,
    ) -> Result<Option<FrameResult>, ContextError<ViewError>> {
        self.0.frame_return_result(result)
    }
}

/// Mainnet's instructions, shared by all transactions.
pub(crate) struct Instructions<'a> {
    table: &'a InstructionTable<EthInterpreter, EvmContext<'a>>,
    gas: &'a GasTable,
}

impl<'a> InstructionProvider for Instructions<'a> {
    type Context = EvmContext<'a>;
    type InterpreterTypes = EthInterpreter;

    fn instruction_table(&self) -> &InstructionTable<EthInterpreter, EvmContext<'a>> {
        self.table
    }

    fn gas_table(&self) -> &GasTable {
        self.gas
    }
}

pub(crate) type Step<'s, 'a> = InstructionContext<'s, EvmContext<'a>, EthInterpreter>;

/// BALANCE: the one way to look at another account's balance.
fn balance(step: Step<'_, '_>) -> Result<(), InstructionResult> {
    showing_balance(step, host::balance)
}

/// SELFBALANCE (EIP-1884).
fn self_balance(step: Step<'_, '_>) -> Result<(), InstructionResult> {
    showing_balance(step, host::selfbalance)
}

/// Lets an instruction see the balance of the account that it loads.
fn showing_balance<'a>(
    step: Step<'_, 'a>,
    instruction: impl FnOnce(Step<'_, 'a>) -> Result<(), InstructionResult>,
) -> Result<(), InstructionResult> {
    let InstructionContext { interpreter, host } = step;
    host.journaled_state.show_next_balance(true);
    let result = instruction(InstructionContext {
        interpreter,
        host: &mut *host,
    });
    host.journaled_state.show_next_balance(false);
    result
}
