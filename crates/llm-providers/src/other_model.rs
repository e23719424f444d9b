//! Models that a body names beside the one that it is for: whom to ask when that one fails, whom its tools ask.
//!
//! Some providers choose among several by themselves. What a caller may call and pay has to hold for each of them, so
//! they are read of the client's own bytes, in whatever dialect: a place that its provider does not look at is read too.
//! Some read several in one name, with commas: these are as good as listed ones.

use std::collections::HashMap;

use bytes::Bytes;
use llm_types::{ApiError, Head, ModelLists, NameSet, ProviderSpec, Quirks, RawValue, Result, Str};

/// Where bodies of several providers name further models: OpenRouter, Perplexity and gateways of their kind in `models`;
/// LiteLLM and Anthropic in `fallbacks`.
const USUAL: [&str; 2] = ["models", "fallbacks"];
/// Where tools name a model that they ask by themselves (`image_generation`, `advisor_…`).
const TOOLS: &str = "tools.model";
/// Where the call's own model stands.
const OWN: &str = "model";
/// The most models that a body may name.
const MOST: usize = 64;

/// A model that a body names, or leaves to somebody else to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherModel {
    /// The member of the body that says it; `model` where it is one of several in the name of the call's own.
    pub member: String,
    /// The provider's name of it; `None`: nobody here knows which it will be.
    pub name: Option<String>,
    /// Whether it is paid beside the call's own, and not in place of it.
    pub is_added: bool,
}

impl OtherModel {
    /// Whether it stands in the name of the call's own model.
    #[must_use]
    pub fn is_of_own_name(&self) -> bool {
        self.member == OWN && self.name.is_some()
    }
}

/// The first of several models in one name, where the provider reads a name so; else the name.
#[must_use]
pub fn first<'m>(spec: &ProviderSpec, model: &'m str) -> &'m str {
    match lists(spec, model) {
        Some(ModelLists::InTurn) => listed(model).next().unwrap_or(model),
        Some(ModelLists::Refused) | None => model,
    }
}

/// What the provider reads in a name with commas.
fn lists(spec: &ProviderSpec, model: &str) -> Option<ModelLists> {
    if !model.contains(',') {
        return None;
    }
    let rules = spec.rules.iter().rev().filter(|rule| rule.quirks.model_lists.is_some());
    let rule = rules.filter(|rule| rule.is_for(model)).find_map(|rule| rule.quirks.model_lists);
    rule.or(spec.quirks.model_lists)
}

/// The models in a name: what is said of those that are to be left out names none.
fn listed(name: &str) -> impl Iterator<Item = &str> {
    name.split(',').map(str::trim).filter(|one| !one.is_empty() && !one.starts_with('!'))
}

/// The models that a body names at a provider beside its own: each once that may answer instead, and each that is
/// paid beside it.
///
/// # Errors
/// [`llm_types::ErrorKind::BadRequest`] for more than 64, and for what cannot be read without a doubt.
pub fn other_models(spec: &ProviderSpec, model: &str, head: &Head) -> Result<Vec<OtherModel>> {
    let mut found = Found { spec, models: Vec::new() };
    // Hardly a rule says so, and every request comes here.
    let says = |quirks: &Quirks| {
        !(quirks.other_models.is_empty()
            && quirks.added_models.is_empty()
            && quirks.unnamed_models.is_empty())
    };
    let rules = spec.rules.iter().filter(|rule| says(&rule.quirks) && rule.is_for(model));
    let rules = rules.map(|rule| &rule.quirks);
    let quirks = || std::iter::once(&spec.quirks).chain(rules.clone());
    if lists(spec, model).is_some() {
        found.add(OWN, model, false)?;
    }
    for path in USUAL.into_iter().chain(quirks().flat_map(|quirks| &quirks.other_models).map(String::as_str))
    {
        for name in at(head, path)?.iter().filter(|name| *name != model) {
            found.add(path, name, false)?;
        }
    }
    let added = quirks().flat_map(|quirks| &quirks.added_models).map(String::as_str);
    for path in std::iter::once(TOOLS).chain(added) {
        for name in at(head, path)? {
            found.add(path, &name, true)?;
        }
    }
    let mut found = found.models;
    for path in quirks().flat_map(|quirks| &quirks.unnamed_models) {
        if head.get(path).is_some_and(|value| value != b"null") {
            found.push(OtherModel { member: path.clone(), name: None, is_added: false });
        }
    }
    if found.len() > MOST {
        let message = format!("the body names more than {MOST} models: name fewer");
        return Err(ApiError::bad_request(message));
    }
    Ok(found)
}

/// The members in which a body may name such models, for this model of the provider.
pub(crate) fn members(spec: &ProviderSpec, model: &str) -> NameSet {
    let rules = spec.rules.iter().filter(|rule| rule.is_for(model)).map(|rule| &rule.quirks);
    let paths = std::iter::once(&spec.quirks).chain(rules).flat_map(|quirks| {
        let Quirks { other_models, added_models, unnamed_models, .. } = quirks;
        other_models.iter().chain(added_models).chain(unnamed_models)
    });
    let paths = USUAL.into_iter().chain([TOOLS]).chain(paths.map(String::as_str));
    paths.fold(NameSet::NONE, |names, path| {
        names.with(path.split_once('.').map_or(path, |(member, _)| member))
    })
}

