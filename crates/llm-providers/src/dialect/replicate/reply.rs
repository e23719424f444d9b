//! Predictions that are done.

use llm_types::chat::Part;
use llm_types::{ApiError, Choice, Dialect, ErrorKind, FinishKind, Raw, Reply, Result, Str, Usage};

use super::wire::{Metrics, Prediction};
use crate::codec::Tapped;
use crate::dialect::openai_error;
use crate::dialect::scalar::{Count, Lossy};

/// Reads a whole answer.
///
/// # Errors
/// When it is not one; why the prediction failed.
pub(super) fn reply(body: &[u8]) -> Result<Reply> {
    let read = read(body)?;
    let Prediction {
        id,
        model,
        version: _,
        status,
        input: _,
        output,
        error,
        logs: _,
        metrics,
        urls: _,
        extra,
    } = read;
    let status = status.unwrap_or_default();
    match status.as_str() {
        "succeeded" => {}
        "failed" => return Err(failed(error.as_ref())),
        "canceled" | "aborted" => return Err(canceled()),
        _ => {
            let message = "the prediction was not done in time: it stays under way at the provider";
            return Err(ApiError::upstream(ErrorKind::Timeout, message));
        }
    }
    Ok(Reply {
        id: id.map(Str::into_string).unwrap_or_default(),
        model: model.map(Str::into_string).unwrap_or_default(),
        choices: vec![Choice {
            parts: vec![Part::text(text(output.as_ref())?)],
            finish: Some(FinishKind::Stop.into()),
            ..Choice::default()
        }],
        usage: metrics.as_ref().and_then(usage),
        origin: Some(Dialect::Replicate),
        extra: extra.to_extra(),
        ..Reply::default()
    })
}

/// Reads what was used.
///
/// # Errors
/// When the answer is not one.
pub(super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let read = read(body)?;
    let usage = read.metrics.as_ref().and_then(usage);
    Ok(Tapped { usage, model: read.model.map(|model| model.0) })
}

/// A prediction that was given up.
pub(super) fn canceled() -> ApiError {
    ApiError::upstream(ErrorKind::Internal, "the prediction was canceled at the provider")
}

/// A prediction that failed, in the model's own words.
pub(super) fn failed(error: Option<&Raw<'_>>) -> ApiError {
    let mut failed = openai_error::inside(error.map_or("null", |raw| raw.get()));
    if failed.message.is_empty() {
        failed.message = "the prediction failed: no reason is given".to_owned();
    }
    if failed.message.to_lowercase().contains("input is too long") {
        failed.kind = ErrorKind::ContextWindow;
    }
    failed
}

fn read(body: &[u8]) -> Result<Prediction<'_>> {
    serde_json::from_slice(body).map_err(|error| {
        let message = "the upstream's answer is not one of Replicate's";
        ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
    })
}

/// The output: a text, or pieces of one.
fn text(output: Option<&Raw<'_>>) -> Result<String> {
    let json = output.map_or("\"\"", |raw| raw.get());
    if let Ok(text) = serde_json::from_str::<Lossy<'_>>(json) {
        return Ok(text.0.into_owned());
    }
    let pieces: Vec<Lossy<'_>> = serde_json::from_str(json).map_err(|error| {
        let message = "the model's output is no text: only language models can be asked this way";
        ApiError::upstream(ErrorKind::UpstreamFormat, message).with_source(error)
    })?;
    Ok(pieces.iter().map(|piece| &*piece.0).collect())
}

/// What was counted, where it was.
pub(super) fn usage(metrics: &Metrics<'_>) -> Option<Usage> {
    let Metrics { input, output, extra: _ } = metrics;
    let count = |count: &Option<Count>| count.map(|Count(count)| count).unwrap_or_default();
    (input.is_some() || output.is_some()).then(|| Usage {
        input: count(input),
        output: count(output),
        ..Usage::default()
    })
}
