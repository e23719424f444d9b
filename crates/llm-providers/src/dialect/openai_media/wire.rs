//! Typed structs of the format (<https://platform.openai.com/docs/api-reference/embeddings>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::{Dialect, EmbedContent, Raw, RawValue, Str, wire_struct};

wire_struct! {
    /// The body of a request for vectors.
    pub(super) struct Request<'a> {
        model: Str<'a>,
        input: Raw<'a>,
        encoding_format: Str<'a>,
        dimensions: u32,
        user: Str<'a>,
    }
}

wire_struct! {
    /// The vectors.
    pub(super) struct Reply<'a> {
        id: Str<'a>,
        object: Str<'a>,
        data: Vec<Vector<'a>>,
        model: Str<'a>,
        usage: Counts<'a>,
        error: &'a RawValue,
    }
}

wire_struct! {
    /// One vector.
    pub(super) struct Vector<'a> {
        object: Str<'a>,
        index: usize,
        embedding: Raw<'a>,
    }
}

wire_struct! {
    /// What was used; some say the total only.
    pub(super) struct Counts<'a> {
        prompt_tokens: u64,
        total_tokens: u64,
    }
}

wire_struct! {
    /// What is read of vectors that are passed through.
    pub(super) struct Facts<'a> {
        model: Str<'a>,
        usage: Counts<'a>,
    }
}

/// What stands in `input`: a text, tokens, or a list of these.
pub(super) fn inputs(json: &RawValue) -> Option<Vec<EmbedContent>> {
    if !json.get().starts_with('[') {
        return one(json).map(|content| vec![content]);
    }
    let list: Vec<&RawValue> = serde_json::from_str(json.get()).ok()?;
    if list.first()?.get().starts_with(|c: char| c.is_ascii_digit()) {
        return one(json).map(|content| vec![content]);
    }
    list.into_iter().map(one).collect()
}

fn one(json: &RawValue) -> Option<EmbedContent> {
    let text = json.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok().map(EmbedContent::Text),
        b'[' => serde_json::from_str(text).ok().map(EmbedContent::Tokens),
        b'{' => Some(EmbedContent::Opaque(Dialect::OpenaiMedia, json.to_owned())),
        _ => None,
    }
}

/// How the numbers of a vector stand in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    /// Little-endian `f32`.
    Float,
    /// Signed bytes.
    Int8,
}

/// The numbers of a vector, written in either way.
pub(super) fn numbers(json: &RawValue, packed: Packed) -> Option<Vec<f32>> {
    if json.get().starts_with('[') {
        return serde_json::from_str(json.get()).ok();
    }
    let text: Str<'_> = serde_json::from_str(json.get()).ok()?;
    let bytes = STANDARD.decode(text.as_str()).ok()?;
    match packed {
        Packed::Int8 => Some(bytes.into_iter().map(|byte| f32::from(i8::from_le_bytes([byte]))).collect()),
        Packed::Float => floats(&bytes),
    }
}

/// The numbers that stand in base64 of little-endian `f32`.
pub(in crate::dialect) fn unpacked(text: &str) -> Option<Vec<f32>> {
    floats(&STANDARD.decode(text).ok()?)
}

fn floats(bytes: &[u8]) -> Option<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// The numbers as base64.
pub(super) fn base64(numbers: &[f32]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
