//! The engine of one partition: admits events, moves time, and says what changed.

mod telling;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alerts::ledger::AlertLedger;
use super::apply::mark_of;
use super::calibration::PastJudges;
use super::closing::{LoyalCount, RevenueToDate};
use super::component::Slot;
use super::count::CountRule;
use super::day_close::DayClose;
use super::deletion::Deletions;
use super::effect::{Admission, Effect, Wanted};
use super::habit::Remembered;
use super::ledger::Ledger;
use super::loyalty::LoyaltyLedger;
use super::models::Models;
use super::partial::Partial;
use super::population::{Population, PopulationOnce};
use super::risk::{RiskLedger, model_ids};
use super::rules::RuleBook;
use super::segments::Segments;
use super::settings::EngineSettings;
use super::switching::Ahead;
use crate::model::churn::memory::Memory;
use crate::model::churn::settings::ChurnSettings;
use crate::model::event::{Event, Facts};
use crate::model::insights::survival::Survival;
use crate::model::loyalty::stage::LifeStage;
use crate::model::purchases::LoyaltyRule;
use crate::model::rejection::{Reason, Rejection};
use crate::model::time::{Calendar, Day, EventTime};

/// Days that windows look back from a day.
const WINDOW_DAYS: i32 = 30;

/// Where an engine stands among those of one log, for users who move between partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// This partition.
    pub partition: u32,
    /// How many there are.
    pub partitions: u32,
    /// Whether users can move to another partition; without it a merge across partitions is rejected.
    pub transfers: bool,
}

impl Placement {
    /// The only partition there is.
    pub const ALONE: Self = Self { partition: 0, partitions: 1, transfers: false };
}

/// Everything that a snapshot holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State<P = Population> {
    pub(super) settings: EngineSettings,
    pub(super) placement: Placement,
    pub(super) newest_day: Option<Day>,
    pub(super) newest_time: EventTime,
    pub(super) closed_through: Option<Day>,
    /// Every day up to this one has been told to the aggregator.
    pub(super) told_through: Option<Day>,
    pub(super) population: P,
    pub(super) segments: Segments,
    pub(super) ledgers: Vec<Ledger>,
    pub(super) loyal: LoyalCount,
    pub(super) revenue: RevenueToDate,
    pub(super) risk: RiskLedger,
    pub(super) loyalty: LoyaltyLedger,
    pub(super) alerts: AlertLedger,
    pub(super) deletions: Deletions,
    /// Orders so far that had neither order id nor event id.
    pub(super) nameless_orders: u64,
    pub(super) models: Models,
    pub(super) past_judges: PastJudges,
    /// Days that stages of the life cycle lasted which users have left, by stage.
    pub(super) dwells: [Survival; LifeStage::ALL.len()],
    /// The close of the last closed day, while users are still to be looked at.
    pub(super) close: Option<Box<DayClose>>,
}

impl State {
    /// Where the engine stands among those of its log.
    #[must_use]
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// The IANA name of the zone whose days are counted.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.settings.time_zone
    }
}

/// The engine of one partition. Equal events in equal order make equal states and equal effects; it reads no clock and does no I/O.
#[derive(Debug)]
pub struct PartitionEngine {
    pub(super) state: State,
    pub(super) calendar: Arc<Calendar>,
    pub(super) excluded: Vec<bool>,
    /// How risk is judged: the settings, with the fitted parameters in force.
    pub(super) churn: Arc<ChurnSettings>,
    pub(super) model_ids: [Arc<str>; 2],
    /// Judgements under the settings in force.
    pub(super) judgements: Memory,
    pub(super) effects: Vec<Effect>,
    pub(super) wanted: Wanted,
    pub(super) closed_rows: Vec<Partial>,
    pub(super) progress_told: bool,
    pub(super) closes_in_pieces: bool,
    pub(super) ahead: Ahead,
    pub(super) rules: RuleBook,
}

