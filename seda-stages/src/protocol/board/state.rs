//! What the board counts, and the steps that change it. One thread at a time has it.

use std::{task::Waker, time::Duration};

/// How a stage begins.
#[derive(Clone, Debug)]
pub struct Lane {
    /// How many events its queue takes.
    pub capacity: usize,
    /// How many handlers may run at a time.
    pub limit: usize,
    /// How many events a handler takes at a time.
    pub batch: usize,
    /// Whether the stage has threads of its own.
    pub has_own_crew: bool,
}

/// Which workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crew {
    /// Those of the pool, which serve all stages that have none of their own.
    Shared,
    /// Those of one stage.
    Own(usize),
}

impl Crew {
    pub(super) fn index(self) -> usize {
        match self {
            Self::Shared => 0,
            Self::Own(stage) => stage + 1,
        }
    }

    pub(super) fn from_index(index: usize) -> Self {
        index.checked_sub(1).map_or(Self::Shared, Self::Own)
    }
}

/// Why there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The first queue, or the pipeline, holds as many events as it may.
    Full,
    /// The admission controller allows no more events at a time.
    Overload,
    /// The pipeline accepts nothing any more.
    Closed,
}

/// Events that a worker has taken, and has to finish.
#[derive(Debug)]
#[must_use]
pub struct Claim {
    /// The stage.
    pub stage: usize,
    /// How many.
    pub events: usize,
    /// Room that is reserved behind the stage.
    reserved: usize,
    /// Events with lower numbers are cancelled.
    pub cancelled_before: u64,
    /// How many events stay in the queue.
    pub left: usize,
}

/// How many events have left, and how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Outcomes {
    /// With a result.
    pub completed: u64,
    /// With an error.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Past their deadline.
    pub expired: u64,
}

/// What has become of events since the board was last told.
#[derive(Debug, Default)]
pub struct Flow {
    /// How many can be taken now, and before which stage.
    pub queued: Vec<(usize, usize)>,
    /// How many places in the pipeline are free again.
    pub left: usize,
    /// What became of events.
    pub outcomes: Outcomes,
}

#[derive(Clone, Debug)]
pub(super) struct LaneState {
    capacity: usize,
    pub(super) limit: usize,
    pub(super) batch: usize,
    has_own_crew: bool,
    /// Events that can be taken.
    queued: usize,
    /// Room for events that the stage before has taken.
    reserved: usize,
    running: usize,
}

impl LaneState {
    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.queued + self.reserved)
    }
}

/// Workers who sleep, and how many of them have been called.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Crewmen {
    pub(super) asleep: usize,
    pub(super) called: usize,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) lanes: Vec<LaneState>,
    pub(super) crews: Vec<Crewmen>,
    /// How many events have been accepted: the number of the next.
    pub(super) entered: u64,
    /// How many of them have not left.
    inside: usize,
    /// The most events inside since somebody last asked.
    pub(super) peak: usize,
    /// How many may be inside, and how many the admission controller allows.
    most: usize,
    pub(super) window: usize,
    running: usize,
    pub(super) cancelled_before: u64,
    pub(super) is_closed: bool,
    pub(super) is_told: bool,
    /// Threads that wait for room, and others who want to be called.
    pub(super) waiting: usize,
    pub(super) callers: Vec<(u64, Waker)>,
    pub(super) next_caller: u64,
    /// How often a sleeper looks at stages that are starved, and whether one does.
    pub(super) look: Option<Duration>,
    pub(super) is_watched: bool,
    pub(super) refused: [u64; 3],
    outcomes: Outcomes,
}

impl State {
    pub(super) fn new(lanes: Vec<Lane>, most: usize, look: Option<Duration>) -> Self {
        Self {
            crews: vec![Crewmen::default(); lanes.len() + 1],
            lanes: lanes
                .into_iter()
                .map(|lane| LaneState {
                    capacity: lane.capacity.max(1),
                    limit: lane.limit.max(1),
                    batch: lane.batch.max(1),
                    has_own_crew: lane.has_own_crew,
                    queued: 0,
                    reserved: 0,
                    running: 0,
                })
                .collect(),
            entered: 0,
            inside: 0,
            peak: 0,
            most: most.max(1),
            window: usize::MAX,
            running: 0,
            cancelled_before: 0,
            is_closed: false,
            is_told: false,
            waiting: 0,
            callers: Vec::new(),
            next_caller: 0,
            look,
            is_watched: false,
            refused: [0; 3],
            outcomes: Outcomes::default(),
        }
    }

    pub(super) fn may_enter(&self) -> Result<(), Refusal> {
        if self.is_closed {
            Err(Refusal::Closed)
        } else if self.lanes[0].room() == 0 || self.inside >= self.most {
            Err(Refusal::Full)
        } else if self.inside >= self.window {
            Err(Refusal::Overload)
        } else {
            Ok(())
        }
    }

