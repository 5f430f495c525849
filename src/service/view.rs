//! What the service shows over HTTP: all metrics, and the users and insights of the group.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::{Common, ServiceError};
use crate::io::clock::Stopwatch;
use crate::io::http::{Changes, Days, UserAnswer, View};
use crate::io::kafka::members::{Members, MembersError};
use crate::io::observations::{Observations, PartitionPhase};
use crate::io::peers::{Peer, PeerAnswer, Peers};
use crate::model::partition::partition_of;
use crate::model::time::Day;
use crate::wire;
use crate::wire::insights::share::Share;

/// How long insights are shown before they are counted again.
const INSIGHTS_STAY: Duration = Duration::from_secs(5);
/// How long it is shown why there are none.
const TROUBLE_STAYS: Duration = Duration::from_secs(2);
/// How often processes are asked again because one of them has come to another day.
const DAYS_TRIED: usize = 3;

/// Insights of the group, as counts and as they are told.
#[derive(Clone)]
struct Told {
    share: Arc<Share>,
    text: Arc<str>,
}

/// See [`View`].
pub(super) struct ServiceView {
    common: Arc<Common>,
    /// The others of the group; `None` when this process does not say where it is: then it asks nobody, either.
    peers: Option<Peers>,
    /// The last that was counted of this process. Locked while it is, so that many who ask are one.
    share: Mutex<Option<(Stopwatch, Share)>>,
    /// The last insights of the group, or why there were none, likewise.
    insights: Mutex<Option<(Stopwatch, Result<Told, String>)>>,
}

impl ServiceView {
    pub(super) fn new(common: &Arc<Common>) -> Result<Self, ServiceError> {
        let advertise = common.settings.http.advertise.clone();
        let peers = advertise.map(|own| peers(common, own)).transpose().map_err(ServiceError::Peers)?;
        Ok(Self { common: Arc::clone(common), peers, share: Mutex::default(), insights: Mutex::default() })
    }

    /// The partition that the events of an id come to.
    fn home(&self, id: &str) -> i32 {
        partition_of(id.as_bytes(), self.common.observations.log_partitions()).cast_signed()
    }

    /// Asks the others about a user whom this process does not know: the one that has the partition of the id, then, as the id may have become one with
    /// another elsewhere, all.
    fn user_of_others(&self, peers: &Peers, id: &str, home: i32) -> UserAnswer {
        let others = match peers.others() {
            Ok(others) => others,
            Err(MembersError::Moving(_)) => return UserAnswer::Busy,
            Err(error) => return UserAnswer::Unreachable(format!("{:#}", anyhow::Error::from(error))),
        };
        let (owners, rest): (Vec<Peer>, Vec<Peer>) = others.peers.iter().cloned().partition(|peer| peer.partitions.contains(&home));
        // An owner that is it no longer has just handed the partition over; of the others, nobody expects to be.
        for (group, elsewhere) in [(owners, UserAnswer::Busy), (rest, UserAnswer::Unknown)] {
            match best(peers.user(&group, id), &elsewhere) {
                UserAnswer::Unknown => {}
                told => return told,
            }
        }
        // Only who asked all partitions can say that nobody knows the user; one that nobody has is on its way from one process to another.
        let observations = &self.common.observations;
        let mut left: BTreeSet<i32> = (0..observations.log_partitions().cast_signed()).collect();
        let own = observations.partitions().into_keys();
        own.chain(others.peers.iter().flat_map(|peer| peer.partitions.iter().copied())).for_each(|asked| _ = left.remove(&asked));
        if left.is_empty() {
            UserAnswer::Unknown
        } else if left.is_subset(&others.silent) {
            UserAnswer::Elsewhere
        } else {
            UserAnswer::Busy
        }
    }

    /// What the users of this process show, as it was counted within the last five seconds for a day that is late enough.
    fn own_share(&self, day: Option<Day>) -> Option<Share> {
        let mut known = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |(since, share): &&(Stopwatch, Share)| since.elapsed() < INSIGHTS_STAY && (share.day.is_none() || share.day >= day);
        if let Some((_, share)) = known.as_ref().filter(is_fresh) {
            return Some(share.clone());
        }
        let (share, is_newest) = self.common.share(day)?;
        // As of a day that nothing here has come to, it is for the one who asks, and not for others who did not name the day.
        if is_newest {
            *known = Some((Stopwatch::start(), share.clone()));
        }
        Some(share)
    }

    /// What the users of all processes that can be asked show, all as of one day.
    fn group_share(&self) -> Result<Share, String> {
        let mut day = None;
        for _ in 0..DAYS_TRIED {
            let own = self.own_share(day).ok_or("partitions are restored, or do not answer now: ask again")?;
            let mut shares = vec![own];
            if let Some(peers) = &self.peers {
                let others = peers.others().map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
                for share in peers.insights(&others.peers, day.max(shares[0].day)) {
                    shares.push(share.map_err(|silence| silence.to_string())?);
                }
            }
            day = shares.iter().map(|share| share.day).max().flatten();
            if shares.iter().all(|share| share.day.is_none() || share.day == day) {
                return together(&shares);
            }
        }
        Err("days go on while they are counted: ask again".to_owned())
    }

