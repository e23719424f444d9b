//! Vectors from Titan, Nova and Cohere's models by `InvokeModel`: each family has a body of its own.
//!
//! What Cohere's models and Nova used stands in a header alone, which a codec does not see: it is estimated. That Titan and
//! Nova take one text at a time is a fact of the row (`embed_inputs`).

use llm_types::{
    ApiError, Dialect, EmbedContent, EmbedInput, EmbedRequest, Embeddings, Raw, Result, Str, Usage,
    wire_struct,
};

use crate::codec::{EncodeCx, Memo, Tapped, WireRequest};
use crate::dialect::media::{self, wrong};
use crate::dialect::scalar::Count;

const NO_COUNTERPART: &str = "the model on bedrock has no counterpart";
/// Members of these models' own that clients of any dialect may send.
const TERMS: [&str; 6] =
    ["input_type", "truncate", "embedding_types", "normalize", "embeddingTypes", "max_tokens"];
/// What vectors are for, in Gemini's words and Cohere's.
const TASKS: &[(&str, &str)] = &[
    ("RETRIEVAL_QUERY", "search_query"),
    ("QUESTION_ANSWERING", "search_query"),
    ("RETRIEVAL_DOCUMENT", "search_document"),
    ("CLASSIFICATION", "classification"),
    ("CLUSTERING", "clustering"),
];
const DOCUMENT: &str = "search_document";

wire_struct! {
    /// What Titan's models are asked.
    struct Titan<'a> {
        text as "inputText": Str<'a>,
        dimensions: u32,
        config as "embeddingConfig": TitanConfig<'a>,
    }
}

wire_struct! {
    /// What Titan's model for pictures is asked besides.
    struct TitanConfig<'a> {
        length as "outputEmbeddingLength": u32,
    }
}

wire_struct! {
    /// What Nova is asked.
    struct Nova<'a> {
        task as "taskType": Str<'a>,
        params as "singleEmbeddingParams": NovaParams<'a>,
    }
}

wire_struct! {
    /// One thing to embed.
    struct NovaParams<'a> {
        purpose as "embeddingPurpose": Str<'a>,
        dimension as "embeddingDimension": u32,
        text: NovaText<'a>,
    }
}

wire_struct! {
    /// A text.
    struct NovaText<'a> {
        value: Str<'a>,
        truncation as "truncationMode": Str<'a>,
    }
}

wire_struct! {
    /// What Cohere's models are asked.
    struct Cohere<'a> {
        texts: Vec<Str<'a>>,
        input_type: Str<'a>,
        truncate: Str<'a>,
        output_dimension: u32,
    }
}

wire_struct! {
    /// Vectors of any of them.
    struct Reply<'a> {
        embedding: Vec<f32>,
        embeddings: Raw<'a>,
        tokens as "inputTextTokenCount": Count,
        id: Str<'a>,
        response_type: Str<'a>,
        texts: Raw<'a>,
        by_type as "embeddingsByType": Raw<'a>,
    }
}

wire_struct! {
    /// Vectors by their type.
    struct Typed<'a> {
        float: Vec<Vec<f32>>,
        int8: Vec<Vec<f32>>,
        uint8: Vec<Vec<f32>>,
        binary: Vec<Vec<f32>>,
        ubinary: Vec<Vec<f32>>,
    }
}

wire_struct! {
    /// One of Nova's.
    struct NovaVector<'a> {
        embedding: Vec<f32>,
        kind as "embeddingType": Str<'a>,
    }
}

