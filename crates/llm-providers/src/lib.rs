#![doc = "Every provider behind one API."]

pub mod classify;
pub mod codec;
pub mod dialect;
pub mod frame;
pub mod transport;
