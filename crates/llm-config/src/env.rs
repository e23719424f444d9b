//! Where `${NAME}` and `${file:…}` are looked up.
//!
//! A port, so that tests and `llmctl config check` decide what the environment holds; nothing else in this
//! crate touches the process.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, Read as _};

/// The outside world as a configuration sees it.
pub trait Env: Debug {
    /// The value of an environment variable; `None`: unset, or not Unicode.
    fn var(&self, name: &str) -> Option<String>;

    /// The text of a file.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8 or is longer than [`MAX_FILE`].
    fn file(&self, path: &str) -> io::Result<String>;

    /// The text of a PEM file, which may be a bundle of many certificates.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8 or is longer than [`MAX_PEM`].
    fn pem(&self, path: &str) -> io::Result<String> {
        self.file(path)
    }

    /// Whether the configuration is looked at away from where it will run: variables and secrets that are not
    /// here are then worth a warning, and no fault of the file.
    fn is_elsewhere(&self) -> bool {
        false
    }
}

/// The longest file that `${file:…}` reads: a secret, not a data set.
pub const MAX_FILE: u64 = 64 * 1024;

/// The longest PEM file that is read: the bundle of a whole system is a fraction of it.
pub const MAX_PEM: u64 = 16 * 1024 * 1024;

/// The environment and the files of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> io::Result<String> {
        read(path, MAX_FILE, "the file is longer than 64 KiB, which is no secret")
    }

    fn pem(&self, path: &str) -> io::Result<String> {
        read(path, MAX_PEM, "the file is longer than 16 MiB, which is no certificate")
    }
}

fn read(path: &str, most: u64, too_long: &str) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|len| len > most) {
        return Err(io::Error::other(too_long.to_owned()));
    }
    Ok(text)
}

/// An environment that is not the one in which the gateway will run.
#[derive(Debug, Clone, Copy)]
pub struct Elsewhere<'e>(pub &'e dyn Env);

impl Env for Elsewhere<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.0.var(name)
    }

    fn file(&self, path: &str) -> io::Result<String> {
        self.0.file(path)
    }

    fn pem(&self, path: &str) -> io::Result<String> {
        self.0.pem(path)
    }

    fn is_elsewhere(&self) -> bool {
        true
    }
}

/// An environment written down: for tests, and for checks that must not depend on this machine.
#[derive(Debug, Clone, Default)]
pub struct FixedEnv {
    /// Variables.
    pub vars: BTreeMap<String, String>,
    /// Files by path.
    pub files: BTreeMap<String, String>,
}

impl FixedEnv {
    /// An environment of these variables and no files.
    pub fn new<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Self {
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { vars, files: BTreeMap::new() }
    }
}

impl Env for FixedEnv {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    fn file(&self, path: &str) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
