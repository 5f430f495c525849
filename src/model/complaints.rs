//! Complaints of a user: opened, resolved, open at the end of a day.

use serde::{Deserialize, Serialize};

use super::seldom::Empty;
use super::time::{Day, EventTime};

/// An instant with its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// Event time.
    pub time: EventTime,
    /// The day of `time`.
    pub day: Day,
}

/// An opening, with the breakdown segments that its event counts in (sorted).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Opening {
    /// When.
    pub at: Moment,
    /// Breakdown segments.
    pub segments: Vec<u32>,
    /// What its event is recognised by across the ids of a user; zero when it cannot be.
    pub event: [u8; 16],
}

/// A resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resolution {
    /// When.
    pub at: Moment,
    /// What its event is recognised by across the ids of a user; zero when it cannot be.
    pub event: [u8; 16],
}

/// One complaint as it counts: from its smallest opening to the end of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complaint<'a> {
    /// Its id; empty when it has none.
    pub id: &'a str,
    /// The opening.
    pub opening: &'a Opening,
    /// Its end, or `None` while it is open.
    pub resolved: Option<Moment>,
}

impl Complaint<'_> {
    /// Whether the complaint counts in a segment; `None` is everything.
    #[must_use]
    pub fn counts_in(&self, segment: Option<u32>) -> bool {
        segment.is_none_or(|segment| self.opening.segments.binary_search(&segment).is_ok())
    }
}

/// The openings and resolutions that carry one complaint id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    id: Box<str>,
    opening: Option<Opening>,
    /// Sorted.
    resolutions: Vec<Moment>,
}

impl Named {
    fn complaint(&self) -> Option<Complaint<'_>> {
        Some(Complaint { id: &self.id, opening: self.opening.as_ref()?, resolved: self.resolved() })
    }

    /// The smallest resolution later than the opening.
    fn resolved(&self) -> Option<Moment> {
        let opening = self.opening.as_ref()?;
        self.resolutions.iter().find(|resolution| resolution.time > opening.at.time).copied()
    }
}

/// Everything about a user's complaints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Complaints {
    named: Vec<Named>,
    /// Openings and resolutions without an id, each sorted: a resolution closes the oldest open one.
    unnamed_openings: Vec<Opening>,
    unnamed_resolutions: Vec<Resolution>,
}

impl Empty for Complaints {
    const EMPTY: &'static Self = &Self { named: Vec::new(), unnamed_openings: Vec::new(), unnamed_resolutions: Vec::new() };
}

