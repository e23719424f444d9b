//! Typed structs of the format (<https://platform.openai.com/docs/api-reference/embeddings>).

use std::fmt;

use crate::dialect::seen;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use llm_types::{Dialect, EmbedContent, Head, Raw, RawValue, Str, VectorEncoding, wire_struct};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
        /// The same at watsonx (<https://cloud.ibm.com/apidocs/watsonx-ai#text-embeddings>), which counts beside it.
        results: Vec<Vector<'a>>,
        model as "model" or "model_id": Str<'a>,
        usage: Counts<'a>,
        tokens as "input_token_count": u64,
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
pub(super) fn inputs(json: &RawValue) -> Option<Vec<&RawValue>> {
    if !json.get().starts_with('[') {
        return Some(vec![json]);
    }
    let list: Vec<&RawValue> = serde_json::from_str(json.get()).ok()?;
    if list.first()?.get().starts_with(|c: char| c.is_ascii_digit()) {
        return Some(vec![json]);
    }
    Some(list)
}

/// Whether there may be pictures among inputs that are not written as `{"image": …}` already. What is written with escapes
/// may be one of these words.
pub(super) fn may_picture(json: &[u8]) -> bool {
    let words = ["\"image_url\"", "\"content\"", "\\u00"];
    let colons = || memchr::memchr_iter(b':', json);
    let is_data = |colon: usize| {
        let before = colon.checked_sub(4).and_then(|start| json.get(start..colon));
        let behind = json.get(colon + 1..colon + 6);
        before.is_some_and(|word| word.eq_ignore_ascii_case(b"data"))
            && behind.is_some_and(|word| word.eq_ignore_ascii_case(b"image"))
    };
    words.iter().any(|word| memchr::memmem::find(json, word.as_bytes()).is_some()) || colons().any(is_data)
}

/// One input.
pub(super) fn one(json: &RawValue) -> Option<EmbedContent> {
    let text = json.get();
    match text.as_bytes().first()? {
        b'"' => {
            let said: String = serde_json::from_str(text).ok()?;
            Some(match seen::is_picture(&said) {
                true => EmbedContent::Opaque(Dialect::OpenaiMedia, json.to_owned()),
                false => EmbedContent::Text(said),
            })
        }
        b'[' => serde_json::from_str(text).ok().map(EmbedContent::Tokens),
        b'{' => Some(EmbedContent::Opaque(Dialect::OpenaiMedia, json.to_owned())),
        _ => None,
    }
}

/// How a client wants the numbers written; `None`: in a form of the provider's own.
pub(super) fn asked(head: &Head) -> Option<VectorEncoding> {
    let word: Option<Str<'_>> = head.read("encoding_format").ok()?;
    encoding(word.as_ref().map(Str::as_str))
}

/// The same for the word that stands there.
pub(super) fn encoding(word: Option<&str>) -> Option<VectorEncoding> {
    match word {
        None | Some("float") => Some(VectorEncoding::Float),
        Some("base64") => Some(VectorEncoding::Base64),
        Some(_) => None,
    }
}

/// How the first vector of an answer is written; `None`: there is none to be seen.
pub(crate) fn written(body: &[u8]) -> Option<VectorEncoding> {
    const MEMBER: &[u8] = b"\"embedding\"";
    // The same word is also a value (`"object": "embedding"`).
    let value = |start: usize| {
        let rest = body.get(start + MEMBER.len()..)?.trim_ascii_start().strip_prefix(b":")?;
        match rest.trim_ascii_start().first()? {
            b'[' => Some(VectorEncoding::Float),
            b'"' => Some(VectorEncoding::Base64),
            _ => None,
        }
    };
    memchr::memmem::find_iter(body, MEMBER).find_map(value)
}

/// Whether tokens stand in `input`, or among them.
pub(super) fn holds_tokens(json: &[u8]) -> bool {
    let Some(list) = json.strip_prefix(b"[").map(<[u8]>::trim_ascii_start) else { return false };
    match list.first() {
        Some(first) if first.is_ascii_digit() => true,
        // Outside of texts, which are what is not: a list within the list.
        Some(_) => serde_json::from_slice(json).is_ok_and(|Lists(any)| any),
        None => false,
    }
}

/// How many inputs stand in `input`; `None`: it cannot be told.
pub(super) fn count(json: &[u8]) -> Option<usize> {
    if json.first() != Some(&b'[') {
        return Some(1);
    }
    let list = json.get(1..)?.trim_ascii_start();
    if list.first()?.is_ascii_digit() {
        return Some(1);
    }
    serde_json::from_slice(json).ok().map(|Count(count)| count)
}

/// How many items a list has.
pub(in crate::dialect) struct Count(pub(in crate::dialect) usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while items.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }
        deserializer.deserialize_seq(Items)
    }
}

/// Whether an item of a list is a list.
struct Lists(bool);

impl<'de> Deserialize<'de> for Lists {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Lists;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Lists, A::Error> {
                let mut any = false;
                while let Some(item) = items.next_element::<&RawValue>()? {
                    any |= item.get().starts_with('[');
                }
                Ok(Lists(any))
            }
        }
        deserializer.deserialize_seq(Items)
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

/// Vectors as they are written, in either way.
pub(super) struct Data<'a> {
    pub(super) vectors: &'a [Vec<f32>],
    pub(super) encoding: VectorEncoding,
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.vectors.iter().enumerate().map(|(index, numbers)| {
            let embedding = Numbers { numbers, encoding: self.encoding };
            Item { object: "embedding", index, embedding }
        }))
    }
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Numbers<'a>,
}

/// The numbers of one vector.
struct Numbers<'a> {
    numbers: &'a [f32],
    encoding: VectorEncoding,
}

impl Serialize for Numbers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.encoding {
            VectorEncoding::Float => self.numbers.serialize(serializer),
            VectorEncoding::Base64 => {
                let bytes: Vec<u8> = self.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}