/// Writes a request.
///
/// # Errors
/// When the model makes no vectors, or an input is not a text.
pub(super) fn encode(request: &EmbedRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let EmbedRequest {
        model: _,
        inputs,
        dimensions: _,
        encoding: _,
        task: _,
        truncate: _,
        user,
        origin,
        extra,
    } = request;
    let texts = texts(inputs, cx)?;
    if user.is_some() {
        cx.changes.dropped("user", NO_COUNTERPART);
    }
    let mut members = llm_types::Members::default();
    let own = origin.is_none_or(|origin| origin == Dialect::Bedrock);
    for (name, value) in extra.iter() {
        if own || TERMS.contains(&name) {
            members.push(name.into(), value);
        } else {
            cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    let model = cx.model;
    let body = if model.contains("cohere.embed") {
        cohere(request, texts, members, cx)
    } else if model.contains("titan-embed") {
        titan(request, &texts, members, cx)
    } else if model.contains("nova") && model.contains("embed") {
        nova(request, &texts, members, cx)
    } else {
        let message =
            format!("`{model}` makes no vectors: use one of Titan's, Nova's or Cohere's models for them");
        Err(ApiError::bad_request(message).with_param("model"))
    }?;
    Ok(media::json(format!("/model/{}/invoke", crate::url::escape(model)), body, Memo::default()))
}

fn texts<'r>(inputs: &'r [EmbedInput], cx: &mut EncodeCx<'_>) -> Result<Vec<Str<'r>>> {
    let mut texts = Vec::with_capacity(inputs.len());
    for (index, EmbedInput { content, title }) in inputs.iter().enumerate() {
        if title.is_some() {
            cx.changes.dropped(format!("input[{index}].title"), NO_COUNTERPART);
        }
        let EmbedContent::Text(text) = content else {
            let message = "bedrock's models are sent texts alone here: send the input as text";
            return Err(ApiError::bad_request(message).with_param(format!("input[{index}]")));
        };
        texts.push(Str::from(text));
    }
    Ok(texts)
}

/// The only text. A longer list is cut into calls before it comes here.
fn alone<'r>(texts: &[Str<'r>]) -> Result<Str<'r>> {
    match texts {
        [text] => Ok(text.clone()),
        _ => Err(ApiError::bad_request("this model takes one text at a time").with_param("input")),
    }
}

fn titan<'r>(
    request: &'r EmbedRequest,
    texts: &[Str<'r>],
    extra: llm_types::Members<'r>,
    cx: &mut EncodeCx<'_>,
) -> Result<Vec<u8>> {
    let EmbedRequest { dimensions, task, truncate, .. } = request;
    for (name, set) in [("task", task.is_some()), ("truncate", truncate.is_some())] {
        if set {
            cx.changes.dropped(name, NO_COUNTERPART);
        }
    }
    let mut out = Titan { text: Some(alone(texts)?), extra, ..Titan::default() };
    let pictures = cx.model.contains("embed-image");
    match dimensions {
        Some(length) if pictures => {
            out.config = Some(TitanConfig { length: Some(*length), ..TitanConfig::default() });
        }
        Some(_) if cx.model.contains("text-v1") => cx.changes.dropped("dimensions", NO_COUNTERPART),
        dimensions => out.dimensions = *dimensions,
    }
    media::bytes(&out)
}

fn nova<'r>(
    request: &'r EmbedRequest,
    texts: &[Str<'r>],
    extra: llm_types::Members<'r>,
    cx: &mut EncodeCx<'_>,
) -> Result<Vec<u8>> {
    let EmbedRequest { dimensions, task, truncate, .. } = request;
    let purpose = match task.as_deref() {
        None => "GENERIC_INDEX",
        Some("RETRIEVAL_QUERY") => "GENERIC_RETRIEVAL",
        Some("RETRIEVAL_DOCUMENT") => "GENERIC_INDEX",
        Some(known @ ("CLASSIFICATION" | "CLUSTERING")) => known,
        Some(_) => {
            cx.changes.altered("task", "nova does not know this purpose: sent as documents");
            "GENERIC_INDEX"
        }
    };
    let truncation = truncate.map(|cut| Str::from(if cut { "END" } else { "NONE" }));
    let text = NovaText {
        value: Some(alone(texts)?),
        truncation: Some(truncation.unwrap_or_else(|| Str::from("END"))),
        ..NovaText::default()
    };
    let params = NovaParams {
        purpose: Some(Str::from(purpose)),
        dimension: *dimensions,
        text: Some(text),
        ..NovaParams::default()
    };
    media::bytes(&Nova { task: Some(Str::from("SINGLE_EMBEDDING")), params: Some(params), extra })
}

