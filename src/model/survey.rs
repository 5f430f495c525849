//! Survey answers: the last recommendation (NPS) and attitude.

use serde::{Deserialize, Serialize};

use super::event::SurveyFacts;
use super::seldom::Empty;
use super::time::{Day, EventTime};

/// Days for which an answer speaks for a user's attitude.
pub const ATTITUDE_DAYS: i32 = 180;

/// What an NPS score makes of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recommendation {
    /// 9 or 10.
    Promoter,
    /// 7 or 8.
    Passive,
    /// 0 to 6.
    Detractor,
}

impl Recommendation {
    /// The class of a score of 0 to 10.
    #[must_use]
    pub const fn of(score: u8) -> Self {
        match score {
            9.. => Self::Promoter,
            7..=8 => Self::Passive,
            _ => Self::Detractor,
        }
    }
}

/// An answer to one item. The later one of two is the one with the larger (time, event id, score).
#[derive(Clone, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Answer {
    /// Event time.
    pub time: EventTime,
    /// Empty when absent.
    pub event_id: Box<str>,
    /// On the item's own scale.
    pub score: f64,
    /// The day of `time`.
    pub day: Day,
}

/// The answers of a user that still matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Surveys {
    /// The last recommendation of each day, by day.
    recommend: Vec<Answer>,
    /// The latest answer to recommend, repurchase intention, trust, satisfaction and responsiveness.
    latest: [Option<Answer>; 5],
    /// The latest answers to the items of [`Detail`]; absent while none was answered.
    details: Option<Box<[Option<Answer>; 11]>>,
}

/// Items that attitude is not made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// 1 to 7
    Effort,
    /// 1 to 5
    Quality,
    /// 1 to 5
    Service,
    /// 1 to 5
    Price,
    /// What the user got.
    Benefit,
    /// What it cost the user.
    Cost,
    /// What the user expected.
    Expectation,
    /// Money that the user says to spend in the category.
    CategorySpend,
    /// 1 to 5
    TimeCost,
    /// 1 to 5
    Attention,
    /// 1 where the user named the brand, 0 where not.
    NamesBrand,
}

/// The items of attitude but `recommend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// `repurchase_intention`
    RepurchaseIntention = 1,
    /// `trust`
    Trust,
    /// `satisfaction`
    Satisfaction,
    /// `responsiveness`
    Responsiveness,
}

impl Empty for Surveys {
    const EMPTY: &'static Self = &Self { recommend: Vec::new(), latest: [const { None }; 5], details: None };
}

