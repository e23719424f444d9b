//! Signing tokens with a private key: RS256 (RFC 7518, 3.3).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use llm_types::{Result, Secret};
use sha2::{Digest, Sha256};

use super::ask::part;
use super::refused;

/// An RSA key that signs.
pub(super) struct SigningKey {
    pair: KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Reads a key in PEM: PKCS #8 without a password, or PKCS #1.
    ///
    /// # Errors
    /// When it is neither. Nothing of the key is repeated.
    pub(super) fn read(pem: &str) -> Result<Self> {
        let unreadable = || {
            refused(
                "the private key cannot be read: it must be an RSA key of 2048 bits or more in PEM, without a \
                 password (BEGIN PRIVATE KEY)",
            )
        };
        let body: String = pem
            .lines()
            .skip_while(|line| !line.starts_with("-----BEGIN"))
            .skip(1)
            .take_while(|line| !line.starts_with("-----END"))
            .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
            .collect();
        let der = STANDARD.decode(body).map_err(|_| unreadable())?;
        let pair = if pem.contains("BEGIN RSA PRIVATE KEY") {
            KeyPair::from_der(&der)
        } else {
            KeyPair::from_pkcs8(&der)
        };
        pair.map(|pair| Self { pair }).map_err(|_| unreadable())
    }

    /// A signed token.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(super) fn token(&self, header: &serde_json::Value, claims: &serde_json::Value) -> Result<Secret> {
        let signed = format!("{}.{}", part(header)?, part(claims)?);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| refused("a token cannot be signed with the private key: check it"))?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }

    /// The SHA-256 of the public key.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn fingerprint(&self) -> Result<[u8; 32]> {
        let public: PublicKeyX509Der<'_> = self
            .pair
            .public_key()
            .as_der()
            .map_err(|_| refused("the private key has no public half: check it"))?;
        Ok(Sha256::digest(public.as_ref()).into())
    }
}
