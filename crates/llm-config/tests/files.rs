//! Whole files: each broken one must be refused for the stated reasons at the stated lines, each example
//! must load without a complaint.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use llm_config::{Config, FixedEnv, Known, Style};
use llm_types::ProviderSpec;
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    providers: Vec<ProviderSpec>,
}

/// Built-in providers as far as the files need them.
fn providers() -> Vec<ProviderSpec> {
    let table = r#"
        [[providers]]
        name = "openai"
        dialect = "openai_chat"
        api_base = "https://api.openai.com/v1"
        key_env = ["OPENAI_API_KEY"]
        bare_names = ["gpt-*"]
        [[providers]]
        name = "anthropic"
        dialect = "anthropic"
        api_base = "https://api.anthropic.com"
        key_env = ["ANTHROPIC_API_KEY"]
        bare_names = ["claude-*"]
        [[providers]]
        name = "gemini"
        dialect = "gemini"
        api_base = "https://generativelanguage.googleapis.com"
        key_env = ["GEMINI_API_KEY", "GOOGLE_API_KEY"]
        [[providers]]
        name = "azure"
        dialect = "openai_chat"
        key_env = ["AZURE_API_KEY"]
        base_env = ["AZURE_API_BASE"]
        url = "azure_deployment"
    "#;
    toml::from_str::<Table>(table).unwrap().providers
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let folder = llm_testkit::workspace().join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

/// The rest of each leading comment line `# word: rest`.
fn comments<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix("# ")?.strip_prefix(word)?.strip_prefix(": ")).collect()
}

fn keys() -> BTreeMap<String, String> {
    ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AZURE_API_KEY"]
        .map(|name| (name.to_owned(), "sk-from-environment".to_owned()))
        .into()
}

#[test]
fn broken_files_are_refused_for_the_stated_reasons() {
    let files = toml_files("crates/llm-config/tests/broken");
    assert!(files.len() >= 20, "{}", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut env = FixedEnv { vars: keys(), ..FixedEnv::default() };
        let vars = comments(&text, "env").into_iter().map(|line| line.split_once('=').unwrap());
        env.vars.extend(vars.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let report = Config::load(&path, &env, Known { providers: &providers() }).unwrap_err();
        let found: Vec<String> = report
            .diagnostics()
            .iter()
            .map(|one| {
                let json = serde_json::to_value(one.json()).unwrap();
                let line = one.to_string();
                let (_, message) = line.split_once(": ").unwrap();
                format!("{} {} {message}", json["line"], json["code"].as_str().unwrap())
            })
            .collect();
        let expected = comments(&text, "expect");
        let matches = found.iter().zip(&expected).all(|(found, expected)| {
            let mut parts = expected.splitn(3, ' ');
            let place = format!("{} {} ", parts.next().unwrap(), parts.next().unwrap());
            found.starts_with(&place) && found.contains(parts.next().unwrap())
        });
        if !matches || found.len() != expected.len() || expected.is_empty() {
            let (expected, found) = (expected.join("\n  "), found.join("\n  "));
            wrong.push(format!("{}:\nexpected\n  {expected}\nfound\n  {found}\n", path.display()));
        }
        for secret in ["hunter2", "sk-hidden", "sk-from-environment"] {
            assert!(!report.render(Style::Plain).contains(secret), "{}: {report}", path.display());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn examples_load_without_a_complaint() {
    let files = toml_files("config-examples");
    assert!(files.len() >= 6, "{}", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        // Every variable that an example names is set; nothing else is.
        let names = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap());
        let mut env = FixedEnv { vars: keys(), ..FixedEnv::default() };
        for name in names {
            match name.strip_prefix("file:") {
                Some(path) => env.files.insert(path.to_owned(), "sk-from-file\n".to_owned()),
                None => env.vars.insert(name.to_owned(), "sk-from-environment".to_owned()),
            };
        }
        match Config::load(&path, &env, Known { providers: &providers() }) {
            Ok((_, warnings)) => assert!(warnings.is_empty(), "{}: {warnings:?}", path.display()),
            Err(report) => panic!("{report}"),
        }
    }
}
