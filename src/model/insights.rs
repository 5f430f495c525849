//! What groups of users show: survival curves, shares with their intervals, scores against an outcome, ranks.
//!
//! Everything starts from counts that add up, so that partitions can be counted apart.

pub mod curve;
pub mod lift;
pub mod proportion;
pub mod response;
pub mod rfm;
pub mod survival;
