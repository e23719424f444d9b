//! The proxies that take part: how each is started and what each is sent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use llm_testkit::{Program, Ready, canned};
use serde_json::{Value, json};

use super::plan::{LARGE_PROMPT_BYTES, Request};
use super::{Binaries, Scratch};

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Who {
    /// The upstream itself.
    Direct,
    Bare,
    Nginx,
    Gateway,
    /// The gateway with one deployment, no cooldowns and no records.
    Plain,
    /// The gateway with ten deployments, chosen by latency, with cooldowns and records.
    Routed,
    /// The gateway with ten deployments and no records.
    Unrecorded,
    /// The same with a record of every request, its candidates included.
    Recorded,
    /// The gateway where nothing is metered.
    Unmetered,
    /// The gateway with a key, limits, three budgets, prices and usage rows in SQLite.
    Metered,
    /// The same, whose store has many keys.
    Many,
    /// The same with its own key alone.
    Few,
    /// A second bare proxy in the gateway's place.
    SelfTest,
}

impl Who {
    pub(super) fn is_gateway(self) -> bool {
        matches!(self, Self::Gateway | Self::SelfTest)
    }

    /// Whether its store is filled before it starts.
    pub(super) fn is_slow_to_start(self) -> bool {
        matches!(self, Self::Few | Self::Many)
    }

    /// Whether it is measured with this request.
    pub(super) fn takes_part(self, request: Request) -> bool {
        match self {
            Self::Plain => matches!(request, Request::Routed | Request::RoutedRecorded),
            Self::Routed => request == Request::Routed,
            Self::Unrecorded => request == Request::Recorded,
            Self::Recorded => matches!(request, Request::Recorded | Request::RoutedRecorded),
            Self::Unmetered | Self::Metered => matches!(request, Request::Metered | Request::MeteredStream),
            Self::Few | Self::Many => request == Request::ManyKeys,
            _ => !matches!(
                request,
                Request::Routed
                    | Request::Recorded
                    | Request::RoutedRecorded
                    | Request::Metered
                    | Request::MeteredStream
                    | Request::ManyKeys
            ),
        }
    }

    /// The column of the table that its figures stand in.
    pub(super) fn column(self) -> Self {
        match self {
            Self::Plain | Self::Unrecorded | Self::Unmetered | Self::Few => Self::Bare,
            Self::Routed | Self::Recorded | Self::Metered | Self::Many => Self::Gateway,
            other => other,
        }
    }

    /// The program, told to listen at `listen` and to forward to `upstream`.
    pub(super) fn program(
        self,
        binaries: &Binaries,
        scratch: &Scratch,
        listen: SocketAddr,
        upstream: SocketAddr,
    ) -> anyhow::Result<Program> {
        Ok(match self {
            Self::Direct | Self::Bare | Self::SelfTest => one_thread(&binaries.bare)
                .args(["--listen", &listen.to_string(), "--upstream", &upstream.to_string()])
                .ready(Ready::Port),
            Self::Gateway => {
                let config =
                    scratch.write(&format!("gateway-{}.toml", listen.port()), &config(listen, upstream))?;
                one_thread(&binaries.gateway).args(["--config".into(), config])
            }
            Self::Plain | Self::Routed | Self::Unrecorded | Self::Recorded => {
                let text = self.routed(listen, upstream);
                let config = scratch.write(&format!("gateway-{}.toml", listen.port()), &text)?;
                one_thread(&binaries.gateway).args(["--config".into(), config])
            }
            Self::Unmetered | Self::Metered | Self::Few | Self::Many => {
                if let (Self::Many, Some(keys)) = (self, &binaries.keys) {
                    keys.fill(scratch, listen)?;
                }
                let text = metered(listen, upstream, (self != Self::Unmetered).then_some(scratch));
                let config = scratch.write(&format!("gateway-{}.toml", listen.port()), &text)?;
                one_thread(&binaries.gateway).args(["--config".into(), config]).timeout(PATIENCE)
            }
            Self::Nginx => {
                let name = format!("nginx-{}.conf", listen.port());
                let file = scratch.write(&name, &nginx_config(scratch, listen, upstream))?;
                let prefix = scratch.path().to_path_buf();
                Program::new("nginx").args(["-p".into(), prefix, "-c".into(), file]).ready(Ready::Port)
            }
        })
    }

