//! A state that is encoded while events go on is that of the moment at which it was frozen: a snapshot says what its offset says.

use stickiness::engine::partition::{PartitionEngine, State};

use crate::snapshots::beginning;

fn bytes(state: &State) -> Vec<u8> {
    postcard::to_stdvec(state).expect("encodes")
}

fn feed(engine: &mut PartitionEngine, events: &[stickiness::model::event::Event<'_>]) {
    for event in events {
        engine.handle(event, None);
    }
}

#[test]
fn what_was_frozen_stays_while_events_go_on() {
    let (mut engine, events) = beginning();
    for part in events.chunks(events.len() / 7) {
        let (frozen, before) = (engine.frozen(), bytes(engine.state()));
        feed(&mut engine, part);
        assert!(bytes(&frozen) == before, "as it was");
        assert!(bytes(engine.state()) != before, "something happened meanwhile");
    }
}

#[test]
fn a_frozen_state_changes_nothing_of_what_goes_on() {
    let (mut engine, events) = beginning();
    let (mut alone, _) = beginning();
    let mut frozen = Vec::new();
    for part in events.chunks(97) {
        frozen.push(engine.frozen());
        feed(&mut engine, part);
        feed(&mut alone, part);
    }
    assert!(bytes(engine.state()) == bytes(alone.state()), "equal events, equal bytes");
    drop(frozen);
}
