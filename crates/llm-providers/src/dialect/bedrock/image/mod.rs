//! Pictures by `InvokeModel`: of Amazon's models and of Stability's, each in the words of its maker.

mod amazon;
mod reply;
mod stability;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, HeaderValue};
use llm_types::{Changes, Dialect, Extra, ImageRequest, ImageTask, Result, Str, Units, Upload, Usage};

use crate::codec::{EncodeCx, MediaMemo, Memo, WireRequest};
use crate::dialect::media;

pub(super) use reply::{decode, tapped};

/// Why something is dropped.
const NO_COUNTERPART: &str = "the model on bedrock has no counterpart";

/// Writes a request.
///
/// # Errors
/// When the model cannot do what is asked.
pub(super) fn encode(request: &ImageRequest, cx: &mut EncodeCx<'_>) -> Result<WireRequest> {
    let ImageRequest {
        model: _,
        prompt: _,
        n,
        size: _,
        quality: _,
        style: _,
        background,
        output_format: _,
        response_format,
        user,
        stream: _,
        images: _,
        mask: _,
        task,
        origin,
        extra,
    } = request;
    for (name, set) in [("background", background.is_some()), ("user", user.is_some())] {
        if set {
            cx.changes.dropped(name, NO_COUNTERPART);
        }
    }
    if response_format.as_deref() == Some("url") {
        cx.changes.altered("response_format", "bedrock sends pictures, not addresses: `b64_json`");
    }
    if *task != ImageTask::Make {
        media::pictures_given(request)?;
    }
    // What a client adds for the model goes along, as it does for others.
    let own = origin.is_none_or(|origin| origin == Dialect::OpenaiImages);
    let none = Extra::default();
    let asked = Asked { request, own: if own { extra } else { &none }, model: cx.model };
    let body = if cx.model.contains("stability.") {
        stability::body(&asked, cx.changes)?
    } else {
        amazon::body(&asked, cx.changes)?
    };
    let path = format!("/model/{}/invoke", crate::url::escape(cx.model));
    let units = Units { images: n.unwrap_or(1).into(), ..Units::default() };
    let used = Usage { units, ..Usage::default() };
    let memo = MediaMemo { used, ..MediaMemo::default() };
    let mut wire = media::json(path, body, Memo { media: Some(Arc::new(memo)), ..Memo::default() });
    wire.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(wire)
}

/// What is asked of a model.
struct Asked<'a> {
    request: &'a ImageRequest,
    /// What the client adds in the model's own words.
    own: &'a Extra,
    model: &'a str,
}

impl Asked<'_> {
    /// Tells which members the model does not take.
    fn drop_all(&self, names: &[(&'static str, bool)], changes: &mut Changes) {
        for (name, _) in names.iter().filter(|(_, set)| *set) {
            changes.dropped(*name, NO_COUNTERPART);
        }
    }
}

fn encoded(file: &Upload) -> Str<'static> {
    Str::from(STANDARD.encode(&file.data))
}
