//! What is known of a request for vectors before it is read.

use bytes::Bytes;
use llm_types::{EmbedInput, EmbedRequest, Result, VectorEncoding};

/// What a request for vectors asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorsAsked {
    /// How many vectors it asks for: one for each input.
    pub inputs: usize,
    /// How the client wants their numbers written.
    pub encoding: VectorEncoding,
}

/// A request for vectors whose inputs lie in the body where they came.
#[derive(Debug)]
pub struct Unread {
    /// Everything but its inputs.
    pub call: Box<EmbedRequest>,
    /// The inputs as they stand there.
    pub inputs: Vec<Bytes>,
    /// Reads one of them.
    pub read: fn(&[u8]) -> Result<EmbedInput>,
}
