//! Starts the real binary with a configuration of the test's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use http::Method;
use llm_testkit::{Program, Running};
use serde_json::Value;
use tempfile::TempDir;

use super::binary::{binary, foreign};
use super::client::{Call, Client, Reply, Streaming};
use super::{FAST, PATIENCE};

/// What it writes once another configuration is in place.
const RELOADED: &str = "configuration reloaded";
/// How many lines of its log are shown when a test fails.
const SHOWN: usize = 300;
/// The name of the configuration file.
const FILE: &str = "gateway.toml";

/// A running gateway; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Running,
    addr: SocketAddr,
    client: Client,
    dir: TempDir,
}

/// How a gateway is started.
#[derive(Debug, Default)]
pub(crate) struct Options {
    config: Option<String>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    /// A shell's words before it starts.
    shell: Option<String>,
}

impl Options {
    /// With this configuration file.
    pub(crate) fn config(config: impl Into<String>) -> Self {
        Self { config: Some(config.into()), ..Self::default() }
    }

    /// With these arguments.
    pub(crate) fn args(args: &[&str]) -> Self {
        Self::default().with_args(args)
    }

    pub(crate) fn with_args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Started by a shell with these words, which end in `exec "$@"`.
    pub(crate) fn under(mut self, shell: &str) -> Self {
        self.shell = Some(shell.to_owned());
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self) -> Gateway {
        let (process, dir) = self.with_args(&["--listen", "127.0.0.1:0"]).spawn();
        let mut process = process;
        let listens = process.wait_log("listening on http://", PATIENCE);
        let logs = process.logs();
        if !listens {
            let exit = process.wait_exit(Duration::ZERO);
            panic!("the gateway does not listen ({exit:?}):\n{logs}");
        }
        let addr = logs
            .split("listening on http://")
            .nth(1)
            .and_then(|rest| rest.split(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).next())
            .and_then(|addr| addr.parse().ok())
            .unwrap_or_else(|| panic!("no address in the log:\n{logs}"));
        Gateway { process, addr, client: Client::new(addr), dir }
    }

    fn spawn(self) -> (Running, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut program = match &self.shell {
            None => Program::new(binary("gateway")),
            Some(shell) => {
                let words = ["-c".into(), shell.into(), "sh".into(), binary("gateway").into_os_string()];
                Program::new("sh").args(words)
            }
        };
        if let Some(config) = &self.config {
            let path = dir.path().join(FILE);
            std::fs::write(&path, config).unwrap();
            program = program.args([Path::new("--config"), &path]);
        }
        for name in foreign() {
            program = program.env_remove(name);
        }
        program = program.args(&self.args);
        for (name, value) in &self.env {
            program = program.env(name, value);
        }
        let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        (program.spawn(unknown).unwrap(), dir)
    }
}

/// Starts a gateway that must refuse to start: its exit code and what it said.
pub(crate) fn refused(options: Options) -> (Option<i32>, String) {
    let (mut process, _dir) = options.spawn();
    let status = process.wait_exit(PATIENCE).unwrap();
    let status = status.unwrap_or_else(|| panic!("it runs:\n{}", process.logs()));
    // The pipe's reader may be a moment behind the exit.
    assert!(process.wait_log("gateway: ", PATIENCE), "{}", process.logs());
    (status.code(), process.logs())
}

impl Gateway {
    /// One with this configuration; retries hardly pause.
    pub(crate) fn start(config: &str) -> Self {
        Options::config(format!("{FAST}{config}")).start()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Puts another configuration in the file's place, as editors do it.
    pub(crate) fn configure(&self, config: &str) {
        let new = self.dir.path().join("new");
        std::fs::write(&new, config).unwrap();
        std::fs::rename(new, self.dir.path().join(FILE)).unwrap();
    }

    /// The same, and waits until it is in place.
    pub(crate) fn reconfigure(&self, config: &str) {
        let done = |logs: String| logs.matches(RELOADED).count();
        let before = done(self.logs());
        self.configure(config);
        let until = Instant::now() + PATIENCE;
        while done(self.logs()) == before {
            assert!(Instant::now() < until, "it does not reload:\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has written so far.
    pub(crate) fn logs(&self) -> String {
        self.process.logs()
    }

    /// Waits until it has written `text`.
    pub(crate) fn wait_log(&self, text: &str) {
        assert!(self.process.wait_log(text, PATIENCE), "no `{text}` in:\n{}", self.logs());
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call<'_> {
        self.client.call(method, path)
    }

    pub(crate) fn post(&self, path: &str) -> Call<'_> {
        self.call(Method::POST, path).header("content-type", "application/json")
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path).send().await
    }

    /// A chat that is answered whole.
    pub(crate) async fn chat(&self, body: &Value) -> Reply {
        self.post("/v1/chat/completions").body(body.to_string()).send().await
    }

    /// A chat whose answer is read piece by piece.
    pub(crate) async fn stream(&self, body: &Value) -> Streaming {
        self.post("/v1/chat/completions").body(body.to_string()).open().await
    }

    /// What it knows of a request: its decision record.
    pub(crate) async fn explained(&self, reply: &Reply) -> Value {
        self.explain(reply.header("x-gateway-request-id")).await
    }

    /// The same, by the request's id.
    pub(crate) async fn explain(&self, id: &str) -> Value {
        self.known(&format!("/admin/v1/requests/{id}")).await
    }

    /// How a deployment is.
    pub(crate) async fn deployment(&self, id: &str) -> Value {
        self.known(&format!("/admin/v1/deployments/{id}")).await
    }

    async fn known(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Waits until this holds of how a deployment is.
    pub(crate) async fn wait_deployment(&self, id: &str, wanted: impl Fn(&Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let known = self.deployment(id).await;
            if wanted(&known) {
                return;
            }
            assert!(Instant::now() < until, "it stays like this: {known:#}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asserts that it still serves.
    pub(crate) async fn assert_alive(&self) {
        let reply = self.get("/health/ready").await;
        assert_eq!(reply.status, 200, "{}", self.logs());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name).unwrap();
    }

    /// Waits until the process has ended.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        let status = self.process.wait_exit(PATIENCE).unwrap();
        status.unwrap_or_else(|| panic!("it still runs:\n{}", self.logs()))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.logs();
            let lines: Vec<_> = logs.lines().collect();
            let last = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default();
            eprintln!("--- the end of the gateway's log\n{}", last.join("\n"));
        }
    }
}
