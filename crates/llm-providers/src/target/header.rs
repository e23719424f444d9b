//! The headers of every call: the row's, the deployment's over them, and the key's over all.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use llm_types::{ApiError, ProviderSpec, Result, UrlForm};

use super::TargetOptions;
use crate::credential::{self, Env, Key, fill, given, header_name, header_value};

/// Headers that belong to the connection or to the body: not for configuration.
const FRAMING: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
];

/// Whose quota a user's calls at Google count on (cloud.google.com/docs/quotas/set-quota-project).
const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// What names in a row's templates stand for.
pub(super) struct Values<'a> {
    settings: [(&'static str, Option<String>); 2],
    env: Env<'a>,
}

/// What names in a row's templates stand for: a deployment's settings, the environment.
///
/// # Errors
/// When a setting names a variable that is not set.
pub(super) fn values<'a>(options: &TargetOptions, env: Env<'a>) -> Result<Values<'a>> {
    let organization = given(options.organization.as_deref(), "organization", env)?;
    let project = given(options.project.as_deref(), "project", env)?;
    Ok(Values { settings: [("organization", organization), ("project", project)], env })
}

impl Values<'_> {
    /// The filled template; `None`: a variable is not set, so that what it stands for is not wanted.
    pub(super) fn fill(&self, template: &str) -> Option<String> {
        let value = |name: &str| {
            let own = self.settings.iter().find(|(setting, _)| *setting == name);
            let found = own.map_or_else(|| (self.env)(name), |(_, value)| value.clone());
            found.filter(|value| !value.trim().is_empty())
        };
        fill(template, "${", &value).ok().map(|text| text.trim().to_owned())
    }
}

/// All of them. `key`: what is sent of a key, and to which host.
///
/// # Errors
/// When a setting is of no use there, or cannot be a header.
pub(super) fn all(
    spec: &ProviderSpec,
    key: Option<(&Key, &str)>,
    options: &TargetOptions,
    env: Env<'_>,
) -> Result<HeaderMap> {
    let mut headers = of_row(spec, options, env)?;
    let auth = match key {
        Some((key, host)) => credential::auth_headers(spec, key, host)?,
        None => None,
    };
    let carries = match &auth {
        Some((name, _)) => Some(name),
        // A token goes there.
        None if spec.tokens.is_some() => Some(&header::AUTHORIZATION),
        None => None,
    };
    lay_over(&mut headers, &own(options, carries, env)?);
    if let Some((_, auth)) = &auth {
        lay_over(&mut headers, auth);
    }
    Ok(headers)
}

/// Names the project whose quota a user's calls count on, unless the deployment does.
///
/// # Errors
/// When it cannot stand in a header.
pub(super) fn add_quota_project(headers: &mut HeaderMap, project: Option<String>) -> Result<()> {
    if let Some(project) = project.filter(|_| !headers.contains_key(QUOTA_PROJECT)) {
        headers.insert(QUOTA_PROJECT, header_value(QUOTA_PROJECT.as_str(), &project)?);
    }
    Ok(())
}

fn of_row(spec: &ProviderSpec, options: &TargetOptions, env: Env<'_>) -> Result<HeaderMap> {
    let values = values(options, env)?;
    let quirks = std::iter::once(&spec.quirks).chain(spec.rules.iter().map(|rule| &rule.quirks));
    let set = quirks.flat_map(|quirks| quirks.set.values()).chain(spec.headers.values());
    let templates: Vec<&String> = set.collect();
    for (name, value) in &values.settings {
        let in_path = *name == "project" && matches!(spec.url, UrlForm::Vertex | UrlForm::VertexGlobal);
        if value.is_some() && !in_path && !templates.iter().any(|template| mentions(template, name)) {
            let message = format!("no {name} is known there: remove it, or set the header that carries it");
            return Err(ApiError::bad_request(message));
        }
    }
    let mut headers = HeaderMap::new();
    for (name, template) in &spec.headers {
        if let Some(text) = values.fill(template) {
            headers.insert(header_name(name)?, header_value(name, &text)?);
        }
    }
    Ok(headers)
}

/// Whether a template has a place for this name.
fn mentions(template: &str, name: &str) -> bool {
    let places = template.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    places.flat_map(|names| names.split('|')).any(|other| other == name)
}

fn own(options: &TargetOptions, auth: Option<&HeaderName>, env: Env<'_>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (text, value) in &options.headers {
        let name = header_name(text)?;
        if auth == Some(&name) {
            let message = format!("header `{name}` carries the api_key: remove it from headers");
            return Err(ApiError::bad_request(message));
        }
        if FRAMING.contains(&name) {
            return Err(ApiError::bad_request(format!("header `{name}` is set for each call: remove it")));
        }
        let value = given(Some(value), &format!("header `{name}`"), env)?.unwrap_or_default();
        let mut value = header_value(text, &value)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Puts `over` into `headers`, replacing what is there. Lists of betas are joined instead: each side
/// needs its own (docs.anthropic.com/en/api/beta-headers).
pub(super) fn lay_over(headers: &mut HeaderMap, over: &HeaderMap) {
    for (name, value) in over {
        let joined = match headers.get(name) {
            Some(there) if name.as_str().ends_with("-beta") => join_lists(there, value),
            _ => None,
        };
        headers.insert(name.clone(), joined.unwrap_or_else(|| value.clone()));
    }
}

fn join_lists(first: &HeaderValue, second: &HeaderValue) -> Option<HeaderValue> {
    let (first, second) = (first.to_str().ok()?, second.to_str().ok()?);
    let mut items: Vec<&str> = Vec::new();
    for item in first.split(',').chain(second.split(',')).map(str::trim) {
        if !item.is_empty() && !items.contains(&item) {
            items.push(item);
        }
    }
    HeaderValue::try_from(items.join(",")).ok()
}
