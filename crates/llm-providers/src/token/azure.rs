//! Tokens of Microsoft Entra ID (Azure AD) for Azure OpenAI and Foundry.
//!
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use llm_types::{Result, Secret};

use super::document::Document;
use super::grant::{Grant, Proof};
use super::{OauthOptions, refused};
use crate::credential::{Env, given, set};
use crate::url::escape;

const AUTHORITY: &str = "https://login.microsoftonline.com";

/// What Azure's own libraries are told with which credentials to use
/// (learn.microsoft.com/dotnet/azure/sdk/authentication/credential-chains).
const CHOICE: &str = "AZURE_TOKEN_CREDENTIALS";
const MANAGED: &str = "ManagedIdentityCredential";
/// Who gives tokens on a virtual machine, and the variable that names another.
const MACHINE: &str = "http://169.254.169.254";
const MACHINE_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

/// The identity of the machine; `None`: nothing says that there is one.
fn managed(client: Option<String>, chosen: bool, env: Env<'_>) -> Option<Grant> {
    if let (Some(url), Some(key)) = (set("IDENTITY_ENDPOINT", env), set("IDENTITY_HEADER", env)) {
        return Some(Grant::AzureManaged { url, client, key: Some(Secret::new(key)) });
    }
    let host = set(MACHINE_HOST, env);
    let host = host.or_else(|| chosen.then(|| MACHINE.to_owned()))?;
    let url = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
    Some(Grant::AzureManaged { url, client, key: None })
}

/// The application of a deployment: its own, else the environment's; `None`: there is none.
///
/// # Errors
/// When only a part of it is given.
pub(super) fn find(own: Option<&OauthOptions>, env: Env<'_>) -> Result<Option<Grant>> {
    let none = OauthOptions::default();
    let OauthOptions { tenant_id, client_id, client_secret } = own.unwrap_or(&none);
    let tenant = given(tenant_id.as_deref(), "oauth.tenant_id", env)?.or_else(|| set("AZURE_TENANT_ID", env));
    let client = given(client_id.as_deref(), "oauth.client_id", env)?.or_else(|| set("AZURE_CLIENT_ID", env));
    let secret = given(client_secret.as_ref().map(Secret::expose), "oauth.client_secret", env)?;
    let secret =
        secret.or_else(|| set("AZURE_CLIENT_SECRET", env)).map(|text| Proof::Secret(Secret::new(text)));
    let file = || {
        let path = set("AZURE_FEDERATED_TOKEN_FILE", env)?;
        Some(Proof::Assertion(Document::file(path, "AZURE_FEDERATED_TOKEN_FILE")))
    };
    // A machine's identity is asked where the platform says that there is one, or somebody does.
    let chosen = client_secret.is_none() && set(CHOICE, env).is_some_and(|word| word == MANAGED);
    let Some(proof) = secret.or_else(file).filter(|_| !chosen) else {
        if let Some(managed) = managed(client, chosen, env) {
            return Ok(Some(managed));
        }
        if own.is_none() {
            return Ok(None);
        }
        return Err(refused(
            "give oauth a client_secret, or set AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE",
        ));
    };
    let (Some(tenant), Some(client)) = (tenant, client) else {
        let message = "set AZURE_TENANT_ID and AZURE_CLIENT_ID, or give the deployment's oauth a tenant_id and a \
                       client_id: a client secret alone does not say whose it is";
        return Err(refused(message));
    };
    let authority = set("AZURE_AUTHORITY_HOST", env).unwrap_or_else(|| AUTHORITY.to_owned());
    let url = format!("{}/{}/oauth2/v2.0/token", authority.trim_end_matches('/'), escape(&tenant));
    Ok(Some(Grant::AzureAd { url, client, proof }))
}
