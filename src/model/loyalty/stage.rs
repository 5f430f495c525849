//! The life cycle of a user: prospect, new, active, loyal, at risk, lapsed, won back, lost.

use serde::{Deserialize, Serialize};

use super::super::churn::level::RiskLevel;
use super::super::lifecycle::Lifecycle;

/// Where a user stands in the life cycle (source articles A and D).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LifeStage {
    /// Known, and not active yet.
    #[default]
    Prospect,
    /// First active within 30 days.
    New,
    /// Active within 30 days.
    Active,
    /// Active, with a streak of orders that is long enough.
    Loyal,
    /// Active, at a high risk of churn.
    AtRisk,
    /// Silent for 30 days.
    Lapsed,
    /// Back from lapsed or lost.
    WonBack,
    /// Silent for 60 days, cancelled, or noted as lost.
    Lost,
}

/// What decides the stage at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageEvidence {
    /// The 30-day lifecycle; `None` before the first active day.
    pub lifecycle: Option<Lifecycle>,
    /// Whether the streak makes the user loyal.
    pub loyal: bool,
    /// The level of the process that metrics count.
    pub level: Option<RiskLevel>,
    /// Cancelled or noted as lost, and not active since.
    pub departed: bool,
}

impl LifeStage {
    /// Every stage, in the order of the names.
    pub const ALL: [Self; 8] =
        [Self::Prospect, Self::New, Self::Active, Self::Loyal, Self::AtRisk, Self::Lapsed, Self::WonBack, Self::Lost];
    /// The names on the wire.
    pub const NAMES: &'static [&'static str] = &["prospect", "new", "active", "loyal", "at_risk", "lapsed", "won_back", "lost"];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The stage that follows this one. Who was lapsed or lost and comes back is won back first, and stays so while the lifecycle says resurrected.
    #[must_use]
    pub fn next(self, evidence: StageEvidence) -> Self {
        let gone = matches!(self, Self::Lapsed | Self::Lost);
        match evidence.lifecycle {
            None if evidence.departed => Self::Lost,
            None => Self::Prospect,
            Some(Lifecycle::Absent) => Self::Lost,
            Some(_) if evidence.departed => Self::Lost,
            Some(Lifecycle::Dormant) => Self::Lapsed,
            Some(_) if gone => Self::WonBack,
            Some(_) if matches!(evidence.level, Some(RiskLevel::High | RiskLevel::Churned)) => Self::AtRisk,
            Some(Lifecycle::Resurrected) if self == Self::WonBack => Self::WonBack,
            Some(_) if evidence.loyal => Self::Loyal,
            Some(Lifecycle::New) => Self::New,
            Some(Lifecycle::Retained | Lifecycle::Resurrected) => Self::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFECYCLES: [Option<Lifecycle>; 6] = [
        None,
        Some(Lifecycle::New),
        Some(Lifecycle::Retained),
        Some(Lifecycle::Resurrected),
        Some(Lifecycle::Dormant),
        Some(Lifecycle::Absent),
    ];

    #[test]
    fn a_user_goes_through_the_stages() {
        let mut stage = LifeStage::default();
        for (lifecycle, loyal, level, departed, expected) in [
            (0, false, None, false, "prospect"),
            (1, false, Some(RiskLevel::Low), false, "new"),
            (1, true, Some(RiskLevel::Low), false, "loyal"),
            (2, false, Some(RiskLevel::Medium), false, "active"),
            (2, false, Some(RiskLevel::High), false, "at_risk"),
            (4, false, Some(RiskLevel::Churned), false, "lapsed"),
            (3, true, Some(RiskLevel::Low), false, "won_back"),
            (3, true, Some(RiskLevel::Low), false, "won_back"),
            (2, true, Some(RiskLevel::Low), false, "loyal"),
            (2, true, Some(RiskLevel::Churned), true, "lost"),
            (2, true, Some(RiskLevel::Low), false, "won_back"),
            (2, true, Some(RiskLevel::Low), false, "loyal"),
            (4, false, Some(RiskLevel::Churned), false, "lapsed"),
            (5, false, Some(RiskLevel::Churned), false, "lost"),
        ] {
            stage = stage.next(StageEvidence { lifecycle: LIFECYCLES[lifecycle], loyal, level, departed });
            assert_eq!(stage.name(), expected);
        }
    }

    #[test]
    fn nobody_who_is_gone_is_active_again_without_being_won_back() {
        for from in [LifeStage::Lapsed, LifeStage::Lost] {
            for lifecycle in LIFECYCLES {
                for (loyal, level) in [(false, RiskLevel::Low), (true, RiskLevel::High), (true, RiskLevel::Churned)] {
                    for departed in [false, true] {
                        let to = from.next(StageEvidence { lifecycle, loyal, level: Some(level), departed });
                        let legal = [LifeStage::Lapsed, LifeStage::WonBack, LifeStage::Lost, LifeStage::Prospect];
                        assert!(legal.contains(&to), "{from:?} to {to:?}");
                    }
                }
            }
        }
    }
}
