//! Vectors from Titan, Nova and Cohere's models by `InvokeModel`: each family has a body of its own.
//!
//! Pictures are seen by `titan-embed-image` (with a text, too), Nova's multimodal model and Cohere's, in base64 alone.
//!
//! What Cohere's models and Nova used stands in a header alone, which a codec does not see: it is estimated. That Titan and
//! Nova take one text at a time is a fact of the row (`embed_inputs`).

mod content;

use llm_types::{ApiError, Dialect, EmbedRequest, Embeddings, Raw, Result, Str, Usage, wire_struct};

use self::content::{Content, NO_COUNTERPART, alone, base64, contents};
use crate::codec::{EncodeCx, Memo, Tapped, WireRequest};
use crate::dialect::media::{self, wrong};
use crate::dialect::scalar::Count;
use crate::dialect::seen::Picture;

/// A family of models, with the members of its own that clients of any dialect may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Cohere,
    Titan,
    Nova,
}

impl Family {
    const ALL: [Self; 3] = [Self::Cohere, Self::Titan, Self::Nova];

    fn of(model: &str) -> Result<Self> {
        if model.contains("cohere.embed") {
            Ok(Self::Cohere)
        } else if model.contains("titan-embed") {
            Ok(Self::Titan)
        } else if model.contains("nova") && model.contains("embed") {
            Ok(Self::Nova)
        } else {
            let message =
                format!("`{model}` makes no vectors: use one of Titan's, Nova's or Cohere's models for them");
            Err(ApiError::bad_request(message).with_param("model"))
        }
    }

    fn terms(self) -> &'static [&'static str] {
        match self {
            Self::Cohere => &["input_type", "truncate", "embedding_types", "max_tokens"],
            Self::Titan => &["normalize", "embeddingTypes"],
            Self::Nova => &[],
        }
    }

    /// Whether it is sent a member: its own, or one that none of the others is known for and the client means so.
    fn takes(self, name: &str, own: bool) -> bool {
        let known = || Self::ALL.iter().any(|family| family.terms().contains(&name));
        self.terms().contains(&name) || (own && !known())
    }
}

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
        image as "inputImage": Str<'a>,
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
        image: NovaImage<'a>,
    }
}

wire_struct! {
    /// A picture (<https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html>).
    struct NovaImage<'a> {
        format: Str<'a>,
        source: NovaSource<'a>,
    }
}

wire_struct! {
    /// Its bytes in base64.
    struct NovaSource<'a> {
        bytes: Str<'a>,
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
        /// As `data:` addresses.
        images: Vec<String>,
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
/// When the model makes no vectors, or none of what an input is.
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
    let contents = contents(inputs, cx)?;
    if user.is_some() {
        cx.changes.dropped("user", NO_COUNTERPART);
    }
    let mut members = llm_types::Members::default();
    let own = origin.is_none_or(|origin| origin == Dialect::Bedrock);
    let (model, family) = (cx.model, Family::of(cx.model)?);
    for (name, value) in extra.iter() {
        if family.takes(name, own) {
            members.push(name.into(), value);
        } else if family != Family::Nova || name != "input_type" {
            cx.changes.dropped(name.to_owned(), NO_COUNTERPART);
        }
    }
    for name in ["embedding_types", "embeddingTypes"].into_iter().filter(|name| family.terms().contains(name))
    {
        media::one_type(extra, name, cx.changes);
    }
    let body = match family {
        Family::Cohere => cohere(request, contents, members, cx),
        Family::Titan => titan(request, alone(contents)?, members, cx),
        Family::Nova => nova(request, alone(contents)?, members, cx),
    }?;
    Ok(media::json(format!("/model/{}/invoke", crate::url::escape(model)), body, Memo::default()))
}

fn titan<'r>(
    request: &'r EmbedRequest,
    Content { text, picture }: Content<'r>,
    extra: llm_types::Members<'r>,
    cx: &mut EncodeCx<'_>,
) -> Result<Vec<u8>> {
    let EmbedRequest { dimensions, task, truncate, .. } = request;
    for (name, set) in [("task", task.is_some()), ("truncate", truncate.is_some())] {
        if set {
            cx.changes.dropped(name, NO_COUNTERPART);
        }
    }
    let image = picture.as_ref().and_then(base64);
    let mut out = Titan { text, image, extra, ..Titan::default() };
    let pictures = cx.model.contains("embed-image");
    match dimensions {
        Some(length) if pictures => {
            out.config = Some(TitanConfig { length: Some(*length), ..TitanConfig::default() });
        }
        Some(_) if cx.model.contains("text-v1") => cx.changes.dropped("dimensions", NO_COUNTERPART),
        dimensions => out.dimensions = *dimensions,
    }
    media::beside(&out, cx.changes)
}

