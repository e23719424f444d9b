//! The routes: method, path, and what serves them.
//!
//! An inference front is a row here: the path, the dialect its clients speak and the operation it asks for.
//! All of them share one pipeline.

use std::borrow::Cow;

use http::{HeaderMap, Method};
use llm_providers::codec::{Kept, ServerCodec};
use llm_providers::dialect;
use llm_types::{ApiError, Dialect, ErrorKind, Op, Result};

use crate::{admin, files};

/// One inference route.
#[derive(Debug)]
pub(crate) struct Front {
    path: Path,
    /// What its clients speak.
    pub(crate) dialect: Dialect,
    /// What they ask for.
    pub(crate) op: Op,
}

/// Where a front is.
#[derive(Debug)]
enum Path {
    /// Below `/v1` or at the root; the body names the model.
    Fixed(&'static str),
    /// The same, and at one more place: the route of another version.
    Twice(&'static str, &'static str),
    /// `/v1beta/models/{model}:{verb}`, also below `/v1`: the path names the model, slashes and all, and
    /// says whether a stream is wanted.
    Verb { verb: &'static str, stream: bool },
}

/// What a path says beside which front it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named<'p> {
    /// The model, decoded.
    pub(crate) model: Option<Cow<'p, str>>,
    /// Whether a stream is wanted.
    pub(crate) stream: Option<bool>,
}

impl Front {
    /// The half of the dialect that reads requests and writes answers.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a dialect that is not served, which no row names (there is a test).
    pub(crate) fn codec(&self) -> Result<&'static dyn ServerCodec> {
        dialect::server(self.dialect)
            .ok_or_else(|| ApiError::new(ErrorKind::Internal, "this front has no codec"))
    }

    /// Whether its bodies are forms with sound in them, which may be large.
    pub(crate) const fn takes_sound(&self) -> bool {
        matches!(self.op, Op::Transcribe | Op::Translate)
    }

    /// Its path, as lists of allowed routes name it.
    pub(crate) fn route(&self) -> String {
        match self.path {
            Path::Fixed(fixed) | Path::Twice(fixed, _) => ["/v1", fixed].concat(),
            Path::Verb { verb, .. } => format!("/v1beta/models/*:{verb}"),
        }
    }

    fn at<'p>(&self, path: &'p str) -> Option<Named<'p>> {
        match self.path {
            // Also with a slash behind it, which careless bases of URLs bring.
            Path::Fixed(fixed) => (fixed == bare(below_v1(path))).then(Named::default),
            Path::Twice(fixed, other) => {
                (fixed == bare(below_v1(path)) || other == bare(path)).then(Named::default)
            }
            Path::Verb { verb, stream } => {
                let model = model_before(verb, below_version(path)?)?;
                Some(Named { model: Some(model), stream: Some(stream) })
            }
        }
    }
}

/// A path without the slash behind it.
fn bare(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// The path behind `/v1`, where it is there.
fn below_v1(path: &str) -> &str {
    path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

/// The path behind the version, which must be there.
fn below_version(path: &str) -> Option<&str> {
    ["/v1beta/", "/v1/"].iter().find_map(|version| path.strip_prefix(version))
}

/// The model of `models/{model}:{verb}`, decoded; one of `tunedModels/` keeps that in front.
fn model_before<'p>(verb: &str, path: &'p str) -> Option<Cow<'p, str>> {
    let name = match path.strip_prefix("models/") {
        Some(name) => name,
        None => path.strip_prefix(TUNED).map(|_| path)?,
    };
    let model = match decoded(name) {
        Cow::Borrowed(name) => Cow::Borrowed(before(verb, name)?),
        Cow::Owned(name) => Cow::Owned(before(verb, &name)?.to_owned()),
    };
    (!model.is_empty() && model != TUNED).then_some(model)
}

/// The models that somebody tuned, in the words of a path.
const TUNED: &str = "tunedModels/";

fn before<'n>(verb: &str, name: &'n str) -> Option<&'n str> {
    name.strip_suffix(verb)?.strip_suffix(':')
}

/// A stretch of a path without its percent signs.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

const fn fixed(path: &'static str, dialect: Dialect, op: Op) -> Front {
    Front { path: Path::Fixed(path), dialect, op }
}

