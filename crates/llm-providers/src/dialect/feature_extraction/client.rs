//! Us calling a pipeline.

use http::{HeaderMap, StatusCode};
use llm_types::{
    ApiError, Call, Dialect, EmbedContent, EmbedInput, EmbedRequest, Embeddings, Head, Op, Output, RawValue,
    Result, Str, wire_struct,
};

use crate::codec::{
    ClientCodec, DecodeCx, EncodeCx, Memo, StreamDecoder, StreamTap, Tapped, WireRequest, cannot,
};
use crate::dialect::{media, openai_chat};
use crate::quirk::Row;

const DIALECT: &str = "feature_extraction";
/// Members of OpenAI's that a pipeline does not know.
const OPENAI_ONLY: [&str; 2] = ["input_type", "task_type"];

wire_struct! {
    /// What is asked.
    struct Body<'a> {
        inputs: Vec<Str<'a>>,
        truncate: bool,
    }
}

wire_struct! {
    /// How endpoints of SageMaker put it.
    struct Wrapped<'a> {
        embedding or "embeddings": &'a RawValue,
    }
}

/// The client half of the dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client;

impl ClientCodec for Client {
    fn encode(&self, call: &Call, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
        let Call::Embed(request) = call else { return Err(cannot(DIALECT, call.op())) };
        let row = Row::of(Dialect::FeatureExtraction, cx.spec, cx.model, None);
        let path = row.path(false).unwrap_or_else(|| "/".to_owned());
        Ok(media::json(path, body(request, &row, cx)?, Memo::default()))
    }

    /// No client speaks this dialect to us.
    fn splice(&self, _head: &Head, _cx: &mut EncodeCx<'_>) -> Result<Option<WireRequest>> {
        Ok(None)
    }

    fn decode(&self, op: Op, body: &[u8], _cx: &DecodeCx<'_>) -> Result<Output> {
        if op != Op::Embed {
            return Err(cannot(DIALECT, op));
        }
        let vectors = vectors(body)?;
        Ok(Output::Embed(Box::new(Embeddings { vectors, ..Embeddings::default() })))
    }

    fn decode_error(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        openai_chat::Client.decode_error(status, headers, body)
    }

    /// Nothing of this dialect is streamed.
    fn decoder(&self, op: Op, cx: &DecodeCx<'_>) -> Box<dyn StreamDecoder> {
        openai_chat::Client.decoder(op, cx)
    }

    fn tap<'b>(&self, _op: Op, _body: &'b [u8]) -> Result<Tapped<'b>> {
        Ok(Tapped::default())
    }

    /// Nothing of this dialect is streamed.
    fn stream_tap(&self, op: Op) -> Box<dyn StreamTap> {
        openai_chat::Client.stream_tap(op)
    }
}

fn body(request: &EmbedRequest, row: &Row<'_>, cx: &mut EncodeCx<'_>) -> Result<Vec<u8>> {
    // However the client wants the numbers written: our own half of its dialect does it.
    let EmbedRequest { model: _, inputs, dimensions, encoding: _, task, truncate, user, origin: _, extra } =
        request;
    let lost = [("dimensions", dimensions.is_some()), ("task", task.is_some()), ("user", user.is_some())];
    for (name, _) in lost.into_iter().filter(|(_, set)| *set) {
        cx.changes.dropped(name, row.why());
    }
    let mut texts = Vec::with_capacity(inputs.len());
    for (index, EmbedInput { content, title }) in inputs.iter().enumerate() {
        if title.is_some() {
            cx.changes.dropped(format!("input[{index}].title"), row.why());
        }
        let EmbedContent::Text(text) = content else {
            let message = "this provider makes vectors of texts alone: send the input as text";
            return Err(ApiError::bad_request(message).with_param(format!("input[{index}]")));
        };
        texts.push(Str::from(text));
    }
    let mut out = Body { inputs: Some(texts), truncate: *truncate, ..Body::default() };
    for (name, json) in extra.iter() {
        if OPENAI_ONLY.contains(&name) {
            cx.changes.dropped(name.to_owned(), row.why());
        } else {
            out.extra.push(name.into(), json);
        }
    }
    media::beside(&out, cx.changes)
}

/// One vector for each text. A model without a pooling of its own gives one for each token: their mean is the text's.
fn vectors(body: &[u8]) -> Result<Vec<Vec<f32>>> {
    let wrong = |error: serde_json::Error| media::wrong("vectors", error);
    if body.trim_ascii_start().starts_with(b"{") {
        let Wrapped { embedding, extra: _ } = serde_json::from_slice(body).map_err(wrong)?;
        let list = embedding.ok_or_else(|| media::wrong("vectors", "there is no `embedding`"))?;
        // A list: it does not come back here.
        return if list.get().starts_with('[') {
            vectors(list.get().as_bytes())
        } else {
            Err(media::wrong("vectors", "`embedding` is no list"))
        };
    }
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(wrong)?;
    if items.first().is_some_and(|first| !first.get().starts_with('[')) {
        // A text alone.
        return serde_json::from_slice(body).map(|one| vec![one]).map_err(wrong);
    }
    let one = |item: &RawValue| {
        let inside = item.get().strip_prefix('[').unwrap_or_default().trim_start();
        if !inside.starts_with('[') {
            return serde_json::from_str(item.get()).map_err(wrong);
        }
        let tokens: Vec<Vec<f32>> = serde_json::from_str(item.get()).map_err(wrong)?;
        mean(&tokens).ok_or_else(|| media::wrong("vectors", "the tokens' are of several lengths"))
    };
    items.into_iter().map(one).collect()
}

fn mean(tokens: &[Vec<f32>]) -> Option<Vec<f32>> {
    let mut sums = vec![0.0_f64; tokens.first()?.len()];
    for token in tokens {
        if token.len() != sums.len() {
            return None;
        }
        sums.iter_mut().zip(token).for_each(|(sum, number)| *sum += f64::from(*number));
    }
    #[expect(clippy::cast_precision_loss, reason = "no text has so many tokens")]
    let count = tokens.len() as f64;
    #[expect(clippy::cast_possible_truncation, reason = "vectors are of such numbers")]
    let means = sums.into_iter().map(|sum| (sum / count) as f32).collect();
    Some(means)
}
