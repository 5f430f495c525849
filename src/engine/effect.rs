//! What an engine wants done, and what it says about an event.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::churn::ProcessKind;
use crate::model::churn::level::{RiskLevel, RiskReason};
use crate::model::lifecycle::Lifecycle;
use crate::model::loyalty::stage::LifeStage;
use crate::model::rejection::Rejection;
use crate::model::rules::facts::ActionState;
use crate::model::time::{Day, EventTime};

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It counts.
    Accepted,
    /// A repeat of an accepted event: counted, and changes nothing.
    Duplicate,
    /// Dated at or before the deletion of its user: counted and dropped.
    Deleted,
    /// Belongs to a user who lives in another partition: sent there.
    Forwarded,
    /// Not accepted, for the dead-letter topic.
    Rejected(Rejection),
}

/// Why a user's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An event of the day or later than any before it.
    Event,
    /// An event of a day before the partition's newest.
    LateEvent,
    /// A day closed.
    Clock,
    /// Two ids became one user.
    Merge,
    /// A complaint was open for too long, or no longer is; of churn risk alone.
    Complaint,
    /// The user cancelled or was noted as lost; of churn risk alone.
    Cancelled,
    /// A refitted model took over; of churn risk alone.
    Model,
}

impl Cause {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::LateEvent => "late_event",
            Self::Clock => "clock",
            Self::Merge => "merge",
            Self::Complaint => "complaint",
            Self::Cancelled => "cancelled",
            Self::Model => "model",
        }
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The 30-day lifecycle; `None` before the first active day.
    Lifecycle {
        /// Before.
        from: Option<Lifecycle>,
        /// Now.
        to: Lifecycle,
    },
    /// Whether the streak makes the user loyal.
    Loyal {
        /// Now; before it was the opposite.
        to: bool,
    },
    /// A state of loyalty, decided when a day closed.
    Loyalty {
        /// Which.
        state: LoyaltyState,
        /// Its name before; `None` where there was none.
        from: Option<Cow<'static, str>>,
        /// Its name now.
        to: Option<Cow<'static, str>>,
    },
    /// A user entered or left a segment of a rule.
    Segment {
        /// Its name.
        segment: Box<str>,
        /// Whether the user is in it now; before it was the opposite.
        to: bool,
    },
    /// What a rule wants done for a user.
    Action {
        /// The segment that asks for it.
        segment: Box<str>,
        /// Before; `None` when it is new.
        from: Option<ActionState>,
        /// Now.
        to: ActionState,
        /// Until when it is in time.
        deadline: EventTime,
    },
    /// An order came to stand or fell.
    Purchase {
        /// Which of the three.
        to: Purchase,
        /// Its `order_id`, when it has one.
        order_id: Option<String>,
        /// Orders that stand now.
        orders: u64,
    },
}

/// Which state of loyalty changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoyaltyState {
    /// One of six types.
    Type,
    /// One of five steps.
    Step,
    /// One of four kinds.
    Kind,
    /// The favourite brand.
    Brand,
    /// How likely a complaint is.
    ComplaintRisk,
    /// Where the user stands in the life cycle; decided at each event and each close.
    LifeStage,
}

impl LoyaltyState {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "loyalty_type",
            Self::Step => "loyalty_step",
            Self::Kind => "loyalty_kind",
            Self::Brand => "brand",
            Self::ComplaintRisk => "complaint_risk",
            Self::LifeStage => "life_stage",
        }
    }
}

/// What happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purchase {
    /// The user's only standing order.
    FirstOrder,
    /// One more.
    RepeatOrder,
    /// Taken back whole by returns.
    OrderFell,
}

impl Purchase {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstOrder => "first_order",
            Self::RepeatOrder => "repeat_order",
            Self::OrderFell => "order_fell",
        }
    }
}

/// A change of a user's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Who.
    pub user_id: String,
    /// What.
    pub change: Change,
    /// The event's time; `None` for the clock.
    pub at: Option<EventTime>,
    /// The day whose end the new state describes.
    pub as_of: Day,
    /// Why.
    pub cause: Cause,
}

/// A change of a user's level of churn risk.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskChange {
    /// Who.
    pub user_id: String,
    /// Of which process.
    pub process: ProcessKind,
    /// The level before; `None` when there was none.
    pub from: Option<RiskLevel>,
    /// The level now; `None` when returns took back the last day of the process.
    pub to: Option<RiskLevel>,
    /// The day whose end the new level describes.
    pub as_of: Day,
    /// The probability of no further day within the horizon; `None` without a level.
    pub risk: Option<f64>,
    /// The probability that the habit has not ended; `None` without a level.
    pub p_alive: Option<f64>,
    /// How far the risk looks ahead.
    pub horizon_days: u16,
    /// Days since the last day of the process; `None` without a level.
    pub days_silent: Option<i32>,
    /// Days of the process so far.
    pub days_seen: u32,
    /// Why, the weightiest first.
    pub reasons: Vec<RiskReason>,
    /// The model with its parameters.
    pub model_id: Arc<str>,
    /// What brought the change.
    pub cause: Cause,
}

/// Something to be done outside the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// To be published.
    Transition(Transition),
    /// To be published.
    RiskChanged(Box<RiskChange>),
    /// The user's profile changed.
    ProfileChanged(String),
    /// The user is gone, or goes by another id.
    ProfileRemoved(String),
    /// The event at hand belongs to a user in another partition.
    ForwardEvent {
        /// The id that the user goes by there.
        user_id: String,
    },
    /// A user's state moves to the partition of another id.
    Transfer {
        /// The id whose partition it moves to.
        to: String,
        /// The state, as [`crate::engine::transfer::Transfer`] encoded by `wire`.
        transfer: Box<crate::engine::transfer::Transfer>,
    },
}

/// The states whose being reached is worth an effect: by default all. What nobody publishes need not be made, and nothing else depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    lifecycles: [bool; 5],
    risks: [bool; 5],
    stages: [bool; 8],
}

impl Default for Wanted {
    fn default() -> Self {
        Self { lifecycles: [true; 5], risks: [true; 5], stages: [true; 8] }
    }
}

impl Wanted {
    /// What these conditions accept; of a risk level, `None` is the loss of any.
    pub fn new(lifecycle: impl Fn(Lifecycle) -> bool, risk: impl Fn(Option<RiskLevel>) -> bool) -> Self {
        let mut wanted = Self::default();
        for state in Lifecycle::COUNTED.into_iter().chain([Lifecycle::Absent]) {
            wanted.lifecycles[state as usize] = lifecycle(state);
        }
        for level in RiskLevel::ALL.into_iter().map(Some).chain([None]) {
            wanted.risks[risk_place(level)] = risk(level);
        }
        wanted
    }

    /// The same, with the stages of the life cycle that a condition accepts.
    #[must_use]
    pub fn with_stages(mut self, stage: impl Fn(LifeStage) -> bool) -> Self {
        self.stages = LifeStage::ALL.map(stage);
        self
    }

    pub(super) fn stage(&self, to: LifeStage) -> bool {
        self.stages[to as usize]
    }

    pub(super) fn lifecycle(&self, to: Lifecycle) -> bool {
        self.lifecycles[to as usize]
    }

    pub(super) fn risk(&self, to: Option<RiskLevel>) -> bool {
        self.risks[risk_place(to)]
    }
}

fn risk_place(level: Option<RiskLevel>) -> usize {
    level.map_or(4, |level| level as usize)
}
