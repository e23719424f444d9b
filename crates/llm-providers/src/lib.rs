#![doc = include_str!("../README.md")]

pub mod aws;
pub mod batch;
pub mod bearing;
pub mod bulk;
pub mod classify;
pub mod codec;
pub mod credential;
pub mod dialect;
pub mod estimate;
pub mod form;
pub mod frame;
pub mod gist;
pub mod mark;
mod missing;
pub mod mock;
pub mod name;
pub mod other_model;
pub mod own_api;
mod quirk;
pub mod rate_limit;
pub mod realtime;
pub mod replay;
pub mod sound;
pub mod table;
pub mod target;
pub mod token;
pub mod transport;
pub mod url;
mod vertex;

mod sdk;

pub use sdk::{
    Answered, ChatReply, ChatStream, Client, ClientBuilder, MadeBatch, MediaEvent, MediaStream, NewBatch,
    RequestCounts, RerankReply, SpeechStream, StoredBatch, StoredFile,
};
