//! OpenAI's realtime API: what its events say of responses and their usage. Everything else goes through unread.
//!
//! (platform.openai.com/docs/api-reference/realtime-server-events)

pub mod transcript;

use std::borrow::Cow;

use bytes::Bytes;
use llm_types::{ApiError, Edits, Head, Result, Usage};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use crate::url::escape;

/// The protocol that clients in browsers name, and the beginnings of those that carry what headers cannot.
pub const PROTOCOL: &str = "realtime";
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";
const BETA_PROTOCOL: &str = "openai-beta.";

/// The event by which a client cancels the response that runs.
pub const CANCEL: &str = r#"{"type":"response.cancel"}"#;

/// As [`CANCEL`], for one of several that run.
#[must_use]
pub fn cancel(response: &str) -> String {
    json!({"type": "response.cancel", "response_id": response}).to_string()
}

/// An event by which a client asks for a response.
#[derive(Debug)]
pub struct Ask {
    head: Head,
    /// What the client calls the event.
    pub event_id: Option<String>,
}

/// Reads an event of the client; `None`: it asks for no response.
///
/// # Errors
/// 400 for one that may ask for a response, and cannot be read.
pub fn asks(event: &Bytes) -> Result<Option<Ask>> {
    let mentions = |word: &str| memchr::memmem::find(event, word.as_bytes()).is_some();
    // The word may also stand there in escapes. Sound has none, and is not read.
    if !mentions("response.create") && !mentions("\\u") {
        return Ok(None);
    }
    let head = Head::scan(event.clone())?;
    if head.read::<Cow<'_, str>>("type")?.as_deref() != Some("response.create") {
        return Ok(None);
    }
    let event_id = head.read("event_id").ok().flatten();
    Ok(Some(Ask { head, event_id }))
}

impl Ask {
    /// The event under another name, by which the provider's errors call it.
    #[must_use]
    pub fn named(&self, event_id: &str) -> Bytes {
        with(&self.head, "event_id", json!(event_id).to_string())
    }
}

/// An error of the provider about an event that the client calls otherwise.
#[must_use]
pub fn renamed(error: &Bytes, event_id: Option<&str>) -> Bytes {
    let renamed = || {
        let head = Head::scan(error.clone()).ok()?;
        let inner = with(&head.nested("error").ok()??, "event_id", json!(event_id).to_string());
        Some(with(&head, "error", inner))
    };
    renamed().unwrap_or_else(|| error.clone())
}

fn with(head: &Head, name: &str, json: impl Into<Bytes>) -> Bytes {
    let mut edits = Edits::default();
    edits.set(head, name, json);
    edits.apply(head).to_bytes()
}

/// The path of a session with this model, and what else the client's query says.
#[must_use]
pub fn path(model: &str, query: &str) -> String {
    let mark = if query.is_empty() { "" } else { "&" };
    format!("/realtime?model={}{mark}{query}", escape(model))
}

/// What goes on of a client's query: not the model, which is ours to name, nor keys and versions, which belong to the
/// account.
///
/// # Errors
/// 400 for a session of transcription: nothing would count what it costs.
pub fn onward(query: &str) -> Result<String> {
    let name = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        percent_decode_str(name).decode_utf8_lossy().trim().to_ascii_lowercase().replace(['_', '+'], "-")
    };
    let own = ["model", "api-key", "key", "access-token", "api-version", "deployment", ""];
    let pairs = query.split(['&', ';']).map(|pair| (name(pair), pair));
    let kept: Vec<_> = pairs.filter(|(name, _)| !own.contains(&&**name)).collect();
    if kept.iter().any(|(name, _)| name == "intent") {
        let message =
            "sessions of transcription are not relayed: leave out `intent`, or use /v1/audio/transcriptions";
        return Err(ApiError::bad_request(message).with_param("intent"));
    }
    Ok(kept.into_iter().map(|(_, pair)| pair).collect::<Vec<_>>().join("&"))
}

