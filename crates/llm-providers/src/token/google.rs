//! Google credentials: where they are found, and of which kinds they are.
//!
//! The order is that of Google's own libraries
//! (<https://cloud.google.com/docs/authentication/application-default-credentials>), with LiteLLM's variables
//! before it.

use std::path::PathBuf;

use llm_types::{Result, Secret};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::document::Document;
use super::external::{External, Impersonated};
use super::refused;
use crate::credential::{Env, given, set};

/// What tokens are for.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const VARIABLES: [&str; 3] = ["VERTEXAI_CREDENTIALS", "VERTEX_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"];
const METADATA: [&str; 2] = ["GCE_METADATA_HOST", "GCE_METADATA_IP"];
const METADATA_HOST: &str = "metadata.google.internal";
/// Where gcloud keeps what `gcloud auth application-default login` leaves.
const WELL_KNOWN: &str = "application_default_credentials.json";

/// Where credentials are.
#[derive(Debug, Clone)]
pub(crate) enum Google {
    /// In a document.
    Document(Document),
    /// At the metadata server of the machine.
    Metadata {
        /// Its host.
        host: String,
        /// Nobody said that there is one.
        guess: bool,
    },
}

/// What a document holds.
#[derive(Debug)]
pub(super) enum Kind {
    /// A service account signs for itself.
    ServiceAccount(ServiceAccount),
    /// A user's own credentials.
    User(User),
    /// A token of another issuer.
    External(Box<External>),
    /// A service account that somebody acts as: who does, and as whom.
    Impersonated(Box<Kind>, Impersonated),
}

/// A service account's key.
#[derive(Debug, Deserialize)]
pub(super) struct ServiceAccount {
    /// Whose it is.
    pub(super) client_email: String,
    /// The key, in PEM.
    pub(super) private_key: Secret,
    /// Its id.
    #[serde(default)]
    pub(super) private_key_id: Option<String>,
    /// Who gives tokens for it.
    #[serde(default = "token_uri")]
    pub(super) token_uri: String,
}

/// A user's credentials.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    /// The program that the user allowed.
    pub(super) client_id: String,
    /// Its secret.
    pub(super) client_secret: Secret,
    /// What a token is got for.
    pub(super) refresh_token: Secret,
    /// Who gives tokens for it.
    #[serde(default = "token_uri")]
    pub(super) token_uri: String,
}

fn token_uri() -> String {
    TOKEN_URI.to_owned()
}

/// What every document has, whatever its kind.
#[derive(Debug, Default, Deserialize)]
struct Common {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    quota_project_id: Option<String>,
}

/// Finds the credentials of a deployment, and checks that they can be used.
///
/// # Errors
/// When a document cannot be read, or is of a kind that is not known here.
pub(super) fn find(own: Option<&Secret>, env: Env<'_>) -> Result<Google> {
    let found = Google::of(own, env)?;
    if let Google::Document(document) = &found {
        kind(document)?;
    }
    Ok(found)
}

impl Google {
    fn of(own: Option<&Secret>, env: Env<'_>) -> Result<Self> {
        if let Some(text) = given(own.map(Secret::expose), "credentials", env)? {
            return Ok(Self::Document(document(text, "credentials")));
        }
        let named = VARIABLES.iter().find_map(|name| Some((name, set(name, env)?)));
        if let Some((name, text)) = named {
            return Ok(Self::Document(document(text, name)));
        }
        if let Some(path) = well_known(env).filter(|path| path.is_file()) {
            return Ok(Self::Document(Document::file(path, "gcloud")));
        }
        let host = METADATA.iter().find_map(|name| set(name, env));
        let guess = host.is_none();
        Ok(Self::Metadata { host: host.unwrap_or_else(|| METADATA_HOST.to_owned()), guess })
    }

    /// Whether nothing said that tokens can be got this way.
    pub(super) fn is_guess(&self) -> bool {
        matches!(self, Self::Metadata { guess: true, .. })
    }

    /// Adds what tells it from another to a digest.
    pub(super) fn add_to(&self, hash: &mut Sha256) {
        match self {
            Self::Document(document) => document.add_to(hash),
            Self::Metadata { host, guess: _ } => hash.update(host),
        }
    }

    /// The project that the credentials are of.
    pub(crate) fn project(&self) -> Option<String> {
        let common = self.common()?;
        common.project_id.or(common.quota_project_id).filter(|project| !project.is_empty())
    }

