//! A secret text that stands in a file or in the configuration itself.
//!
//! A file is read again for every token: orchestrators put new ones in the place of old ones.

use std::path::PathBuf;

use llm_types::{Result, Secret};
use sha2::{Digest, Sha256};

use super::refused;

/// The largest file of credentials, in bytes.
const LARGEST: u64 = 256 * 1024;

/// Where a text is.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    /// In a file.
    File {
        /// Its path.
        path: PathBuf,
        /// What named the file: `credentials`, a variable.
        named: String,
    },
    /// Here.
    Text(Secret),
}

impl Document {
    /// A file that `named` names.
    pub(super) fn file(path: impl Into<PathBuf>, named: &str) -> Self {
        Self::File { path: path.into(), named: named.to_owned() }
    }

    /// The text.
    ///
    /// # Errors
    /// [`llm_types::ErrorKind::Auth`] when the file cannot be read.
    pub(super) fn read(&self) -> Result<Secret> {
        let (path, named) = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File { path, named } => (path, named),
        };
        let size = std::fs::metadata(path).map(|file| if file.is_file() { file.len() } else { u64::MAX });
        let text = match size {
            Ok(size) if size <= LARGEST => std::fs::read_to_string(path),
            Ok(_) => Err(std::io::Error::other("it is no file of credentials")),
            Err(error) => Err(error),
        };
        text.map(Secret::new).map_err(|error| {
            let path = path.display();
            refused(format!(
                "{named} names {path}, which cannot be read ({error}): check path and permissions"
            ))
        })
    }

    /// Adds what tells it from another to a digest.
    pub(super) fn add_to(&self, hash: &mut Sha256) {
        if let Self::File { path, named: _ } = self {
            hash.update(path.as_os_str().as_encoded_bytes());
        }
        if let Ok(text) = self.read() {
            hash.update(text.expose());
        }
    }
}