    /// One model with ten deployments and what the router does, or with one and none of it.
    fn routed(self, listen: SocketAddr, upstream: SocketAddr) -> String {
        let (deployments, router) = match self {
            Self::Routed => (10, "strategy = \"lowest-latency\"\n"),
            Self::Unrecorded => (10, "strategy = \"lowest-latency\"\nrecords = { keep = 0 }\n"),
            Self::Recorded => (10, "strategy = \"lowest-latency\"\nrecords = { per_second = 1_000_000 }\n"),
            _ => (1, "cooldown = false\nrecords = { keep = 0 }\n"),
        };
        let deployment = format!(
            "[[models.deployments]]\nmodel = \"openai/m\"\napi_base = \"http://{upstream}/v1\"\napi_key = \"x\"\n"
        );
        format!(
            "[server]\nlisten = \"{listen}\"\n[router]\n{router}[[models]]\nname = \"m\"\n{}",
            deployment.repeat(deployments)
        )
    }

    pub(super) fn path(self, request: Request) -> &'static str {
        match (request, self) {
            (Request::Messages, _) | (Request::MessagesOnOpenai, Self::Gateway) => "/v1/messages",
            (_, Self::Gateway) => "/v1/chat/completions",
            (Request::Translated, _) => "/v1/messages",
            (Request::Paced, _) => "/paced/v1/chat/completions",
            (Request::Metered | Request::MeteredStream | Request::ManyKeys, _) => METERED,
            _ => "/v1/chat/completions",
        }
    }

    pub(super) fn body(self, request: Request) -> Value {
        let question = json!([
            {"role": "system", "content": "You answer in one paragraph."},
            {"role": "user", "content": canned::text(800)}
        ]);
        match (request, self) {
            (
                Request::Chat
                | Request::Routed
                | Request::Recorded
                | Request::RoutedRecorded
                | Request::Metered
                | Request::ManyKeys,
                _,
            ) => {
                json!({"model": "m", "messages": question, "temperature": 0.7})
            }
            (Request::Stream | Request::MeteredStream, _) => {
                json!({"model": "m", "messages": question, "stream": true})
            }
            (Request::Paced, _) => json!({"model": "paced", "messages": question, "stream": true}),
            (Request::LargePrompt, _) => json!({"model": "m", "messages": conversation(LARGE_PROMPT_BYTES)}),
            (Request::Translated, Self::Gateway) => {
                json!({"model": "a", "messages": question, "max_tokens": 1024})
            }
            (Request::MessagesOnOpenai, Self::Gateway) => messages("m", true),
            (Request::MessagesOnOpenai, _) => {
                json!({"model": "m", "messages": question, "stream": true})
            }
            (Request::Messages, Self::Gateway) => messages("a", false),
            (Request::Messages | Request::Translated, _) => messages("claude-sonnet-4-5", false),
        }
    }
}

fn messages(model: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "max_tokens": 1024,
        "system": "You answer in one paragraph.",
        "messages": [{"role": "user", "content": canned::text(800)}],
        "stream": stream
    })
}

/// How long a gateway may take to start: it may have many keys to read.
const PATIENCE: Duration = Duration::from_secs(60);

/// What puts keys into a store, and how many.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) program: PathBuf,
    pub(super) count: u64,
}

