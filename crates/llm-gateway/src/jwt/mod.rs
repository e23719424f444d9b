//! `[[auth.jwt]]`: clients that send a token of an issuer in the place of a key.
//!
//! What a token must be like is decided in `llm_governance::jwt`; here are the issuers of this configuration, their keys
//! on the way here (`source`), and what becomes of teams and users that nobody has made yet (`admit`).

mod admit;
mod rule;
mod source;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use llm_config::{Config, Jwt};
pub(crate) use llm_governance::jwt::is_token;
use llm_governance::jwt::{Fault, Rule, Token, Verified, Vouched};
use llm_governance::{Group, KeyHash, Now};
use llm_types::{ApiError, ErrorKind, Result};

use self::source::{Place, Source};
pub(crate) use self::source::{SourceView, start};
use crate::governance::Governance;
use crate::principal::{Principal, Right};

/// When a client may ask again whose issuer's keys are not there yet.
const AGAIN: Duration = Duration::from_secs(5);

/// The issuers of a configuration, in its order.
#[derive(Debug)]
pub(crate) struct Issuers {
    all: Vec<Arc<Issuer>>,
}

/// One of them.
#[derive(Debug)]
struct Issuer {
    settings: Jwt,
    rule: Rule,
    source: Arc<Source>,
    verified: Verified,
    /// What users and teams get who are made.
    new_user: Group,
    new_team: Group,
}

impl Issuers {
    /// Those of a configuration; `None`: there are none. What has not changed goes on as it is, keys included.
    ///
    /// # Errors
    /// For keys in the configuration that cannot be read, and for terms that cannot be kept.
    pub(crate) fn of(config: &Config, previous: Option<&Arc<Self>>) -> Result<Option<Arc<Self>>> {
        if config.auth.jwt.is_empty() {
            return Ok(None);
        }
        let before = || previous.iter().flat_map(|issuers| &issuers.all);
        let all = config.auth.jwt.iter().map(|settings| {
            if let Some(same) = before().find(|issuer| issuer.settings == *settings) {
                return Ok(Arc::clone(same));
            }
            let place = Place::of(settings);
            let known = before().find(|issuer| issuer.source.is_of(&place, settings.refresh));
            let source = match known {
                Some(issuer) => Arc::clone(&issuer.source),
                None => Arc::new(Source::new(&settings.issuer, place, settings.refresh)?),
            };
            Issuer::new(settings, source).map(Arc::new)
        });
        let all = all.collect::<Result<Vec<_>>>()?;
        let same = previous.filter(|issuers| {
            issuers.all.len() == all.len()
                && issuers.all.iter().zip(&all).all(|(one, two)| Arc::ptr_eq(one, two))
        });
        Ok(Some(same.map_or_else(|| Arc::new(Self { all }), Arc::clone)))
    }

    /// How things stand with each issuer's keys.
    pub(crate) fn views(&self) -> Vec<SourceView> {
        self.all.iter().map(|issuer| issuer.source.view()).collect()
    }

    /// Whoever sends this token from there.
    ///
    /// # Errors
    /// 401 for a token that is not good, 403 for one that may not, 503 while its issuer's keys are not there.
    pub(crate) async fn authenticate(
        &self,
        token: &str,
        governance: &Governance,
        address: Option<IpAddr>,
    ) -> Result<Principal> {
        let (hash, now) = (KeyHash::of(token), Now::read().wall);
        let known = |issuer: &Arc<Issuer>| Some((Arc::clone(issuer), issuer.known(&hash, now)?));
        let (issuer, vouched) = match self.all.iter().find_map(known) {
            Some(found) => found,
            None => self.verify(token, hash, now).await?,
        };
        let who = issuer.admit(&vouched, governance, address).await?;
        Ok(Principal { right: Right::Token { admin: vouched.admin }, who })
    }

    async fn verify(
        &self,
        token: &str,
        hash: KeyHash,
        now: Timestamp,
    ) -> Result<(Arc<Issuer>, Arc<Vouched>)> {
        let token = Token::parse(token).map_err(|fault| refused(&fault, None))?;
        let mut fault = Fault::Issuer;
        let mut named = None;
        for issuer in self.all.iter().filter(|issuer| token.issuer() == Some(&issuer.rule.issuer)) {
            named = Some(issuer.rule.issuer.as_str());
            match issuer.verify(&token, now).await? {
                Ok((keys, vouched)) => {
                    let vouched = Arc::new(vouched);
                    issuer.verified.put(hash, keys, Arc::clone(&vouched));
                    return Ok((Arc::clone(issuer), vouched));
                }
                Err(found) if !fault.is_telling() => fault = found,
                Err(_) => {}
            }
        }
        Err(refused(&fault, named))
    }
}

/// Tells the log why a token is refused; the token is not repeated.
fn refused(fault: &Fault, issuer: Option<&str>) -> ApiError {
    let what = match fault {
        Fault::Scope(what) | Fault::Claim(what) => what,
        _ => "",
    };
    tracing::info!(issuer, reason = fault.word(), what, "a token is refused");
    fault.error()
}

impl Issuer {
    fn new(settings: &Jwt, source: Arc<Source>) -> Result<Self> {
        Ok(Self {
            rule: rule::of(settings),
            source,
            verified: Verified::default(),
            new_user: rule::group(&settings.user_terms)?,
            new_team: rule::group(&settings.team_terms)?,
            settings: settings.clone(),
        })
    }

    /// What a token vouches for that was checked before.
    fn known(&self, token: &KeyHash, now: Timestamp) -> Option<Arc<Vouched>> {
        self.verified.get(token, self.source.keys()?.number, now)
    }

    /// Checks a token; with the number of the keys that it was checked with.
    ///
    /// # Errors
    /// 503 while there are no keys.
    async fn verify(&self, token: &Token<'_>, now: Timestamp) -> Result<Result<(u64, Vouched), Fault>> {
        let check = || {
            let keys = self.source.keys()?;
            Some(token.verify(&self.rule, &keys.ring, now).map(|vouched| (keys.number, vouched)))
        };
        let mut checked = check();
        let mut news = self.source.news();
        while matches!(checked, None | Some(Err(Fault::UnknownKey))) && news.next().await {
            checked = check();
        }
        checked.ok_or_else(|| {
            let message = "the keys of the token's issuer are not there: try again in a moment";
            let mut error = ApiError::new(ErrorKind::Unavailable, message).with_code("issuer_unavailable");
            error.retry_after = Some(AGAIN);
            error
        })
    }
}

/// Where a configuration says that keys are.
impl Place {
    fn of(settings: &Jwt) -> Self {
        let Jwt { issuer, jwks_url, jwks_file, jwks, .. } = settings;
        match (jwks, jwks_file, jwks_url) {
            (Some(text), _, _) => Self::Here(text.clone()),
            (None, Some(path), _) => Self::File(Path::to_owned(path)),
            (None, None, Some(url)) => Self::Url(url.clone()),
            (None, None, None) => Self::Discovered(issuer.clone()),
        }
    }
}