fn nova<'r>(
    request: &'r EmbedRequest,
    content: Content<'r>,
    extra: llm_types::Members<'r>,
    cx: &mut EncodeCx<'_>,
) -> Result<Vec<u8>> {
    let EmbedRequest { dimensions, task, truncate, extra: given, .. } = request;
    // Cohere's word for the purpose, where the client has it.
    let said = given.get("input_type").map(|json| serde_json::from_str::<Str<'_>>(json.get()));
    let (name, said) = match &said {
        None => ("task", task.as_deref()),
        Some(said) => {
            if task.is_some() {
                cx.changes.dropped("task", "`input_type` is given too");
            }
            ("input_type", Some(said.as_ref().map_or("", Str::as_str)))
        }
    };
    let purpose = match said {
        None | Some("RETRIEVAL_DOCUMENT" | DOCUMENT) => "GENERIC_INDEX",
        Some("RETRIEVAL_QUERY" | "search_query") => "GENERIC_RETRIEVAL",
        Some("CLASSIFICATION" | "classification") => "CLASSIFICATION",
        Some("CLUSTERING" | "clustering") => "CLUSTERING",
        Some(_) => {
            cx.changes.altered(name, "nova does not know this purpose: sent as documents");
            "GENERIC_INDEX"
        }
    };
    let truncation = truncate.map(|cut| Str::from(if cut { "END" } else { "NONE" }));
    if truncation.is_some() && content.text.is_none() {
        cx.changes.dropped("truncate", "a picture is not cut");
    }
    let text = content.text.map(|text| NovaText {
        value: Some(text),
        truncation: Some(truncation.unwrap_or_else(|| Str::from("END"))),
        ..NovaText::default()
    });
    let image = content.picture.as_ref().map(|picture| {
        let kind = picture.bytes().map_or("", |(kind, _)| kind);
        let format = kind.rsplit('/').next().filter(|format| *format != "jpg").unwrap_or("jpeg");
        NovaImage {
            format: Some(Str::from(format.to_owned())),
            source: Some(NovaSource { bytes: base64(picture), ..NovaSource::default() }),
            ..NovaImage::default()
        }
    });
    let params = NovaParams {
        purpose: Some(Str::from(purpose)),
        dimension: *dimensions,
        text,
        image,
        ..NovaParams::default()
    };
    media::beside(
        &Nova { task: Some(Str::from("SINGLE_EMBEDDING")), params: Some(params), extra },
        cx.changes,
    )
}

fn cohere<'r>(
    request: &'r EmbedRequest,
    contents: Vec<Content<'r>>,
    extra: llm_types::Members<'r>,
    cx: &mut EncodeCx<'_>,
) -> Result<Vec<u8>> {
    let EmbedRequest { dimensions, task, truncate, extra: given, .. } = request;
    let said = |name: &str| given.get(name).is_some();
    let mut out = Cohere { extra, ..Cohere::default() };
    let pictures = contents.iter().filter_map(|one| one.picture.as_ref());
    let pictures: Vec<String> = pictures.map(Picture::address).collect();
    // A picture has no purpose but that in the third version.
    let is_picture = !pictures.is_empty() && cx.model.contains("-v3");
    match pictures.len() {
        0 => out.texts = Some(contents.into_iter().filter_map(|one| one.text).collect()),
        count if count == contents.len() => out.images = Some(pictures),
        _ => {
            let message =
                "this model makes vectors of texts or of pictures: send those in a request of their own";
            return Err(ApiError::bad_request(message).with_param("input"));
        }
    }
    if is_picture {
        if out.extra.remove("input_type").is_some_and(|said| said.get() != "\"image\"") {
            cx.changes.altered("input_type", "a picture is always `image` there");
        }
        out.input_type = Some(Str::from("image"));
        if task.is_some() {
            cx.changes.dropped("task", NO_COUNTERPART);
        }
    } else if !said("input_type") {
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
    media::beside(&out, cx.changes)
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

#[cfg(test)]
mod tests {
    use llm_types::{Changes, EmbedContent, EmbedInput, EmbedRequest, Extra, Op, RawValue};
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::Asked;
    use crate::table::ProviderTable;

    /// What is sent of these members, and what of them is lost.
    fn sent(model: &str, members: &[(&str, &str)]) -> (Value, Vec<String>) {
        let spec = ProviderTable::builtin().get("bedrock").unwrap().as_ref().clone();
        let mut extra = Extra::default();
        for (name, json) in members {
            extra.set(*name, RawValue::from_string((*json).to_owned()).unwrap());
        }
        let inputs = vec![EmbedInput { content: EmbedContent::Text("Hi".to_owned()), title: None }];
        let request = EmbedRequest { inputs, extra, ..EmbedRequest::default() };
        let (asked, mut changes) = (Asked::of(Op::Embed), Changes::default());
        let mut cx = EncodeCx { spec: &spec, model, asked: &asked, changes: &mut changes };
        let body = encode(&request, &mut cx).unwrap().body.to_bytes();
        let lost = changes.list().iter().map(|change| change.path.to_string()).collect();
        (serde_json::from_slice(&body).unwrap(), lost)
    }

    #[test]
    fn each_family_is_sent_its_own_words() {
        let all = [
            ("input_type", "\"search_query\""),
            ("truncate", "\"END\""),
            ("normalize", "true"),
            ("inputText", "\"another\""),
        ];
        let (body, lost) = sent("amazon.titan-embed-text-v2:0", &all);
        assert_eq!(body, json!({"inputText": "Hi", "normalize": true}));
        assert_eq!(lost, ["input_type", "truncate", "inputText"]);
        let (body, lost) = sent("amazon.nova-2-multimodal-embeddings-v1:0", &all[..3]);
        let params = json!({"embeddingPurpose": "GENERIC_RETRIEVAL", "text": {"value": "Hi", "truncationMode": "END"}});
        assert_eq!(body, json!({"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}));
        assert_eq!(lost, ["truncate", "normalize"]);
        let (body, lost) = sent("cohere.embed-v4:0", &all[..3]);
        assert_eq!(body, json!({"texts": ["Hi"], "input_type": "search_query", "truncate": "END"}));
        assert_eq!(lost, ["normalize"]);
    }
}
