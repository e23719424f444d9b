//! The model that a call of a provider's own API is about, where its path or its query says it.

use percent_encoding::percent_decode_str;

/// The segments behind which models stand.
const BEFORE: [&str; 4] = ["model", "models", "deployments", "engines"];
/// What is done with a model whose name has two segments: its owner's and its own.
const OF_TWO: &str = "predictions";
/// The segments behind which a model stands that is called by what comes behind its name: SageMaker's, and Databricks'.
const CALLED: [&str; 2] = ["endpoints", "serving-endpoints"];
/// What comes behind it.
const CALLS: [&str; 2] = ["invocations", "invocations-response-stream"];
/// Paths whose query names the model: Deepgram's.
const BY_QUERY: [&str; 3] = ["listen", "speak", "read"];
/// The member of a query that names one.
const MEMBER: &str = "model";

/// The model that a path names: `/model/{model}/converse`, `/publishers/google/models/{model}:predict`,
/// `/openai/deployments/{model}/chat/completions`, `/models/{owner}/{model}/predictions`, `/endpoints/{model}/invocations`.
#[must_use]
pub fn model(path: &str) -> Option<String> {
    of_path(path).filter(|model| !model.is_empty())
}

/// The model that a query names, at a path where queries do: `/listen?model={model}`. Elsewhere it would say nothing of
/// what is called.
#[must_use]
pub fn model_in(path: &str, query: &str) -> Option<String> {
    let says = path.split('/').any(|segment| BY_QUERY.contains(&segment));
    of_query(query).filter(|model| says && !model.is_empty())
}

fn of_path(path: &str) -> Option<String> {
    if let Some(called) = called(path) {
        return Some(decoded(called));
    }
    let mut segments = path.split('/').skip_while(|segment| !BEFORE.contains(segment)).skip(1);
    let (first, second, third) = (segments.next()?, segments.next(), segments.next());
    let name = match (second, third) {
        (Some(second), Some(OF_TWO)) => return Some(format!("{}/{}", decoded(first), decoded(second))),
        _ => decoded(first),
    };
    Some(without_verb(&name).to_owned())
}

fn called(path: &str) -> Option<&str> {
    let mut segments = path.split('/').skip_while(|segment| !CALLED.contains(segment)).skip(1);
    let (model, call) = (segments.next()?, segments.next()?);
    CALLS.contains(&call).then_some(model)
}

fn of_query(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == MEMBER).map(|(_, value)| decoded(value))
}

/// A name without the verb behind its colon; versions (`:0`) are part of names.
fn without_verb(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((model, verb)) if !verb.is_empty() && verb.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            model
        }
        _ => name,
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_stand_in_their_usual_places() {
        let check = |path: &str, query: Option<&str>, expect: Option<&str>| {
            let named = model(path).or_else(|| model_in(path, query?));
            assert_eq!(named.as_deref(), expect, "{path}");
        };
        let claude = "anthropic.claude-3-5-sonnet-20240620-v1:0";
        check(&format!("/model/{claude}/converse"), None, Some(claude));
        check(
            "/model/amazon.nova-pro-v1%3A0/invoke-with-response-stream",
            None,
            Some("amazon.nova-pro-v1:0"),
        );
        check(
            "/v1/projects/p/locations/l/publishers/google/models/imagen-4.0:predict",
            None,
            Some("imagen-4.0"),
        );
        check("/openai/deployments/gpt-4o/chat/completions", Some("api-version=1"), Some("gpt-4o"));
        check("/models/black-forest-labs/flux/predictions", None, Some("black-forest-labs/flux"));
        check("/listen", Some("punctuate=true&model=nova-3"), Some("nova-3"));
        check("/endpoints/my-llama/invocations", None, Some("my-llama"));
        check("/endpoints/my-llama/invocations-response-stream", None, Some("my-llama"));
        check("/serving-endpoints/my-llama/invocations", None, Some("my-llama"));
        check("/endpoints/my-llama/metrics", None, None);
        check("/endpoints//invocations", None, None);
        check("/model/", None, None);
        check("/files", Some("limit=2"), None);
    }
}