    pub(super) fn enter(&mut self) {
        self.entered += 1;
        self.inside += 1;
        self.peak = self.peak.max(self.inside);
        self.lanes[0].queued += 1;
    }

    /// Closed, and nothing left. A handler that runs may still have to tell of its events.
    pub(super) fn is_over(&self) -> bool {
        let runs = self.running > 0 && !cfg!(mutant = "over_too_soon");
        self.is_closed && self.inside == 0 && !runs
    }

    fn room_behind(&self, stage: usize) -> usize {
        match self.lanes.get(stage + 1) {
            Some(_) if cfg!(mutant = "no_room_needed") => usize::MAX,
            Some(next) => next.room(),
            None => usize::MAX,
        }
    }

    /// The stage that this crew should serve: the last one that has something to do and may do it.
    pub(super) fn choose(&self, crew: Crew) -> Option<usize> {
        let may_run = |&stage: &usize| {
            let lane = &self.lanes[stage];
            let is_mine = match crew {
                Crew::Shared => !lane.has_own_crew,
                Crew::Own(own) => stage == own,
            };
            is_mine && lane.queued > 0 && lane.running < lane.limit && self.room_behind(stage) > 0
        };
        let mut stages = 0..self.lanes.len();
        if cfg!(mutant = "early_stages_first") {
            return stages.find(may_run);
        }
        stages.rfind(may_run)
    }

    /// Takes a batch for this crew.
    pub(super) fn claim(&mut self, crew: Crew) -> Option<Claim> {
        let stage = self.choose(crew)?;
        let room = self.room_behind(stage);
        let lane = &mut self.lanes[stage];
        // Others who have nothing to do get their share.
        let hands = (lane.limit - lane.running).min(self.crews[crew.index()].asleep + 1);
        let events = lane.queued.div_ceil(hands).min(lane.batch).min(room);
        lane.queued -= events;
        lane.running += usize::from(!cfg!(mutant = "limit_ignored"));
        self.running += 1;
        let left = lane.queued;
        let reserved = match self.lanes.get_mut(stage + 1) {
            Some(next) => {
                next.reserved += events;
                events
            }
            None => 0,
        };
        Some(Claim {
            stage,
            events,
            reserved,
            cancelled_before: self.cancelled_before,
            left,
        })
    }

    pub(super) fn settle(&mut self, claim: &mut Claim, flow: &mut Flow) {
        if let Some(next) = self.lanes.get_mut(claim.stage + 1) {
            next.reserved -= std::mem::take(&mut claim.reserved);
        }
        for (stage, events) in flow.queued.drain(..) {
            self.lanes[stage].queued += events;
        }
        self.inside -= std::mem::take(&mut flow.left);
        let outcomes = std::mem::take(&mut flow.outcomes);
        self.outcomes.completed += outcomes.completed;
        self.outcomes.failed += outcomes.failed;
        self.outcomes.cancelled += outcomes.cancelled;
        self.outcomes.expired += outcomes.expired;
    }

    /// Ends a claim. Whether events have been cancelled since it was made.
    pub(super) fn finish(&mut self, mut claim: Claim, flow: &mut Flow) -> bool {
        self.settle(&mut claim, flow);
        let lane = &mut self.lanes[claim.stage];
        lane.running -= usize::from(!cfg!(mutant = "limit_ignored"));
        self.running -= 1;
        claim.cancelled_before < self.cancelled_before && !cfg!(mutant = "no_second_sweep")
    }

    /// Whether a stage has work that only its controller can help with, and nobody watches it.
    pub(super) fn needs_watch(&self) -> bool {
        let mut lanes = self.lanes.iter();
        !self.is_watched && lanes.any(|lane| lane.queued > 0 && lane.running >= lane.limit)
    }
}

/// The numbers of all stages.
#[derive(Debug)]
pub struct LaneView<'a>(pub(super) &'a State);

impl LaneView<'_> {
    /// Events that wait before a stage and can be taken.
    #[must_use]
    pub fn queued(&self, stage: usize) -> usize {
        self.0.lanes[stage].queued
    }

    /// Handlers of a stage that run.
    #[must_use]
    pub fn running(&self, stage: usize) -> usize {
        self.0.lanes[stage].running
    }

    /// How many handlers of a stage may run, and how many events they take at a time.
    #[must_use]
    pub fn limits(&self, stage: usize) -> (usize, usize) {
        (self.0.lanes[stage].limit, self.0.lanes[stage].batch)
    }

    /// Events that have been accepted.
    #[must_use]
    pub fn entered(&self) -> u64 {
        self.0.entered
    }

    /// Events that have been accepted and have not left.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.0.inside
    }

    /// How many events the admission controller allows inside.
    #[must_use]
    pub fn window(&self) -> usize {
        self.0.window
    }

    /// How many were refused for this reason.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.0.refused[refusal as usize]
    }

    /// What became of those that have left.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        self.0.outcomes
    }
}