/// Models that were found in a body.
struct Found<'s> {
    spec: &'s ProviderSpec,
    models: Vec<OtherModel>,
}

impl Found<'_> {
    /// Takes a name that stands at a path, or all that are in it.
    fn add(&mut self, path: &str, name: &str, is_added: bool) -> Result<()> {
        match lists(self.spec, name) {
            Some(ModelLists::Refused) => Err(several(&self.spec.name, path, name)),
            Some(ModelLists::InTurn) => {
                listed(name).for_each(|name| self.note(path, name, is_added));
                Ok(())
            }
            None => {
                self.note(path, name, is_added);
                Ok(())
            }
        }
    }

    fn note(&mut self, path: &str, name: &str, is_added: bool) {
        let known = |other: &OtherModel| !other.is_added && other.name.as_deref() == Some(name);
        // Who is asked twice is paid twice.
        if is_added || !self.models.iter().any(known) {
            let member = path.to_owned();
            self.models.push(OtherModel { member, name: Some(name.to_owned()), is_added });
        }
    }
}

fn several(provider: &str, path: &str, name: &str) -> ApiError {
    let message = format!(
        "`{name}` is several models at {provider}, whose answers would be a list: name one model in `{path}`, and \
         the others in `fallbacks` or in requests of their own"
    );
    ApiError::bad_request(message).with_param(path).with_code("several_models")
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
    fn a_name_with_commas_is_several_where_its_provider_reads_it_so() {
        let check = |lists: Option<ModelLists>, model: &str, body: &str, expect: &[(&str, &str)]| {
            let quirks = Quirks { model_lists: lists, ..Quirks::default() };
            let spec = ProviderSpec { quirks, ..ProviderSpec::default() };
            let head = Head::scan(Bytes::from(body.to_owned())).unwrap();
            let found = other_models(&spec, model, &head);
            let found = found.map(|found| {
                let named = |other: OtherModel| (other.member, other.name.unwrap());
                found.into_iter().map(named).collect::<Vec<_>>()
            });
            let expect = expect.iter().map(|(path, name)| ((*path).to_owned(), (*name).to_owned()));
            assert_eq!(found.ok(), Some(expect.collect()), "{model} {body}");
            first(&spec, model).to_owned()
        };
        let turn = Some(ModelLists::InTurn);
        assert_eq!(check(None, "a,b", "{}", &[]), "a,b");
        assert_eq!(check(turn, "a", "{}", &[]), "a");
        assert_eq!(check(turn, "!x, a/p ,b,a/p", "{}", &[("model", "a/p"), ("model", "b")]), "a/p");
        check(turn, "a", r#"{"fallbacks":["b,c"]}"#, &[("fallbacks", "b"), ("fallbacks", "c")]);
        let quirks = Quirks { model_lists: Some(ModelLists::Refused), ..Quirks::default() };
        let spec = ProviderSpec { quirks, ..ProviderSpec::default() };
        let refused = |model: &str, body: &'static str| {
            let head = Head::scan(Bytes::from(body)).unwrap();
            other_models(&spec, model, &head).is_err()
        };
        assert!(refused("a,b", "{}") && refused("a", r#"{"models":["b,c"]}"#) && !refused("a", "{}"));
    }

    #[test]
    fn who_is_asked_beside_the_model_is_told_each_time() {
        let quirks = Quirks { added_models: vec!["plugins.models".to_owned()], ..Quirks::default() };
        let spec = ProviderSpec { quirks, ..ProviderSpec::default() };
        let body = r#"{"models":["a"],"plugins":[{"models":["own","a","a"]}],"tools":[{"model":"own"}]}"#;
        let head = Head::scan(Bytes::from(body)).unwrap();
        let found = other_models(&spec, "own", &head).unwrap();
        let found: Vec<_> = found.iter().map(|one| (one.name.as_deref().unwrap(), one.is_added)).collect();
        assert_eq!(found, [("a", false), ("own", true), ("own", true), ("a", true), ("a", true)]);
    }

    #[test]
    fn no_body_that_names_another_model_is_passed_over() {
        let quirks = |path: &str| Quirks { other_models: vec![path.to_owned()], ..Quirks::default() };
        let spec = ProviderSpec { quirks: quirks("plugins.models"), ..ProviderSpec::default() };
        let check = |body: &'static str, expect: bool| {
            let head = Head::scan(Bytes::from(body)).unwrap();
            assert_eq!(head.may_have(members(&spec, "own")), expect, "{body}");
            assert!(expect || other_models(&spec, "own", &head).unwrap().is_empty(), "{body}");
        };
        check(r#"{"model":"own","messages":[],"stream":true,"max_tokens":5,"temperature":1}"#, false);
        check(r#"{"model":"own","models":["a"]}"#, true);
        check(r#"{"model":"own","fallbacks":["a"]}"#, true);
        check(r#"{"model":"own","tools":[{"model":"a"}]}"#, true);
        check(r#"{"model":"own","plugins":{"models":["a"]}}"#, true);
        // A name with an escape is the same name.
        check(r#"{"model":"own","model\u0073":["a"]}"#, true);
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
