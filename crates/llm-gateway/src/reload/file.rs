//! The configuration file and everything that is read along with it.
//!
//! Each file is marked before it is read, so that a change that comes while it is being read is not missed.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use llm_config::{Config, Diagnostic, Env, Known, ProcessEnv, Report};
use parking_lot::Mutex;

use crate::assemble;

/// A configuration file, and what the command line lays over it.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    listen: Option<SocketAddr>,
}

/// What a valid file holds.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is doubtful about it.
    pub warnings: Vec<Diagnostic>,
    pub(super) marks: Marks,
}

/// The files that were read, and what they were like.
pub(super) type Marks = Arc<[(PathBuf, Mark)]>;

impl ConfigFile {
    /// A file, which need not be there yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), listen: None }
    }

    /// Listens on this address, whatever the file says.
    #[must_use]
    pub fn listening(mut self, listen: Option<SocketAddr>) -> Self {
        self.listen = listen;
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the command line says of the address.
    pub(super) fn listening_on(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Reads and checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Loaded, Report> {
        let (result, marks) = self.read();
        let (config, warnings) = result?;
        Ok(Loaded { config, warnings, marks })
    }

    /// The same, with the files that were read also when something is wrong.
    pub(super) fn read(&self) -> (Result<(Config, Vec<Diagnostic>), Report>, Marks) {
        let env = Marking { marks: Mutex::new(vec![(self.path.clone(), Mark::of(&self.path))]) };
        let providers = assemble::providers();
        let result = Config::load(&self.path, &env, Known { providers: &providers });
        let result = result.map(|(mut config, warnings)| {
            config.server.listen = self.listen.unwrap_or(config.server.listen);
            (config, warnings)
        });
        (result, env.marks.into_inner().into())
    }
}

/// What tells one state of a file from another: when it was written, how long it is, and which file it is.
/// `None`: it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(Option<(SystemTime, u64, u64, u64)>);

impl Mark {
    /// Follows links.
    pub(super) fn of(path: &Path) -> Self {
        let meta = std::fs::metadata(path).ok();
        Self(meta.and_then(|meta| Some((meta.modified().ok()?, meta.len(), meta.ino(), meta.dev()))))
    }
}

/// The environment of the process, noting which files are read.
#[derive(Debug)]
struct Marking {
    marks: Mutex<Vec<(PathBuf, Mark)>>,
}

impl Env for Marking {
    fn var(&self, name: &str) -> Option<String> {
        ProcessEnv.var(name)
    }

    fn file(&self, path: &str) -> io::Result<String> {
        self.marks.lock().push((PathBuf::from(path), Mark::of(Path::new(path))));
        ProcessEnv.file(path)
    }

    /// Certificates are read when the process starts; a new one is no reason to reload.
    fn pem(&self, path: &str) -> io::Result<String> {
        ProcessEnv.pem(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_read_is_marked() {
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = (dir.path().join("gateway.toml"), dir.path().join("key"));
        std::fs::write(&key, "sk-first\n").unwrap();
        std::fs::write(&path, format!("[auth]\nmaster_key = \"${{file:{}}}\"\n", key.display())).unwrap();
        let file = ConfigFile::new(&path).listening("127.0.0.1:7".parse().ok());
        let Loaded { config, marks, .. } = file.load().unwrap();
        assert_eq!(config.auth.master_key.unwrap().expose(), "sk-first");
        assert_eq!(config.server.listen.port(), 7);
        let changed = || marks.iter().filter(|(path, mark)| Mark::of(path) != *mark).count();
        assert_eq!((marks.len(), changed()), (2, 0));
        // Replaced as a whole, as those do it who do not want to be read half-way.
        std::fs::write(dir.path().join("new"), "sk-other\n").unwrap();
        std::fs::rename(dir.path().join("new"), &key).unwrap();
        assert_eq!(changed(), 1);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(changed(), 2);
        assert!(file.load().unwrap_err().to_string().contains("cannot read the file"));
    }
}