const fn gemini(verb: &'static str, stream: bool, op: Op) -> Front {
    Front { path: Path::Verb { verb, stream }, dialect: Dialect::Gemini, op }
}

/// Every inference route.
static FRONTS: &[Front] = &[
    fixed("/chat/completions", Dialect::OpenaiChat, Op::Chat),
    fixed("/responses", Dialect::OpenaiResponses, Op::Chat),
    fixed("/completions", Dialect::OpenaiCompletions, Op::Chat),
    fixed("/embeddings", Dialect::OpenaiMedia, Op::Embed),
    Front { path: Path::Twice("/rerank", "/v2/rerank"), dialect: Dialect::Rerank, op: Op::Rerank },
    fixed("/audio/transcriptions", Dialect::OpenaiTranscriptions, Op::Transcribe),
    fixed("/audio/translations", Dialect::OpenaiTranscriptions, Op::Translate),
    fixed("/audio/speech", Dialect::OpenaiSpeech, Op::Speech),
    fixed("/images/generations", Dialect::OpenaiImages, Op::Image),
    fixed("/images/edits", Dialect::OpenaiImages, Op::ImageEdit),
    fixed("/images/variations", Dialect::OpenaiImages, Op::ImageVariation),
    fixed("/moderations", Dialect::OpenaiModerations, Op::Moderate),
    fixed("/messages", Dialect::Anthropic, Op::Chat),
    fixed("/messages/count_tokens", Dialect::Anthropic, Op::CountTokens),
    gemini("generateContent", false, Op::Chat),
    gemini("streamGenerateContent", true, Op::Chat),
    gemini("countTokens", false, Op::CountTokens),
    gemini("embedContent", false, Op::Embed),
    gemini("batchEmbedContents", false, Op::Embed),
];

/// The dialects of fronts whose answers are kept under ids.
pub(crate) fn keeping() -> impl Iterator<Item = Dialect> {
    FRONTS.iter().filter(|front| front.codec().is_ok_and(ServerCodec::keeps)).map(|front| front.dialect)
}

/// Every inference route in the words of OpenAPI: its path, what is asked for, and the parameters of the path.
pub(crate) fn described() -> impl Iterator<Item = (String, Op, Vec<&'static str>)> {
    FRONTS.iter().flat_map(|front| {
        let (path, other, names) = match front.path {
            Path::Fixed(path) => (format!("/v1{path}"), None, Vec::new()),
            Path::Twice(path, other) => (format!("/v1{path}"), Some(other), Vec::new()),
            Path::Verb { verb, .. } => (format!("/v1beta/models/{{model}}:{verb}"), None, vec!["model"]),
        };
        let other = other.map(|other| (other.to_owned(), front.op, names.clone()));
        std::iter::once((path, front.op, names)).chain(other)
    })
}

/// The front whose vendor's path this is.
pub(crate) fn like(path: &str) -> Option<(&'static Front, Named<'_>)> {
    FRONTS.iter().find_map(|front| Some((front, front.at(path)?)))
}

/// The first segments below `/v1` that are our own: no provider is reached by such a name.
const OWN: [&str; 14] = [
    "chat",
    "completions",
    "responses",
    "embeddings",
    "rerank",
    "messages",
    "models",
    "tunedModels",
    "files",
    "batches",
    "images",
    "audio",
    "moderations",
    "realtime",
];

/// The provider whose own API a path leads to, and the path there.
fn provider(path: &str) -> Option<(&str, &str)> {
    let below = path.strip_prefix("/v1/")?;
    let (name, _) = below.split_once('/')?;
    let rest = below.get(name.len()..)?;
    (!name.is_empty() && rest.len() > 1 && !OWN.contains(&name)).then_some((name, rest))
}