impl Surveys {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.latest.iter().all(Option::is_none) && self.details.is_none()
    }

    /// Takes in a response. Of one about a competitor, only what the user spends in the category says something of the user.
    pub fn answer(&mut self, time: EventTime, day: Day, event_id: &str, facts: &SurveyFacts<'_>) {
        let recommend = facts.recommend.map(f64::from);
        let scores = [recommend, facts.repurchase_intention, facts.trust, facts.satisfaction, facts.responsiveness];
        let is_own = facts.is_own();
        for (item, score) in scores.into_iter().enumerate() {
            let Some(score) = score.filter(|_| is_own) else { continue };
            let answer = Answer { time, event_id: event_id.into(), score, day };
            if item == 0 {
                self.recommended(answer.clone());
            }
            if self.latest[item].as_ref().is_none_or(|known| *known < answer) {
                self.latest[item] = Some(answer);
            }
        }
        let Some(more) = facts.details.as_deref() else { return };
        let weighed = [more.benefit, more.cost, more.expectation];
        let named = more.names_brand.map(|named| if named { 1.0 } else { 0.0 });
        let scores = [more.effort, more.quality, more.service, more.price].into_iter().chain(weighed);
        for (item, score) in scores.chain([more.category_spend, more.time_cost, more.attention, named]).enumerate() {
            let Some(score) = score.filter(|_| is_own || item == Detail::CategorySpend as usize) else { continue };
            self.detailed(item, Answer { time, event_id: event_id.into(), score, day });
        }
    }

    fn detailed(&mut self, item: usize, answer: Answer) {
        let latest = &mut self.details.get_or_insert_with(Box::default)[item];
        if latest.as_ref().is_none_or(|known| *known < answer) {
            *latest = Some(answer);
        }
    }

    /// The latest answer to an item of attitude, on its own scale, while it speaks for the user: for 180 days.
    #[must_use]
    pub fn item(&self, item: Item, day: Day) -> Option<f64> {
        recent(self.latest[item as usize].as_ref(), day)
    }

    /// The latest answer to another item, while it speaks for the user.
    #[must_use]
    pub fn detail(&self, item: Detail, day: Day) -> Option<f64> {
        recent(self.details.as_ref().and_then(|details| details[item as usize].as_ref()), day)
    }

    fn recommended(&mut self, answer: Answer) {
        let at = self.recommend.partition_point(|known| known.day < answer.day);
        match self.recommend.get_mut(at) {
            Some(known) if known.day == answer.day => {
                if *known < answer {
                    *known = answer;
                }
            }
            _ => self.recommend.insert(at, answer),
        }
    }

    /// The stretches of days on which a last recommendation within 30 days stands: class, first and last day.
    pub fn recommendation_days(&self) -> impl Iterator<Item = (Recommendation, Day, Day)> + '_ {
        self.recommend.iter().enumerate().map(|(index, answer)| {
            let end = answer.day + 29;
            let end = self.recommend.get(index + 1).map_or(end, |next| end.min(next.day - 1));
            (Recommendation::of(whole_score(answer.score)), answer.day, end)
        })
    }

    /// The last recommendation, 0 to 10.
    #[must_use]
    pub fn last_recommendation(&self) -> Option<u8> {
        self.latest[0].as_ref().map(|answer| whole_score(answer.score))
    }

    /// Attitude from 0 to 1 as of `day`: the mean of the latest answers within 180 days, each rescaled to 0..1 (`recommend` / 10, others (x - 1) / 4); `None` without any.
    #[must_use]
    pub fn attitude(&self, day: Day) -> Option<f64> {
        let recent = |answer: &&Answer| day.days_since(answer.day) < ATTITUDE_DAYS;
        let mut sum = 0.0;
        let mut count = 0.0;
        for (item, answer) in self.latest.iter().enumerate() {
            let Some(answer) = answer.as_ref().filter(recent) else { continue };
            sum += if item == 0 { answer.score / 10.0 } else { (answer.score - 1.0) / 4.0 };
            count += 1.0;
        }
        (count > 0.0).then(|| sum / count)
    }

    /// The last recommendation, 0 to 10, while it speaks for the user.
    #[must_use]
    pub fn recent_recommendation(&self, day: Day) -> Option<u8> {
        recent(self.latest[0].as_ref(), day).map(whole_score)
    }

    /// Whether there is an answer of after `day`.
    #[must_use]
    pub fn is_answered_after(&self, day: Day) -> bool {
        let details = self.details.iter().flat_map(|details| details.iter().flatten());
        self.recommend.iter().chain(self.latest.iter().flatten()).chain(details).any(|answer| answer.day > day)
    }

    /// The first day after `day` on which an answer to an item of attitude no longer speaks for the user.
    #[must_use]
    pub fn next_expiry(&self, day: Day) -> Option<Day> {
        self.latest.iter().flatten().map(|answer| answer.day + ATTITUDE_DAYS).filter(|over| *over > day).min()
    }

    /// The answers that a condition on their time keeps.
    #[must_use]
    pub fn kept(&self, keep: impl Fn(EventTime) -> bool) -> Self {
        let recommend = self.recommend.iter().filter(|answer| keep(answer.time)).cloned().collect();
        let kept = |answer: Option<Answer>| answer.filter(|answer| keep(answer.time));
        let details = self.details.as_ref().map(|details| Box::new((**details).clone().map(kept)));
        let details = details.filter(|details| details.iter().any(Option::is_some));
        Self { recommend, latest: self.latest.clone().map(kept), details }
    }

    /// Forgets daily recommendations of before `day`; the latest answers stay.
    pub fn forget_before(&mut self, day: Day) {
        self.recommend.retain(|answer| answer.day >= day);
    }

    /// Joins the answers of two ids of one user.
    pub fn absorb(&mut self, other: &Self) {
        for answer in &other.recommend {
            self.recommended(answer.clone());
        }
        for (known, theirs) in self.latest.iter_mut().zip(&other.latest) {
            if *theirs > *known {
                known.clone_from(theirs);
            }
        }
        for (item, theirs) in other.details.iter().flat_map(|details| details.iter().enumerate()) {
            if let Some(answer) = theirs {
                self.detailed(item, answer.clone());
            }
        }
    }
}

