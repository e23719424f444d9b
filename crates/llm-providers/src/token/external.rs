//! Google credentials that begin elsewhere: a token of another issuer that is exchanged for one of Google's (workload
//! identity federation), and a service account that one acts as.
//!
//! <https://google.aip.dev/auth/4117>,
//! <https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken>

use std::collections::BTreeMap;

use llm_types::{Result, Secret};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::document::Document;
use super::refused;

/// Who exchanges tokens where the document does not say it.
const STS: &str = "https://sts.googleapis.com/v1/token";

/// What another issuer's token is exchanged with (`external_account`).
#[derive(Debug, Deserialize)]
pub(super) struct External {
    /// The pool and provider that trust the issuer.
    pub(super) audience: String,
    /// What kind of token it is.
    pub(super) subject_token_type: String,
    /// Who exchanges it.
    #[serde(default = "sts")]
    pub(super) token_url: String,
    /// Where it is.
    pub(super) credential_source: Source,
    /// Where a service account's tokens are given, if one is acted as.
    #[serde(default)]
    pub(super) service_account_impersonation_url: Option<String>,
    /// The project of a person who signs in by a workforce pool.
    #[serde(default)]
    pub(super) workforce_pool_user_project: Option<String>,
}

/// Where another issuer's token is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    /// A file that somebody keeps fresh.
    pub(super) file: Option<String>,
    /// An address that gives it.
    pub(super) url: Option<String>,
    /// What it is asked with.
    pub(super) headers: BTreeMap<String, Secret>,
    /// How it stands there.
    pub(super) format: Format,
    environment_id: Option<IgnoredAny>,
    executable: Option<IgnoredAny>,
}

/// How a token stands in a file or an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Format {
    #[serde(rename = "type")]
    kind: String,
    subject_token_field_name: Option<String>,
}

/// A service account that is acted as (`impersonated_service_account`).
#[derive(Debug, Deserialize)]
pub(super) struct Impersonated {
    /// Where its tokens are given.
    pub(super) service_account_impersonation_url: String,
    /// Those in between.
    #[serde(default)]
    pub(super) delegates: Vec<String>,
    /// Who acts: a document of its own, private key and all.
    #[serde(deserialize_with = "secret_document")]
    pub(super) source_credentials: Secret,
}

fn secret_document<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Secret, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(|document| Secret::new(document.get()))
}

fn sts() -> String {
    STS.to_owned()
}

impl External {
    /// Whether the token is where it can be got.
    ///
    /// # Errors
    /// When it is at Amazon's or comes of a program.
    pub(super) fn checked(self) -> Result<Self> {
        let Source { file, url, environment_id, executable, .. } = &self.credential_source;
        let other = environment_id.is_some() || executable.is_some();
        if other || (file.is_none() && url.is_none()) {
            return Err(refused(
                "Google credentials of type `external_account` can be used where their credential_source is a `file` \
                 or a `url`: Amazon's credentials and programs are not asked",
            ));
        }
        Ok(self)
    }

    /// The token that stands in a file; `None`: it has to be asked for.
    ///
    /// # Errors
    /// When the file cannot be read or holds none.
    pub(super) fn in_file(&self) -> Result<Option<Secret>> {
        let Some(path) = &self.credential_source.file else {
            return Ok(None);
        };
        let text = Document::file(path, "credential_source").read()?;
        self.credential_source.format.token(text.expose()).map(Some)
    }
}

impl Format {
    /// The token in a text.
    ///
    /// # Errors
    /// When there is none. Nothing of the text is repeated.
    pub(super) fn token(&self, text: &str) -> Result<Secret> {
        let missing = || refused("the credential_source holds no token: check it and its `format`");
        let token = if self.kind == "json" {
            let name = self.subject_token_field_name.as_deref().unwrap_or("access_token");
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|_| missing())?;
            let member = members.get(name).ok_or_else(missing)?;
            serde_json::from_str(member.get()).map_err(|_| missing())?
        } else {
            text.trim().to_owned()
        };
        if token.is_empty() { Err(missing()) } else { Ok(Secret::new(token)) }
    }
}
