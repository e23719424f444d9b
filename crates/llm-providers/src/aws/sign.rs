//! Signature Version 4 over a whole call.
//!
//! The algorithm is the vendor's own crate (`aws-sigv4`), the request is ours: its body is hashed where it lies, in
//! pieces. What is signed beside that is the host, the type of the body and the time.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Request};
use llm_types::{ApiError, ErrorKind, Result, Segments};
use sha2::{Digest, Sha256};

/// Where credentials come from.
#[derive(Clone)]
pub(super) enum Source {
    /// They are known.
    Fixed {
        /// Which they are, without a secret.
        account: String,
        /// Whom they stand for.
        identity: Identity,
    },
    /// They are what the chain says at the time.
    #[cfg(feature = "aws-chain")]
    Chain(std::sync::Arc<super::chain::Chain>),
}

impl Source {
    /// These credentials, for good.
    pub(super) fn fixed(credentials: Credentials) -> Self {
        Self::Fixed { account: super::account(&credentials), identity: credentials.into() }
    }
}

/// Signs calls.
pub(crate) struct Signer {
    source: Source,
    region: String,
    service: String,
}

impl fmt::Debug for Signer {
    /// Without whom it signs as.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source: _, region, service } = self;
        f.debug_struct("Signer").field("region", region).field("service", service).finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer for a service in one region.
    pub(super) fn new(source: Source, region: String, service: String) -> Self {
        Self { source, region, service }
    }

    /// Tells one account from another, without a secret.
    pub(crate) fn identity(&self) -> String {
        match &self.source {
            Source::Fixed { account, identity: _ } => format!("{account} {}", self.region),
            #[cfg(feature = "aws-chain")]
            Source::Chain(chain) => chain.name().to_owned(),
        }
    }

    /// Waits until it is known whom calls are signed as, or that nobody is: for who makes one call and has no other to ask.
    #[cfg(feature = "aws-chain")]
    pub(crate) async fn ready(&self) {
        if let Source::Chain(chain) = &self.source {
            chain.settled().await;
        }
    }

    /// Shows what is sent beside the signature and is secret: what goes with a temporary key. The key itself is not sent.
    pub(crate) fn sent(&self, see: &mut dyn FnMut(&str)) {
        self.each_signed_as(|credentials| credentials.session_token().into_iter().for_each(&mut *see));
    }

    /// Shows the public half of the key that calls were signed with: no secret, and nobody's business but the operator's.
    pub(crate) fn named(&self, see: &mut dyn FnMut(&str)) {
        self.each_signed_as(|credentials| see(credentials.access_key_id()));
    }

    fn each_signed_as(&self, mut see: impl FnMut(&Credentials)) {
        let mut of = |identity: &Identity| identity.data::<Credentials>().into_iter().for_each(&mut see);
        match &self.source {
            Source::Fixed { account: _, identity } => of(identity),
            #[cfg(feature = "aws-chain")]
            Source::Chain(chain) => chain.signed_as().for_each(|identity| of(&identity)),
        }
    }

    /// Signs a request that is complete but for that.
    ///
    /// # Errors
    /// When there are no credentials yet, or the request cannot be signed.
    pub(crate) fn sign(&self, request: &mut Request<Segments>, now: SystemTime) -> Result<()> {
        let identity = match &self.source {
            Source::Fixed { account: _, identity } => identity.clone(),
            #[cfg(feature = "aws-chain")]
            Source::Chain(chain) => chain.identity(now)?,
        };
        for (name, value) in self.headers(&identity, request, now)? {
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }

    fn headers(
        &self,
        identity: &Identity,
        request: &Request<Segments>,
        now: SystemTime,
    ) -> Result<Vec<(HeaderName, HeaderValue)>> {
        let params = v4::SigningParams::builder()
            .identity(identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(unsigned)?
            .into();
        let uri = request.uri().to_string();
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let headers = kind.into_iter().map(|kind| (CONTENT_TYPE.as_str(), kind));
        let body = SignableBody::Precomputed(digest(request.body())?);
        let signable =
            SignableRequest::new(request.method().as_str(), &uri, headers, body).map_err(unsigned)?;
        let (instructions, _) = sign(signable, &params).map_err(unsigned)?.into_parts();
        let (headers, _) = instructions.into_parts();
        let signed = headers.into_iter().map(|header| {
            let mut value = HeaderValue::try_from(header.value()).map_err(unsigned)?;
            value.set_sensitive(true);
            Ok((HeaderName::try_from(header.name()).map_err(unsigned)?, value))
        });
        signed.collect()
    }
}

/// The SHA-256 of a body, in hexadecimal.
fn digest(body: &Segments) -> Result<String> {
    let mut hash = Sha256::new();
    for chunk in body.chunks() {
        hash.update(chunk?);
    }
    Ok(hash.finalize().iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing into memory cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    }))
}

/// The cause is not kept: nothing of the key may reach a message.
fn unsigned<E>(_: E) -> ApiError {
    ApiError::new(ErrorKind::Auth, "the call cannot be signed: check the AWS credentials")
}