    /// The project whose quota a user's calls count on: Google wants it named.
    pub(crate) fn quota_project(&self) -> Option<String> {
        self.common()?.quota_project_id.filter(|project| !project.is_empty())
    }

    /// What a user's credentials are kept secret for.
    #[cfg(feature = "tokens")]
    pub(super) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Document(document) => kind(document).map(|kind| kind.secrets()).unwrap_or_default(),
            Self::Metadata { .. } => Vec::new(),
        }
    }

    fn common(&self) -> Option<Common> {
        let Self::Document(document) = self else {
            return None;
        };
        serde_json::from_str(document.read().ok()?.expose()).ok()
    }
}

impl Kind {
    #[cfg(feature = "tokens")]
    fn secrets(self) -> Vec<Secret> {
        match self {
            Self::User(user) => vec![user.refresh_token, user.client_secret],
            Self::ServiceAccount(account) => vec![account.private_key],
            Self::External(external) => {
                let token = external.in_file().ok().flatten();
                external.credential_source.headers.into_values().chain(token).collect()
            }
            Self::Impersonated(who, _) => who.secrets(),
        }
    }
}

/// A path, or the JSON itself.
fn document(text: String, named: &str) -> Document {
    if text.starts_with('{') { Document::Text(Secret::new(text)) } else { Document::file(text, named) }
}

fn well_known(env: Env<'_>) -> Option<PathBuf> {
    let own = set("CLOUDSDK_CONFIG", env).map(PathBuf::from);
    let home = || Some(PathBuf::from(set("HOME", env)?).join(".config").join("gcloud"));
    let windows = || Some(PathBuf::from(set("APPDATA", env)?).join("gcloud"));
    Some(own.or_else(home).or_else(windows)?.join(WELL_KNOWN))
}

/// What a document holds.
///
/// # Errors
/// When it cannot be read, is no JSON, lacks a member or is of another kind. Nothing of it is repeated.
pub(super) fn kind(document: &Document) -> Result<Kind> {
    of_text(document.read()?.expose(), true)
}

/// The same of a text; `acts`: it may be of somebody who acts as another.
fn of_text(text: &str, acts: bool) -> Result<Kind> {
    let wrong = |error: serde_json::Error| {
        // What serde says may hold a piece of the text: its place is enough.
        let (line, column) = (error.line(), error.column());
        refused(format!(
            "the Google credentials cannot be read (line {line}, column {column}): \
             give the JSON file as Google wrote it"
        ))
    };
    let common: Common = serde_json::from_str(text).map_err(wrong)?;
    match common.kind.as_str() {
        "service_account" => serde_json::from_str(text).map(Kind::ServiceAccount).map_err(wrong),
        "authorized_user" => serde_json::from_str(text).map(Kind::User).map_err(wrong),
        "external_account" => {
            let external: External = serde_json::from_str(text).map_err(wrong)?;
            external.checked().map(Box::new).map(Kind::External)
        }
        "impersonated_service_account" if acts => {
            let acted: Impersonated = serde_json::from_str(text).map_err(wrong)?;
            let who = of_text(acted.source_credentials.expose(), false)?;
            Ok(Kind::Impersonated(Box::new(who), acted))
        }
        other => {
            let kind: String = other.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
            Err(refused(format!(
                "Google credentials of type `{kind}` cannot be used: give those of a service account \
                 (`service_account`), of a user (`authorized_user`), `external_account` or \
                 `impersonated_service_account`, or run where there is a metadata server"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_kind_of_credentials_shows_its_secrets() {
        let account =
            json!({"type": "service_account", "client_email": "sa@p", "private_key": "planted-key"});
        let user = json!({"type": "authorized_user", "client_id": "c", "client_secret": "planted-secret",
            "refresh_token": "planted-refresh"});
        let source = json!({"url": "http://h/token", "headers": {"Authorization": "planted-header"}});
        let external = json!({"type": "external_account", "audience": "a", "subject_token_type": "t",
            "credential_source": source});
        let acts = |who: &serde_json::Value| {
            json!({"type": "impersonated_service_account", "source_credentials": who,
                "service_account_impersonation_url": "https://h/act"})
        };
        for text in [acts(&account), acts(&user), acts(&external), account, user, external] {
            let kind = of_text(&text.to_string(), true).unwrap();
            let shown = format!("{kind:?} {kind:#?}");
            assert!(!shown.contains("planted"), "{shown}");
        }
    }
}
