//! Vectors.
//!
//! Numbers are asked for as floats whatever the client wants them written as: our own half of its dialect writes them.

use llm_types::{
    ApiError, Dialect, EmbedContent, EmbedInput, EmbedRequest, Embeddings, ErrorKind, RawValue, Result, Str,
    Units, Usage,
};
use serde::Serialize;

use super::decode::malformed;
use super::wire::{self, Counted, Raw, Vectors};
use crate::codec::{EncodeCx, Tapped};
use crate::dialect::media;
use crate::dialect::scalar::Count;
use crate::dialect::seen::{self, Seen};

const NO_COUNTERPART: &str = "cohere has no counterpart";
/// What vectors are for, in Gemini's words and Cohere's.
const TASKS: &[(&str, &str)] = &[
    ("RETRIEVAL_QUERY", "search_query"),
    ("QUESTION_ANSWERING", "search_query"),
    ("FACT_VERIFICATION", "search_query"),
    ("CODE_RETRIEVAL_QUERY", "search_query"),
    ("RETRIEVAL_DOCUMENT", "search_document"),
    ("CLASSIFICATION", "classification"),
    ("CLUSTERING", "clustering"),
    ("SEMANTIC_SIMILARITY", "clustering"),
];
/// What they are for where nobody says it: it must be said.
const DOCUMENT: &str = "search_document";
/// Members of this dialect's own that clients of any other may send.
const TERMS: [&str; 5] = ["input_type", "truncate", "max_tokens", "embedding_types", "priority"];

