//! Calls that are signed for AWS: in which region, as whom, and how.
//!
//! A region stands in many places (the deployment, the model's name, its ARN, the environment, a profile); `Place` finds it
//! once. Who signs is either known when the configuration is read, or is what the chain of credentials says at the
//! time, which is asked beside the calls and never by them (feature `aws-chain`).

#[cfg(feature = "aws-chain")]
mod chain;
mod profile;
mod sign;

use std::sync::Arc;

use aws_credential_types::Credentials;
use llm_types::{ApiError, ErrorKind, Result, Secret};
use sha2::{Digest as _, Sha256};

pub(crate) use sign::Signer;

use crate::credential::{Env, given, set};
use sign::Source;

/// Variables that may hold the region, in order.
const REGIONS: [&str; 3] = ["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"];
/// The service that signatures are for where a row names none; it is not the name of its host.
const SERVICE: &str = "bedrock";
/// The name of the partition's domain in a row's base URL.
const SUFFIX: &str = "AWS_DNS_SUFFIX";
/// The name of the partition in a row's templates.
const PARTITION: &str = "AWS_PARTITION";

/// Who signs. Each may be `os.environ/NAME`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AwsOptions {
    /// The public half of a key.
    pub access_key_id: Option<Secret>,
    /// The secret half of it.
    pub secret_access_key: Option<Secret>,
    /// What goes with a temporary key.
    pub session_token: Option<Secret>,
    /// A profile of the user's AWS configuration.
    pub profile: Option<String>,
    /// The role to assume, with the credentials that are found first.
    pub role_arn: Option<String>,
}

/// What a deployment says of its place and of who signs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings<'a> {
    /// Its region, or any other word for where it stands.
    pub(crate) region: Option<&'a str>,
    /// Who signs.
    pub(crate) aws: Option<&'a AwsOptions>,
    /// What the signature is for, as the row says it.
    pub(crate) service: Option<&'a str>,
}

/// Where calls go.
#[derive(Debug)]
pub(crate) struct Place {
    region: Option<String>,
    model: String,
}

impl Place {
    /// The region of a deployment and its model's own name: the deployment's word, a region before the model, that
    /// of an ARN, then the environment's, then that of the profile.
    pub(crate) fn of(settings: Settings<'_>, model: &str, env: Env<'_>) -> Self {
        let before = model.split_once('/').filter(|(region, _)| is_region(region));
        let named = before.map(|(region, _)| region);
        let own = settings.region.filter(|region| is_region(region));
        let arn =
            model.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).filter(|name| is_region(name));
        let found = own.or(named).or(arn).map(str::to_owned);
        Self {
            region: found
                .or_else(|| REGIONS.iter().find_map(|name| set(name, env)))
                .or_else(|| profile::region(profile(settings.aws, env).as_deref(), env)),
            model: before.map_or(model, |(_, model)| model).to_owned(),
        }
    }

    /// The model without its region.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// What stands for a variable in a row's base URL.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let region = self.region.as_deref();
        if REGIONS.contains(&name) {
            return region.map(str::to_owned);
        }
        let within = |start: &str| region.is_some_and(|region| region.starts_with(start));
        let (suffix, partition) = match (within("cn-"), within("us-gov-")) {
            (true, _) => ("amazonaws.com.cn", "aws-cn"),
            (false, true) => ("amazonaws.com", "aws-us-gov"),
            (false, false) => ("amazonaws.com", "aws"),
        };
        match name {
            SUFFIX => Some(suffix.to_owned()),
            PARTITION => Some(partition.to_owned()),
            _ => None,
        }
    }

    /// Who signs the calls to `host`.
    ///
    /// # Errors
    /// When there are no credentials, only half of them, or no region.
    pub(crate) fn signer(&self, settings: Settings<'_>, host: &str, env: Env<'_>) -> Result<Arc<Signer>> {
        let in_host = || host.split('.').find(|part| is_region(part)).map(str::to_owned);
        let region = self.region.clone().or_else(in_host).ok_or_else(|| {
            let names = REGIONS.join(", ");
            ApiError::bad_request(format!(
                "no region: set one of {names}, name one in the AWS profile, or give the deployment a region"
            ))
        })?;
        let source = source(settings.aws, &region, env)?;
        Ok(Arc::new(Signer::new(source, region, settings.service.unwrap_or(SERVICE).to_owned())))
    }
}

