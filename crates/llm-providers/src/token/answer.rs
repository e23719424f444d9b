//! What those who give tokens answer: a token, or why there is none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use llm_types::{ApiError, ErrorKind, Result, Secret};
use serde::Deserialize;
use serde_json::Value;

use super::grant::Grant;
use super::refused;

/// How long a token holds that does not say it: as Google's and Azure's do.
const USUAL: Duration = Duration::from_secs(3600);
/// The longest that a token is believed to hold.
const LONGEST: u64 = 24 * 3600;
/// How much of the giver's own words is repeated, in characters.
const WORDS: usize = 300;

/// A token that was given.
#[derive(Debug)]
pub(super) struct Given {
    /// The token.
    pub(super) token: Secret,
    /// How long it holds from now on.
    pub(super) lifetime: Duration,
}

#[derive(Deserialize)]
struct Body {
    #[serde(alias = "accessToken")]
    access_token: Option<Secret>,
    expires_in: Option<Value>,
    /// Seconds since 1970, where nothing says how many are left.
    expires_on: Option<Value>,
}

/// Why there is none, in the forms of all of them.
#[derive(Default, Deserialize)]
struct Refusal {
    error: Option<Value>,
    error_description: Option<String>,
    #[serde(rename = "errorCode")]
    code: Option<String>,
    #[serde(rename = "errorMessage")]
    message: Option<String>,
}

impl Grant {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] when what was asked with is refused, [`ErrorKind::Unavailable`] when asking again may help.
    pub(super) fn read(&self, status: StatusCode, body: &[u8]) -> Result<Given> {
        let giver = self.giver();
        if !status.is_success() {
            return Err(self.refusal(status, body));
        }
        let garbage =
            || unavailable(format!("{giver} answered without a token: check the address that gives them"));
        let Body { access_token, expires_in, expires_on } =
            serde_json::from_slice(body).map_err(|_| garbage())?;
        let token = access_token.filter(|token| is_token(token.expose())).ok_or_else(garbage)?;
        let number = |value: Value| match value {
            Value::Number(number) => number.as_f64().map(whole),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs());
        let left = |until: u64| Some(until.saturating_sub(now.ok()?));
        let lifetime = expires_in.and_then(number).or_else(|| left(expires_on.and_then(number)?));
        let lifetime = lifetime.map_or(USUAL, |seconds| Duration::from_secs(seconds.min(LONGEST)));
        if lifetime.is_zero() {
            return Err(unavailable(format!(
                "{giver} gave a token that has expired: check the clock of this machine"
            )));
        }
        Ok(Given { token, lifetime })
    }

    /// What an answer says that is no token.
    pub(super) fn refusal(&self, status: StatusCode, body: &[u8]) -> ApiError {
        let (giver, why) = (self.giver(), words(body));
        let again = status.is_server_error() || [408, 429].contains(&status.as_u16());
        if again {
            return unavailable(format!("{giver} gives no token now ({status}{why}): try again in a moment"));
        }
        refused(format!("{giver} refused to give a token ({status}{why}): check {}", self.to_check()))
    }

    /// What is to be checked when it is refused.
    fn to_check(&self) -> &'static str {
        match self {
            Self::Google(_) => "the credentials, and that the account may use Vertex AI",
            Self::AzureAd { .. } => "AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret",
            Self::AzureManaged { .. } => {
                "that this machine has the identity (AZURE_CLIENT_ID) and it may use the resource"
            }
            Self::Watsonx { .. } => "the api_key",
            Self::Databricks { .. } => "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
            Self::Snowflake { .. } => "the private key",
        }
    }
}

/// Whole seconds of what may have been written with a fraction.
fn whole(seconds: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within bounds by then")]
    let seconds = seconds.clamp(0.0, 1e9) as u64;
    seconds
}

/// Whether a text can stand in a header as a token.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `: invalid_grant: …`, or nothing.
fn words(body: &[u8]) -> String {
    let Refusal { error, error_description, code, message } =
        serde_json::from_slice(body).unwrap_or_default();
    let error = match error {
        Some(Value::String(text)) => Some(text),
        Some(Value::Object(object)) => object.get("message").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let all: Vec<String> = [error, error_description, code, message].into_iter().flatten().collect();
    let text: String =
        all.join(": ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// A failure that may pass.
pub(super) fn unavailable(message: impl Into<String>) -> ApiError {
    let mut error = ApiError::new(ErrorKind::Unavailable, message);
    error.retry_after = Some(Duration::from_secs(1));
    error
}
