//! Rules without a model, and what can be learned of them from the past.

use crate::model::churn::History;

/// Groups of like scores that are told apart when learning.
const GROUPS: usize = 10;

/// A rule that says who is likelier to lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Who has been silent longer.
    Silence,
    /// Who has fewer repeats.
    Repeats,
    /// Who has been silent for more than so many days.
    Longer(u16),
}

impl Rule {
    /// The higher, the likelier.
    pub(super) fn score(self, history: &History) -> f64 {
        match self {
            Self::Silence => f64::from(history.silent_days),
            Self::Repeats => -f64::from(history.repeats),
            Self::Longer(days) => f64::from(u8::from(history.silent_days > i32::from(days))),
        }
    }
}

/// What came of users with like scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Group {
    /// The highest score in it.
    highest: f64,
    /// The share that lapsed, with half a user on either side so that it is never certain.
    pub(super) lapsed: f64,
    /// Mean days in the horizon.
    pub(super) days: f64,
}

/// Groups by score, ascending; users of equal scores are in the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Learned {
    rule: Rule,
    groups: Vec<Group>,
}

impl Learned {
    pub(super) fn new(rule: Rule, users: impl Iterator<Item = (History, usize)>) -> Self {
        let mut scored: Vec<(f64, usize)> = users.map(|(history, days)| (rule.score(&history), days)).collect();
        scored.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut groups = Vec::new();
        let mut rest = &scored[..];
        while !rest.is_empty() {
            let wanted = scored.len().div_ceil(GROUPS).min(rest.len());
            let highest = rest[wanted - 1].0;
            let (group, later) = rest.split_at(rest.partition_point(|(score, _)| *score <= highest));
            groups.push(Group::new(group, highest));
            rest = later;
        }
        Self { rule, groups }
    }

    /// The group of a user; `None` when nothing was learned.
    pub(super) fn of(&self, history: &History) -> Option<Group> {
        let score = self.rule.score(history);
        let at = self.groups.partition_point(|group| group.highest < score);
        self.groups.get(at).or(self.groups.last()).copied()
    }
}

impl Group {
    #[expect(clippy::cast_precision_loss, reason = "counts of users and days")]
    fn new(users: &[(f64, usize)], highest: f64) -> Self {
        let count = users.len() as f64;
        let lapsed = users.iter().filter(|(_, days)| *days == 0).count() as f64;
        let days = users.iter().map(|(_, days)| *days).sum::<usize>() as f64;
        Self { highest, lapsed: (lapsed + 0.5) / (count + 1.0), days: days / count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(silent_days: i32) -> History {
        History { repeats: 0, recency_days: 0, silent_days }
    }

    #[test]
    fn users_with_like_scores_are_told_alike() {
        // The longer silent half lapsed, and half of all have the same silence.
        let users = (0..20).map(|index| (silent(if index < 10 { 5 } else { 10 + index }), usize::from(index < 10) * 3));
        let learned = Learned::new(Rule::Silence, users);
        assert_eq!(learned.groups.len(), 1 + 5);
        let of = |days| learned.of(&silent(days)).expect("learned");
        assert!((of(5).lapsed - 0.5 / 11.0).abs() < 1e-12 && (of(0).days - 3.0).abs() < 1e-12);
        assert!((of(20).lapsed - 2.5 / 3.0).abs() < 1e-12 && of(1000).days.abs() < 1e-12);
        assert_eq!(Learned::new(Rule::Repeats, std::iter::empty()).of(&silent(3)), None);
    }

    #[test]
    fn scores_rise_with_the_danger() {
        assert!(Rule::Silence.score(&silent(9)) > Rule::Silence.score(&silent(3)));
        assert!(Rule::Longer(8).score(&silent(9)) > Rule::Longer(8).score(&silent(8)));
        let often = History { repeats: 4, recency_days: 9, silent_days: 0 };
        assert!(Rule::Repeats.score(&silent(0)) > Rule::Repeats.score(&often));
    }
}