/// What serves a request.
#[derive(Debug)]
pub(crate) enum Route<'p> {
    /// A call to a model.
    Inference(&'static Front, Named<'p>),
    /// A call about something that a provider keeps.
    Kept(&'static Front, Kept),
    /// A call about files or batches.
    Files(files::Ask),
    /// A session over a WebSocket.
    Realtime,
    /// A call of a provider's own API: the provider, and the path there.
    Through(&'p str, &'p str),
    /// The models on offer, in the shape of a dialect.
    Models(Dialect),
    /// One of them, by its name.
    Model(Dialect, Cow<'p, str>),
    /// Whether the process lives.
    Live,
    /// Whether it takes requests.
    Ready,
    /// What operators ask for.
    Admin,
}

/// A request that nothing serves, and in whose shape that is told.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: ApiError,
    /// The front at this path, for another method.
    pub(crate) front: Option<&'static Front>,
    /// The methods that are served there, as the header `allow` lists them.
    pub(crate) allow: Option<String>,
}

/// Finds what serves a path.
///
/// # Errors
/// 404 for a path that nothing serves, 405 for another method than the one it is served by.
pub(crate) fn route<'p>(method: &Method, path: &'p str) -> Result<Route<'p>, Refused> {
    if admin::owns(path) {
        // Its own table knows what is there.
        return Ok(Route::Admin);
    }
    let found = FRONTS.iter().find_map(|front| Some((front, front.at(path)?)));
    let front = found.as_ref().map(|(front, _)| *front);
    if front.is_none()
        && let Some((front, kept)) = kept(method, below_v1(path))
    {
        return match kept {
            Ok(kept) => Ok(Route::Kept(front, kept)),
            Err(error) => Err(Refused { error, front: Some(front), allow: None }),
        };
    }
    if front.is_none()
        && let Some(refused) = no_verb(method, path)
    {
        return Err(refused);
    }
    if let Some(asked) = files::ask(method, below_v1(path)) {
        let refused = |allow: &str| {
            let error = not_by(method, path, allow);
            Refused { error, front: None, allow: Some(allow.to_owned()) }
        };
        return asked.map(Route::Files).map_err(refused);
    }
    let (route, allow) = if let Some((front, named)) = found {
        (Route::Inference(front, named), Method::POST)
    } else if let Some(route) = models(path) {
        (route, Method::GET)
    } else if below_v1(path) == "/realtime" {
        (Route::Realtime, Method::GET)
    } else if path == "/health/live" {
        (Route::Live, Method::GET)
    } else if path == "/health/ready" {
        (Route::Ready, Method::GET)
    } else if let Some((provider, rest)) = provider(path) {
        return Ok(Route::Through(provider, rest));
    } else {
        let message = format!("nothing is served at {method} {path}; models are at GET /v1/models");
        let error = ApiError::new(ErrorKind::NotFound, message).with_code("not_found");
        return Err(Refused { error, front: None, allow: None });
    };
    if !serves(&allow, method) {
        let allow = allow.to_string();
        return Err(Refused { error: not_by(method, path, &allow), front, allow: Some(allow) });
    }
    Ok(route)
}

/// Whether what is served by one method is also served by another.
pub(crate) fn serves(own: &Method, method: &Method) -> bool {
    method == own || (*method == Method::HEAD && *own == Method::GET)
}

/// The error for another method than the one a path is served by.
pub(crate) fn not_by(method: &Method, path: &str, own: &str) -> ApiError {
    ApiError::new(ErrorKind::MethodNotAllowed, format!("{path} is served by {own}, not {method}"))
}

/// Headers by which the clients of a dialect are known, where one path serves several.
const CLIENTS: [(&str, Dialect); 1] = [("x-goog-api-client", Dialect::Gemini)];

/// The dialect in whose shape models are listed: Google's clients ask below `/v1` as OpenAI's do.
pub(crate) fn shape(path: Dialect, headers: &HeaderMap) -> Dialect {
    CLIENTS.iter().find(|(name, _)| headers.contains_key(*name)).map_or(path, |(_, dialect)| *dialect)
}

/// What lists the models on offer, or tells of one of them.
fn models(path: &str) -> Option<Route<'_>> {
    let (dialect, below) = match path.strip_prefix("/v1beta/") {
        Some(below) => (Dialect::Gemini, below),
        None => (Dialect::OpenaiChat, below_v1(path).strip_prefix('/')?),
    };
    match below.strip_prefix("models")? {
        "" => Some(Route::Models(dialect)),
        rest => {
            let id = rest.strip_prefix('/').filter(|id| !id.is_empty())?;
            Some(Route::Model(dialect, decoded(id)))
        }
    }
}

