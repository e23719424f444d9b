//! Where tokens come from that expire, as a fact of a provider's row.

use serde::Deserialize;

/// Who gives out the tokens that calls are made with, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenSource {
    /// Google: a service account, a user's own credentials or the metadata server.
    Google,
    /// Microsoft Entra ID (Azure AD): an application's secret, or its federated token.
    AzureAd,
    /// IBM Cloud IAM: the row's key is exchanged for a token.
    Watsonx,
    /// A Databricks workspace: a service principal's secret.
    Databricks,
    /// Nobody: a Snowflake user's private key signs it.
    Snowflake,
}

impl TokenSource {
    /// Whether the row's key is what a token is got for, and not sent itself.
    #[must_use]
    pub fn takes_key(self) -> bool {
        self == Self::Watsonx
    }

    /// Environment variables of which one is set where tokens can be got.
    #[must_use]
    pub fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Google => &[
                "VERTEXAI_CREDENTIALS",
                "VERTEX_CREDENTIALS",
                "GOOGLE_APPLICATION_CREDENTIALS",
                "GCE_METADATA_HOST",
            ],
            Self::AzureAd => &["AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT"],
            Self::Databricks => &["DATABRICKS_CLIENT_SECRET"],
            Self::Snowflake => &["SNOWFLAKE_PRIVATE_KEY"],
            Self::Watsonx => &[],
        }
    }
}
