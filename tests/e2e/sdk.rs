//! Official SDKs in front of the gateway, with upstreams of every dialect behind it.
//!
//! The cases are in `sdk/*.py` and `sdk/*.mjs`: scripts that use an SDK as an application does. An interpreter
//! takes longer to start than a case to run, so that one process runs all cases of a script, on models that each
//! have another upstream behind them. The SDKs are those that `cargo xtask test` installs.

mod shape;

use std::time::Duration;

use llm_testkit::{Program, Upstream};

use crate::harness::{Gateway, Options, anthropic, gemini, model, openai};

/// How long a script may take: all its cases, on a machine that builds.
const LONG: Duration = Duration::from_secs(90);
const KEY: &str = "sk-master-of-the-sdk";
/// What the SDKs take from the environment and must not here.
const FOREIGN: [&str; 12] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
];

/// The models of the gateway under test: each has an upstream of the dialect that it is named after.
const ALL: &[&str] = &["compatible", "anthropic", "gemini", "responses"];
/// The same for clients that lose the signatures of calls.
const LOSING: &[&str] = &["compatible", "anthropic", "gemini3", "responses"];

/// A gateway with its upstreams.
struct Stage {
    gateway: Gateway,
    upstreams: Vec<Upstream>,
}

impl Stage {
    fn start() -> Self {
        let upstreams: Vec<Upstream> = [shape::openai, shape::anthropic, shape::gemini, shape::responses]
            .into_iter()
            .map(|shape| {
                let upstream = Upstream::start().unwrap();
                upstream.on("*", shape);
                upstream
            })
            .collect();
        let [one, two, three, four] = upstreams.as_slice() else { unreachable!() };
        let responses = format!(
            "[[providers]]\nname = \"responding\"\ndialect = \"openai_chat\"\napi_base = \"{}/v1\"\nkey_optional = true\n\
             operations = [\"chat\", \"responses\"]\nquirks = {{ only = \"responses\" }}\n",
            four.url()
        );
        let config = format!("[auth]\nmaster_key = \"{KEY}\"\n[router]\nretries = 0\n")
            + &responses
            + &model("compatible", &[openai(one).replace("openai/", "lm_studio/")])
            + &model("anthropic", &[anthropic(two)])
            + &model("gemini", &[gemini(three)])
            + &model("vectors", &[gemini(three).replace("gemini-2.5-flash", "gemini-embedding-001")])
            + &model("gemini3", &[gemini(three).replace("gemini-2.5-flash", "gemini-3-flash-preview")])
            + &model("group/of-names", &[openai(one)])
            + &model("responses", &["{ model = \"responding/r\" }".to_owned()]);
        Self { gateway: Options::config(config).start(), upstreams }
    }

    /// Runs cases of a script, each on some of the models, and expects nothing unscripted upstream.
    fn run(&self, script: &str, cases: &[(&str, &[&str])]) {
        run(&self.gateway, script, cases);
        let unscripted: usize = self.upstreams.iter().map(Upstream::unscripted).sum();
        assert_eq!(unscripted, 0);
    }
}

/// Runs cases of a script in one process.
fn run(gateway: &Gateway, script: &str, cases: &[(&str, &[&str])]) {
    let folder = llm_testkit::workspace().join("tests/e2e/sdk");
    let node = installed("LLM_NODE");
    let interpreter = if script.ends_with(".mjs") { "node".into() } else { installed("LLM_PYTHON") };
    let words =
        cases.iter().flat_map(|(case, models)| models.iter().map(move |model| format!("{case}@{model}")));
    let mut program = Program::new(interpreter)
        .args([folder.join(script)])
        .args(words)
        .env("E2E_GATEWAY_URL", gateway.url())
        .env("E2E_GATEWAY_KEY", KEY)
        .env("E2E_NODE", node)
        .env("NO_PROXY", "*")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("OPENAI_AGENTS_DISABLE_TRACING", "1")
        .env("LANGSMITH_TRACING", "false");
    for name in FOREIGN {
        program = program.env_remove(name);
    }
    let mut process = program.spawn(gateway.addr()).unwrap();
    let status = process.wait_exit(LONG).unwrap();
    assert!(status.is_some_and(|status| status.success()), "{script}: {status:?}\n{}", process.logs());
}