fn cohere<'r>(
    request: &'r EmbedRequest,
    texts: Vec<Str<'r>>,
    extra: llm_types::Members<'r>,
    cx: &mut EncodeCx<'_>,
) -> Result<Vec<u8>> {
    let EmbedRequest { dimensions, task, truncate, extra: given, .. } = request;
    let said = |name: &str| given.get(name).is_some();
    let mut out = Cohere { texts: Some(texts), extra, ..Cohere::default() };
    if !said("input_type") {
        let purpose = task.as_deref().map(|task| {
            TASKS.iter().find(|(name, _)| *name == task).map(|(_, own)| *own).unwrap_or_else(|| {
                cx.changes.altered("task", "cohere does not know this purpose: sent as documents");
                DOCUMENT
            })
        });
        out.input_type = Some(Str::from(purpose.unwrap_or(DOCUMENT)));
    } else if task.is_some() {
        cx.changes.dropped("task", "`input_type` is given too");
    }
    if !said("truncate") {
        out.truncate = truncate.map(|cut| Str::from(if cut { "END" } else { "NONE" }));
    }
    match dimensions {
        Some(_) if cx.model.contains("-v3") => cx.changes.dropped("dimensions", NO_COUNTERPART),
        dimensions => out.output_dimension = *dimensions,
    }
    media::bytes(&out)
}

/// Reads vectors.
///
/// # Errors
/// When the answer holds none.
pub(super) fn decode(body: &[u8]) -> Result<Embeddings> {
    let Reply { embedding, embeddings, tokens, id, response_type: _, texts: _, by_type, extra } = read(body)?;
    let vectors = match (embedding, embeddings.or(by_type)) {
        (Some(one), _) => vec![one],
        (None, Some(json)) => several(json.get())?,
        (None, None) => return Err(wrong("vectors", "there are none")),
    };
    Ok(Embeddings {
        id: id.map(Str::into_string).unwrap_or_default(),
        model: String::new(),
        vectors,
        usage: usage(tokens),
        origin: Some(Dialect::Bedrock),
        extra: extra.to_extra(),
    })
}

/// A list of vectors, a list of objects with one each, or lists by their type.
fn several(json: &str) -> Result<Vec<Vec<f32>>> {
    if json.starts_with('{') {
        let typed: Typed<'_> = serde_json::from_str(json).map_err(|error| wrong("vectors", error))?;
        let Typed { float, int8, uint8, binary, ubinary, extra: _ } = typed;
        let found = float.or(int8).or(uint8).or(binary).or(ubinary);
        return found.ok_or_else(|| wrong("vectors", "there are none"));
    }
    if let Ok(list) = serde_json::from_str::<Vec<Vec<f32>>>(json) {
        return Ok(list);
    }
    let list: Vec<NovaVector<'_>> = serde_json::from_str(json).map_err(|error| wrong("vectors", error))?;
    let vectors = list.into_iter().map(|one| one.embedding).collect::<Option<Vec<_>>>();
    vectors.ok_or_else(|| wrong("vectors", "one is missing"))
}

/// Reads what was used.
///
/// # Errors
/// When the answer is not one.
pub(super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    Ok(Tapped { usage: usage(read(body)?.tokens), model: None })
}

fn read(body: &[u8]) -> Result<Reply<'_>> {
    serde_json::from_slice(body).map_err(|error| wrong("vectors", error))
}

fn usage(count: Option<Count>) -> Option<Usage> {
    count.map(|Count(input)| Usage { input, ..Usage::default() })
}