/// The score of an answer that is at most 180 days old.
fn recent(answer: Option<&Answer>, day: Day) -> Option<f64> {
    answer.filter(|answer| day.days_since(answer.day) < ATTITUDE_DAYS).map(|answer| answer.score)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "scores of 0 to 10 are whole")]
fn whole_score(score: f64) -> u8 {
    score as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::SurveyDetails;

    fn answered(answers: &[(i64, i32, u8)]) -> Surveys {
        let mut surveys = Surveys::default();
        for (time, day, score) in answers {
            let facts = SurveyFacts { recommend: Some(*score), ..SurveyFacts::default() };
            surveys.answer(EventTime::from_nanos(*time), Day::from_number(*day), "", &facts);
        }
        surveys
    }

    #[test]
    fn the_last_answer_of_the_last_thirty_days_counts() {
        let surveys = answered(&[(30, 3, 10), (10, 1, 5), (11, 1, 7), (31, 3, 9)]);
        let days: Vec<_> = surveys.recommendation_days().map(|(class, from, to)| (class, from.number(), to.number())).collect();
        assert_eq!(days, [(Recommendation::Passive, 1, 2), (Recommendation::Promoter, 3, 32)]);
        assert_eq!(surveys.last_recommendation(), Some(9));
    }

    #[test]
    fn answers_about_a_competitor_are_not_answers_about_the_business() {
        let mut surveys = answered(&[(1, 0, 10)]);
        let details = SurveyDetails {
            competitor: "rival".into(),
            about_competitor: true,
            effort: Some(7.0),
            category_spend: Some(80.0),
            ..SurveyDetails::default()
        };
        let facts = SurveyFacts { recommend: Some(0), trust: Some(1.0), details: Some(Box::new(details)), ..SurveyFacts::default() };
        surveys.answer(EventTime::from_nanos(2), Day::from_number(1), "", &facts);
        let day = Day::from_number(1);
        assert_eq!(
            (surveys.last_recommendation(), surveys.attitude(day), surveys.detail(Detail::Effort, day)),
            (Some(10), Some(1.0), None)
        );
        assert_eq!(surveys.detail(Detail::CategorySpend, day), Some(80.0), "what the user spends is the user's");
    }

    #[test]
    fn attitude_is_the_mean_of_what_was_answered() {
        let mut surveys = answered(&[(1, 0, 10)]);
        assert_eq!(surveys.attitude(Day::from_number(0)), Some(1.0));
        let facts = SurveyFacts { trust: Some(3.0), ..SurveyFacts::default() };
        surveys.answer(EventTime::from_nanos(2), Day::from_number(100), "", &facts);
        assert_eq!(surveys.attitude(Day::from_number(100)), Some(0.75));
        assert_eq!(surveys.attitude(Day::from_number(180)), Some(0.5), "the first answer is 180 days old");
        assert_eq!(surveys.attitude(Day::from_number(280)), None);
    }

    #[test]
    fn the_latest_answer_to_an_item_speaks_for_180_days() {
        let mut surveys = Surveys::default();
        let scored = |score: f64| SurveyFacts {
            trust: Some(score),
            details: Some(Box::new(SurveyDetails { effort: Some(score + 1.0), names_brand: Some(false), ..SurveyDetails::default() })),
            ..SurveyFacts::default()
        };
        for (time, day, score) in [(20, 2, 4.0), (10, 1, 5.0)] {
            surveys.answer(EventTime::from_nanos(time), Day::from_number(day), "", &scored(score));
        }
        let said = |day: i32| {
            let day = Day::from_number(day);
            (surveys.item(Item::Trust, day), surveys.item(Item::Satisfaction, day), surveys.detail(Detail::Effort, day))
        };
        assert_eq!(said(2), (Some(4.0), None, Some(5.0)), "whichever came last");
        assert_eq!(said(181), (Some(4.0), None, Some(5.0)));
        assert_eq!(said(182), (None, None, None));
        assert_eq!(surveys.detail(Detail::NamesBrand, Day::from_number(2)), Some(0.0));
    }
}
