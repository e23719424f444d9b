//! Models that a body names beside the one that it is for: whom to ask when that one fails, whom its tools ask.
//!
//! Some providers choose among several by themselves. What a caller may call and pay has to hold for each of them, so
//! they are read of the client's own bytes, in whatever dialect: a place that its provider does not look at is read too.

use std::collections::HashMap;

use bytes::Bytes;
use llm_types::{ApiError, Head, ProviderSpec, Quirks, RawValue, Result, Str};

/// Where bodies of several providers name further models: OpenRouter, Perplexity and gateways of their kind in `models`;
/// LiteLLM and Anthropic in `fallbacks`; tools that ask a model of their own (`image_generation`, `advisor_…`) in `model`.
const USUAL: [&str; 3] = ["models", "fallbacks", "tools.model"];
/// The most models that a body may name.
const MOST: usize = 64;

/// A model that a body names, or leaves to somebody else to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherModel {
    /// The member of the body that says it.
    pub member: String,
    /// The provider's name of it; `None`: nobody here knows which it will be.
    pub name: Option<String>,
}

/// The models that a body names at a provider beside its own, each once.
///
/// # Errors
/// [`llm_types::ErrorKind::BadRequest`] for more than 64, and for what cannot be read without a doubt.
pub fn other_models(spec: &ProviderSpec, model: &str, head: &Head) -> Result<Vec<OtherModel>> {
    let mut found = Vec::new();
    // Hardly a rule says so, and every request comes here.
    let says = |quirks: &Quirks| !(quirks.other_models.is_empty() && quirks.unnamed_models.is_empty());
    let rules = spec.rules.iter().filter(|rule| says(&rule.quirks) && rule.is_for(model));
    let rules = rules.map(|rule| &rule.quirks);
    let quirks = || std::iter::once(&spec.quirks).chain(rules.clone());
    let own = quirks().flat_map(|quirks| &quirks.other_models).map(String::as_str);
    for path in USUAL.into_iter().chain(own) {
        for name in at(head, path)? {
            let known = |other: &OtherModel| other.name.as_ref() == Some(&name);
            if name != model && !found.iter().any(known) {
                found.push(OtherModel { member: path.to_owned(), name: Some(name) });
            }
        }
    }
    for path in quirks().flat_map(|quirks| &quirks.unnamed_models) {
        if head.get(path).is_some_and(|value| value != b"null") {
            found.push(OtherModel { member: path.clone(), name: None });
        }
    }
    if found.len() > MOST {
        let message = format!("the body names more than {MOST} models: name fewer");
        return Err(ApiError::bad_request(message));
    }
    Ok(found)
}

