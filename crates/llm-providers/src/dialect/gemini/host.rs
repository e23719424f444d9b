//! Where hosts that speak this format differ: addresses and what they fetch.
//!
//! Bodies are the same everywhere, so that whatever depends on the host is kept here, small, beside the
//! facts of the Gemini API itself (<https://ai.google.dev/gemini-api/docs/files>).

use std::fmt::Write as _;

use llm_types::{ApiError, ProviderSpec, Result, UrlForm, glob_matches};

use super::model::bare;

/// Models at Vertex AI whose vectors come from `embedContent`, one at a time; those of the others from `predict`
/// (cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api).
const EMBED_CONTENT: &[&str] = &["gemini-embedding-2*"];

/// Who speaks the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// The Gemini API.
    Gemini,
    /// Vertex AI.
    Vertex,
}

impl Host {
    /// Who stands behind a row.
    pub(super) fn of(spec: &ProviderSpec) -> Self {
        if spec.url == UrlForm::Vertex { Self::Vertex } else { Self::Gemini }
    }

    /// Whether vectors are asked for in the form of a prediction.
    pub(super) fn predicts(self, model: &str) -> bool {
        self == Self::Vertex && !EMBED_CONTENT.iter().any(|glob| glob_matches(glob, model))
    }

    /// Whether functions and tools that the provider runs may go together when the request says so.
    pub(super) fn asks_for_server_side_calls(self) -> bool {
        self == Self::Gemini
    }

    /// Whether the tier of service is asked for in a header and not in the body.
    pub(super) fn takes_tier_in_header(self) -> bool {
        self == Self::Vertex
    }
}

/// The base of files that were handed in through the Files API.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";
const FILES_HOST: &str = "https://generativelanguage.googleapis.com/";
const YOUTUBE: &[&str] =
    &["https://www.youtube.com/", "https://youtube.com/", "https://m.youtube.com/", "https://youtu.be/"];

/// What a call does, in the words of the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Answer in one piece.
    Generate,
    /// Answer as a stream of server-sent events.
    Stream,
    /// Count the tokens of a prompt.
    Count,
    /// One vector.
    Embed,
    /// Several vectors.
    EmbedBatch,
    /// Several vectors, as a prediction.
    Predict,
}

/// Path and query of a call.
///
/// # Errors
/// When no model is named.
pub(super) fn path(host: Host, model: &str, verb: Verb) -> Result<String> {
    let name = bare(model);
    if name.is_empty() {
        return Err(ApiError::bad_request("name a model").with_param("model"));
    }
    let mut path = match host {
        Host::Gemini if model.starts_with("tunedModels/") => "/v1beta/tunedModels/".to_owned(),
        Host::Gemini => "/v1beta/models/".to_owned(),
        // Of a tuned model only the endpoint has a name, which is a number.
        Host::Vertex if name.bytes().all(|byte| byte.is_ascii_digit()) => "/endpoints/".to_owned(),
        Host::Vertex => "/publishers/google/models/".to_owned(),
    };
    escape(name, &mut path);
    path.push_str(match verb {
        Verb::Generate => ":generateContent",
        Verb::Stream => ":streamGenerateContent?alt=sse",
        Verb::Count => ":countTokens",
        Verb::Embed => ":embedContent",
        Verb::EmbedBatch => ":batchEmbedContents",
        Verb::Predict => ":predict",
    });
    Ok(path)
}

/// A file that the provider reads by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    /// Its address.
    pub(super) uri: String,
    /// Its media type, where the address alone says it.
    pub(super) media_type: Option<&'static str>,
}

/// The address of a file if this host reads it by itself; `None`: the caller has to send the bytes. `typed`: whether
/// its media type is known, without which Vertex AI fetches nothing.
pub(super) fn fetched(host: Host, url: &str, typed: bool) -> Option<Fetched> {
    let plain = |media_type| Some(Fetched { uri: url.to_owned(), media_type });
    if url.starts_with("gs://") {
        return plain(None);
    }
    if YOUTUBE.iter().any(|host| url.starts_with(host)) {
        return plain(Some("video/mp4"));
    }
    if host == Host::Vertex {
        return if url.starts_with("https://") && typed { plain(None) } else { None };
    }
    let file = url.strip_prefix(FILES_HOST).is_some_and(|path| path.contains("files/"));
    if file { plain(None) } else { None }
}

/// The address of a file by its id at the provider.
pub(super) fn file_by_id(host: Host, id: &str, typed: bool) -> Option<Fetched> {
    if id.contains("://") {
        return fetched(host, id, typed);
    }
    // Vertex AI keeps no files: they stand in a bucket.
    if host == Host::Vertex {
        return None;
    }
    let name = id.strip_prefix("files/").filter(|name| !name.is_empty())?;
    let mut uri = format!("{FILES}files/");
    escape(name, &mut uri);
    Some(Fetched { uri, media_type: None })
}

/// Percent-encodes everything but letters, digits and `-._~`, so that a name stays one path segment.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_one_path_segment() {
        let check = |model, verb, expect: &str| assert_eq!(path(Host::Gemini, model, verb).unwrap(), expect);
        check("gemini-2.5-flash", Verb::Generate, "/v1beta/models/gemini-2.5-flash:generateContent");
        check("models/gemini-3", Verb::Stream, "/v1beta/models/gemini-3:streamGenerateContent?alt=sse");
        check("tunedModels/a-1", Verb::Generate, "/v1beta/tunedModels/a-1:generateContent");
        check("../../x?key=1#:é", Verb::Generate, "/v1beta/models/x%3Fkey%3D1%23%3A%C3%A9:generateContent");
        assert_eq!(
            path(Host::Gemini, "models/", Verb::Generate).unwrap_err().param.as_deref(),
            Some("model")
        );
        let check = |model, verb, expect: &str| assert_eq!(path(Host::Vertex, model, verb).unwrap(), expect);
        check("gemini-2.5-pro", Verb::Count, "/publishers/google/models/gemini-2.5-pro:countTokens");
        check("1234567890", Verb::Stream, "/endpoints/1234567890:streamGenerateContent?alt=sse");
        check("text-embedding-005", Verb::Predict, "/publishers/google/models/text-embedding-005:predict");
    }

    #[test]
    fn only_addresses_that_the_provider_reads_are_left_to_it() {
        let check = |url: &str, expect: Option<Option<&'static str>>| {
            assert_eq!(fetched(Host::Gemini, url, true).map(|file| file.media_type), expect, "{url}");
        };
        check("gs://bucket/a.png", Some(None));
        check("https://youtu.be/x", Some(Some("video/mp4")));
        check("https://www.youtube.com/watch?v=x", Some(Some("video/mp4")));
        check("https://generativelanguage.googleapis.com/v1beta/files/abc", Some(None));
        check("https://generativelanguage.googleapis.com/other", None);
        check("https://www.youtube.com.evil.example/x", None);
        check("https://example.com/a.png", None);
        check("file:///etc/passwd", None);
        let vertex = |url: &str, typed| fetched(Host::Vertex, url, typed).is_some();
        assert!(vertex("https://example.com/a.png", true) && vertex("gs://bucket/a", false));
        assert!(!vertex("https://example.com/a", false) && !vertex("http://example.com/a.png", true));
        assert_eq!(file_by_id(Host::Vertex, "files/abc", true), None);
        let uri = file_by_id(Host::Gemini, "files/abc", true).unwrap().uri;
        assert_eq!(uri, "https://generativelanguage.googleapis.com/v1beta/files/abc");
        assert_eq!(file_by_id(Host::Gemini, "file-abc", true), None);
    }
}