/// The body of a request for vectors.
///
/// # Errors
/// When an input is given as tokens, or in a form that only another dialect knows.
pub(super) fn body(request: &EmbedRequest, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    let EmbedRequest { model: _, inputs, dimensions, encoding: _, task, truncate, user, origin, extra } =
        request;
    let mut out = wire::EmbedRequest {
        model: Some(Str::from(cx.model)),
        output_dimension: *dimensions,
        ..wire::EmbedRequest::default()
    };
    given(inputs, &mut out, cx)?;
    let purpose = task.as_deref().map(|task| {
        let own = TASKS.iter().find(|(name, _)| *name == task).map(|(_, own)| *own);
        own.unwrap_or_else(|| {
            cx.changes.altered("task", "cohere does not know this purpose: sent as documents");
            DOCUMENT
        })
    });
    let said = extra.get("input_type").is_some();
    if said && task.is_some() {
        cx.changes.dropped("task", "`input_type` is given too");
    }
    if !said {
        let pictures = out.texts.is_none() && out.inputs.is_none();
        out.input_type = Some(purpose.unwrap_or(if pictures { "image" } else { DOCUMENT }).into());
    }
    if extra.get("truncate").is_none() {
        out.truncate = truncate.map(|cut| if cut { "END" } else { "NONE" }.into());
    }
    if extra.get("embedding_types").is_none() {
        out.embedding_types = raw(&["float"]).map(Raw::from);
    }
    if user.is_some() {
        cx.changes.dropped("user", NO_COUNTERPART);
    }
    media::one_type(extra, "embedding_types", cx.changes);
    let own = origin.is_none_or(|origin| origin == Dialect::Cohere);
    for (name, value) in extra.iter() {
        if own || TERMS.contains(&name) {
            out.extra.push(name.into(), value);
        } else {
            cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    media::beside(&out, cx.changes)
}

#[derive(Serialize)]
struct Mixed<'a> {
    content: Vec<MixedPart<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum MixedPart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

/// The inputs: texts alone, pictures alone for models that know no mixture, else whatever there is, part by part
/// (<https://docs.cohere.com/reference/embed>).
fn given<'r>(
    inputs: &'r [EmbedInput],
    out: &mut wire::EmbedRequest<'r>,
    cx: &mut EncodeCx<'_>,
) -> Result<()> {
    let mut texts = Vec::with_capacity(inputs.len());
    for (index, EmbedInput { content, title }) in inputs.iter().enumerate() {
        if title.is_some() {
            cx.changes.dropped(format!("input[{index}].title"), NO_COUNTERPART);
        }
        let wrong = |message: &str| ApiError::bad_request(message).with_param(format!("input[{index}]"));
        match content {
            EmbedContent::Text(text) => texts.push(text.as_str()),
            EmbedContent::Tokens(_) => return Err(wrong("cohere does not take tokens: send texts")),
            EmbedContent::Opaque(..) => {}
        }
    }
    if texts.len() == inputs.len() {
        out.texts = Some(texts.into_iter().map(Str::from).collect());
        return Ok(());
    }
    if cx.model.contains("-v3") {
        out.images = Some(pictures(inputs)?.into());
        return Ok(());
    }
    let all = inputs.iter().enumerate().map(|(index, input)| {
        let mixed = mixed(&input.content).map_err(|error| error.with_param(format!("input[{index}]")));
        mixed.map(Raw::from)
    });
    out.inputs = Some(all.collect::<Result<_>>()?);
    Ok(())
}

/// Pictures alone.
fn pictures(inputs: &[EmbedInput]) -> Result<Box<RawValue>> {
    let one = |(index, input): (usize, &EmbedInput)| match seen::alone(&input.content) {
        Ok(Seen::Picture(picture)) => Ok(picture.address()),
        Ok(Seen::Text(_)) => {
            let message =
                "this model makes vectors of texts or of pictures: send those in a request of their own";
            Err(ApiError::bad_request(message).with_param(format!("input[{index}]")))
        }
        Err(error) => Err(error.with_param(format!("input[{index}]"))),
    };
    let all: Vec<String> = inputs.iter().enumerate().map(one).collect::<Result<_>>()?;
    raw(&all).ok_or_else(|| ApiError::bad_request("the pictures cannot be written as JSON"))
}

/// One input, part by part. `{"content": […]}` is Cohere's own, whichever client sends it.
fn mixed(content: &EmbedContent) -> Result<Box<RawValue>> {
    let unwritable = || ApiError::bad_request("the input cannot be written as JSON");
    match content {
        EmbedContent::Opaque(_, json) if json.get().contains("\"content\"") => return Ok(json.clone()),
        EmbedContent::Opaque(dialect @ Dialect::Gemini, _) => {
            let message = format!("an input of this kind is known to {dialect} only: send texts or pictures");
            return Err(ApiError::bad_request(message));
        }
        _ => {}
    }
    let parts = seen::parts(content)?;
    let content = parts.iter().map(|part| match part {
        Seen::Text(text) => MixedPart::Text { text },
        Seen::Picture(picture) => MixedPart::ImageUrl { image_url: ImageUrl { url: picture.address() } },
    });
    raw(&Mixed { content: content.collect() }).ok_or_else(unwritable)
}

fn raw(value: &impl Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

/// Reads vectors.
///
/// # Errors
/// When the answer holds none.
pub(super) fn reply(body: &[u8]) -> Result<Embeddings> {
    let read: wire::EmbedReply<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, error))?;
    let wire::EmbedReply { id, embeddings, texts: _, images: _, meta, response_type: _, extra } = read;
    let json = embeddings.ok_or_else(|| wrong("`embeddings` is missing"))?;
    let vectors = if json.get().starts_with('[') {
        serde_json::from_str(json.get()).map_err(|error| malformed(body, error))?
    } else {
        let typed: Vectors<'_> = serde_json::from_str(json.get()).map_err(|error| malformed(body, error))?;
        numbers(typed)?
    };
    Ok(Embeddings {
        id: id.map(Str::into_string).unwrap_or_default(),
        model: String::new(),
        vectors,
        usage: meta.as_ref().and_then(usage),
        origin: Some(Dialect::Cohere),
        extra: extra.to_extra(),
    })
}

/// The vectors of the finest type that there is.
fn numbers(typed: Vectors<'_>) -> Result<Vec<Vec<f32>>> {
    let Vectors { float, base64, int8, uint8, binary, ubinary, extra: _ } = typed;
    if float.is_none()
        && let Some(list) = base64
    {
        let packed = list.iter().map(|text| crate::dialect::openai_media::unpacked(text.as_str()));
        return packed.collect::<Option<_>>().ok_or_else(|| wrong("a vector cannot be read"));
    }
    float.or(int8).or(uint8).or(binary).or(ubinary).ok_or_else(|| wrong("there are no vectors in it"))
}

/// Reads what was used.
///
/// # Errors
/// When the answer is not one.
pub(super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let read: wire::EmbedReply<'_> = serde_json::from_slice(body).map_err(|error| malformed(body, error))?;
    Ok(Tapped { usage: read.meta.as_ref().and_then(usage), model: None })
}

fn usage(meta: &Counted<'_>) -> Option<Usage> {
    let billed = meta.billed.as_ref()?;
    let count = |count: Option<Count>| count.map(|Count(count)| count).unwrap_or_default();
    Some(Usage {
        input: count(billed.input),
        input_image: count(billed.image_tokens),
        units: Units { input_images: count(billed.images), ..Units::default() },
        ..Usage::default()
    })
}

fn wrong(why: &str) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, format!("the upstream's answer holds no vectors: {why}"))
}
