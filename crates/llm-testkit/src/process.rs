//! Starts a real binary for a test or a measurement, and stops it by its process id.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much of a program's output is kept, in bytes; later output is dropped.
const LOG_LIMIT: usize = 4 * 1024 * 1024;
/// How often readiness is probed. Short, because start-up time is measured with it.
const PROBE_EVERY: Duration = Duration::from_micros(500);

/// An address on loopback that nobody listens on right now.
///
/// # Errors
/// When no port is free.
pub fn free_addr() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// How to know that a program serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// A `GET` of that path answers with a 2xx status.
    Http(String),
    /// Its port accepts connections.
    Port,
}

/// A program to start.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    clear_env: Vec<OsString>,
    core: Option<usize>,
    ready: Ready,
    timeout: Duration,
}

impl Program {
    /// A program that is ready when `/health/live` answers, within 10 seconds.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            args: Vec::new(),
            env: Vec::new(),
            clear_env: Vec::new(),
            core: None,
            ready: Ready::Http("/health/live".into()),
            timeout: Duration::from_secs(10),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes an environment variable away.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.clear_env.push(name.as_ref().to_owned());
        self
    }

    /// Runs on that core only (through `taskset`).
    #[must_use]
    pub fn pin(mut self, core: usize) -> Self {
        self.core = Some(core);
        self
    }

    /// How to know that it serves.
    #[must_use]
    pub fn ready(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// How long to wait for that.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Starts it and waits until it serves at `addr`, which the arguments or config have told it.
    ///
    /// # Errors
    /// When it can't start, ends by itself, or does not serve in time; the message holds its output.
    pub fn start(&self, addr: SocketAddr) -> io::Result<Running> {
        let mut running = self.spawn(addr)?;
        running.wait_ready(&self.ready, self.timeout)?;
        Ok(running)
    }

    /// Starts it without waiting.
    ///
    /// # Errors
    /// When it can't start.
    pub fn spawn(&self, addr: SocketAddr) -> io::Result<Running> {
        let mut command = match self.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(&self.path);
                command
            }
            None => Command::new(&self.path),
        };
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        for name in &self.clear_env {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("can't start {}: {error}", self.path.display()))
        })?;
        let log = Log::default();
        if let Some(out) = child.stdout.take() {
            log.read_from(out);
        }
        if let Some(err) = child.stderr.take() {
            log.read_from(err);
        }
        Ok(Running { child, addr, log, started, ready_after: Duration::ZERO })
    }
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    addr: SocketAddr,
    log: Log,
    started: Instant,
    ready_after: Duration,
}

impl Running {
    /// Where it serves.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How long it took until it served.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// What it has written so far, standard output and error together.
    #[must_use]
    pub fn logs(&self) -> String {
        self.log.text()
    }

    /// Waits until its output holds `text`; false when the time is over.
    #[must_use]
    pub fn wait_log(&self, text: &str, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        while Instant::now() < until {
            if self.logs().contains(text) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// Sends a signal by name: `TERM`, `HUP`, `KILL`.
    ///
    /// # Errors
    /// When there is no such process or signal.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        let pid = self.pid().to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).stderr(Stdio::null()).status()?.success();
        if done { Ok(()) } else { Err(io::Error::other("kill refuses: no such process or signal")) }
    }

    /// Waits for its end; `None` when the time is over.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn wait_exit(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        let until = Instant::now() + timeout;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Asks it to end (SIGTERM); kills it when it has not ended in time.
    ///
    /// # Errors
    /// When it can't be signalled.
    pub fn stop(mut self, grace: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal("TERM")?;
        match self.wait_exit(grace)? {
            Some(status) => Ok(status),
            None => {
                self.child.kill()?;
                self.child.wait()
            }
        }
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// When it ends by itself or does not serve in time; the message holds its output.
    pub fn wait_ready(&mut self, ready: &Ready, timeout: Duration) -> io::Result<()> {
        loop {
            if probe(self.addr, ready).unwrap_or(false) {
                self.ready_after = self.started.elapsed();
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("ended before it served ({status}):\n{}", self.logs())));
            }
            if self.started.elapsed() > timeout {
                return Err(io::Error::other(format!("does not serve after {timeout:?}:\n{}", self.logs())));
            }
            std::thread::sleep(PROBE_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Errors mean that it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn probe(addr: SocketAddr, ready: &Ready) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
    let Ready::Http(path) = ready else { return Ok(true) };
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).take(1024).read_line(&mut line)?;
    Ok(line.split(' ').nth(1).is_some_and(|status| status.starts_with('2')))
}

/// Output that threads collect, so that the program never blocks on a full pipe.
#[derive(Debug, Clone, Default)]
struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Log {
    fn read_from(&self, mut source: impl Read + Send + 'static) {
        let bytes = Arc::clone(&self.bytes);
        std::thread::spawn(move || {
            let mut part = [0; 8192];
            while let Ok(count @ 1..) = source.read(&mut part) {
                let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
                let room = LOG_LIMIT.saturating_sub(bytes.len()).min(count);
                bytes.extend_from_slice(part.get(..room).unwrap_or_default());
            }
        });
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Script, Upstream};

    #[test]
    fn output_is_kept_and_the_end_is_seen() {
        let program =
            Program::new("sh").args(["-c", "echo out $NAME; echo err >&2; exit 3"]).env("NAME", "x");
        let mut running = program.spawn(free_addr().unwrap()).unwrap();
        assert!(running.wait_log("out x\n", Duration::from_secs(5)));
        assert!(running.wait_log("err\n", Duration::from_secs(5)));
        let status = running.wait_exit(Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_program_that_ends_or_never_serves_is_an_error_with_its_output() {
        let addr = free_addr().unwrap();
        let error = Program::new("sh").args(["-c", "echo no config; exit 1"]).start(addr).unwrap_err();
        assert!(error.to_string().contains("ended before it served"), "{error}");
        let slow = Program::new("sleep").args(["60"]).timeout(Duration::from_millis(20));
        assert!(slow.start(addr).unwrap_err().to_string().contains("does not serve"));
        assert!(Program::new("/does/not/exist").spawn(addr).is_err());
    }

    #[test]
    fn readiness_wants_a_good_status() {
        let upstream = Upstream::start().unwrap();
        upstream.push(Script::status(503));
        upstream.push(Script::status(204));
        let program = Program::new("sleep").args(["60"]).ready(Ready::Http("/up".into()));
        let running = program.start(upstream.addr()).unwrap();
        assert_eq!(upstream.requests().len(), 2);
        assert!(running.ready_after() > Duration::ZERO);
        let status = running.stop(Duration::from_secs(5)).unwrap();
        assert!(!status.success() && status.code().is_none(), "ended by SIGTERM: {status}");
    }

    #[test]
    fn a_program_that_ignores_the_request_to_end_is_killed() {
        let program = Program::new("sh").args(["-c", "trap '' TERM; echo set; while :; do sleep 0.01; done"]);
        let running = program.spawn(free_addr().unwrap()).unwrap();
        assert!(running.wait_log("set", Duration::from_secs(5)));
        let status = running.stop(Duration::from_millis(30)).unwrap();
        assert!(status.to_string().contains('9'), "{status}");
    }
}