/// What is asked of a model in Gemini's manner, and is none of its verbs.
fn no_verb(method: &Method, path: &str) -> Option<Refused> {
    let below = below_version(path)?;
    let name = below.strip_prefix("models/").or_else(|| below.strip_prefix(TUNED))?;
    // Models are read below the same paths, and below `/v1` they may be OpenAI's.
    if *method != Method::POST || !(path.starts_with("/v1beta/") || decoded(name).contains(':')) {
        return None;
    }
    let verbs = FRONTS.iter().filter_map(|front| match front.path {
        Path::Verb { verb, .. } => Some(format!("`:{verb}`")),
        Path::Fixed(_) | Path::Twice(..) => None,
    });
    let verbs: Vec<_> = verbs.collect();
    let message = format!(
        "nothing is served at {method} {path}: write /v1beta/models/{{model}} and what to do, one of {}",
        verbs.join(", ")
    );
    let error = ApiError::new(ErrorKind::NotFound, message).with_code("not_found");
    let front = FRONTS.iter().find(|front| front.dialect == Dialect::Gemini);
    Some(Refused { error, front, allow: None })
}

/// The front that knows what is asked about something kept.
fn kept(method: &Method, below: &str) -> Option<(&'static Front, Result<Kept>)> {
    FRONTS.iter().find_map(|front| Some((front, front.codec().ok()?.kept(method, below)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_front_has_a_codec() {
        for front in FRONTS {
            assert!(front.codec().is_ok(), "{front:?}");
        }
    }

    #[test]
    fn paths_are_served_with_and_without_v1() {
        let post = |path| route(&Method::POST, path);
        let get = |path| route(&Method::GET, path);
        assert!(matches!(post("/v1/chat/completions"), Ok(Route::Inference(..))));
        assert!(matches!(post("/chat/completions"), Ok(Route::Inference(..))));
        for (path, op) in [("/v1/messages/", Op::Chat), ("/v1/messages/count_tokens/", Op::CountTokens)] {
            let found = post(path);
            let Ok(Route::Inference(front, _)) = found else { panic!("{path}: {found:?}") };
            assert_eq!((front.dialect, front.op), (Dialect::Anthropic, op), "{path}");
        }
        assert_eq!(post("/v1/messages//").unwrap_err().error.kind, ErrorKind::NotFound);
        assert!(matches!(get("/v1/models"), Ok(Route::Models(Dialect::OpenaiChat))));
        assert!(matches!(get("/models"), Ok(Route::Models(Dialect::OpenaiChat))));
        let named = |path| match get(path) {
            Ok(Route::Model(dialect, id)) => (dialect, id.into_owned()),
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(named("/v1/models/openai/gpt-4o"), (Dialect::OpenaiChat, "openai/gpt-4o".to_owned()));
        assert_eq!(named("/v1/models/llama3:8b"), (Dialect::OpenaiChat, "llama3:8b".to_owned()));
        assert_eq!(named("/v1beta/models/openai%2Fgpt-4o"), (Dialect::Gemini, "openai/gpt-4o".to_owned()));
        assert!(matches!(get("/v1beta/models"), Ok(Route::Models(Dialect::Gemini))));
        assert!(matches!(get("/health/live"), Ok(Route::Live)));
        assert!(matches!(get("/health"), Ok(Route::Admin)));
        assert!(matches!(post("/admin/v1/anything"), Ok(Route::Admin)));
        assert_eq!(get("/admin/v2").unwrap_err().error.kind, ErrorKind::NotFound);
        let refused = get("/v1/chat/completions").unwrap_err();
        assert_eq!(refused.error.kind, ErrorKind::MethodNotAllowed);
        assert_eq!((refused.allow.as_deref(), refused.front.is_some()), (Some("POST"), true));
        assert_eq!(post("/v1/nothing").unwrap_err().error.kind, ErrorKind::NotFound);
        assert_eq!(get("/v1health/live").unwrap_err().error.kind, ErrorKind::NotFound);
        for path in ["/rerank", "/v1/rerank", "/v2/rerank"] {
            let Ok(Route::Inference(front, _)) = post(path) else { panic!("{path}") };
            assert_eq!((front.op, front.route().as_str()), (Op::Rerank, "/v1/rerank"));
        }
        assert_eq!(post("/v2/chat/completions").unwrap_err().error.kind, ErrorKind::NotFound);
    }

    #[test]
    fn what_is_not_ours_leads_to_a_provider() {
        let check = |method: Method, path: &'static str, expect: Option<(&str, &str)>| {
            let found = match route(&method, path) {
                Ok(Route::Through(provider, rest)) => Some((provider, rest)),
                _ => None,
            };
            assert_eq!(found, expect, "{method} {path}");
        };
        check(Method::POST, "/v1/openai/chat/completions", Some(("openai", "/chat/completions")));
        check(Method::DELETE, "/v1/anthropic/v1/files/file_1", Some(("anthropic", "/v1/files/file_1")));
        check(Method::GET, "/v1/gemini/v1beta/models", Some(("gemini", "/v1beta/models")));
        check(Method::POST, "/openai/chat/completions", None);
        check(Method::POST, "/v1/openai", None);
        check(Method::POST, "/v1/openai/", None);
        check(Method::POST, "/v1/chat/nothing", None);
        for front in FRONTS {
            if let Path::Fixed(path) | Path::Twice(path, _) = front.path {
                let first = path.split('/').nth(1).unwrap();
                assert!(OWN.contains(&first), "{path}");
            }
        }
    }

    #[test]
    fn a_path_names_the_model_and_the_verb() {
        let check = |path, expect: Option<(&str, Op, bool)>| {
            let found = match route(&Method::POST, path) {
                Ok(Route::Inference(front, named)) => {
                    Some((named.model.unwrap().into_owned(), front.op, named.stream.unwrap()))
                }
                _ => None,
            };
            let expect = expect.map(|(model, op, stream)| (model.to_owned(), op, stream));
            assert_eq!(found, expect, "{path}");
        };
        check("/v1beta/models/gemini-3:generateContent", Some(("gemini-3", Op::Chat, false)));
        check("/v1/models/gemini-3:streamGenerateContent", Some(("gemini-3", Op::Chat, true)));
        check("/v1beta/models/openai/gpt-4o:generateContent", Some(("openai/gpt-4o", Op::Chat, false)));
        check("/v1beta/models/openai%2Fgpt-4o:countTokens", Some(("openai/gpt-4o", Op::CountTokens, false)));
        check("/v1beta/models/llama3:8b:embedContent", Some(("llama3:8b", Op::Embed, false)));
        check("/v1beta/models/a%3AbatchEmbedContents", Some(("a", Op::Embed, false)));
        check("/v1beta/tunedModels/mine:generateContent", Some(("tunedModels/mine", Op::Chat, false)));
        check("/v1beta/models/:generateContent", None);
        check("/v1beta/models/xgenerateContent", None);
        check("/v1beta/tunedModels/:generateContent", None);
        check("/models/a:generateContent", None);
        check("/v1beta/models/a:nothing", None);
        for path in [
            "/v1beta/models/a:fooContent",
            "/v1beta/models/a:generateContent/",
            "/v1/models/a:fooContent",
            "/v1beta/models/a",
            "/v1beta/tunedModels/a:foo",
        ] {
            let refused = route(&Method::POST, path).unwrap_err();
            assert_eq!(refused.error.kind, ErrorKind::NotFound, "{path}");
            assert_eq!(refused.front.map(|front| front.dialect), Some(Dialect::Gemini), "{path}");
            for word in [path, "`:generateContent`", "`:countTokens`", "`:batchEmbedContents`"] {
                assert!(refused.error.message.contains(word), "{}", refused.error.message);
            }
        }
        // Of OpenAI's own, the method is at fault.
        let refused = route(&Method::POST, "/v1/models/gpt-4o").unwrap_err();
        assert_eq!(
            (refused.error.kind, refused.allow.as_deref()),
            (ErrorKind::MethodNotAllowed, Some("GET"))
        );
        let refused = route(&Method::GET, "/v1beta/models/a:generateContent").unwrap_err();
        assert_eq!(
            (refused.error.kind, refused.allow.as_deref()),
            (ErrorKind::MethodNotAllowed, Some("POST"))
        );
    }
}
