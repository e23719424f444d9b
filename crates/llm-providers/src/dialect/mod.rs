//! The dialects: one folder each, and one line here.
//!
//! In each folder: `wire` (typed structs of the format), `client` (we call a provider), `server` (a
//! client calls us, where we serve it), `stream` (its streams). Nothing outside a folder knows what its
//! format looks like.

pub mod anthropic;
pub mod gemini;
pub mod openai_chat;