    /// Insights of the group that were counted within the last five seconds.
    fn told_insights(&self) -> Result<Told, String> {
        let mut known = self.insights.lock().unwrap_or_else(PoisonError::into_inner);
        let stays = |told: &Result<Told, String>| if told.is_ok() { INSIGHTS_STAY } else { TROUBLE_STAYS };
        if let Some((_, told)) = known.as_ref().filter(|(since, told)| since.elapsed() < stays(told)) {
            return told.clone();
        }
        let told = self.group_insights();
        *known = Some((Stopwatch::start(), told.clone()));
        told
    }

    fn group_insights(&self) -> Result<Told, String> {
        let share = self.group_share()?;
        let day = share.day.ok_or("there are no insights before the first event")?;
        let mut insights = wire::insights::insights(&share.insights, day, self.common.settings.engine.silent_ratio);
        insights["partitions"] = json!({ "counted": share.partitions.len(), "of": self.common.observations.log_partitions() });
        Ok(Told { share: Arc::new(share), text: insights.to_string().into() })
    }
}

fn peers(common: &Common, own: url::Url) -> anyhow::Result<Peers> {
    let settings = &common.settings;
    let members = Members::of(&common.connection, &settings.kafka.group_id, &settings.kafka.counted_topic())?;
    Ok(Peers::new(members, own, settings.http.token.clone(), common.runtime.clone())?)
}

/// What is to be told when several were asked, with what it means that one has the user `elsewhere`: what one knows goes before what another cannot tell.
fn best<E: ToString>(answers: Vec<Result<PeerAnswer, E>>, elsewhere: &UserAnswer) -> UserAnswer {
    let mut best = UserAnswer::Unknown;
    for answer in answers {
        match answer {
            Ok(PeerAnswer::Found(profile)) => return UserAnswer::Found(profile),
            Ok(PeerAnswer::Busy) => best = UserAnswer::Busy,
            Ok(PeerAnswer::Elsewhere) if best == UserAnswer::Unknown => best = elsewhere.clone(),
            Err(silence) if best == UserAnswer::Unknown => best = UserAnswer::Unreachable(silence.to_string()),
            Ok(PeerAnswer::Unknown | PeerAnswer::Elsewhere) | Err(_) => {}
        }
    }
    best
}

/// Shares added up; a partition in two of them is on its way from one process to the other.
fn together(shares: &[Share]) -> Result<Share, String> {
    let mut sum = Share::default();
    for share in shares {
        if share.partitions.iter().any(|partition| sum.partitions.contains(partition)) {
            return Err("partitions are moving between processes: ask again".to_owned());
        }
        sum.absorb(share);
    }
    Ok(sum)
}

impl View for ServiceView {
    fn is_ready(&self) -> bool {
        self.common.observations.is_ready()
    }

    fn metrics(&self, segment: &str, days: Days) -> Vec<Arc<str>> {
        let text = |day: Option<Day>, open: &str| day.map_or_else(|| open.to_owned(), |day| day.to_string());
        let records = self.common.board.metrics(segment, &text(days.from, ""), &text(days.to, "~"));
        records.into_iter().map(|record| record.to_string().into()).collect()
    }

    fn changes(&self, segment: &str, since: u64) -> Changes {
        let (number, records) = self.common.board.changes(segment, since);
        Changes { number, records: records.into_iter().map(|record| record.to_string().into()).collect() }
    }

    fn segments(&self) -> Vec<String> {
        self.common.board.segments()
    }

    fn alerts(&self) -> Vec<Arc<str>> {
        self.common.board.alerts().into_iter().map(|record| record.to_string().into()).collect()
    }

    fn user(&self, id: &str) -> UserAnswer {
        let own = self.own_user(id);
        match (&self.peers, &own) {
            (Some(peers), UserAnswer::Unknown | UserAnswer::Elsewhere) => self.user_of_others(peers, id, self.home(id)),
            _ => own,
        }
    }

    fn own_user(&self, id: &str) -> UserAnswer {
        if let Some(profile) = self.common.profile(id) {
            return UserAnswer::Found(profile);
        }
        match self.common.observations.partitions().get(&self.home(id)).map(|gauges| gauges.phase) {
            None => UserAnswer::Elsewhere,
            Some(PartitionPhase::Restoring) => UserAnswer::Busy,
            Some(PartitionPhase::Live) => UserAnswer::Unknown,
        }
    }

    fn insights(&self) -> Result<String, String> {
        self.told_insights().map(|told| told.text.to_string())
    }

    fn with_ranks(&self, profile: &[u8]) -> Result<String, String> {
        let share = self.told_insights()?.share;
        let day = share.day.ok_or("there are no ranks before the first event")?;
        let mut profile: serde_json::Value = serde_json::from_slice(profile).map_err(|error| error.to_string())?;
        profile["ranks"] = wire::insights::ranks::ranks(&share.insights, day, &profile);
        Ok(profile.to_string())
    }

    fn own_insights(&self, day: Option<Day>) -> Option<Vec<u8>> {
        self.own_share(day)?.encode().ok()
    }

    fn observations(&self) -> &Observations {
        &self.common.observations
    }
}
