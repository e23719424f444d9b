//! Files of certificates and keys: whether they are there and hold what they should.
//!
//! The gateway reads them at its start; here the fault is shown where the file is named.

use std::path::Path as File;

use rustls_pki_types::pem::{Error, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Check;
use crate::diag::Code;
use crate::place::Path;

impl Check<'_> {
    pub(super) fn pem_files(&mut self) {
        let (config, root) = (self.config, Path::default());
        if let Some(tls) = &config.server.tls {
            let path = root.key("server").key("tls");
            self.pem(&path.key("cert"), &tls.cert, certificates);
            self.pem(&path.key("key"), &tls.key, private_key);
        }
        if let Some(bundle) = &config.upstream.extra_ca {
            self.pem(&root.key("upstream").key("extra_ca"), bundle, certificates);
        }
    }

    fn pem(&mut self, path: &Path, file: &File, check: fn(&[u8]) -> Result<(), String>) {
        let name = file.display().to_string();
        if name.is_empty() {
            self.error(Code::BadValue, path, "must be the path of a PEM file");
            return;
        }
        if self.is_open(&name) {
            return;
        }
        match self.env.pem(&name) {
            Err(error) => {
                let message = format!("cannot read the file `{name}`: {error}");
                self.error(Code::UnreadableFile, path, message).help =
                    Some("check the path and its permissions; it must be PEM text".to_owned());
            }
            Ok(text) => {
                if let Err(problem) = check(text.as_bytes()) {
                    self.error(Code::BadValue, path, format!("`{name}` {problem}"));
                }
            }
        }
    }
}

fn certificates(pem: &[u8]) -> Result<(), String> {
    let mut found = false;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate.map_err(|error| unreadable(&error))?;
        found = true;
    }
    if found {
        return Ok(());
    }
    Err("holds no certificate: write it in PEM, from `-----BEGIN CERTIFICATE-----` on".to_owned())
}

fn private_key(pem: &[u8]) -> Result<(), String> {
    PrivateKeyDer::from_pem_slice(pem).map(|_| ()).map_err(|error| match error {
        Error::NoItemsFound => {
            "holds no private key that can be read: write it in PEM, not encrypted".to_owned()
        }
        error => unreadable(&error),
    })
}

fn unreadable(error: &Error) -> String {
    format!("is not PEM: {error}")
}
