//! Who is in a group, with which partitions, and where the other processes are reached.
//!
//! The group's own protocol has no place for an address, so a member says it behind its client id: `stickiness@http://10.0.0.5:8080`.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use url::Url;

use super::connection::{Connection, Isolation};

/// How long the brokers may take to tell.
const ASK: Duration = Duration::from_secs(2);

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where its process is reached, if it says so.
    pub address: Option<Url>,
    /// Its partitions of the topic.
    pub partitions: Vec<i32>,
}

/// Why it cannot be told who is in a group.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// The brokers do not say.
    #[error("the brokers do not say who is in the group")]
    Kafka(#[from] KafkaError),
    /// Partitions are being shared out.
    #[error("partitions are moving between processes: the group is `{0}`")]
    Moving(String),
    /// A member's assignment is none of a topic's partitions.
    #[error("a member of the group tells its partitions in a way that is not understood")]
    Unreadable,
}

/// Looks at a group without joining it.
pub struct Members {
    consumer: BaseConsumer,
    group_id: String,
    topic: String,
}

impl Members {
    /// A look at the partitions of `topic` in `group_id`. Nothing is asked yet.
    pub fn of(connection: &Connection, group_id: &str, topic: &str) -> Result<Self, MembersError> {
        let consumer = connection.reader(group_id, Isolation::Committed).create()?;
        Ok(Self { consumer, group_id: group_id.to_owned(), topic: topic.to_owned() })
    }

    /// The members as they are now. Blocks for two seconds at most.
    pub fn fetch(&self) -> Result<Vec<Member>, MembersError> {
        let groups = self.consumer.client().fetch_group_list(Some(&self.group_id), ASK)?;
        let Some(group) = groups.groups().iter().find(|group| group.name() == self.group_id) else { return Ok(Vec::new()) };
        if group.state() != "Stable" {
            return Err(MembersError::Moving(group.state().to_owned()));
        }
        let member = |member: &rdkafka::groups::GroupMemberInfo| {
            let partitions = partitions(member.assignment().unwrap_or_default(), &self.topic).ok_or(MembersError::Unreadable)?;
            Ok(Member { address: address(member.client_id()), partitions })
        };
        group.members().iter().map(member).collect()
    }
}

/// A client id that says an address, too.
pub(super) fn client_id(own: &str, address: &str) -> String {
    format!("{own}@{address}")
}

/// The address that a client id says.
fn address(client_id: &str) -> Option<Url> {
    let (_, address) = client_id.rsplit_once('@')?;
    Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The partitions of `topic` in an assignment of the consumer protocol: version (2 bytes), then an array (its length in 4 bytes) of topics, each a text (its
/// length in 2 bytes) and an array of partitions (4 bytes each), then what members tell each other; all big-endian. Empty when nothing is assigned.
///
/// Source: `ConsumerProtocolAssignment.json` of Apache Kafka.
fn partitions(assignment: &[u8], topic: &str) -> Option<Vec<i32>> {
    let mut partitions = Vec::new();
    if assignment.is_empty() {
        return Some(partitions);
    }
    let mut rest = assignment;
    let _version: [u8; 2] = take(&mut rest)?;
    for _ in 0..u32::from_be_bytes(take(&mut rest)?) {
        let length = u16::from_be_bytes(take(&mut rest)?);
        let (name, after) = rest.split_at_checked(usize::from(length))?;
        rest = after;
        for _ in 0..u32::from_be_bytes(take(&mut rest)?) {
            let partition = i32::from_be_bytes(take(&mut rest)?);
            partitions.extend((name == topic.as_bytes()).then_some(partition));
        }
    }
    Some(partitions)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        let bytes = [
            &[0, 3, 0, 0, 0, 2][..],
            &[0, 5],
            b"other",
            &[0, 0, 0, 1, 0, 0, 0, 9],
            &[0, 6],
            b"events",
            &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3],
            &[255, 255, 255, 255],
        ]
        .concat();
        assert_eq!(partitions(&bytes, "events"), Some(vec![1, 3]));
        assert_eq!(partitions(&bytes, "nobody's"), Some(Vec::new()));
        assert_eq!(partitions(&[], "events"), Some(Vec::new()), "a member that has nothing yet");
        for length in 1..bytes.len() - 4 {
            assert_eq!(partitions(&bytes[..length], "events"), None, "cut after {length} bytes");
        }
        assert_eq!(partitions(&[0, 0, 255, 255, 255, 255], "events"), None, "more topics than bytes");
    }

    #[test]
    fn addresses() {
        let url = |text| Url::parse(text).ok();
        assert_eq!(address(&client_id("stickiness", "http://10.0.0.5:8080")), url("http://10.0.0.5:8080"));
        assert_eq!(address(&client_id("a@b", "https://[::1]:8443")), url("https://[::1]:8443"), "whatever the client id is");
        for without in ["stickiness", "", "a@b", "a@file:///etc/passwd", "a@http://"] {
            assert_eq!(address(without), None, "{without}");
        }
    }
}
