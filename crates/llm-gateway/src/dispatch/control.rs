//! How a request wants to be asked for again, in LiteLLM's words: `disable_fallbacks`, `num_retries`,
//! `context_window_fallbacks`.
//!
//! They are ours, as its own list of fallbacks is: they are taken out of the body before anybody else reads it.

use std::sync::Arc;

use llm_router::Plan;
use llm_types::{ApiError, Edits, Head, NameSet, RawValue, Result};

use super::own::{Fallbacks, MOST, chain};
use crate::backend::Backend;
use crate::models;
use crate::snapshot::Snapshot;

/// The members.
pub(super) const NAMES: [&str; 3] = [DISABLED, RETRIES, TOO_LONG];
const OURS: NameSet = NameSet::of(&NAMES);
const DISABLED: &str = "disable_fallbacks";
const RETRIES: &str = "num_retries";
pub(super) const TOO_LONG: &str = "context_window_fallbacks";

/// What a request says of itself.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// The most retries in each group.
    retries: Option<u32>,
    /// Where it goes when its prompt does not fit.
    pub(super) too_long: Option<Vec<Arc<str>>>,
    disabled: bool,
}

/// Takes out of a request what it says of being asked again, and its own list of fallbacks.
///
/// # Errors
/// [`llm_types::ErrorKind::BadRequest`] for what cannot be understood.
pub(crate) fn take(
    head: &mut Head,
    snapshot: &Snapshot,
    asked: &str,
) -> Result<(Option<Box<Control>>, Option<Fallbacks>)> {
    let control = Control::take(head, snapshot, asked)?;
    let own = Fallbacks::take(head, snapshot, asked)?;
    let is_disabled = control.as_ref().is_some_and(|control| control.disabled);
    let own = if is_disabled { Some(Fallbacks::none(head)) } else { own };
    Ok((control, own))
}

impl Control {
    /// Takes the members out of a request; `None`: it has none.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::BadRequest`] for what cannot be understood.
    fn take(head: &mut Head, snapshot: &Snapshot, asked: &str) -> Result<Option<Box<Self>>> {
        let is_ours = |name: &str| NAMES.contains(&name);
        if !head.may_have(OURS) || !head.members().iter().any(|member| is_ours(member.name())) {
            return Ok(None);
        }
        let wrong = |name: &str, what: &str| {
            ApiError::bad_request(format!("`{name}` must be {what}")).with_param(name)
        };
        let disabled = head.read::<bool>(DISABLED).map_err(|_| wrong(DISABLED, "true or false"))?;
        let retries = head.read::<u32>(RETRIES).map_err(|_| wrong(RETRIES, "a whole number, 0 or more"))?;
        let too_long = read(head, snapshot, asked)?;
        let mut edits = Edits::default();
        NAMES.iter().for_each(|name| edits.remove(head, name));
        *head = Head::scan(edits.apply(head).to_bytes())?;
        let disabled = disabled.unwrap_or_default();
        Ok(Some(Box::new(Self { retries, too_long: too_long.filter(|_| !disabled), disabled })))
    }

    /// Says it to the router.
    pub(super) fn tell(&self, plan: &mut Plan<'_, Backend>) {
        if let Some(retries) = self.retries {
            plan.bound_retries(retries);
        }
        if let Some(models) = &self.too_long {
            plan.fall_back_when_too_long(models.clone());
        }
    }
}

/// Models to go to with a prompt that does not fit: a list of names, or of objects that say where to go from which
/// model.
fn read(head: &Head, snapshot: &Snapshot, asked: &str) -> Result<Option<Vec<Arc<str>>>> {
    let wrong = |message: String| ApiError::bad_request(message).with_param(TOO_LONG);
    let none = || {
        wrong(format!(
            "`{TOO_LONG}` must be a list of model names, or of objects from a model to such a list"
        ))
    };
    let Some(json) = head.get(TOO_LONG) else { return Ok(None) };
    let list: Option<Vec<&RawValue>> = serde_json::from_slice(json).map_err(|_| none())?;
    let Some(list) = list else { return Ok(None) };
    let mut models = Vec::new();
    let mut is_about = list.is_empty();
    for entry in list {
        let named = match chain(entry, asked) {
            Some(chain) => chain,
            None => Some(vec![serde_json::from_str(entry.get()).map_err(|_| none())?]),
        };
        is_about |= named.is_some();
        models.extend(named.unwrap_or_default());
    }
    if models.len() > MOST {
        return Err(wrong(format!("`{TOO_LONG}` names more than {MOST} models: name fewer")));
    }
    if let Some(unknown) = models.iter().find(|model| snapshot.router.find(model).is_none()) {
        return Err(models::unknown(snapshot, unknown).with_param(TOO_LONG));
    }
    // What it says of other models is nothing about this one.
    Ok(is_about.then(|| models.into_iter().map(Arc::from).collect()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn take(body: &str) -> Result<(String, Option<Box<Control>>)> {
        let config = llm_config::Config::from_models(["mock/echo", "mock/other"]);
        let snapshot = crate::assemble::snapshot(&config, |_| None, None).unwrap();
        let mut head = Head::scan(Bytes::from(body.to_owned())).unwrap();
        let control = Control::take(&mut head, &snapshot, "m")?;
        Ok((String::from_utf8(head.body().to_vec()).unwrap(), control))
    }

    #[test]
    fn what_is_ours_is_taken_out_of_the_body() {
        let body = r#"{"model":"m","num_retries":1,"disable_fallbacks":false,"context_window_fallbacks":[{"m":["mock/echo"]},{"n":["mock/other"]}]}"#;
        let (body, control) = take(body).unwrap();
        let control = control.unwrap();
        assert_eq!(body, r#"{"model":"m"}"#);
        assert_eq!((control.retries, control.disabled), (Some(1), false));
        assert_eq!(control.too_long.unwrap(), [Arc::from("mock/echo")]);
        let (body, control) =
            take(r#"{"model":"m","disable_fallbacks":true,"context_window_fallbacks":["mock/echo"]}"#)
                .unwrap();
        let control = control.unwrap();
        assert!(body == r#"{"model":"m"}"# && control.disabled && control.too_long.is_none());
        let too_long = |list: &str| {
            let body = format!(r#"{{"model":"m","context_window_fallbacks":{list}}}"#);
            take(&body).unwrap().1.unwrap().too_long
        };
        assert_eq!(too_long(r#"[{"n":["mock/other"]}]"#), None, "the model's own chain stays");
        assert_eq!(too_long(r#"[{"n":["mock/other"]},{"*":[]}]"#), Some(Vec::new()));
        assert_eq!(too_long("[]"), Some(Vec::new()));
        assert!(take(r#"{"model":"m"}"#).unwrap().1.is_none());
        let (body, control) = take(r#"{"model":"m","num_retries":null}"#).unwrap();
        assert!(body == r#"{"model":"m"}"# && control.unwrap().retries.is_none());
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        let check = |member: &str, value: &str| {
            let error = take(&format!("{{\"{member}\":{value}}}")).unwrap_err();
            assert_eq!(error.param.as_deref(), Some(member), "{value}: {error}");
        };
        check("num_retries", "-1");
        check("num_retries", "\"two\"");
        check("disable_fallbacks", "1");
        check("context_window_fallbacks", "\"mock/echo\"");
        check("context_window_fallbacks", "[3]");
        check("context_window_fallbacks", "[\"mock/ecko\"]");
    }
}
