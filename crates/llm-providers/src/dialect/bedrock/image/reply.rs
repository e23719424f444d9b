//! What comes back of either.

use llm_types::{Images, MadeImage, Output, Result, Str, Usage, wire_struct};

use crate::codec::{DecodeCx, Tapped};
use crate::dialect::media::wrong;
use crate::dialect::openai_images::held_back;

wire_struct! {
    /// Pictures.
    struct Made<'a> {
        images: Vec<Str<'a>>,
        error: Str<'a>,
        finish_reasons: Vec<Option<Str<'a>>>,
        artifacts: Vec<Artifact<'a>>,
    }
}

wire_struct! {
    /// A picture of Stability's first models.
    struct Artifact<'a> {
        base64: Str<'a>,
        finish_reason as "finishReason": Str<'a>,
    }
}

/// Reads pictures.
///
/// # Errors
/// When there are none, or they are held back.
pub(in super::super) fn decode(body: &[u8], cx: &DecodeCx<'_>) -> Result<Output> {
    let made = |base64: String| MadeImage { base64: Some(base64), ..MadeImage::default() };
    let data: Vec<MadeImage> = pictures(body)?.into_iter().map(made).collect();
    let usage = counted(cx.memo.used().cloned().unwrap_or_default(), data.len());
    Ok(Output::Images(Box::new(Images { data, usage: Some(usage), ..Images::default() })))
}

/// What pictures that go through as they came have used: how many they are.
///
/// # Errors
/// As [`decode`].
pub(in super::super) fn tapped(body: &[u8]) -> Result<Tapped<'_>> {
    let count = pictures(body)?.len();
    Ok(Tapped { usage: Some(counted(Usage::default(), count)), model: None })
}

fn counted(mut usage: Usage, count: usize) -> Usage {
    usage.units.images = u64::try_from(count).unwrap_or(u64::MAX);
    usage
}

fn pictures(body: &[u8]) -> Result<Vec<String>> {
    let Made { images, error, finish_reasons, artifacts, extra: _ } =
        serde_json::from_slice(body).map_err(|error| wrong("pictures", error))?;
    let reasons = finish_reasons.unwrap_or_default();
    match reasons.iter().flatten().next().map(Str::as_str) {
        // Not every reason is the content's.
        Some("Inference error") => return Err(wrong("pictures", "the model failed")),
        Some(_) => return Err(held_back()),
        None => {}
    }
    let mut data: Vec<String> = images.into_iter().flatten().map(Str::into_string).collect();
    for Artifact { base64, finish_reason, extra: _ } in artifacts.into_iter().flatten() {
        if finish_reason.is_some_and(|reason| reason.as_str() == "CONTENT_FILTERED") {
            return Err(held_back());
        }
        data.extend(base64.map(Str::into_string));
    }
    if data.is_empty() {
        // Amazon's models leave out what they hold back, and say so.
        return Err(match error {
            Some(error) if blocked(error.as_str()) => held_back(),
            Some(error) => wrong("pictures", error.as_str()),
            None => wrong("pictures", "there are none"),
        });
    }
    Ok(data)
}

/// Whether what Amazon's models say means that a policy is against it ("… blocked by our content filters").
fn blocked(error: &str) -> bool {
    let error = error.to_ascii_lowercase();
    ["content filter", "blocked", "responsible ai", "policy"].iter().any(|word| error.contains(word))
}
