//! Answers of this dialect: whole, streamed, failed.

mod error;
mod finish;
mod part;
mod reply;
mod stream;
mod tap;

pub(super) use error::error;
pub(super) use reply::{malformed, reply, tapped};
pub(super) use stream::Decoder;
pub(super) use tap::Tap;