/// What `cargo xtask test` has installed.
fn installed(name: &str) -> std::ffi::OsString {
    let found = std::env::var_os(name).filter(|path| !path.is_empty());
    found.unwrap_or_else(|| panic!("{name} is not set: run cargo xtask test"))
}

#[test]
fn openai_for_python_chats() {
    let cases =
        ["chat", "stream", "async_stream", "tools", "tools_stream", "structured", "completions", "image"];
    let mut cases: Vec<_> = cases.map(|case| (case, ALL)).to_vec();
    cases.extend([
        ("embeddings", &["compatible", "gemini"][..]),
        ("errors", &["compatible"]),
        ("models", &["compatible"]),
    ]);
    let stage = Stage::start();
    stage.run("openai_chat.py", &cases);
    for upstream in &stage.upstreams {
        let pictures = |sent: &str| sent.contains("iVBORw0KGgo=") && sent.contains("image/png");
        assert!(upstream.requests().iter().any(|request| pictures(&request.text())));
    }
}

#[test]
fn openai_for_python_responds() {
    let cases = ["create", "stream", "tools", "tools_stream", "structured"];
    let mut cases: Vec<_> = cases.map(|case| (case, ALL)).to_vec();
    cases.extend([
        ("reasoning", &["responses", "anthropic"][..]),
        ("errors", &["compatible", "responses"]),
        ("unsupported", &["compatible", "anthropic", "gemini"]),
    ]);
    Stage::start().run("openai_responses.py", &cases);
}

#[test]
fn openai_for_node() {
    let cases = [
        "chat",
        "stream",
        "tools",
        "tools_stream",
        "structured",
        "responses",
        "responses_tools",
        "responses_parse",
    ];
    let mut cases: Vec<_> = cases.map(|case| (case, ALL)).to_vec();
    cases.extend([("embeddings", &["compatible"][..]), ("errors", &["compatible"])]);
    Stage::start().run("openai.mjs", &cases);
}

#[test]
fn anthropic_for_python() {
    let cases = ["create", "stream", "async_stream", "tools", "tools_stream"];
    let mut cases: Vec<_> = cases.map(|case| (case, ALL)).to_vec();
    cases.extend([
        ("thinking", &["anthropic"][..]),
        ("count_tokens", &["anthropic", "gemini"]),
        ("estimated_tokens", &["compatible", "responses"]),
        ("errors", &["anthropic", "compatible"]),
        ("overloaded", &["anthropic"]),
    ]);
    Stage::start().run("anthropic_messages.py", &cases);
}

#[test]
fn anthropic_for_node() {
    let mut cases: Vec<_> = ["create", "stream", "tools", "tools_stream"].map(|case| (case, ALL)).to_vec();
    cases.extend([
        ("thinking", &["anthropic"][..]),
        ("count_tokens", &["anthropic"]),
        ("errors", &["anthropic", "compatible"]),
    ]);
    Stage::start().run("anthropic.mjs", &cases);
}

#[test]
fn google_for_python() {
    let cases = ["generate", "stream", "tools", "tools_stream", "automatic", "structured"];
    let mut cases: Vec<_> = cases.map(|case| (case, ALL)).to_vec();
    cases.extend([
        ("count_tokens", &["gemini", "anthropic"][..]),
        ("embed", &["gemini", "compatible"]),
        ("embed_many", &["vectors", "compatible"]),
        ("errors", &["gemini", "compatible"]),
    ]);
    Stage::start().run("google_models.py", &cases);
}

#[test]
fn google_for_node() {
    let mut cases: Vec<_> = ["generate", "stream", "tools"].map(|case| (case, ALL)).to_vec();
    cases.extend([("count_tokens", &["gemini"][..]), ("errors", &["gemini"])]);
    Stage::start().run("google.mjs", &cases);
}

#[test]
fn the_agents_sdk_runs_a_tool_loop() {
    let cases = ["chat", "chat_stream", "responses", "responses_stream"];
    Stage::start().run("agents_loop.py", &cases.map(|case| (case, LOSING)));
}

#[test]
fn langchain_runs_a_tool_loop() {
    let cases = ["chat", "chat_stream", "responses", "responses_stream", "messages", "messages_stream"];
    let mut cases: Vec<_> = cases.map(|case| (case, LOSING)).to_vec();
    cases.push(("thinking", &["anthropic"]));
    Stage::start().run("langchain_loop.py", &cases);
}
