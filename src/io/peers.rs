//! The other processes of the group: who they are, and what they know.
//!
//! A user lives in one partition, and so in one process. Whoever is asked finds the others in the group ([`Members`]) and asks them, by paths that never
//! ask on: `/v1/peers/user` and `/v1/peers/insights`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use reqwest::{Client, StatusCode};
use tokio::runtime::Handle;
use url::Url;

use super::clock::Stopwatch;
use super::kafka::members::{Member, Members, MembersError};
use crate::config::Secret;
use crate::model::time::Day;
use crate::wire::insights::share::Share;

/// How long what the brokers said of the group is taken to be so.
const GROUP_STAYS: Duration = Duration::from_secs(2);
/// How long a process may take to tell of a user.
const USER: Duration = Duration::from_secs(3);
/// How long it may take to count its insights: less than whoever asked waits.
const INSIGHTS: Duration = Duration::from_secs(7);
/// Bytes of an answer that are read at most.
const LARGEST_ANSWER: usize = 256 << 20;

/// Another process that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it is reached.
    pub address: Url,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// The other members of the group.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Those that can be asked.
    pub peers: Vec<Peer>,
    /// Partitions of members that do not say where they are.
    pub silent: BTreeSet<i32>,
}

/// What a process knows of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAnswer {
    /// The profile as JSON.
    Found(Vec<u8>),
    /// No such user in its partitions.
    Unknown,
    /// It cannot tell yet.
    Busy,
    /// No such user in its partitions, and the one that the id's events come to is none of them.
    Elsewhere,
}

/// Why a process did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the process at {address} does not answer: {reason}")]
pub struct Silence {
    /// Whom.
    pub address: String,
    /// Why.
    pub reason: String,
}

/// Asks the other processes of the group.
pub struct Peers {
    members: Members,
    own: Url,
    client: Client,
    token: Option<Secret>,
    runtime: Handle,
    known: Mutex<Option<(Stopwatch, Arc<Others>)>>,
}

impl Peers {
    /// Peers of the process that is reached at `own`. The token is shown to each. `runtime` runs the requests; methods must not be called from one of its tasks.
    pub fn new(members: Members, own: Url, token: Option<Secret>, runtime: Handle) -> Result<Self, reqwest::Error> {
        // A proxy is for the world outside, and whoever redirects is none of the group.
        let client = Client::builder().connect_timeout(USER).redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { members, own, client, token, runtime, known: Mutex::default() })
    }

    /// The others, as the brokers knew them within the last two seconds.
    pub fn others(&self) -> Result<Arc<Others>, MembersError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, others)) = known.as_ref().filter(|(since, _)| since.elapsed() < GROUP_STAYS) {
            return Ok(Arc::clone(others));
        }
        let others = Arc::new(others(self.members.fetch()?, &self.own));
        *known = Some((Stopwatch::start(), Arc::clone(&others)));
        Ok(others)
    }

    /// What each of `peers` knows of a user, in their order.
    pub fn user(&self, peers: &[Peer], id: &str) -> Vec<Result<PeerAnswer, Silence>> {
        self.ask(peers, "user", &[("id", id)], USER, |status, body| match status {
            StatusCode::OK => Ok(PeerAnswer::Found(body)),
            StatusCode::NOT_FOUND => Ok(PeerAnswer::Unknown),
            StatusCode::SERVICE_UNAVAILABLE => Ok(PeerAnswer::Busy),
            StatusCode::MISDIRECTED_REQUEST => Ok(PeerAnswer::Elsewhere),
            _ => Err(refusal(status, &body)),
        })
    }

    /// What the users of each of `peers` show at the end of `day`, or of a newer day of theirs; in their order.
    pub fn insights(&self, peers: &[Peer], day: Option<Day>) -> Vec<Result<Share, Silence>> {
        let day = day.map(|day| day.to_string());
        let query: Vec<(&str, &str)> = day.iter().map(|day| ("as_of", day.as_str())).collect();
        self.ask(peers, "insights", &query, INSIGHTS, |status, body| match status {
            StatusCode::OK => Share::decode(&body).map_err(|error| error.to_string()),
            _ => Err(refusal(status, &body)),
        })
    }

    /// Asks all at once.
    fn ask<A>(
        &self,
        peers: &[Peer],
        what: &str,
        query: &[(&str, &str)],
        limit: Duration,
        read: impl Fn(StatusCode, Vec<u8>) -> Result<A, String>,
    ) -> Vec<Result<A, Silence>> {
        let answers = join_all(peers.iter().map(async |peer| {
            let asked = tokio::time::timeout(limit, self.get(&peer.address, what, query)).await;
            let answer = asked.unwrap_or_else(|_| Err(format!("nothing came within {} s", limit.as_secs())));
            answer.and_then(|(status, body)| read(status, body)).map_err(|reason| {
                let address = peer.address.origin().ascii_serialization();
                tracing::warn!(peer = address, reason, "another process of the group does not answer");
                Silence { address, reason }
            })
        }));
        self.runtime.block_on(answers)
    }

    async fn get(&self, address: &Url, what: &str, query: &[(&str, &str)]) -> Result<(StatusCode, Vec<u8>), String> {
        let mut url = address.join(&format!("/v1/peers/{what}")).map_err(|error| error.to_string())?;
        url.query_pairs_mut().extend_pairs(query);
        let mut request = self.client.get(url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        let told = |error: reqwest::Error| format!("{:#}", anyhow::Error::from(error.without_url()));
        let mut response = request.send().await.map_err(told)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err("its answer is too long".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), body))
    }
}

/// The members by process, without one's own.
fn others(members: Vec<Member>, own: &Url) -> Others {
    let mut silent = BTreeSet::new();
    let mut peers: BTreeMap<Url, Vec<i32>> = BTreeMap::new();
    for Member { address, partitions } in members {
        match address {
            Some(address) if address == *own => {}
            Some(address) => peers.entry(address).or_default().extend(partitions),
            None => silent.extend(partitions),
        }
    }
    Others { peers: peers.into_iter().map(|(address, partitions)| Peer { address, partitions }).collect(), silent }
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    format!("{status}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_one_process_are_one_peer() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let member = |address: Option<&str>, partitions: &[i32]| Member { address: address.map(url), partitions: partitions.to_vec() };
        let members = vec![
            member(Some("http://a:1"), &[0]),
            member(Some("http://b:1"), &[1]),
            member(None, &[2]),
            member(Some("http://b:1/"), &[3]),
            member(Some("http://c:1"), &[]),
        ];
        let peer = |address, partitions: &[i32]| Peer { address: url(address), partitions: partitions.to_vec() };
        let peers = vec![peer("http://b:1", &[1, 3]), peer("http://c:1", &[])];
        assert_eq!(others(members, &url("http://a:1/")), Others { peers, silent: BTreeSet::from([2]) });
    }
}
