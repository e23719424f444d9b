//! Where at Vertex AI calls go: a project's models at a location.
//!
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations>

use llm_types::{ApiError, Result};

use crate::credential::{Env, given, set};
use crate::url::escape;

/// Variables that may hold the location, in order.
const LOCATIONS: [&str; 3] = ["VERTEXAI_LOCATION", "VERTEX_LOCATION", "GOOGLE_CLOUD_LOCATION"];
/// Where calls go if nothing says it, as LiteLLM has it.
const USUAL: &str = "us-central1";
/// Variables that may hold the project, in order.
const PROJECTS: [&str; 3] = ["VERTEXAI_PROJECT", "VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT"];
/// The name of the location's host in a row's base URL.
const HOST: &str = "VERTEX_DOMAIN";

/// A location.
#[derive(Debug)]
pub(crate) struct Location(String);

impl Location {
    /// The location of a deployment: its own, its region, the environment's.
    ///
    /// # Errors
    /// When it is none: it becomes a part of the host that secrets are sent to.
    pub(crate) fn of(own: Option<&str>, region: Option<&str>, env: Env<'_>) -> Result<Self> {
        let own = given(own, "location", env)?;
        // A region may be any word that requests ask for.
        let region = region.filter(|region| is_location(region)).map(str::to_owned);
        let found = own.or(region).or_else(|| LOCATIONS.iter().find_map(|name| set(name, env)));
        let location = found.unwrap_or_else(|| USUAL.to_owned());
        if !is_location(&location) {
            let message = "the location is none of Google's: write `global`, `eu` or one like `us-central1`";
            return Err(ApiError::bad_request(message));
        }
        Ok(Self(location))
    }

    /// That of services which are everywhere.
    pub(crate) fn global() -> Self {
        Self("global".to_owned())
    }

    /// What stands for a variable in a row's base URL.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let location = &self.0;
        (name == HOST).then(|| match location.as_str() {
            "global" => "aiplatform.googleapis.com".to_owned(),
            many if !many.contains('-') => format!("aiplatform.{many}.rep.googleapis.com"),
            region => format!("{region}-aiplatform.googleapis.com"),
        })
    }

    /// What goes before the path of a call: a deployment's project, the environment's, that of its credentials.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn place(&self, own: Option<&str>, known: Option<String>, env: Env<'_>) -> Result<String> {
        let own = given(own, "project", env)?;
        let project = own.or_else(|| PROJECTS.iter().find_map(|name| set(name, env))).or(known);
        let project = project.ok_or_else(|| {
            let names = PROJECTS.join(", ");
            ApiError::bad_request(format!("no project: set one of {names}, or give the deployment a project"))
        })?;
        Ok(format!("/v1/projects/{}/locations/{}", escape(&project), self.0))
    }
}

fn is_location(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_have_hosts() {
        let check = |own: Option<&str>, region: Option<&str>, expect: &str| {
            let location = Location::of(own, region, &|_| None).unwrap();
            assert_eq!(location.variable(HOST).as_deref(), Some(expect));
            assert_eq!(location.variable("OTHER"), None);
        };
        check(None, None, "us-central1-aiplatform.googleapis.com");
        check(Some("global"), Some("us-east5"), "aiplatform.googleapis.com");
        check(Some("eu"), None, "aiplatform.eu.rep.googleapis.com");
        check(None, Some("europe-west4"), "europe-west4-aiplatform.googleapis.com");
        check(None, Some("EU West"), "us-central1-aiplatform.googleapis.com");
        for wrong in ["evil.example/", "US", "-a", "a.b", "a@b"] {
            assert!(Location::of(Some(wrong), None, &|_| None).is_err(), "{wrong}");
        }
        let env = |name: &str| (name == "VERTEX_LOCATION").then(|| "asia-south1".to_owned());
        let found = Location::of(None, None, &env).unwrap();
        assert_eq!(found.place(Some("p"), None, &env).unwrap(), "/v1/projects/p/locations/asia-south1");
    }
}
