//! A PostgreSQL of the test's own: a real server on a free port, with its data in a folder that goes away.
//!
//! The server refuses to run as root, so for root it runs as the user `postgres`. It keeps what it has committed when
//! it is killed; a loss of power is not what these tests are about, so it does not wait for the disk.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Program, Running, free_addr};

/// Names the folder with `initdb` and `postgres`.
const VARIABLE: &str = "LLM_POSTGRES_BIN";
/// Where Debian has them.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The account that it runs as for root.
const ACCOUNT: &str = "postgres";
const READY: &str = "database system is ready to accept connections";
/// Between a port being found free and the server taking it, another may.
const TRIES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, or one that is down for now. Dropping it ends it.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Running>,
    addr: SocketAddr,
    root: bool,
    programs: PathBuf,
    dir: TempDir,
}

impl Postgres {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or it does not start; the message says what to do.
    pub fn start() -> io::Result<Self> {
        let programs = programs()?;
        let dir = tempfile::tempdir()?;
        let root = is_root(dir.path())?;
        if root {
            run(Command::new("chown").arg(ACCOUNT).arg(dir.path()))?;
        }
        let (program, args) = as_account(root, &programs.join("initdb"));
        let mut init = Command::new(program);
        init.args(args);
        init.args(["-U", "gateway", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]);
        run(init.arg(dir.path().join("data")))?;
        let mut last = io::Error::other("no port is free");
        for _ in 0..TRIES {
            let addr = free_addr()?;
            match launch(addr, (root, &programs), dir.path()) {
                Ok(server) => return Ok(Self { server: Some(server), addr, root, programs, dir }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// `postgres://gateway@127.0.0.1:PORT/postgres`: an empty database of its owner.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://gateway@{}/postgres?sslmode=disable", self.addr)
    }

    /// Where it listens, up or down.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it at once, connections included. Its port refuses connections from now on.
    ///
    /// # Errors
    /// When the system can't tell whether it has ended.
    pub fn stop(&mut self) -> io::Result<()> {
        if let Some(mut server) = self.server.take() {
            server.signal("QUIT")?;
            server.wait_exit(Duration::from_secs(10))?;
        }
        Ok(())
    }

    /// Starts it again where it was, with what it held.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop()?;
        self.server = Some(launch(self.addr, (self.root, &self.programs), self.dir.path())?);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It would leave its shared memory behind if it were killed.
        let _ = self.stop();
    }
}

/// The folder with the programs.
fn programs() -> io::Result<PathBuf> {
    let named = env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<_> =
        fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let folders = named.into_iter().chain(env::split_paths(&path)).chain(versions.into_iter().rev());
    let mut having =
        folders.filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    having.next().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "no PostgreSQL: install it (`apt-get install postgresql`), or name its folder in {VARIABLE}"
            ),
        )
    })
}

/// Whether we are root: it is whoever owns what we have just made.
fn is_root(made: &Path) -> io::Result<bool> {
    Ok(fs::metadata(made)?.uid() == 0)
}

/// `setpriv` becomes the program: a signal to it is a signal to the server.
fn as_account(root: bool, program: &Path) -> (PathBuf, Vec<OsString>) {
    if root {
        let args = [
            OsStr::new("--reuid"),
            OsStr::new(ACCOUNT),
            OsStr::new("--regid"),
            OsStr::new(ACCOUNT),
            OsStr::new("--clear-groups"),
            program.as_os_str(),
        ];
        return ("setpriv".into(), args.map(OsStr::to_owned).to_vec());
    }
    (program.to_owned(), Vec::new())
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{:?} failed: {said}", command.get_program())))
}

fn launch(addr: SocketAddr, (root, programs): (bool, &Path), dir: &Path) -> io::Result<Running> {
    let (program, args) = as_account(root, &programs.join("postgres"));
    let (ip, port) = (addr.ip().to_string(), addr.port().to_string());
    let settings = [
        "-k",
        "",
        "-h",
        &ip,
        "-p",
        &port,
        "-c",
        "fsync=off",
        "-c",
        "full_page_writes=off",
        "-c",
        "shared_buffers=32MB",
        "-c",
        "max_connections=200",
    ];
    let mut server = Program::new(program)
        .args(args)
        .args(settings)
        .args([OsStr::new("-D"), dir.join("data").as_os_str()])
        .spawn(addr)?;
    let until = Instant::now() + PATIENCE;
    while !server.wait_log(READY, Duration::from_millis(50)) {
        let ended = server.wait_exit(Duration::ZERO)?;
        if ended.is_some() || Instant::now() > until {
            return Err(io::Error::other(format!("postgres does not start:\n{}", server.logs())));
        }
    }
    Ok(server)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn it_stops_and_comes_back_at_its_address() {
        let mut postgres = Postgres::start().unwrap();
        assert!(TcpStream::connect(postgres.addr()).is_ok());
        assert!(postgres.url().starts_with("postgres://gateway@127.0.0.1:"));
        postgres.stop().unwrap();
        assert!(TcpStream::connect(postgres.addr()).is_err());
        postgres.restart().unwrap();
        assert!(TcpStream::connect(postgres.addr()).is_ok());
    }
}