/// The profile that a deployment names.
fn profile(options: Option<&AwsOptions>, env: Env<'_>) -> Option<String> {
    given(options?.profile.as_deref(), "aws.profile", env).ok().flatten()
}

/// Whether the environment holds a key to sign with.
pub(crate) fn has_keys(env: Env<'_>) -> bool {
    set("AWS_ACCESS_KEY_ID", env).is_some() && set("AWS_SECRET_ACCESS_KEY", env).is_some()
}

/// Whether a word has the form of a region: `us-east-1`, `us-gov-west-1`.
fn is_region(word: &str) -> bool {
    let mut parts = word.split('-');
    let country =
        parts.next().is_some_and(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_lowercase()));
    let Some((number, middle)) =
        parts.collect::<Vec<_>>().split_last().map(|(last, rest)| (*last, rest.to_vec()))
    else {
        return false;
    };
    let words = middle.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()));
    country && !middle.is_empty() && words && number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit())
}

/// Where the credentials come from.
fn source(options: Option<&AwsOptions>, region: &str, env: Env<'_>) -> Result<Source> {
    let none = AwsOptions::default();
    let options = options.unwrap_or(&none);
    let AwsOptions { access_key_id, secret_access_key, session_token, profile, role_arn } = options;
    let read = |value: &Option<Secret>, field: &str| given(value.as_ref().map(Secret::expose), field, env);
    let own = (read(access_key_id, "aws.access_key_id")?, read(secret_access_key, "aws.secret_access_key")?);
    let token = read(session_token, "aws.session_token")?;
    let profile = given(profile.as_deref(), "aws.profile", env)?;
    let role = given(role_arn.as_deref(), "aws.role_arn", env)?;
    let fixed = match own {
        (Some(id), Some(secret)) => Some(Credentials::new(id, secret, token, None, "configuration")),
        (None, None) if profile.is_some() => None,
        (None, None) => from_environment(env),
        _ => {
            let message = "give the deployment's aws both access_key_id and secret_access_key";
            return Err(ApiError::new(ErrorKind::Auth, message));
        }
    };
    match fixed {
        Some(credentials) if role.is_none() => Ok(Source::fixed(credentials)),
        fixed => chained(fixed, (profile, role), region),
    }
}

fn from_environment(env: Env<'_>) -> Option<Credentials> {
    let (id, secret) = (set("AWS_ACCESS_KEY_ID", env)?, set("AWS_SECRET_ACCESS_KEY", env)?);
    Some(Credentials::new(id, secret, set("AWS_SESSION_TOKEN", env), None, "environment"))
}

/// Tells one key from another, and a corrected one from the one before: the public half, and a hash of the rest.
fn account(credentials: &Credentials) -> String {
    let mut hash = Sha256::new();
    for text in [credentials.secret_access_key(), credentials.session_token().unwrap_or_default()] {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    let digest = hash.finalize();
    let short = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{} {short:016x}", credentials.access_key_id())
}

/// What is asked of the chain of credentials.
#[cfg(feature = "aws-chain")]
#[derive(Debug, Clone)]
struct Wanted {
    /// Credentials to assume the role with.
    fixed: Option<Credentials>,
    profile: Option<String>,
    role: Option<String>,
    region: String,
}

#[cfg(feature = "aws-chain")]
impl Wanted {
    /// Tells one from another, without a secret.
    fn name(&self) -> String {
        let Self { fixed, profile, role, region } = self;
        let account = fixed.as_ref().map(account).unwrap_or_default();
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{account} {} {} {region}", word(profile), word(role))
    }
}

#[cfg(feature = "aws-chain")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn chained(
    fixed: Option<Credentials>,
    (profile, role): (Option<String>, Option<String>),
    region: &str,
) -> Result<Source> {
    Ok(Source::Chain(chain::Chain::of(Wanted { fixed, profile, role, region: region.to_owned() })))
}

#[cfg(not(feature = "aws-chain"))]
fn chained(
    _fixed: Option<Credentials>,
    (profile, role): (Option<String>, Option<String>),
    _region: &str,
) -> Result<Source> {
    let message = if profile.is_some() || role.is_some() {
        "profiles and roles need a build with the feature `aws-chain`: build with it, or give keys"
    } else {
        "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the deployment an \
         api_key or aws credentials (other sources need a build with the feature `aws-chain`)"
    };
    Err(ApiError::new(ErrorKind::Auth, message))
}

#[cfg(test)]
mod tests;
