//! Members that no neutral field names.
//!
//! Some are this dialect's own terms and pass whatever dialect the client speaks
//! (`safety_settings`, `cached_content`, `labels`, `generation_config`); others pass if they were meant
//! for this dialect, or for whoever answers.

use llm_types::{ApiError, Extra, RawValue, Result, wire_struct};

use super::{Cx, NO_COUNTERPART, wire};

wire_struct! {
    /// An object of which nothing is known.
    struct Object<'a> {}
}

/// This dialect's own terms, found among the members.
#[derive(Debug, Default)]
pub(super) struct Native<'a> {
    safety_settings: Option<&'a RawValue>,
    cached_content: Option<&'a RawValue>,
    labels: Option<&'a RawValue>,
    /// With its members in camelCase.
    generation_config: Option<String>,
}

impl<'a> Native<'a> {
    /// Finds them.
    ///
    /// # Errors
    /// When `generation_config` is not an object.
    pub(super) fn read(extra: &'a Extra) -> Result<Self> {
        let mut native = Self::default();
        for (name, value) in extra.iter().filter(|(_, value)| value.get() != "null") {
            match name {
                "safety_settings" | "safetySettings" => native.safety_settings = Some(value),
                "cached_content" | "cachedContent" => native.cached_content = Some(value),
                "labels" => native.labels = Some(value),
                "generation_config" | "generationConfig" => {
                    native.generation_config = Some(camel_members(name, value)?);
                }
                _ => {}
            }
        }
        Ok(native)
    }

    /// Whether the request stands on cached content.
    pub(super) fn is_cached(&self) -> bool {
        self.cached_content.is_some()
    }

    /// `generation_config` as the caller gave it; other fields of the request fill what it leaves open.
    ///
    /// # Errors
    /// When one of its members is of the wrong type.
    pub(super) fn config(&self) -> Result<wire::GenerationConfig<'_>> {
        match &self.generation_config {
            None => Ok(wire::GenerationConfig::default()),
            Some(json) => serde_json::from_str(json).map_err(|error| {
                ApiError::bad_request(format!("`generation_config` is not what it should be: {error}"))
                    .with_param("generation_config")
            }),
        }
    }
}

/// The same object with its names in camelCase; both spellings are allowed on the wire.
fn camel_members(path: &str, value: &RawValue) -> Result<String> {
    let wrong = || ApiError::bad_request(format!("`{path}` must be an object")).with_param(path);
    let object: Object<'_> = serde_json::from_str(value.get()).map_err(|_| wrong())?;
    let mut out = Extra::default();
    for (name, value) in object.extra.iter() {
        out.set(camel(name), value.to_owned());
    }
    serde_json::to_string(&out).map_err(|_| wrong())
}

/// `safety_settings` is `safetySettings`.
pub(in super::super) fn camel(name: &str) -> String {
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

/// Puts the members of the request where they belong.
pub(super) fn members<'a>(
    extra: &'a Extra,
    native: &Native<'a>,
    body: &mut wire::Request<'a>,
    cx: &mut Cx<'_>,
) {
    body.safety_settings = native.safety_settings.map(Into::into);
    body.labels = native.labels.map(Into::into);
    body.cached_content = native.cached_content.map(Into::into);
    for (name, value) in extra.iter() {
        let spelled = camel(name);
        match spelled.as_str() {
            "safetySettings" | "cachedContent" | "labels" | "generationConfig" => {}
            // The client's own: what it came to in other fields is an approximation.
            "toolConfig" if cx.own => {
                body.tool_config = None;
                body.extra.push(spelled.into(), value);
            }
            _ if !cx.native => cx.changes.dropped(name.to_owned(), NO_COUNTERPART),
            "contents" | "systemInstruction" | "tools" | "toolConfig" | "serviceTier"
                if is_set(&spelled, body) =>
            {
                cx.changes.dropped(name.to_owned(), "another field of the request says it already");
            }
            _ => body.extra.push(spelled.into(), value),
        }
    }
}

fn is_set(name: &str, body: &wire::Request<'_>) -> bool {
    match name {
        "contents" => body.contents.is_some(),
        "systemInstruction" => body.system_instruction.is_some(),
        "tools" => body.tools.is_some(),
        "toolConfig" => body.tool_config.is_some(),
        _ => body.service_tier.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_snake_case_become_camel_case() {
        let check = |name: &str, expect: &str| assert_eq!(camel(name), expect);
        check("max_output_tokens", "maxOutputTokens");
        check("maxOutputTokens", "maxOutputTokens");
        check("_x", "_x");
        check("top_k", "topK");
    }
}
