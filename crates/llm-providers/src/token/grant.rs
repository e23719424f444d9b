//! What is needed to get a token, of whatever kind.

use std::fmt::Write as _;

use llm_types::{Result, Secret};
use sha2::{Digest, Sha256};

use super::document::Document;
use super::google::Google;
use super::{OauthOptions, refused};
use crate::credential::{Env, Key, given, set};
use crate::url::Base;

/// Where IBM Cloud gives tokens for keys (cloud.ibm.com/docs/account?topic=account-iamtoken_from_apikey).
const WATSONX_IAM: &str = "https://iam.cloud.ibm.com/identity/token";

/// How a token is got.
#[derive(Debug, Clone)]
pub(crate) enum Grant {
    /// From Google.
    Google(Google),
    /// From Microsoft Entra ID.
    AzureAd {
        /// Who gives it.
        url: String,
        /// The application.
        client: String,
        /// What proves that it is the application that asks.
        proof: Proof,
    },
    /// From Azure, for the identity of the machine that this runs on.
    AzureManaged {
        /// Who gives it.
        url: String,
        /// Which of several identities.
        client: Option<String>,
        /// What the giver of App Service is asked with; `None`: it is that of a virtual machine.
        key: Option<Secret>,
    },
    /// From IBM Cloud IAM.
    Watsonx {
        /// Who gives it.
        url: String,
        /// What it is given for.
        key: Secret,
    },
    /// From a Databricks workspace (docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m).
    Databricks {
        /// Who gives it.
        url: String,
        /// The service principal.
        client: String,
        /// Its secret.
        secret: Secret,
    },
    /// Signed here with a user's private key
    /// (docs.snowflake.com/en/developer-guide/sql-api/authenticating#using-key-pair-authentication).
    Snowflake {
        /// `ACCOUNT.USER`, as Snowflake spells both.
        user: String,
        /// The key, in PEM.
        key: Document,
    },
}

/// What proves that it is an application that asks.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// Its secret.
    Secret(Secret),
    /// A token of an issuer that is trusted for it.
    Assertion(Document),
}

impl Grant {
    /// The Google credentials, where it is of those.
    pub(crate) fn google(&self) -> Option<&Google> {
        match self {
            Self::Google(google) => Some(google),
            _ => None,
        }
    }

    /// Tells one from another, without a secret.
    pub(crate) fn name(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |texts: &[&str]| {
            for text in texts {
                hash.update(text.len().to_le_bytes());
                hash.update(text);
            }
        };
        let document = match self {
            Self::Google(google) => {
                add(&["google"]);
                google.add_to(&mut hash);
                None
            }
            Self::AzureAd { url, client, proof: Proof::Secret(secret) } => {
                add(&["azure", url, client, secret.expose()]);
                None
            }
            Self::AzureAd { url, client, proof: Proof::Assertion(document) } => {
                add(&["azure", url, client]);
                // What it holds is another text every hour, for the same application.
                if let Document::File { path, named: _ } = document {
                    hash.update(path.as_os_str().as_encoded_bytes());
                }
                None
            }
            Self::AzureManaged { url, client, key } => {
                let key = key.as_ref().map(Secret::expose).unwrap_or_default();
                add(&["azure-managed", url, client.as_deref().unwrap_or_default(), key]);
                None
            }
            Self::Watsonx { url, key } => {
                add(&["watsonx", url, key.expose()]);
                None
            }
            Self::Databricks { url, client, secret } => {
                add(&["databricks", url, client, secret.expose()]);
                None
            }
            Self::Snowflake { user, key } => {
                add(&["snowflake", user]);
                Some(key)
            }
        };
        if let Some(document) = document {
            document.add_to(&mut hash);
        }
        hash.finalize().iter().fold(String::with_capacity(64), |mut out, byte| {
            // Writing into memory cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
    }

    /// What it asks with, to be kept out of messages.
    #[cfg(feature = "tokens")]
    pub(super) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Google(google) => google.secrets(),
            Self::AzureAd { url: _, client: _, proof: Proof::Secret(secret) }
            | Self::Databricks { url: _, client: _, secret }
            | Self::Watsonx { url: _, key: secret } => vec![secret.clone()],
            Self::AzureAd { url: _, client: _, proof: Proof::Assertion(document) } => {
                document.read().into_iter().collect()
            }
            Self::AzureManaged { url: _, client: _, key } => key.iter().cloned().collect(),
            Self::Snowflake { .. } => Vec::new(),
        }
    }

