//! Topics that are deleted, or grow, while the service runs.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;

use crate::support::broker::Broker;
use crate::support::feed::{Feed, MORE, PATIENCE, wait_until_counted};
use crate::support::process::Group;
use crate::support::records::{block_on, delete_topic};

/// Settings under which a change of a topic is noticed soon.
fn more() -> String {
    format!("{MORE}\nkafka.properties.\"topic.metadata.refresh.interval.ms\" = \"1000\"")
}

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a client")
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)))
}

#[test]
fn partitions_added_are_told_and_not_split_silently() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-grows", 2, true, 41);
    let group = Group::new(&bootstrap, "trouble-grows", &["trouble-grows"], &more());
    let mut process = group.start();
    feed.feed(500);
    wait_until_counted(&mut process, &bootstrap, &group, &["trouble-grows"]);
    let grown = block_on(admin(&bootstrap).create_partitions(&[NewPartitions::new("trouble-grows", 3)], &options())).expect("an answer");
    assert!(grown.iter().all(Result::is_ok), "{grown:?}");
    assert_eq!(process.wait(PATIENCE).code(), Some(1), "{}", process.log());
    let told = "had 2 partitions when its users were counted and has 3";
    assert!(process.log().contains(told) && process.log().contains("--new-lineage"), "{}", process.log());
    let mut again = group.start();
    assert_eq!(again.wait(PATIENCE).code(), Some(1), "{}", again.log());
    assert!(again.log().contains(told), "{}", again.log());
}

#[test]
fn an_input_deleted_under_the_service_ends_it_with_its_name() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-deleted", 2, true, 42);
    let group = Group::new(&bootstrap, "trouble-deleted", &["trouble-deleted"], &more());
    let mut process = group.start();
    feed.feed(500);
    wait_until_counted(&mut process, &bootstrap, &group, &["trouble-deleted"]);
    delete_topic(&bootstrap, "trouble-deleted");
    assert_eq!(process.wait(PATIENCE).code(), Some(1), "{}", process.log());
    assert!(process.log().contains("topic `trouble-deleted` does not exist"), "{}", process.log());
}

#[test]
fn an_output_deleted_under_the_service_ends_it_with_its_name() {
    let bootstrap = Broker::shared().bootstrap();
    let mut feed = Feed::new(&bootstrap, "trouble-output", 2, true, 43);
    let group = Group::new(&bootstrap, "trouble-output", &["trouble-output"], &more());
    let mut process = group.start();
    feed.feed(500);
    wait_until_counted(&mut process, &bootstrap, &group, &["trouble-output"]);
    delete_topic(&bootstrap, "trouble-output-transitions");
    feed.feed(2_000);
    assert_eq!(process.wait(Duration::from_secs(120)).code(), Some(1), "{}", process.log());
    assert!(process.log().contains("topic `trouble-output-transitions` does not exist"), "{}", process.log());
}