/// The names at the end of a path.
fn at(head: &Head, path: &str) -> Result<Vec<String>> {
    let (member, rest) = path.split_once('.').map_or((path, None), |(member, rest)| (member, Some(rest)));
    let last = rest.and_then(|rest| rest.rsplit('.').next());
    // Most bodies have tools, and few of these a model: what is not mentioned is not looked for.
    if last.is_some_and(|last| !head.mentions(member, last)) {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    match head.read::<&RawValue>(member) {
        Ok(Some(value)) => walk(value, rest, path, &mut names)?,
        Ok(None) => {}
        Err(_) => return Err(unclear(path)),
    }
    Ok(names)
}

/// Goes down a path: lists are gone through wherever they stand.
fn walk(value: &RawValue, path: Option<&str>, whole: &str, names: &mut Vec<String>) -> Result<()> {
    let json = value.get();
    match (json.as_bytes().first(), path) {
        (Some(b'['), _) => {
            let values: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| unclear(whole))?;
            values.into_iter().try_for_each(|value| walk(value, path, whole, names))
        }
        (Some(b'{'), Some(path)) => {
            let (member, rest) =
                path.split_once('.').map_or((path, None), |(member, rest)| (member, Some(rest)));
            let object = Head::scan(Bytes::copy_from_slice(json.as_bytes())).map_err(|_| unclear(whole))?;
            let found = object.read::<&RawValue>(member).map_err(|_| unclear(whole))?;
            found.map_or(Ok(()), |value| walk(value, rest, whole, names))
        }
        (Some(b'{'), None) => {
            let object = Head::scan(Bytes::copy_from_slice(json.as_bytes())).map_err(|_| unclear(whole))?;
            if let Some(model) = object.read::<&RawValue>("model").map_err(|_| unclear(whole))? {
                return walk(model, None, whole, names);
            }
            // LiteLLM's form: where to go from which model.
            let chains: HashMap<String, &RawValue> =
                serde_json::from_str(json).map_err(|_| unclear(whole))?;
            chains.into_values().try_for_each(|chain| chained(chain, whole, names))
        }
        (Some(b'"'), None) => {
            let name: Str<'_> = serde_json::from_str(json).map_err(|_| unclear(whole))?;
            names.push(name.as_str().to_owned());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The names that a chain goes through: of texts and objects with a `model`, alone or in lists.
fn chained(chain: &RawValue, whole: &str, names: &mut Vec<String>) -> Result<()> {
    match chain.get().as_bytes().first() {
        Some(b'[' | b'"') => walk(chain, None, whole, names),
        Some(b'{') => {
            let object: HashMap<String, &RawValue> =
                serde_json::from_str(chain.get()).map_err(|_| unclear(whole))?;
            match object.contains_key("model") {
                true => walk(chain, None, whole, names),
                // Settings that are for no model.
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn unclear(path: &str) -> ApiError {
    ApiError::bad_request(format!("`{path}` does not say clearly which models it names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str, other: &[&str], unnamed: &[&str]) -> Result<Vec<(String, Option<String>)>> {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let quirks =
            Quirks { other_models: texts(other), unnamed_models: texts(unnamed), ..Quirks::default() };
        let spec = ProviderSpec { quirks, ..ProviderSpec::default() };
        let head = Head::scan(Bytes::from(body.to_owned())).unwrap();
        let found = other_models(&spec, "own", &head)?;
        Ok(found.into_iter().map(|other| (other.member, other.name)).collect())
    }

    #[test]
    fn models_are_found_wherever_a_body_names_them() {
        let check = |body: &str, other: &[&str], expect: &[(&str, &str)]| {
            let found = found(body, other, &[]).unwrap();
            let found: Vec<_> = found.iter().map(|(path, name)| (path.as_str(), name.as_deref())).collect();
            let expect: Vec<_> = expect.iter().map(|(path, name)| (*path, Some(*name))).collect();
            assert_eq!(found, expect, "{body}");
        };
        check(r#"{"model":"own","messages":[]}"#, &[], &[]);
        check(r#"{"models":["own","a\/b","c","a/b"]}"#, &[], &[("models", "a/b"), ("models", "c")]);
        check(r#"{"models":"a"}"#, &[], &[("models", "a")]);
        check(
            r#"{"models":null,"fallbacks":[{"model":"a"},"b"]}"#,
            &[],
            &[("fallbacks", "a"), ("fallbacks", "b")],
        );
        check(r#"{"fallbacks":[{"own":["a"]}]}"#, &[], &[("fallbacks", "a")]);
        let tools = r#"{"tools":[{"type":"function","function":{"name":"f","parameters":{"model":"x"}}},
            {"type":"image_generation","model":"painter"}]}"#;
        check(tools, &[], &[("tools.model", "painter")]);
        let nested = r#"{"providerOptions":{"gateway":{"models":["a"],"order":["b"]}}}"#;
        check(nested, &[], &[]);
        let path = "providerOptions.gateway.models";
        check(nested, &[path], &[(path, "a")]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(found(r#"{"models":[{"model":"a","model":"b"}]}"#, &[], &[]).is_err());
        let many: Vec<String> = (0..70).map(|n| format!("\"m{n}\"")).collect();
        assert!(found(&format!("{{\"models\":[{}]}}", many.join(",")), &[], &[]).is_err());
    }

    #[test]
    fn a_choice_without_names_is_told() {
        let expect = vec![("preset".to_owned(), None)];
        assert_eq!(found(r#"{"preset":"email"}"#, &[], &["preset"]).unwrap(), expect);
        assert_eq!(found(r#"{"preset":null}"#, &[], &["preset"]).unwrap(), []);
    }
}
