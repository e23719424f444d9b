//! Members that no neutral field names.
//!
//! Some are this dialect's own terms and pass whatever dialect the client speaks. The service refuses any other at
//! the top, so that those meant for whoever answers go where it passes them on: `additionalModelRequestFields`.

use llm_types::{ApiError, Dialect, Extra, RawValue, Result, Str};
use serde::Deserialize;

use super::super::wire::{Fields, Request};
use super::{Encoder, NO_COUNTERPART};
use crate::codec::Asked;

/// The beta features that the service knows (docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html).
const BETAS: &[&str] = &[
    "computer-use-",
    "context-1m-2025-08-07",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "structured-outputs-2025-11-13",
    "compact-",
];

/// This dialect's own terms, found among the members.
#[derive(Debug, Default)]
pub(super) struct Terms<'r> {
    /// Those at the top.
    pub(super) request: Request<'r>,
    /// Those for the model's own body.
    pub(super) fields: Fields<'r>,
}

/// `additional_model_request_fields` is `additionalModelRequestFields`.
fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' && !out.is_empty() {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out
}

/// Whether a member is one of this dialect's own terms.
fn is_term(name: &str) -> bool {
    const TERMS: [&str; 8] = [
        "guardrailConfig",
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths",
        "promptVariables",
        "requestMetadata",
        "performanceConfig",
        "outputConfig",
        "serviceTier",
    ];
    TERMS.contains(&camel(name).as_str())
}

fn read<'r, T: Deserialize<'r>>(name: &str, value: &'r RawValue) -> Result<T> {
    serde_json::from_str(value.get()).map_err(|error| {
        ApiError::bad_request(format!("`{name}` is not what it should be: {error}")).with_param(name)
    })
}

/// The members, unless there are none.
pub(super) fn unless_empty(fields: Fields<'_>) -> Option<Fields<'_>> {
    let is_empty = serde_json::to_string(&fields).is_ok_and(|json| json == "{}");
    (!is_empty).then_some(fields)
}

impl<'r> Encoder<'r, '_> {
    /// Takes this dialect's own terms out of the members.
    ///
    /// # Errors
    /// When one of them is not of its type.
    pub(super) fn own_members(&mut self, extra: &'r Extra) -> Result<Terms<'r>> {
        let mut out = Terms::default();
        for (name, value) in extra.iter().filter(|(_, value)| value.get() != "null") {
            match camel(name).as_str() {
                "guardrailConfig" => out.request.guardrail = Some(value.into()),
                "additionalModelRequestFields" => out.fields = read(name, value)?,
                "additionalModelResponseFieldPaths" => out.request.paths = Some(value.into()),
                "promptVariables" => out.request.variables = Some(value.into()),
                "requestMetadata" => out.request.metadata = Some(value.into()),
                "performanceConfig" => out.request.performance = Some(value.into()),
                "outputConfig" if !value.get().contains("\"effort\"") => {
                    out.request.output = Some(read(name, value)?);
                }
                "serviceTier" => out.request.service_tier = Some(read(name, value)?),
                _ => {}
            }
        }
        Ok(out)
    }

    /// The members that are none of this dialect's terms.
    pub(super) fn extra(&mut self, extra: &'r Extra, fields: &mut Fields<'r>) {
        for (name, value) in extra.iter() {
            let is_effort = camel(name) == "outputConfig" && value.get().contains("\"effort\"");
            if is_term(name) && !is_effort {
                continue;
            }
            if name == "anthropic_beta" && self.model.facts().is_some() {
                match serde_json::from_str::<Vec<Str<'_>>>(value.get()) {
                    Ok(names) => names.into_iter().for_each(|name| self.beta(name.into_string(), fields)),
                    Err(_) => self.changes.dropped("anthropic_beta", "not a list of names"),
                }
            } else if name == "output_config"
                && self.model.facts().is_some()
                && fields.output_config.is_none()
            {
                fields.output_config = serde_json::from_str(value.get()).ok();
            } else if self.is_own() && fields.extra.get(name).is_none() && !is_field(name) {
                fields.extra.push(name.into(), value);
            } else {
                self.changes.dropped(name.to_owned(), NO_COUNTERPART);
            }
        }
    }

    /// The beta features that a client of Claude's own API names in a header.
    pub(super) fn betas(&mut self, asked: &Asked, fields: &mut Fields<'r>) {
        if asked.dialect != Some(Dialect::Anthropic) {
            return;
        }
        let values = asked.headers.get_all("anthropic-beta");
        for names in values.iter().filter_map(|value| value.to_str().ok()) {
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                self.beta(name.to_owned(), fields);
            }
        }
    }

    fn beta(&mut self, name: String, fields: &mut Fields<'r>) {
        let known = self.model.facts().is_some() && BETAS.iter().any(|beta| name.starts_with(beta));
        if !known {
            self.changes.dropped(format!("anthropic-beta.{name}"), "bedrock does not know this feature");
            return;
        }
        let names = fields.anthropic_beta.get_or_insert_default();
        if !names.iter().any(|other| other.as_str() == name) {
            names.push(name.into());
        }
    }
}

/// Whether the model's own body has a field of this name that is written from elsewhere.
fn is_field(name: &str) -> bool {
    const FIELDS: [&str; 9] = [
        "thinking",
        "output_config",
        "reasoningConfig",
        "reasoning_effort",
        "reasoning_config",
        "top_k",
        "inferenceConfig",
        "tool_choice",
        "anthropic_beta",
    ];
    FIELDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_known_in_both_spellings() {
        let check = |name: &str, expect: bool| assert_eq!(is_term(name), expect, "{name}");
        check("guardrailConfig", true);
        check("guardrail_config", true);
        check("additional_model_request_fields", true);
        check("guardrail", false);
        check("top_a", false);
    }
}
