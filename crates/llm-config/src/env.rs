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
}

/// The longest file that `${file:…}` reads: a secret, not a data set.
pub const MAX_FILE: u64 = 64 * 1024;

/// The environment and the files of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
        if u64::try_from(text.len()).is_ok_and(|len| len > MAX_FILE) {
            return Err(io::Error::other("the file is longer than 64 KiB, which is no secret"));
        }
        Ok(text)
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
