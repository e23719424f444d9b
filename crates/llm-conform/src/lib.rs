#![doc = include_str!("../README.md")]

mod ask;
mod bulk;
mod feature;
mod heard;
mod judge;
mod probe;
mod scene;
mod session;
mod verdict;

pub use ask::{Limits, ask};
pub use feature::{FEATURES, Feature, of};
pub use heard::{Heard, Streamed};
pub use verdict::{Finding, Verdict};