/// What the protocols that a client offers say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Offered<'a> {
    /// It speaks the realtime protocol by name, and has to be told so.
    pub named: bool,
    /// Its key.
    pub key: Option<&'a str>,
    /// The header `openai-beta`, in a form of its own.
    pub beta: Option<String>,
}

/// Reads the value of `Sec-WebSocket-Protocol`.
#[must_use]
pub fn offered(protocols: &str) -> Offered<'_> {
    let mut offered = Offered::default();
    for protocol in protocols.split(',').map(str::trim) {
        if protocol == PROTOCOL {
            offered.named = true;
        } else if let Some(key) = protocol.strip_prefix(KEY_PROTOCOL) {
            offered.key = Some(key);
        } else if let Some(beta) = protocol.strip_prefix(BETA_PROTOCOL) {
            offered.beta = beta.split_once("-v").map(|(name, version)| format!("{name}=v{version}"));
        }
    }
    offered
}

/// What an event of the server is, as far as it bears on money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A response begins.
    Begun {
        /// Its id.
        id: String,
    },
    /// A response is over.
    Done {
        /// Its id.
        id: String,
        /// What it used, where that is said.
        usage: Option<Box<Usage>>,
        /// Whether it said anything.
        said: bool,
    },
    /// An event of the client was refused.
    Refused {
        /// Which.
        event_id: String,
    },
    /// Anything else.
    Other,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    #[serde(borrow)]
    response: Option<Response<'a>>,
    #[serde(default)]
    error: Option<About>,
}

#[derive(Deserialize)]
struct About {
    #[serde(default)]
    event_id: Option<String>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default)]
    id: Option<String>,
    /// Whatever it is, the response is over.
    #[serde(default, borrow)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    output: Option<Vec<IgnoredAny>>,
}

// Some say `null` for what they do not count.
#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_token_details: Option<Details>,
    output_token_details: Option<Details>,
}

#[derive(Deserialize, Default)]
struct Details {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
    cached_tokens_details: Option<Cached>,
}