    /// Who gives the tokens, for messages.
    #[cfg(feature = "tokens")]
    pub(super) fn giver(&self) -> &'static str {
        match self {
            Self::Google(_) => "Google",
            Self::AzureAd { .. } | Self::AzureManaged { .. } => "Microsoft Entra ID",
            Self::Watsonx { .. } => "IBM Cloud IAM",
            Self::Databricks { .. } => "Databricks",
            Self::Snowflake { .. } => "Snowflake",
        }
    }
}

/// The exchange of a key; `None`: there is no key.
///
/// # Errors
/// When a variable cannot be read.
pub(super) fn watsonx(key: Option<&Key>, env: Env<'_>) -> Result<Option<Grant>> {
    let url = set("WATSONX_IAM_URL", env).unwrap_or_else(|| WATSONX_IAM.to_owned());
    Ok(key.map(|key| Grant::Watsonx { url, key: key.secret.clone() }))
}

/// A service principal; `None`: there is none.
///
/// # Errors
/// When only half of it is given.
pub(super) fn databricks(
    own: Option<&OauthOptions>,
    base: Option<&Base>,
    env: Env<'_>,
) -> Result<Option<Grant>> {
    let none = OauthOptions::default();
    let OauthOptions { tenant_id: _, client_id, client_secret } = own.unwrap_or(&none);
    let client = given(client_id.as_deref(), "oauth.client_id", env)?;
    let client = client.or_else(|| set("DATABRICKS_CLIENT_ID", env));
    let secret = given(client_secret.as_ref().map(Secret::expose), "oauth.client_secret", env)?;
    let secret = secret.or_else(|| set("DATABRICKS_CLIENT_SECRET", env));
    match (client, secret, base) {
        (Some(client), Some(secret), Some(base)) => {
            let url = format!("{}/oidc/v1/token", base.origin());
            Ok(Some(Grant::Databricks { url, client, secret: Secret::new(secret) }))
        }
        (None, None, _) if own.is_none() => Ok(None),
        (Some(_), Some(_), None) => Ok(None),
        _ => Err(refused(
            "set both DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, or give the deployment's oauth a client_id \
             and a client_secret",
        )),
    }
}

/// A user's private key; `None`: there is none.
///
/// # Errors
/// When it is not known whose it is.
pub(super) fn snowflake(env: Env<'_>) -> Result<Option<Grant>> {
    let Some(key) = set("SNOWFLAKE_PRIVATE_KEY", env) else {
        return Ok(None);
    };
    let key = if key.starts_with("-----BEGIN") {
        Document::Text(Secret::new(key))
    } else {
        Document::file(key, "SNOWFLAKE_PRIVATE_KEY")
    };
    let (Some(account), Some(user)) = (set("SNOWFLAKE_ACCOUNT_ID", env), set("SNOWFLAKE_USER", env)) else {
        return Err(refused(
            "set SNOWFLAKE_ACCOUNT_ID and SNOWFLAKE_USER: SNOWFLAKE_PRIVATE_KEY does not say whose it is",
        ));
    };
    // In tokens a locator has neither region nor cloud, and dots of an organisation's account are hyphens.
    let account = account.split('.').next().unwrap_or_default().to_ascii_uppercase();
    Ok(Some(Grant::Snowflake { user: format!("{account}.{}", user.to_ascii_uppercase()), key }))
}
