#![doc = include_str!("../README.md")]

pub mod aws;
pub mod batch;
pub mod bearing;
pub mod classify;
pub mod codec;
pub mod credential;
pub mod dialect;
pub mod estimate;
pub mod frame;
pub mod gist;
pub mod mark;
pub mod mock;
pub mod name;
mod quirk;
pub mod rate_limit;
pub mod replay;
pub mod table;
pub mod target;
pub mod token;
pub mod transport;
pub mod url;
mod vertex;

mod sdk;

pub use sdk::{ChatReply, ChatStream, Client, ClientBuilder, RerankReply};
