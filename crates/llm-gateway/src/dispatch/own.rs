//! A request's own list of fallbacks: `"fallbacks": ["model", {"model": "other", "temperature": 0}]`.
//!
//! Names are models of this gateway. An object names one and says which members of the request are others for
//! it; LiteLLM's form, `[{"asked": ["model", "other"]}]`, says where to go from which model. The list is ours: it
//! is taken out of the body before anybody else reads it.

use std::collections::HashMap;

use bytes::Bytes;
use llm_router::Fallback;
use llm_types::{ApiError, Edits, Head, RawValue, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ready::Asking;
use super::{Dispatch, control};
use crate::models;
use crate::snapshot::Snapshot;

/// The member.
const NAME: &str = "fallbacks";
/// Members that an entry cannot change: whom the gateway calls, and with which key, is its configuration's business.
const KEPT: [&str; 5] = ["stream", NAME, "api_key", "api_base", "base_url"];
/// The most entries.
pub(super) const MOST: usize = 16;

/// Where a request goes instead of its group's fallbacks.
#[derive(Debug)]
pub(crate) struct Fallbacks {
    /// The models, in order.
    pub(super) names: Vec<Fallback>,
    /// What each of them changes.
    changes: Vec<Vec<(String, Bytes)>>,
    /// The request without the list.
    base: Head,
}

impl Fallbacks {
    /// Takes the list out of a request; `None`: it has none.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] when it is no list of models of this gateway.
    pub(super) fn take(head: &mut Head, snapshot: &Snapshot, asked: &str) -> Result<Option<Self>> {
        let Some(json) = head.get(NAME) else { return Ok(None) };
        let wrong = |message: String| ApiError::bad_request(message).with_param(NAME);
        let list: Option<Vec<&RawValue>> = serde_json::from_slice(json).map_err(|_| {
            wrong("`fallbacks` must be a list of model names, or of objects with a `model`".to_owned())
        })?;
        let mut given = list.as_ref().is_some_and(Vec::is_empty);
        let list = list.unwrap_or_default();
        if list.len() > MOST {
            return Err(wrong(format!("`fallbacks` has more than {MOST} entries: name fewer")));
        }
        let (mut names, mut changes) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()));
        let named = list.into_iter().map(|entry| {
            let of_model = chain(entry, asked);
            given |= !matches!(of_model, Some(None));
            match of_model {
                Some(models) => Ok(models.into_iter().flatten().map(|model| (model, Vec::new())).collect()),
                None => read(entry).map(|one| vec![one]),
            }
        });
        for (model, changed) in
            named.collect::<Result<Vec<Vec<_>>, _>>().map_err(wrong)?.into_iter().flatten()
        {
            if snapshot.router.find(&model).is_none() {
                return Err(models::unknown(snapshot, &model).with_param(NAME));
            }
            names.push(Fallback { model: model.into(), overrides: !changed.is_empty() });
            changes.push(changed);
        }
        if names.len() > MOST {
            return Err(wrong(format!("`fallbacks` names more than {MOST} models: name fewer")));
        }
        let mut edits = Edits::default();
        edits.remove(head, NAME);
        *head = Head::scan(edits.apply(head).to_bytes())?;
        // `null` is how clients write an option that nobody set; an empty list says that there are to be none, and one that is
        // about other models says nothing of this one.
        Ok(given.then(|| Self { names, changes, base: head.clone() }))
    }

    /// A list without models.
    pub(super) fn none(head: &Head) -> Self {
        Self { names: Vec::new(), changes: Vec::new(), base: head.clone() }
    }

    /// The request as one entry of the list has it; `None`: as it came.
    pub(super) fn head(&self, entry: Option<usize>) -> Result<Head> {
        let changes = entry.and_then(|entry| self.changes.get(entry)).filter(|changes| !changes.is_empty());
        let Some(changes) = changes else { return Ok(self.base.clone()) };
        let mut edits = Edits::default();
        for (name, json) in changes {
            if json == "null" {
                edits.remove(&self.base, name);
            } else {
                edits.set(&self.base, name, json.clone());
            }
        }
        Head::scan(edits.apply(&self.base).to_bytes())
    }
}

/// The models of an entry that says where to go from which model, if it is about the one that was asked for; `None`: it
/// is no such entry.
pub(super) fn chain(entry: &RawValue, asked: &str) -> Option<Option<Vec<String>>> {
    let chains: HashMap<String, Vec<String>> = serde_json::from_str(entry.get()).ok()?;
    let about = |name: &String| name == asked || name == "*";
    let models = chains.into_iter().filter(|(name, _)| about(name)).map(|(_, models)| models);
    Some(models.reduce(|all, more| [all, more].concat()))
}

fn read(entry: &RawValue) -> Result<(String, Vec<(String, Bytes)>), String> {
    if let Ok(name) = serde_json::from_str::<String>(entry.get()) {
        return Ok((name, Vec::new()));
    }
    #[derive(Deserialize)]
    struct Named {
        model: String,
    }
    let named = serde_json::from_str::<Named>(entry.get());
    let object = serde_json::from_str::<IgnoredAny>(entry.get())
        .ok()
        .and_then(|_| Head::scan(Bytes::copy_from_slice(entry.get().as_bytes())).ok());
    let (Ok(Named { model }), Some(object)) = (named, object) else {
        return Err("an entry of `fallbacks` must be a model's name, or an object with a `model`".to_owned());
    };
    let changed = object.members().iter().filter(|member| member.name() != "model");
    let changed = changed.filter_map(|member| {
        let json = object.get(member.name())?;
        Some((member.name().to_owned(), Bytes::copy_from_slice(json)))
    });
    let changed: Vec<_> = changed.collect();
    let is_kept = |name: &str| KEPT.contains(&name) || control::NAMES.contains(&name);
    if let Some((name, _)) = changed.iter().find(|(name, _)| is_kept(name)) {
        return Err(format!("an entry of `fallbacks` cannot change `{name}`"));
    }
    Ok((model, changed))
}