#[derive(Deserialize, Default)]
struct Cached {
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// Reads an event of the server.
#[must_use]
pub fn told(event: &[u8]) -> Told {
    // Most events are sound, which is not read.
    let mentions = |word: &str| memchr::memmem::find(event, word.as_bytes()).is_some();
    if !mentions("response.created") && !mentions("response.done") && !mentions("\"error\"") {
        return Told::Other;
    }
    let Ok(Event { kind, response, error }) = serde_json::from_slice(event) else {
        return Told::Other;
    };
    match (&*kind, response, error) {
        ("response.created", Some(Response { id, .. }), _) => Told::Begun { id: id.unwrap_or_default() },
        ("response.done", Some(Response { id, usage, output }), _) => {
            let counts = usage.and_then(|usage| serde_json::from_str::<Option<Counts>>(usage.get()).ok()?);
            Told::Done {
                id: id.unwrap_or_default(),
                usage: counts.map(|counts| Box::new(counts.into())),
                said: output.is_some_and(|output| !output.is_empty()),
            }
        }
        ("error", _, Some(About { event_id: Some(event_id) })) => Told::Refused { event_id },
        _ => Told::Other,
    }
}

impl From<Counts> for Usage {
    /// Cached tokens are part of the others of their kind.
    fn from(counts: Counts) -> Self {
        let [input_tokens, output_tokens] =
            [counts.input_tokens, counts.output_tokens].map(Option::unwrap_or_default);
        let input = counts.input_token_details.unwrap_or_default();
        let output = counts.output_token_details.unwrap_or_default();
        let Details { cached_tokens, audio_tokens, image_tokens, cached_tokens_details: cached } = input;
        let cached = cached.unwrap_or_default();
        let rest = |all: Option<u64>, cached: Option<u64>| {
            all.unwrap_or_default().saturating_sub(cached.unwrap_or_default())
        };
        let (cached_tokens, spoken) =
            (cached_tokens.unwrap_or_default(), output.audio_tokens.unwrap_or_default());
        let input_audio = rest(audio_tokens, cached.audio_tokens);
        let input_image = rest(image_tokens, cached.image_tokens);
        let cache_read = cached_tokens.min(input_tokens);
        Self {
            input: input_tokens
                .saturating_sub(cache_read)
                .saturating_sub(input_audio)
                .saturating_sub(input_image),
            cache_read,
            input_audio,
            input_image,
            output: output_tokens.saturating_sub(spoken),
            output_audio: spoken,
            ..Self::default()
        }
    }
}

/// An error as an event of the server, about an event of the client where there is one with a name.
#[must_use]
pub fn error_event(error: &ApiError, about: Option<&str>) -> String {
    let code = error.public_code().unwrap_or("gateway_error");
    let kind = if error.status().is_server_error() { "server_error" } else { "invalid_request_error" };
    json!({"type": "error", "event_id": "event_gateway",
        "error": {"type": kind, "code": code, "message": error.message, "param": null, "event_id": about}})
    .to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn azure_names_the_deployment_where_there_are_versions() {
        // learn.microsoft.com/azure/ai-foundry/openai/realtime-audio-reference
        let check = |version: &str, expect: &str| {
            let base = crate::url::Base::parse("https://r.openai.azure.com").unwrap();
            let form = llm_types::UrlForm::AzureDeployment;
            let route = crate::url::Route::new(form, base, "my gpt", Some(version)).unwrap();
            let uri = route.uri(&path("my gpt", "")).unwrap().to_string();
            assert_eq!(uri, format!("https://r.openai.azure.com/openai/{expect}"));
        };
        check("2025-04-01-preview", "realtime?deployment=my%20gpt&api-version=2025-04-01-preview");
        check("v1", "v1/realtime?model=my%20gpt");
        let base = crate::url::Base::parse("https://r.openai.azure.com").unwrap();
        let route = crate::url::Route::new(
            llm_types::UrlForm::AzureDeployment,
            base,
            "g",
            Some("2025-04-01-preview"),
        )
        .unwrap();
        let uri = route.uri(&path("g", "safe=1&x=2")).unwrap().to_string();
        assert!(
            uri.ends_with("/openai/realtime?deployment=g&safe=1&x=2&api-version=2025-04-01-preview"),
            "{uri}"
        );
    }

    #[test]
    fn a_browser_brings_its_key_in_a_protocol() {
        let check = |text: &'static str, named, key, beta: Option<&str>| {
            assert_eq!(offered(text), Offered { named, key, beta: beta.map(str::to_owned) }, "{text}");
        };
        check("realtime", true, None, None);
        check(
            "realtime, openai-insecure-api-key.sk-1, openai-beta.realtime-v1",
            true,
            Some("sk-1"),
            Some("realtime=v1"),
        );
        check("chat", false, None, None);
    }

