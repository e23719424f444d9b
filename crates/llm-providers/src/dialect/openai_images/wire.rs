//! Typed structs of the format (<https://platform.openai.com/docs/api-reference/images>).

use llm_types::{RawValue, Str, wire_struct};

use crate::dialect::media::Counts;

wire_struct! {
    /// A request for pictures.
    pub(super) struct Request<'a> {
        model: Str<'a>,
        prompt: Str<'a>,
        n: u32,
        size: Str<'a>,
        aspect_ratio: Str<'a>,
        width: u32,
        height: u32,
        quality: Str<'a>,
        style: Str<'a>,
        background: Str<'a>,
        output_format: Str<'a>,
        response_format: Str<'a>,
        stream: bool,
        user: Str<'a>,
    }
}

wire_struct! {
    /// Pictures.
    pub(super) struct Reply<'a> {
        model: Str<'a>,
        created: u64,
        data: Vec<Picture<'a>>,
        usage: Counts<'a>,
        error: &'a RawValue,
        base64: Vec<Str<'a>>,
        finish_reason as "finishReason": Str<'a>,
    }
}

wire_struct! {
    /// A picture of a list that is the whole answer (Fireworks' older models).
    pub(super) struct Listed<'a> {
        base64: Str<'a>,
        finish_reason as "finishReason": Str<'a>,
    }
}

wire_struct! {
    /// A picture to be changed, as xAI takes it (docs.x.ai/docs/guides/image-generations).
    pub(super) struct Source<'a> {
        url: Str<'a>,
        kind as "type": Str<'a>,
    }
}

wire_struct! {
    /// A picture to be changed, as OpenAI takes it in JSON.
    pub(super) struct Given<'a> {
        image_url: Str<'a>,
    }
}

wire_struct! {
    /// A picture. `respect_moderation` is xAI's: `false` where it was held back.
    pub(super) struct Picture<'a> {
        b64_json: Str<'a>,
        url: Str<'a>,
        revised_prompt: Str<'a>,
        respect_moderation: bool,
    }
}

wire_struct! {
    /// What is read of pictures that are passed through.
    pub(super) struct Facts<'a> {
        model: Str<'a>,
        data: Vec<&'a RawValue>,
        usage: Counts<'a>,
        error: &'a RawValue,
    }
}
