//! For tests only: a scripted upstream, a player of recorded exchanges, the facts that a recording
//! states, processes, a private Redis and PostgreSQL, and a load generator.
//!
//! Nothing here uses the crates under test. A fault in a codec must not be able to hide in the code
//! that checks it, so this crate reads HTTP, SSE and each provider's JSON by itself.

pub mod canned;
pub mod conformance;
pub mod event_stream;
pub mod exchange;
pub mod expect;
pub mod http1;
pub mod issuer;
pub mod load;
pub mod player;
pub mod postgres;
pub mod proc;
pub mod process;
pub mod recording;
pub mod redis;
pub mod script;
pub mod sse;
pub mod upstream;

pub use exchange::{exchanges, is_complete};
pub use expect::{Choice, Facts, ToolCall, Usage};
pub use issuer::{Issuer, SigningKey};
pub use player::{Cut, Player};
pub use postgres::Postgres;
pub use process::{Program, Ready, Running};
pub use recording::{Recording, Recordings, workspace};
pub use redis::Redis;
pub use script::{End, Gate, Script};
pub use upstream::{Received, Upstream};
