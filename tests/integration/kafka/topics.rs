//! Topics are created with the policies of the contract, and never changed.

use std::collections::BTreeMap;

use stickiness::io::kafka::connection::Connection;
use stickiness::io::kafka::topics::{Purpose, TopicError, TopicPlan, Topics, input_warnings};

use super::connection;
use crate::support::broker::Broker;
use crate::support::records::{block_on, create_topic};

fn plan(name: &str, partitions: u32, purpose: Purpose) -> TopicPlan {
    TopicPlan { name: name.to_owned(), partitions, purpose }
}

#[test]
fn missing_topics_are_created_and_others_left_alone() {
    let broker = Broker::shared();
    create_topic(&broker.bootstrap(), "topics-there", 2);
    let topics = Topics::new(&connection(broker)).expect("a client");
    let plans = [
        plan("topics-there", 5, Purpose::Latest),
        plan("topics-input", 3, Purpose::Input),
        plan("topics-latest", 3, Purpose::Latest),
        plan("topics-dead", 1, Purpose::DeadLetters),
    ];
    let mut created = block_on(topics.create_missing(&plans)).expect("created");
    created.sort();
    assert_eq!(created, ["topics-dead", "topics-input", "topics-latest"]);
    assert_eq!(block_on(topics.create_missing(&plans)).expect("nothing to do"), Vec::<String>::new());

    let names = ["topics-there", "topics-input", "topics-latest", "topics-dead", "topics-absent"];
    let states = block_on(topics.describe(&names)).expect("described");
    let counts: Vec<(&str, u32)> = states.iter().map(|state| (state.name.as_str(), state.partitions)).collect();
    assert_eq!(counts, [("topics-there", 2), ("topics-input", 3), ("topics-latest", 3), ("topics-dead", 1)]);
    assert_eq!(states[1].settings["message.timestamp.type"], "LogAppendTime");
    assert_eq!(states[2].settings["cleanup.policy"], "compact");
    assert_eq!(states[3].settings["max.message.bytes"], "2097152");
    assert_eq!(input_warnings(&states[1]), Vec::<String>::new());
    assert!(input_warnings(&states[0])[0].contains("LogAppendTime"));
    assert!(input_warnings(&states[2])[0].contains("compacted"));
}

#[test]
fn brokers_that_do_not_answer_are_named() {
    let nobody = Connection::new("127.0.0.1:1", BTreeMap::new()).expect("allowed");
    let error = Topics::new(&nobody).expect("a client").partition_counts().expect_err("nobody answers");
    assert!(matches!(error, TopicError::Unavailable { .. }));
    assert!(error.to_string().starts_with("127.0.0.1:1 did not answer within 15s"), "{error}");
}
