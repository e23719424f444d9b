//! The routes: method, path, and what serves them.
//!
//! An inference front is a row here: the path, the dialect its clients speak and the operation it asks for.
//! All of them share one pipeline.

use std::borrow::Cow;

use http::Method;
use llm_providers::codec::ServerCodec;
use llm_providers::dialect;
use llm_types::{ApiError, Dialect, ErrorKind, Op, Result};

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

    fn at<'p>(&self, below: &'p str) -> Option<Named<'p>> {
        match self.path {
            Path::Fixed(path) => (path == below).then(Named::default),
        }
    }
}

/// Every inference route.
static FRONTS: &[Front] = &[
    Front { path: Path::Fixed("/chat/completions"), dialect: Dialect::OpenaiChat, op: Op::Chat },
    Front { path: Path::Fixed("/completions"), dialect: Dialect::OpenaiCompletions, op: Op::Chat },
    Front { path: Path::Fixed("/responses"), dialect: Dialect::OpenaiResponses, op: Op::Chat },
    Front { path: Path::Fixed("/messages"), dialect: Dialect::Anthropic, op: Op::Chat },
    Front { path: Path::Fixed("/messages/count_tokens"), dialect: Dialect::Anthropic, op: Op::CountTokens },
];

/// What serves a request.
#[derive(Debug)]
pub(crate) enum Route<'p> {
    /// A call to a model.
    Inference(&'static Front, Named<'p>),
    /// The models on offer.
    Models,
    /// One of them.
    Model(&'p str),
    /// Whether the process lives.
    Live,
    /// Whether it takes requests.
    Ready,
}

/// A request that nothing serves, and in whose shape that is told.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: ApiError,
    /// The front at this path, for another method.
    pub(crate) front: Option<&'static Front>,
    /// The method that is served there.
    pub(crate) allow: Option<Method>,
}

/// Finds what serves a path.
///
/// # Errors
/// 404 for a path that nothing serves, 405 for another method than the one it is served by.
pub(crate) fn route<'p>(method: &Method, path: &'p str) -> Result<Route<'p>, Refused> {
    let below = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let found = FRONTS.iter().find_map(|front| Some((front, front.at(below)?)));
    let front = found.as_ref().map(|(front, _)| *front);
    let (route, allow) = if let Some((front, named)) = found {
        (Route::Inference(front, named), Method::POST)
    } else if below == "/models" {
        (Route::Models, Method::GET)
    } else if let Some(id) = below.strip_prefix("/models/").filter(|id| !id.is_empty()) {
        (Route::Model(id), Method::GET)
    } else if path == "/health/live" {
        (Route::Live, Method::GET)
    } else if path == "/health/ready" {
        (Route::Ready, Method::GET)
    } else {
        let message = format!("nothing is served at {method} {path}; models are at GET /v1/models");
        let error = ApiError::new(ErrorKind::NotFound, message).with_code("not_found");
        return Err(Refused { error, front: None, allow: None });
    };
    if *method != allow && !(*method == Method::HEAD && allow == Method::GET) {
        let message = format!("{path} is served by {allow}, not {method}");
        let error = ApiError::new(ErrorKind::MethodNotAllowed, message);
        return Err(Refused { error, front, allow: Some(allow) });
    }
    Ok(route)
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
        assert!(matches!(get("/v1/models"), Ok(Route::Models)));
        assert!(matches!(get("/v1/models/openai/gpt-4o"), Ok(Route::Model("openai/gpt-4o"))));
        assert!(matches!(get("/health/live"), Ok(Route::Live)));
        let refused = get("/v1/chat/completions").unwrap_err();
        assert_eq!(refused.error.kind, ErrorKind::MethodNotAllowed);
        assert_eq!((refused.allow, refused.front.is_some()), (Some(Method::POST), true));
        assert_eq!(post("/v1/nothing").unwrap_err().error.kind, ErrorKind::NotFound);
        assert_eq!(get("/v1health/live").unwrap_err().error.kind, ErrorKind::NotFound);
    }
}
