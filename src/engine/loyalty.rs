//! The measures of loyalty: what of an event they need, and what a profile says of them.

mod noting;
mod profile;
mod stage;
mod states;
mod told;

pub use profile::LoyaltyProfile;

pub(super) use noting::decision_s_mean;
pub(super) use profile::Known;
pub use states::{Decided, LoyaltyLedger, ProfileStates};
pub(super) use states::{Due, Look};
