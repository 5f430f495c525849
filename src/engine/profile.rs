//! A user's profile as of a day.

use std::sync::Arc;

use super::component::Slot;
use super::habit::Habit;
use super::loyalty::{Decided, Known, LoyaltyProfile, ProfileStates};
use super::partition::PartitionEngine;
use super::risk::judge;
use crate::model::churn::ProcessKind;
use crate::model::churn::level::{Judgement, RiskLevel};
use crate::model::churn::settings::ChurnSettings;
use crate::model::lifecycle::Lifecycle;
use crate::model::purchases::PurchaseTotals;
use crate::model::spend::Spend;
use crate::model::time::Day;

/// What is known about a user at the end of a day. Money in units of the currency, shares from 0 to 1; `None` where nothing is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The id that the user goes by.
    pub user_id: String,
    /// First and last active day, up to the day of the profile.
    pub first_active_day: Option<Day>,
    /// See `first_active_day`.
    pub last_active_day: Option<Day>,
    /// Active days ever.
    pub active_days: u32,
    /// Active days in the last 7 days.
    pub active_days_7d: u32,
    /// Active days in the last 30 days.
    pub active_days_30d: u32,
    /// Active days in the last 28 days (L28).
    pub active_days_28d: u32,
    /// The 30-day lifecycle.
    pub lifecycle_30d: Lifecycle,
    /// Orders, money and shares.
    pub purchases: PurchaseTotals,
    /// Orders since the last break.
    pub streak: u64,
    /// Whether the streak is long enough.
    pub loyal: bool,
    /// Converted referrals.
    pub referrals: u64,
    /// Attitude from surveys.
    pub attitude: Option<f64>,
    /// Behaviour from activity and streak.
    pub behaviour: f64,
    /// Complaints open at the end of the day.
    pub open_complaints: u64,
    /// The last recommendation, 0 to 10.
    pub recommend: Option<u8>,
    /// The measures of loyalty.
    pub loyalty: LoyaltyProfile,
    /// The states of loyalty, and what they are decided by.
    pub states: ProfileStates,
    /// The segments of rules that the user is in, in the order of the settings.
    pub segments: Vec<String>,
    /// What the models expect.
    pub outlook: ProfileOutlook,
    /// The day.
    pub as_of: Day,
}

/// What the churn and spend models expect of a user; `None` without a day of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProfileOutlook {
    /// Probability of no further active day within the horizon.
    pub risk_activity: Option<f64>,
    /// Probability of no further order day within the horizon.
    pub risk_purchase: Option<f64>,
    /// Probability that the habit of activity has not ended.
    pub p_alive_activity: Option<f64>,
    /// Probability that the habit of buying has not ended.
    pub p_alive_purchase: Option<f64>,
    /// The level of the process that metrics count.
    pub risk_level: Option<RiskLevel>,
    /// Order days expected in the next 30 days.
    pub expected_orders_30d: Option<f64>,
    /// Order days expected in the next 365 days.
    pub expected_orders_365d: Option<f64>,
    /// Value expected of the next twelve months, in units of the currency.
    pub clv_365d: Option<f64>,
}

/// What a user's profile depends on besides the user's own events.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileMoment {
    day: Day,
    churn: Arc<ChurnSettings>,
    decided: Decided,
}

impl PartitionEngine {
    /// The profile of a user under any of its ids, as of the partition's newest accepted day. `None` when the id is not known here.
    #[must_use]
    pub fn profile(&self, user_id: &str) -> Option<Profile> {
        self.profile_on(user_id, self.state.newest_day.unwrap_or(self.as_of()))
    }

    /// The profile as of the end of `day`, which must not be before the newest accepted day.
    #[must_use]
    pub fn profile_on(&self, user_id: &str, day: Day) -> Option<Profile> {
        let root = self.resident(user_id)?;
        Some(self.profile_of(&self.churn, self.decided_of(root), root, day))
    }

    /// What the profile of a user depends on besides the user's own events, as it is now.
    #[must_use]
    pub fn profile_moment(&self, user_id: &str) -> Option<ProfileMoment> {
        let decided = self.decided_of(self.resident(user_id)?);
        Some(ProfileMoment { day: self.state.newest_day.unwrap_or(self.as_of()), churn: Arc::clone(&self.churn), decided })
    }

    /// The profile as it was at a moment after which the user had no events: days may have closed since, and other models taken over.
    #[must_use]
    pub fn profile_at(&self, user_id: &str, moment: ProfileMoment) -> Option<Profile> {
        let root = self.resident(user_id)?;
        Some(self.profile_of(&moment.churn, moment.decided, root, moment.day))
    }

    /// The slot that the user of an id is kept under, who lives here.
    fn resident(&self, user_id: &str) -> Option<Slot> {
        let population = &self.state.population;
        population.find(user_id).filter(|slot| population.moved_to(*slot).is_none()).map(|slot| population.root(slot))
    }