impl Keys {
    fn fill(&self, scratch: &Scratch, listen: SocketAddr) -> anyhow::Result<()> {
        let url = format!("sqlite:{}", store(scratch, listen));
        let output = Command::new(&self.program).args([&url, "keys", &self.count.to_string()]).output()?;
        ensure!(output.status.success(), "no keys: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

/// The file of a gateway's store.
fn store(scratch: &Scratch, listen: SocketAddr) -> String {
    format!("{}/{}.db", scratch.path().display(), listen.port())
}

/// The worker threads are set for every program in the same way.
fn one_thread(path: &PathBuf) -> Program {
    let program = Program::new(path).env("TOKIO_WORKER_THREADS", "1");
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
        .iter()
        .fold(program, Program::env_remove)
}

/// Turns of 4 kB with line ends and quotes, as pasted files have, until the size is reached.
fn conversation(bytes: usize) -> Value {
    let page = canned::text(3600).replace(". ", ".\n\t\"");
    let mut turns = Vec::new();
    let mut size = 0_usize;
    while size < bytes {
        let role = if turns.len() % 2 == 0 { "user" } else { "assistant" };
        let turn = json!({"role": role, "content": page});
        size += turn.to_string().len();
        turns.push(turn);
    }
    if turns.len() % 2 == 0 {
        turns.push(json!({"role": "user", "content": "Go on."}));
    }
    Value::Array(turns)
}

fn config(listen: SocketAddr, upstream: SocketAddr) -> String {
    let model = |name: &str, model: &str, base: &str| {
        format!(
            "[[models]]\nname = \"{name}\"\n[[models.deployments]]\nmodel = \"{model}\"\n\
             api_base = \"http://{upstream}{base}\"\napi_key = \"x\"\n\n"
        )
    };
    format!(
        "[server]\nlisten = \"{listen}\"\n\n{}{}{}",
        model("m", "openai/m", "/v1"),
        model("a", "anthropic/claude-sonnet-4-5", ""),
        model("paced", "openai/paced", "/paced/v1"),
    )
}

/// Where the key is told; whoever needs none does not look at it.
const METERED: &str = "/v1/chat/completions?key=sk-bench-0123456789abcdef";

/// One model with a price, and a key with all that is metered for it, or without.
fn metered(listen: SocketAddr, upstream: SocketAddr, all: Option<&Scratch>) -> String {
    let meters = all.map(|scratch| {
        let file = store(scratch, listen);
        format!(
            "[auth]\nmaster_key = \"sk-master-0123456789abcdef\"\n[store]\nurl = \"sqlite:{file}\"\n\
             [[teams]]\nid = \"bench\"\nbudgets = [{{ limit_usd = \"1000000000\", window = \"month\" }}]\n\
             [[budgets]]\nscope = \"global\"\nlimit_usd = \"1000000000\"\nwindow = \"month\"\n\
             [[keys]]\nname = \"bench\"\nkey = \"sk-bench-0123456789abcdef\"\nteam = \"bench\"\n\
             budgets = [{{ limit_usd = \"1000000000\", window = \"day\" }}]\n\
             limits = {{ rpm = 100_000_000, tpm = 10_000_000_000, parallel = 10_000 }}\n"
        )
    });
    format!(
        "[server]\nlisten = \"{listen}\"\n{}[[models]]\nname = \"m\"\n[[models.deployments]]\nmodel = \"openai/m\"\n\
         api_base = \"http://{upstream}/v1\"\napi_key = \"x\"\nprice = {{ input = 2.5, output = 10.0 }}\n\
         context_window = 128_000\nmax_output = 16_384\n",
        meters.unwrap_or_default()
    )
}

/// One process in the foreground, one worker, and the same behaviour as the others: keep-alive on both
/// sides, no buffering of replies.
fn nginx_config(scratch: &Scratch, listen: SocketAddr, upstream: SocketAddr) -> String {
    let folder = scratch.path().display();
    let port = listen.port();
    format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/nginx-{port}.pid; \
         error_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
         access_log off; tcp_nodelay on; keepalive_requests 10000000; client_max_body_size 64m;\n\
         client_body_buffer_size 1m;\n\
         client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n\
         fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
         upstream up {{ server {upstream}; keepalive 512; keepalive_requests 10000000; }}\n\
         server {{\n\
         listen {listen} backlog=1024;\n\
         location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\"; \
         proxy_buffering off; }}\n\
         }}\n\
         }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_prompt_has_its_size_and_ends_with_the_user() {
        let body = Who::Bare.body(Request::LargePrompt);
        let size = body.to_string().len();
        assert!((LARGE_PROMPT_BYTES..LARGE_PROMPT_BYTES + 6000).contains(&size), "{size}");
        let last = body["messages"].as_array().and_then(|turns| turns.last()).cloned().unwrap_or_default();
        assert_eq!(last["role"], "user");
    }

    #[test]
    fn only_the_gateway_is_asked_to_translate() {
        assert_eq!(Who::Gateway.path(Request::Translated), "/v1/chat/completions");
        assert_eq!(Who::Bare.path(Request::Translated), "/v1/messages");
        assert_eq!(Who::Gateway.path(Request::Paced), "/v1/chat/completions");
    }
}
