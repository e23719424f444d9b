//! Answers of this dialect: whole, streamed, failed.

mod block;
mod error;
mod finish;
mod reply;
mod stream;
mod tap;

pub(super) use error::error;
pub(super) use reply::{count, reply, tapped};
pub(super) use stream::Decoder;
pub(super) use tap::Tap;
