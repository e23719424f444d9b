//! Vectors: `embedContent` and `batchEmbedContents`.

use llm_types::{
    ApiError, Dialect, EmbedContent, EmbedInput, EmbedRequest, Embeddings, Head, Result, Str, VectorEncoding,
};

use super::super::wire::{self, Whole};
use super::decode;
use crate::codec::{Asked, ReplyForm, VectorsAsked};
use crate::dialect::openai_media::Count;

/// How many vectors are asked for.
pub(super) fn asked(head: &Head) -> Option<VectorsAsked> {
    let listed = head.get("requests").map(|json| serde_json::from_slice(json).map(|Count(count)| count));
    let inputs = listed.transpose().ok()?.unwrap_or(1);
    Some(VectorsAsked { inputs, encoding: VectorEncoding::Float })
}

/// What is to be embedded: one content, or a batch of them.
///
/// # Errors
/// When there is none, or the requests of a batch want different things.
pub(super) fn request(body: &[u8], asked: &Asked) -> Result<EmbedRequest> {
    let wire: wire::EmbedBody<'_> =
        serde_json::from_slice(body).map_err(|error| decode::wrong(body, &error))?;
    let wire::EmbedBody { requests, content, task_type, title, output_dimensionality, model, extra } = wire;
    let mut out = EmbedRequest {
        model: decode::model(asked)?.to_owned(),
        encoding: VectorEncoding::Float,
        origin: Some(Dialect::Gemini),
        extra: extra.to_extra(),
        ..EmbedRequest::default()
    };
    let Some(requests) = requests else {
        let one = wire::EmbedOne {
            content,
            task_type,
            title,
            output_dimensionality,
            model,
            extra: llm_types::Members::default(),
        };
        add(one, 0, &mut out)?;
        return Ok(out);
    };
    for (index, one) in requests.into_iter().enumerate() {
        add(one, index, &mut out).map_err(|error| error.with_param(format!("requests[{index}]")))?;
    }
    Ok(out)
}

fn add(one: wire::EmbedOne<'_>, index: usize, out: &mut EmbedRequest) -> Result<()> {
    let wire::EmbedOne { content, task_type, title, output_dimensionality, model: _, extra } = one;
    let content = content.ok_or_else(|| {
        ApiError::bad_request("`content` is missing: send what is to be embedded").with_param("content")
    })?;
    let task = task_type.map(Str::into_string);
    let dimensions = output_dimensionality.map(|Whole(length)| length);
    if index == 0 {
        (out.task, out.dimensions) = (task, dimensions);
    } else if (&out.task, out.dimensions) != (&task, dimensions) {
        let message = "the requests of a batch differ in `taskType` or `outputDimensionality`: send one \
            batch for each";
        return Err(ApiError::bad_request(message));
    }
    for (name, value) in extra.iter() {
        out.extra.set(name, value.to_owned());
    }
    let content = self::content(&content)?;
    out.inputs.push(EmbedInput { content, title: title.map(Str::into_string) });
    Ok(())
}

/// A text; anything else is this dialect's alone.
fn content(content: &wire::Content<'_>) -> Result<EmbedContent> {
    if let Some([part]) = content.parts.as_ref().map(|parts| parts.as_slice())
        && let wire::Part { text: Some(text), inline_data: None, file_data: None, .. } = part
    {
        return Ok(EmbedContent::Text(text.0.clone().into_lossy().into_owned()));
    }
    serde_json::value::to_raw_value(content)
        .map(|json| EmbedContent::Opaque(Dialect::Gemini, json))
        .map_err(|error| ApiError::bad_request("a content cannot be kept").with_source(error))
}

/// The vectors.
pub(super) fn reply(embeddings: &Embeddings, form: ReplyForm) -> Vec<u8> {
    let Embeddings { id: _, model: _, vectors, usage, origin, extra } = embeddings;
    let vector =
        |values: &'_ Vec<f32>| wire::Vector { values: Some(values.clone()), ..wire::Vector::default() };
    let mut out = wire::Vectors::default();
    match form {
        ReplyForm::Usual => out.embedding = vectors.first().map(vector),
        ReplyForm::List => out.embeddings = Some(vectors.iter().map(vector).collect()),
    }
    out.usage_metadata = usage.as_ref().map(|usage| wire::UsageMetadata {
        prompt_token_count: Some(usage.prompt_tokens()),
        ..wire::UsageMetadata::default()
    });
    if *origin == Some(Dialect::Gemini) {
        out.extra = extra.members();
    }
    serde_json::to_vec(&out).unwrap_or_default()
}