impl Complaints {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.unnamed_openings.is_empty() && self.unnamed_resolutions.is_empty()
    }

    /// Looks at what judgements go through. The answer says nothing.
    #[must_use]
    pub fn look(&self) -> usize {
        self.named.last().map_or(0, |named| named.resolutions.len()) + self.unnamed_openings.len()
    }

    /// Takes in an opening; without an id (empty) it stands for itself.
    pub fn open(&mut self, id: &str, opening: Opening) {
        if id.is_empty() {
            let at = self.unnamed_openings.partition_point(|known| *known < opening);
            self.unnamed_openings.insert(at, opening);
            return;
        }
        let named = self.named(id);
        match &mut named.opening {
            Some(known) if *known <= opening => {}
            known => *known = Some(opening),
        }
    }

    /// Takes in a resolution; without an id (empty) it closes the oldest open complaint that has none either.
    pub fn resolve(&mut self, id: &str, resolution: Resolution) {
        if id.is_empty() {
            let position = self.unnamed_resolutions.partition_point(|known| *known < resolution);
            self.unnamed_resolutions.insert(position, resolution);
            return;
        }
        let resolutions = &mut self.named(id).resolutions;
        if let Err(position) = resolutions.binary_search(&resolution.at) {
            resolutions.insert(position, resolution.at);
        }
    }

    fn named(&mut self, id: &str) -> &mut Named {
        let index = self.named.iter().position(|known| *known.id == *id).unwrap_or_else(|| {
            self.named.push(Named { id: id.into(), opening: None, resolutions: Vec::new() });
            self.named.len() - 1
        });
        &mut self.named[index]
    }

    /// Every complaint with its end, if it has one.
    #[must_use]
    pub fn all(&self) -> Vec<Complaint<'_>> {
        self.each().collect()
    }

    fn each(&self) -> impl Iterator<Item = Complaint<'_>> {
        self.named.iter().filter_map(Named::complaint).chain(self.unnamed())
    }

    fn unnamed(&self) -> impl Iterator<Item = Complaint<'_>> {
        // First in, first out: each resolution, in order, takes the oldest opening before it that no earlier one took.
        let mut ends: Vec<Option<Moment>> = vec![None; self.unnamed_openings.len()];
        let mut next = 0;
        for resolution in &self.unnamed_resolutions {
            if self.unnamed_openings.get(next).is_some_and(|opening| opening.at.time < resolution.at.time) {
                ends[next] = Some(resolution.at);
                next += 1;
            }
        }
        self.unnamed_openings.iter().zip(ends).map(|(opening, resolved)| Complaint { id: "", opening, resolved })
    }

    /// Complaints open at the end of `day`.
    #[must_use]
    pub fn open_on(&self, day: Day) -> usize {
        let open = |complaint: &Complaint<'_>| complaint.opening.at.day <= day && complaint.resolved.is_none_or(|end| end.day > day);
        self.each().filter(open).count()
    }

    /// The day on which the complaint was opened that is open longest at the end of `day`, and the first day after it on which what is
    /// known changes that already: a complaint of it is resolved, or another opened.
    #[must_use]
    pub fn oldest_open(&self, day: Day) -> (Option<Day>, Option<Day>) {
        let (mut oldest, mut later): (Option<Day>, Option<Day>) = (None, None);
        if self.is_empty() {
            return (None, None);
        }
        for complaint in self.each() {
            let (opened, end) = (complaint.opening.at.day, complaint.resolved.map(|end| end.day));
            let change = if opened > day { Some(opened) } else { end.filter(|end| *end > day) };
            later = [later, change].into_iter().flatten().min();
            if opened <= day && end.is_none_or(|end| end > day) {
                oldest = Some(oldest.map_or(opened, |known| known.min(opened)));
            }
        }
        (oldest, later)
    }

    /// Forgets what is over and done before `day`: to be called only for days that no accepted event can reach any more.
    pub fn forget_before(&mut self, day: Day) {
        let over = |opening: &Opening, end: Option<Moment>| opening.at.day < day && end.is_some_and(|end| end.day < day);
        self.named.retain(|named| match &named.opening {
            Some(opening) => !over(opening, named.resolved()),
            None => named.resolutions.last().is_some_and(|last| last.day >= day),
        });
        let done = self.unnamed().take_while(|complaint| over(complaint.opening, complaint.resolved)).count();
        self.unnamed_openings.drain(..done);
        self.unnamed_resolutions.retain(|end| end.at.day >= day);
    }

    /// Changes the numbers of breakdown segments.
    pub fn renumber_segments(&mut self, number: impl Fn(u32) -> u32) {
        let named = self.named.iter_mut().filter_map(|named| named.opening.as_mut());
        for opening in named.chain(&mut self.unnamed_openings) {
            opening.segments = opening.segments.iter().map(|segment| number(*segment)).collect();
            opening.segments.sort_unstable();
        }
    }

    /// Joins the complaints of two ids of one user; complaint ids known to both are one complaint.
    pub fn absorb(&mut self, other: &Self) {
        for named in &other.named {
            if let Some(opening) = &named.opening {
                self.open(&named.id, opening.clone());
            }
            for at in &named.resolutions {
                self.resolve(&named.id, Resolution { at: *at, event: [0; 16] });
            }
        }
        for opening in &other.unnamed_openings {
            if opening.event == [0; 16] || self.unnamed_openings.iter().all(|known| known.event != opening.event) {
                self.open("", opening.clone());
            }
        }
        for end in &other.unnamed_resolutions {
            if end.event == [0; 16] || self.unnamed_resolutions.iter().all(|known| known.event != end.event) {
                self.resolve("", *end);
            }
        }
    }

    /// The part after an instant, as that of a user of its own.
    #[must_use]
    pub fn after(&self, time: EventTime) -> Self {
        let mut later = self.clone();
        for named in &mut later.named {
            named.opening = named.opening.take().filter(|opening| opening.at.time > time);
            named.resolutions.retain(|at| at.time > time);
        }
        later.named.retain(|named| named.opening.is_some() || !named.resolutions.is_empty());
        later.unnamed_openings.retain(|opening| opening.at.time > time);
        later.unnamed_resolutions.retain(|end| end.at.time > time);
        later
    }

    /// The part up to an instant; what was open then ends on its day.
    #[must_use]
    pub fn up_to(&self, end: Moment) -> Self {
        let mut earlier = self.clone();
        for named in &mut earlier.named {
            named.opening = named.opening.take().filter(|opening| opening.at.time <= end.time);
            named.resolutions.retain(|at| at.time <= end.time);
            named.resolutions.push(Moment { time: end.time.plus_nanos(1), day: end.day });
        }
        earlier.unnamed_openings.retain(|opening| opening.at.time <= end.time);
        earlier.unnamed_resolutions.retain(|resolution| resolution.at.time <= end.time);
        let closing = Resolution { at: Moment { time: end.time.plus_nanos(1), day: end.day }, event: [0; 16] };
        earlier.unnamed_resolutions.extend(std::iter::repeat_n(closing, earlier.unnamed_openings.len()));
        earlier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Moment {
        Moment { time: EventTime::from_nanos(second), day: Day::from_number(i32::try_from(second / 10).expect("small")) }
    }

    fn ended(second: i64) -> Resolution {
        Resolution { at: at(second), event: [0; 16] }
    }

    fn opening(second: i64) -> Opening {
        Opening { at: at(second), segments: vec![], event: [0; 16] }
    }

    #[test]
    fn a_named_complaint_runs_from_its_smallest_opening_to_its_smallest_later_resolution() {
        let mut complaints = Complaints::default();
        complaints.resolve("a", ended(5));
        complaints.resolve("a", ended(45));
        complaints.open("a", opening(20));
        complaints.open("a", opening(10));
        complaints.resolve("a", ended(35));
        complaints.resolve("a", ended(10));
        let all = complaints.all();
        assert_eq!((all.len(), all[0].opening.at, all[0].resolved), (1, at(10), Some(at(35))));
        assert_eq!([0, 1, 2, 3].map(|day| complaints.open_on(Day::from_number(day))), [0, 1, 1, 0]);
        let days = [0, 1, 2, 3].map(|day| complaints.oldest_open(Day::from_number(day)));
        let (one, three) = (Some(Day::from_number(1)), Some(Day::from_number(3)));
        assert_eq!(days, [(None, one), (one, three), (one, three), (None, None)]);
    }

    #[test]
    fn without_ids_a_resolution_closes_the_oldest_open_one() {
        let mut complaints = Complaints::default();
        for second in [30, 10, 20] {
            complaints.open("", opening(second));
        }
        for second in [25, 5, 12] {
            complaints.resolve("", ended(second));
        }
        let ends: Vec<_> = complaints.all().iter().map(|complaint| complaint.resolved).collect();
        assert_eq!(ends, [Some(at(12)), Some(at(25)), None]);
    }

    #[test]
    fn forgetting_keeps_what_is_open() {
        let mut complaints = Complaints::default();
        complaints.open("done", opening(10));
        complaints.resolve("done", ended(15));
        complaints.open("open", opening(11));
        complaints.open("", opening(12));
        complaints.resolve("", ended(13));
        complaints.open("", opening(14));
        complaints.forget_before(Day::from_number(9));
        let open: Vec<_> = complaints.all().iter().map(|complaint| (complaint.opening.at, complaint.resolved)).collect();
        assert_eq!(open, [(at(11), None), (at(14), None)]);
        complaints.resolve("", ended(95));
        assert_eq!(complaints.all()[1].resolved, Some(at(95)));
    }

    #[test]
    fn a_resolution_waits_for_its_opening_as_long_as_one_may_come() {
        let mut complaints = Complaints::default();
        complaints.resolve("early", ended(95));
        complaints.resolve("too early", ended(85));
        complaints.forget_before(Day::from_number(9));
        complaints.open("early", opening(91));
        let all: Vec<_> = complaints.all().iter().map(|complaint| (complaint.opening.at, complaint.resolved)).collect();
        assert_eq!(all, [(at(91), Some(at(95)))]);
        complaints.forget_before(Day::from_number(10));
        assert!(complaints.is_empty(), "nothing is left of either");
    }
}