impl Dispatch {
    /// The models of the request's own list.
    pub(crate) fn fallback_names(&self) -> Option<impl Iterator<Item = &str>> {
        let fallbacks = self.fallbacks.as_ref()?;
        Some(fallbacks.names.iter().map(|fallback| &*fallback.model))
    }

    /// All the models that the request itself names to go to, with the member that names them.
    pub(crate) fn named_fallbacks(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let too_long = self.control.iter().filter_map(|control| control.too_long.as_ref()).flatten();
        let own = self.fallback_names().into_iter().flatten().map(|name| (NAME, name));
        own.chain(too_long.map(|name| (control::TOO_LONG, &**name)))
    }

    /// Turns to an entry of the request's own list: from here on the request is as the entry has it.
    ///
    /// # Errors
    /// When a guard refuses it so.
    pub(super) async fn turn_to(&self, entry: Option<usize>, asking: &mut Asking) -> Result<()> {
        let Some(fallbacks) = &self.fallbacks else { return Ok(()) };
        let head = fallbacks.head(entry)?;
        if head.body() == asking.head.body() {
            return Ok(());
        }
        *asking = Asking::from(head);
        for guard in &self.snapshot.guards {
            guard.request(asking.call(self.codec, &self.asked)?, &self.principal).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn take(body: &str) -> Result<(String, Option<Fallbacks>)> {
        let config = llm_config::Config::from_models(["mock/echo", "mock/other"]);
        let snapshot = crate::assemble::snapshot(&config, |_| None, None).unwrap();
        let mut head = Head::scan(Bytes::from(body.to_owned())).unwrap();
        let list = Fallbacks::take(&mut head, &snapshot, "m")?;
        Ok((String::from_utf8(head.body().to_vec()).unwrap(), list))
    }

    #[test]
    fn the_list_is_taken_out_of_the_body() {
        let (body, list) = take(r#"{"model":"m","fallbacks":["mock/echo"],"n":1}"#).unwrap();
        assert_eq!(body, r#"{"model":"m","n":1}"#);
        let list = list.unwrap();
        assert_eq!(list.names, [Fallback { model: Arc::from("mock/echo"), overrides: false }]);
        assert_eq!(list.head(Some(0)).unwrap().body(), body.as_bytes());
        let (body, list) = take(r#"{"model":"m"}"#).unwrap();
        assert!(list.is_none() && body == r#"{"model":"m"}"#);
        let (body, list) = take(r#"{"model":"m","fallbacks":null}"#).unwrap();
        assert!(list.is_none() && body == r#"{"model":"m"}"#, "null is no list: {body}");
        assert!(take(r#"{"fallbacks":[]}"#).unwrap().1.unwrap().names.is_empty());
        let (body, list) = take(r#"{"model":"m","fallbacks":[{"n":["mock/echo"]}]}"#).unwrap();
        assert!(list.is_none() && body == r#"{"model":"m"}"#, "nothing is said of this model: {body}");
        assert!(take(r#"{"fallbacks":[{"m":[]}]}"#).unwrap().1.unwrap().names.is_empty());
    }

    #[test]
    fn an_entry_may_say_from_which_model() {
        let list = r#"[{"m":["mock/echo","mock/other"]},{"n":["mock/never"]},{"*":["mock/echo"]}]"#;
        let list = take(&format!(r#"{{"fallbacks":{list}}}"#)).unwrap().1.unwrap();
        let names: Vec<_> = list.names.iter().map(|fallback| &*fallback.model).collect();
        assert_eq!(names, ["mock/echo", "mock/other", "mock/echo"]);
    }

    #[test]
    fn an_entry_changes_the_request() {
        let body = r#"{"model":"m","n":2,"user":"u","fallbacks":["mock/echo",{"model":"mock/other","n":1,"top_p":0.5,"user":null}]}"#;
        let list = take(body).unwrap().1.unwrap();
        let head = list.head(Some(1)).unwrap();
        assert_eq!(head.body(), &br#"{"model":"m","n":1,"top_p":0.5}"#[..]);
        assert!(list.names[1].overrides);
        assert_eq!(list.head(None).unwrap().body(), &br#"{"model":"m","n":2,"user":"u"}"#[..]);
    }

    #[test]
    fn what_is_no_list_of_models_is_refused() {
        let check = |list: &str, expect: &str| {
            let error = take(&format!(r#"{{"fallbacks":{list}}}"#)).unwrap_err();
            assert!(error.message.contains(expect), "{list}: {error}");
            assert_eq!(error.param.as_deref(), Some("fallbacks"), "{list}");
        };
        check("\"mock/echo\"", "must be a list");
        check("[3]", "must be a model's name");
        check("[{\"n\":1}]", "must be a model's name");
        check("[\"mock/ecko\"]", "mock/ecko");
        check("[{\"model\":\"mock/echo\",\"stream\":true}]", "cannot change `stream`");
        check("[{\"model\":\"mock/echo\",\"api_key\":\"x\"}]", "cannot change `api_key`");
        check("[{\"model\":\"mock/echo\",\"api_base\":\"http://a.example\"}]", "cannot change `api_base`");
        check("[{\"model\":\"mock/echo\",\"num_retries\":3}]", "cannot change `num_retries`");
        check(&format!("[{}]", vec!["\"mock/echo\""; 17].join(",")), "more than 16");
    }
}
