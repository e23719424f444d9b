//! Vectors from Vertex AI's `predict`, which asks for them in a form of its own
//! (recordings/vertex/embeddings-basic-9ea147). Models that make vectors of pictures too have another one.

use llm_types::{
    ApiError, Dialect, EmbedContent, EmbedInput, EmbedRequest, Embeddings, Members, Result, Str, Usage,
};

use crate::dialect::seen::{self, Picture, Seen};

use super::encode::NO_COUNTERPART;
use super::wire::{self, Whole};
use crate::codec::{DecodeCx, EncodeCx};

/// The body of `predict`.
///
/// # Errors
/// When an input is no text.
pub(super) fn body(request: &EmbedRequest, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    // In which form the numbers are written concerns the client's answer only.
    let EmbedRequest { model: _, inputs, dimensions, encoding: _, task: _, truncate, user, origin: _, extra } =
        request;
    let (purpose, said) = request.purpose().unzip();
    let sees = cx.model.contains("multimodalembedding");
    let mut instances = Vec::with_capacity(inputs.len());
    for (index, EmbedInput { content, title }) in inputs.iter().enumerate() {
        let at = |error: ApiError| error.with_param(format!("input[{index}]"));
        if sees {
            instances.push(seen_instance(content).map_err(at)?);
            if title.is_some() {
                cx.changes.dropped(format!("input[{index}].title"), NO_COUNTERPART);
            }
            continue;
        }
        instances.push(wire::Instance {
            content: Some(text(content).map_err(at)?),
            task_type: purpose.as_deref().map(Str::from),
            title: title.as_ref().map(Str::from),
            ..wire::Instance::default()
        });
    }
    if sees {
        for (name, set) in [("task", purpose.is_some()), ("truncate", truncate.is_some())] {
            if set {
                cx.changes.dropped(name, NO_COUNTERPART);
            }
        }
    }
    let parameters = wire::Parameters {
        output_dimensionality: dimensions.filter(|_| !sees).map(Whole),
        auto_truncate: truncate.filter(|_| !sees),
        dimension: dimensions.filter(|_| sees).map(Whole),
        ..wire::Parameters::default()
    };
    if user.is_some() {
        cx.changes.dropped("user", NO_COUNTERPART);
    }
    for (name, _) in extra.iter().filter(|(name, _)| Some(*name) != said.flatten()) {
        cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
    }
    let set = dimensions.is_some() || parameters.auto_truncate.is_some();
    let body = wire::PredictBody {
        instances: Some(instances),
        parameters: set.then_some(parameters),
        ..wire::PredictBody::default()
    };
    serde_json::to_vec(&body)
        .map_err(|error| ApiError::bad_request("the request cannot be written as JSON").with_source(error))
}

fn text(content: &EmbedContent) -> Result<Str<'_>> {
    match content {
        EmbedContent::Text(text) => Ok(text.as_str().into()),
        EmbedContent::Tokens(_) => {
            Err(ApiError::bad_request("gemini takes texts, not tokens: send the text"))
        }
        EmbedContent::Opaque(Dialect::Gemini, json) => {
            let content: wire::Content<'_> = serde_json::from_str(json.get())
                .map_err(|error| ApiError::bad_request(format!("not a content: {error}")))?;
            let texts: Option<Vec<String>> = content
                .parts
                .into_iter()
                .flatten()
                .map(|part| part.text.map(|text| text.0.into_lossy().to_string()))
                .collect();
            texts.map(|texts| texts.concat().into()).ok_or_else(|| {
                ApiError::bad_request("this model embeds texts only: send texts, or choose a multimodal one")
            })
        }
        EmbedContent::Opaque(..) => match seen::alone(content)? {
            Seen::Text(text) => Ok(Str(text)),
            Seen::Picture(_) => Err(ApiError::bad_request(
                "this model makes vectors of texts only: send texts, or ask multimodalembedding@001",
            )),
        },
    }
}

/// One text or one picture, for models that make vectors of both.
fn seen_instance(content: &EmbedContent) -> Result<wire::Instance<'_>> {
    let picture = match seen::alone(content)? {
        Seen::Text(text) => return Ok(wire::Instance { text: Some(Str(text)), ..wire::Instance::default() }),
        Seen::Picture(picture) => picture,
    };
    let image = match picture {
        Picture::Bytes { kind, base64 } => {
            wire::Image { bytes: Some(Str(base64)), mime_type: kind.map(Str), ..wire::Image::default() }
        }
        Picture::At(uri) if uri.starts_with("gs://") => {
            wire::Image { uri: Some(Str(uri)), ..wire::Image::default() }
        }
        Picture::At(_) => {
            let message =
                "pictures are read of `gs://…` alone there: send the bytes, `data:image/png;base64,…`";
            return Err(ApiError::bad_request(message));
        }
    };
    Ok(wire::Instance { image: Some(image), ..wire::Instance::default() })
}

/// What was predicted.
pub(super) fn reply(
    predictions: Vec<wire::Prediction<'_>>,
    extra: &Members<'_>,
    cx: &DecodeCx<'_>,
) -> Embeddings {
    let mut tokens: Option<u64> = None;
    let mut vectors = Vec::with_capacity(predictions.len());
    for wire::Prediction { embeddings, of_text, of_image, extra: _ } in predictions {
        if let Some(values) = of_text.or(of_image) {
            vectors.push(values);
            continue;
        }
        let wire::Predicted { values, statistics, extra: _ } = embeddings.unwrap_or_default();
        let wire::Statistics { token_count, truncated: _, extra: _ } = statistics.unwrap_or_default();
        if let Some(count) = token_count {
            *tokens.get_or_insert(0) += whole(count);
        }
        vectors.push(values.unwrap_or_default());
    }
    Embeddings {
        id: String::new(),
        model: super::model::bare(cx.model).to_owned(),
        vectors,
        usage: tokens.map(|input| Usage { input, ..Usage::default() }),
        origin: Some(Dialect::Gemini),
        extra: extra.to_extra(),
    }
}

/// A count of tokens, which may be written as `3.0`.
fn whole(count: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within bounds by then")]
    let count = count.clamp(0.0, 1e12) as u64;
    count
}