impl PartitionEngine {
    /// An engine that has seen nothing. `calendar` must be that of the settings' time zone; `salt` goes into the digests of deleted ids.
    #[must_use]
    pub fn new(settings: EngineSettings, placement: Placement, calendar: Arc<Calendar>, salt: [u8; 16]) -> Self {
        let state = State {
            placement,
            newest_day: None,
            newest_time: EventTime::MIN,
            closed_through: None,
            told_through: None,
            population: Population::new(i32::from(settings.return_days)),
            segments: Segments::new(&settings),
            ledgers: Vec::new(),
            loyal: LoyalCount::default(),
            revenue: RevenueToDate::default(),
            risk: RiskLedger::default(),
            loyalty: LoyaltyLedger::default(),
            alerts: AlertLedger::default(),
            deletions: Deletions::new(salt),
            nameless_orders: 0,
            models: Models::default(),
            past_judges: PastJudges::default(),
            dwells: Default::default(),
            close: None,
            settings,
        };
        Self::from_state(state, calendar)
    }

    /// The engine that a state was taken from.
    #[must_use]
    pub fn from_state(mut state: State, calendar: Arc<Calendar>) -> Self {
        state.population.rebuild();
        let excluded = excluded_types(&state.settings);
        let churn = Arc::new(state.models.apply(&state.settings.churn));
        let model_ids = model_ids(&churn);
        if let Some(close) = &mut state.close {
            close.take_up(&churn);
            // They are noted in the close.
            state.population.take_visits(close.day());
        }
        let rules = RuleBook::new(&state.settings, &state.population);
        Self {
            state,
            calendar,
            excluded,
            churn,
            model_ids,
            judgements: Memory::default(),
            effects: Vec::new(),
            wanted: Wanted::default(),
            closed_rows: Vec::new(),
            progress_told: false,
            closes_in_pieces: false,
            ahead: Ahead::default(),
            rules,
        }
    }

    /// What a snapshot holds. Effects and partials that were not taken are not part of it.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What a snapshot holds, as it is now: kept apart from what comes, at the cost of a copy of what changes while it is kept.
    #[must_use]
    pub fn frozen(&self) -> State {
        self.frozen_with(self.state.population.frozen())
    }

    /// The same, to be written once. What is written is given up, and costs no copy any more when it changes.
    #[must_use]
    pub fn frozen_once(&self) -> State<PopulationOnce> {
        self.frozen_with(self.state.population.frozen().written_once())
    }

    fn frozen_with<P>(&self, population: P) -> State<P> {
        let state = &self.state;
        State {
            settings: state.settings.clone(),
            placement: state.placement,
            newest_day: state.newest_day,
            newest_time: state.newest_time,
            closed_through: state.closed_through,
            told_through: state.told_through,
            population,
            segments: state.segments.clone(),
            ledgers: state.ledgers.clone(),
            loyal: state.loyal.clone(),
            revenue: state.revenue.clone(),
            risk: state.risk.clone(),
            loyalty: state.loyalty.clone(),
            alerts: state.alerts.clone(),
            deletions: state.deletions.clone(),
            nameless_orders: state.nameless_orders,
            models: state.models.clone(),
            past_judges: state.past_judges.clone(),
            dwells: state.dwells.clone(),
            close: state.close.clone(),
        }
    }

    /// The settings that it counts by.
    #[must_use]
    pub fn settings(&self) -> &EngineSettings {
        &self.state.settings
    }

