//! What nobody wants published is not made, and that is all that changes.

use stickiness::engine::effect::{Change, Effect, LoyaltyState, Wanted};
use stickiness::model::churn::level::RiskLevel;
use stickiness::model::lifecycle::Lifecycle;

use crate::snapshots::beginning;

fn is_wanted(effect: &Effect) -> bool {
    match effect {
        Effect::RiskChanged(change) => change.to == Some(RiskLevel::High),
        Effect::Transition(transition) => match &transition.change {
            Change::Lifecycle { to, .. } => *to == Lifecycle::Resurrected,
            Change::Loyalty { state, .. } => *state != LoyaltyState::LifeStage,
            _ => true,
        },
        _ => true,
    }
}

#[test]
fn what_is_not_wanted_is_left_out_and_nothing_else() {
    let (mut all, events) = beginning();
    let (mut some, _) = beginning();
    let wanted = Wanted::new(|to| to == Lifecycle::Resurrected, |to| to == Some(RiskLevel::High));
    some.want(wanted.with_stages(|_| false));
    let (mut made, mut kept, mut left_out) = (Vec::new(), Vec::new(), 0);
    for event in &events {
        assert_eq!(all.handle(event, None), some.handle(event, None));
        let effects = all.drain_effects();
        left_out += effects.iter().filter(|effect| !is_wanted(effect)).count();
        made.extend(effects.into_iter().filter(is_wanted));
        kept.extend(some.drain_effects());
    }
    assert!(left_out > 100 && kept.iter().any(|effect| matches!(effect, Effect::RiskChanged(_))), "{left_out} of {}", kept.len());
    assert_eq!(format!("{kept:?}"), format!("{made:?}"));
    let bytes = |engine: &stickiness::engine::partition::PartitionEngine| postcard::to_stdvec(engine.state()).expect("encodes");
    assert!(bytes(&all) == bytes(&some), "equal states");
}
