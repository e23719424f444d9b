//! Typed structs of the format (<https://platform.stability.ai/docs/api-reference>).

use llm_types::{Str, wire_struct};

wire_struct! {
    /// A picture.
    pub(super) struct Reply<'a> {
        image: Str<'a>,
        finish_reason: Str<'a>,
        seed: u64,
    }
}

wire_struct! {
    /// A failure.
    pub(super) struct Failure<'a> {
        id: Str<'a>,
        name: Str<'a>,
        errors: Vec<Str<'a>>,
    }
}
