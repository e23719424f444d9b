//! For tests only: a scripted upstream, a player of recorded exchanges, the facts that a recording
//! states, processes, and a load generator.
//!
//! Nothing here uses the crates under test. A fault in a codec must not be able to hide in the code
//! that checks it, so this crate reads HTTP, SSE and each provider's JSON by itself.

pub mod canned;
pub mod http1;
pub mod load;
pub mod proc;
pub mod process;
pub mod script;
pub mod upstream;

pub use process::{Program, Ready, Running};
pub use script::{Gate, Script};
pub use upstream::{Received, Upstream};