    /// Counts by other settings from the next record on. To be done between records, and again at the same place in a replay, unless nothing but what is shown differs.
    /// Some settings belong to the history: if those differ, their keys are returned, and nothing is changed.
    pub fn adopt(&mut self, settings: &EngineSettings) -> Result<(), Vec<&'static str>> {
        let changed = self.state.settings.historical_differences(settings);
        if changed.is_empty() {
            if !self.state.settings.onward_differences(settings).is_empty() {
                // By the settings of then.
                self.finish_close();
            }
            self.excluded = excluded_types(settings);
            let before = std::mem::replace(&mut self.state.settings, settings.clone());
            self.change_rules(&before);
            self.ahead = Ahead::default();
            let churn = self.state.models.apply(&settings.churn);
            if *self.churn != churn {
                self.churn = Arc::new(churn);
                self.judge_everyone_anew();
                self.recount_alerts();
            }
            return Ok(());
        }
        Err(changed)
    }

    /// The newest day of an accepted event.
    #[must_use]
    pub fn newest_day(&self) -> Option<Day> {
        self.state.newest_day
    }

    /// The newest accepted event time.
    #[must_use]
    pub fn newest_time(&self) -> Option<EventTime> {
        self.state.newest_day.map(|_| self.state.newest_time)
    }

    /// Every day up to this one is closed; `None` before the first accepted event or closing.
    #[must_use]
    pub fn closed_through(&self) -> Option<Day> {
        self.state.closed_through
    }

    /// How many ids are known.
    #[must_use]
    pub fn users(&self) -> usize {
        self.state.population.len()
    }

    /// How many users have several ids.
    #[must_use]
    pub fn merged_users(&self) -> usize {
        self.state.population.merged_users()
    }

    /// Events whose breakdown value was counted as `other` for want of room, since the engine was made.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.state.segments.overflows()
    }

    /// Bytes of memory that the users take, estimated from a sample: exact for what every user has, within some percent for what few have.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        let close = self.state.close.as_ref();
        self.state.population.approximate_bytes() + self.ahead.approximate_bytes() + close.map_or(0, |close| close.approximate_bytes())
    }

    /// Fetches what there is of users from memory, who are about to have an event.
    pub fn warm(&self, ids: &[&[u8]]) {
        self.state.population.warm(ids);
    }

    /// Takes in one event. `arrival` is when it came (`None` when that is unknown, which turns the future check off).
    pub fn handle(&mut self, event: &Event<'_>, arrival: Option<EventTime>) -> Admission {
        let mark = mark_of(event, self.calendar.day_of(event.time));
        let known = match self.admit(event, mark, arrival) {
            Ok(known) => known,
            Err(refused) => return refused,
        };
        self.move_time(event.time, mark.day);
        self.close_users_of(event, known);
        self.apply(event, mark, known);
        Admission::Accepted
    }

    /// Takes in an event that another partition passed on because its user lives here now. It moves no time: that partition may be far ahead of
    /// this one, whose own events must not come too late for it.
    pub fn handle_passed_on(&mut self, event: &Event<'_>) -> Admission {
        let mark = mark_of(event, self.calendar.day_of(event.time));
        let known = match self.admit(event, mark, None) {
            Ok(known) => known,
            Err(refused) => return refused,
        };
        self.begin_time(mark.day - i32::from(self.state.settings.late_horizon_days));
        self.close_users_of(event, known);
        self.apply(event, mark, known);
        Admission::Accepted
    }

    /// The checks, in the order of the contract: the slot of the event's user, if it is known, lets the event in.
    fn admit(&mut self, event: &Event<'_>, mark: Remembered, arrival: Option<EventTime>) -> Result<Option<Slot>, Admission> {
        let day = mark.day;
        let settings = &self.state.settings;
        let future = arrival.and_then(|arrival| Rejection::of_future(event.time, arrival, settings.future_tolerance_ms));
        if let Some(rejection) = future {
            return Err(Admission::Rejected(rejection));
        }
        let slot = self.state.population.find(&event.user_id);
        if let Some(to) = slot.and_then(|slot| self.state.population.moved_to(slot)) {
            let user_id = to.to_owned();
            return Err(self.forward(event, day, user_id));
        }
        let horizon = i32::from(settings.late_horizon_days);
        if let Some(newest) = self.state.newest_day.filter(|newest| newest.days_since(day) > horizon) {
            let detail = format!("{day} is more than {horizon} days before {newest}");
            return Err(Admission::Rejected(Rejection::new(Reason::TooLate, detail)));
        }
        if self.state.deletions.blocks(&event.user_id, event.time) {
            return Err(Admission::Deleted);
        }
        if slot.is_some_and(|slot| self.is_duplicate(slot, event, mark)) {
            return Err(Admission::Duplicate);
        }
        self.refuse_merge(event).map_or(Ok(slot), Err)
    }

    /// Without transfers, a merge into another partition cannot be done.
    fn refuse_merge(&self, event: &Event<'_>) -> Option<Admission> {
        let Facts::MergedInto(into) = &event.facts else { return None };
        if self.state.placement.transfers || self.lives_here(into) {
            return None;
        }
        let advice = "the two users are in different partitions: set kafka.repartition = true to merge them";
        Some(Admission::Rejected(Rejection::new(Reason::InvalidValue, advice)))
    }

    /// Whether the id belongs to this partition, by its hash or because its user was moved here.
    pub(super) fn lives_here(&self, id: &str) -> bool {
        self.is_home_of(id) || self.state.population.find(id).is_some()
    }

    /// Whether events of the id come to this partition.
    pub(super) fn is_home_of(&self, id: &str) -> bool {
        let placement = self.state.placement;
        crate::model::partition::partition_of(id.as_bytes(), placement.partitions) == placement.partition
    }

    fn forward(&mut self, event: &Event<'_>, day: Day, user_id: String) -> Admission {
        if matches!(event.kind, crate::model::event::EventType::UserDeleted) {
            self.forget(&event.user_id, event.time, day);
        }
        self.effects.push(Effect::ForwardEvent { user_id });
        Admission::Forwarded
    }

    /// Moves event time to an accepted event, closing the days that this closes before the event counts.
    fn move_time(&mut self, time: EventTime, day: Day) {
        if self.state.newest_day.is_none() && self.state.closed_through.is_none() {
            // Nothing happened on the days that this event closes at once.
            self.state.closed_through = Some(self.last_closed_at(time));
            self.state.told_through = self.state.closed_through;
        }
        let before = self.state.newest_time;
        if time > before {
            self.close_days(self.last_closed_at(time));
            self.state.newest_time = time;
            self.run_rule_timers(time);
        }
        if self.state.newest_day.is_none_or(|newest| newest < day) {
            self.state.newest_day = Some(day);
            self.progress_told = false;
            self.state.deletions.forget_before(day - i32::from(self.state.settings.late_horizon_days));
        }
        self.advance_ledgers();
        self.compact_silent(before, self.state.newest_time);
    }

    /// The last day that is closed at an instant: its end and the grace are over.
    pub(super) fn last_closed_at(&self, time: EventTime) -> Day {
        let grace = self.state.settings.grace_ms.saturating_mul(1_000_000);
        self.calendar.day_of(time.plus_nanos(-grace)) - 1
    }

    /// The day whose end states and profiles describe: the newest accepted or closed one.
    pub(super) fn as_of(&self) -> Day {
        self.state.newest_day.max(self.state.closed_through).unwrap_or(Day::from_number(0))
    }

    /// The first day that can still change: returns reach back to their order, and windows and late merges some days more.
    pub(super) fn first_changeable(&self) -> Option<Day> {
        let settings = &self.state.settings;
        let reach = i32::from(settings.late_horizon_days) + i32::from(settings.return_days.max(settings.late_horizon_days));
        self.state.newest_day.map(|newest| newest - reach)
    }

    /// The first day whose orders, complaints and answers still matter to a day that can change.
    pub(super) fn first_needed(&self) -> Option<Day> {
        self.first_changeable().map(|day| day - WINDOW_DAYS)
    }

    pub(super) fn advance_ledgers(&mut self) {
        let Some(first) = self.first_changeable() else { return };
        self.count_from(first);
    }

    /// Counts the days from `first` on; earlier ones are final, and told.
    pub(super) fn count_from(&mut self, first: Day) {
        if self.state.ledgers.is_empty() {
            self.state.ledgers.push(Ledger::new(first));
            self.grow_ledgers();
        }
        if self.state.ledgers[0].base() < first {
            self.tell_before(first);
            for ledger in &mut self.state.ledgers {
                ledger.advance(first);
            }
        }
    }

    /// The settings that counting depends on.
    pub(super) fn count_rule(&self) -> CountRule {
        CountRule { mau_days: u32::from(self.state.settings.mau_days), return_days: i32::from(self.state.settings.return_days) }
    }

    /// The settings that streaks depend on.
    pub(super) fn loyalty_rule(&self) -> LoyaltyRule {
        LoyaltyRule { loyal_orders: u64::from(self.state.settings.loyal_orders), lapse_days: i32::from(self.state.settings.lapse_days) }
    }

    /// Makes effects only of what is wanted from now on.
    pub fn want(&mut self, wanted: Wanted) {
        self.wanted = wanted;
    }

    /// Takes what is to be done since the last call, in order.
    pub fn drain_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

/// For each event type, whether the settings say that it makes nobody active.
fn excluded_types(settings: &EngineSettings) -> Vec<bool> {
    let types = crate::model::event::EventType::ALL.iter();
    types.map(|(_, name, _)| settings.excluded_types.iter().any(|known| known == name)).collect()
}