    #[test]
    fn responses_are_told_from_everything_else() {
        let done = json!({"type": "response.done", "response": {"id": "resp_1", "usage": {
            "total_tokens": 150, "input_tokens": 100, "output_tokens": 50,
            "input_token_details": {"cached_tokens": 30, "text_tokens": 40, "audio_tokens": 60,
                "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 20}},
            "output_token_details": {"text_tokens": 15, "audio_tokens": 35}}}});
        let usage = Usage {
            input: 30,
            cache_read: 30,
            input_audio: 40,
            output: 15,
            output_audio: 35,
            ..Usage::default()
        };
        let expect = Told::Done { id: "resp_1".to_owned(), usage: Some(Box::new(usage)), said: false };
        assert_eq!(told(done.to_string().as_bytes()), expect);
        let begun = json!({"type": "response.created", "response": {"id": "resp_1", "usage": null}});
        assert_eq!(told(begun.to_string().as_bytes()), Told::Begun { id: "resp_1".to_owned() });
        let failed =
            json!({"type": "response.done", "response": {"id": "r", "status": "failed", "usage": null}});
        assert_eq!(
            told(failed.to_string().as_bytes()),
            Told::Done { id: "r".to_owned(), usage: None, said: false }
        );
        for (usage, expect) in [
            (json!({"input_tokens": 7, "output_tokens": 5, "input_token_details": null}), Some((7, 5))),
            (
                json!({"input_tokens": 7, "output_tokens": null,
                "input_token_details": {"cached_tokens": null, "cached_tokens_details": null}}),
                Some((7, 0)),
            ),
            (json!("much"), None),
            (json!(null), None),
        ] {
            let done =
                json!({"type": "response.done", "response": {"id": "r", "usage": usage, "output": [{}]}});
            let Told::Done { usage, said: true, .. } = told(done.to_string().as_bytes()) else {
                panic!("it is over: {done}");
            };
            assert_eq!(usage.map(|usage| (usage.input, usage.output)), expect, "{done}");
        }
        let words = json!({"type": "response.text.delta", "delta": "response.done"});
        assert_eq!(told(words.to_string().as_bytes()), Told::Other);
        assert_eq!(told(b"response.done"), Told::Other);
        let refused = json!({"type": "error", "error": {"message": "no", "event_id": "event_1"}});
        assert_eq!(told(refused.to_string().as_bytes()), Told::Refused { event_id: "event_1".to_owned() });
        let other = json!({"type": "error", "error": {"message": "no", "event_id": null}});
        assert_eq!(told(other.to_string().as_bytes()), Told::Other);
    }

    #[test]
    fn who_asks_for_a_response_is_told_from_everybody_else() {
        let check = |event: &'static str, expect: Option<Option<&str>>| {
            let ask = asks(&Bytes::from(event)).unwrap();
            assert_eq!(ask.as_ref().map(|ask| ask.event_id.as_deref()), expect, "{event}");
        };
        check(r#"{"type":"response.create"}"#, Some(None));
        check(r#"{"event_id":"e1","type":"response\u002ecreate","response":{}}"#, Some(Some("e1")));
        check(r#"{"type":"input_audio_buffer.append","audio":"AAAA"}"#, None);
        check(r#"{"type":"conversation.item.create","item":{"text":"response.create \u00e9"}}"#, None);
        for unread in [r#"{"type":"x","type":"response.create"}"#, r#"{"type":"response.create""#] {
            assert_eq!(asks(&Bytes::from(unread)).unwrap_err().status(), 400, "{unread}");
        }
    }

    #[test]
    fn an_event_goes_under_a_name_of_ours_and_its_error_comes_back_under_the_clients() {
        let event: Value = json!({"type": "response.create", "event_id": "mine", "response": {"x": 1}});
        let ask = asks(&event.to_string().into()).unwrap().unwrap();
        let sent: Value = serde_json::from_slice(&ask.named("ours")).unwrap();
        assert_eq!(sent, json!({"type": "response.create", "event_id": "ours", "response": {"x": 1}}));
        let error =
            Bytes::from(json!({"type": "error", "error": {"code": "c", "event_id": "ours"}}).to_string());
        for own in [Some("mine"), None] {
            let told: Value = serde_json::from_slice(&renamed(&error, own)).unwrap();
            assert_eq!(told, json!({"type": "error", "error": {"code": "c", "event_id": own}}));
        }
    }

    #[test]
    fn what_is_ours_of_the_query_does_not_go_on() {
        let check = |query: &str, expect: &str| assert_eq!(onward(query).unwrap(), expect, "{query}");
        check("model=gpt", "");
        check("model=gpt&api-key=sk-1&api-version=2025&deployment=x&safe=1&&a=b%20c", "safe=1&a=b%20c");
        check("%6dodel=dear&Model=dear&api%2Dversion=1&API_KEY=x&a=b;deployment=x", "a=b");
        assert!(onward("%69ntent=transcription").is_err());
        assert_eq!(path("gpt", "safe=1"), "/realtime?model=gpt&safe=1");
        assert!(onward("model=gpt&intent=transcription").unwrap_err().message.contains("not relayed"));
    }
}