    /// The profiles of all users, as of the end of `day`, in no particular order.
    pub fn profiles_on(&self, day: Day) -> impl Iterator<Item = Profile> + '_ {
        self.state.population.roots().map(move |root| self.profile_of(&self.churn, self.decided_of(root), root, day))
    }

    /// The id by which to look for a user who moved to another partition.
    #[must_use]
    pub fn moved_to(&self, user_id: &str) -> Option<&str> {
        self.state.population.find(user_id).and_then(|slot| self.state.population.moved_to(slot))
    }

    pub(super) fn profile_of(&self, churn: &ChurnSettings, mut decided: Decided, root: Slot, day: Day) -> Profile {
        let whole = self.state.population.whole(root);
        let (activity, rare) = (&whole.activity, whole.rare.as_deref());
        let (rule, return_days) = (self.loyalty_rule(), self.count_rule().return_days);
        let streak = rare.map_or(0, |rare| rule.streak(&rare.purchases, day));
        let active_days_30d = activity.days_in(day, 30);
        #[expect(clippy::cast_precision_loss, reason = "streaks are far below 2^53")]
        let steadiness = (streak as f64 / (2.0 * rule.loyal_orders as f64)).min(1.0);
        let totals = rare.map_or_else(PurchaseTotals::default, |rare| rare.purchases.totals(return_days));
        Profile {
            user_id: self.state.population.id(root).to_owned(),
            first_active_day: activity.first(),
            last_active_day: activity.days.newest(),
            active_days: activity.count,
            active_days_7d: activity.days_in(day, 7),
            active_days_28d: activity.days_in(day, 28),
            active_days_30d,
            lifecycle_30d: activity.lifecycle(day).0,
            loyalty: LoyaltyProfile {
                holiday_due_day: self.state.settings.holidays.iter().map(|holiday| holiday.next_from(day)).min(),
                ..self.loyalty_profile(&whole, &totals, streak, day)
            },
            segments: std::mem::take(&mut decided.segments),
            states: self.profile_states(decided, &whole, day),
            outlook: self.outlook(churn, &whole, &totals, day),
            purchases: totals,
            streak,
            loyal: streak >= rule.loyal_orders,
            referrals: rare.map_or(0, |rare| rare.referrals.count()),
            attitude: rare.and_then(|rare| rare.surveys.attitude(day)),
            behaviour: (f64::from(active_days_30d) / 30.0).max(steadiness),
            open_complaints: rare.map_or(0, |rare| rare.complaints.open_on(day) as u64),
            recommend: rare.and_then(|rare| rare.surveys.last_recommendation()),
            as_of: day,
        }
    }

    fn loyalty_profile(&self, whole: &Habit, totals: &PurchaseTotals, streak: u64, day: Day) -> LoyaltyProfile {
        let Some(rare) = whole.rare.as_deref() else { return LoyaltyProfile::of_activity(&whole.activity, day) };
        LoyaltyProfile::of(&Known {
            activity: &whole.activity,
            rare,
            totals,
            return_days: self.count_rule().return_days,
            streak,
            loyal_orders: self.loyalty_rule().loyal_orders,
            settings: &self.state.settings.loyalty,
            calendar: &self.calendar,
            day,
        })
    }

    fn outlook(&self, churn: &ChurnSettings, whole: &Habit, totals: &PurchaseTotals, day: Day) -> ProfileOutlook {
        let clv = &self.state.settings.clv;
        let [activity, purchase] = [ProcessKind::Activity, ProcessKind::Purchase].map(|kind| judge(churn, kind, whole, day));
        let counted = if churn.process == ProcessKind::Activity { &activity } else { &purchase };
        let buying = &churn.purchase.process;
        let expected = |days_ahead| purchase.as_ref().map(|judged| buying.expected_days(&judged.history, days_ahead));
        let value = |judged: &Judgement| {
            let repeats = judged.history.repeats;
            let repeat_money = (totals.revenue - totals.first_day_revenue).as_f64();
            let spend = Spend { repeats, mean: if repeats == 0 { 0.0 } else { repeat_money / f64::from(repeats) } };
            clv.valuation.lifetime_value(buying, &judged.history, &clv.spend, &spend)
        };
        ProfileOutlook {
            risk_activity: activity.as_ref().map(|judged| judged.risk),
            risk_purchase: purchase.as_ref().map(|judged| judged.risk),
            p_alive_activity: activity.as_ref().map(|judged| judged.p_alive),
            p_alive_purchase: purchase.as_ref().map(|judged| judged.p_alive),
            risk_level: counted.as_ref().map(|judged| judged.level),
            expected_orders_30d: expected(30.0),
            expected_orders_365d: expected(365.0),
            clv_365d: purchase.as_ref().map(value),
        }
    }
}
