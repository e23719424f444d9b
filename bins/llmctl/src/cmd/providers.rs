//! `llmctl providers`: the provider table, and who of it can be called with what the environment holds.

use llm_providers::table::ProviderTable;
use llm_providers::target::is_configured;
use llm_types::{AuthStyle, ProviderSpec};
use serde::Serialize;

use crate::args::ProvidersArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// A provider.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Listed {
    name: String,
    /// Other prefixes of its models.
    aliases: Vec<String>,
    operations: Vec<&'static str>,
    /// Variables that may hold its key.
    key_env: Vec<String>,
    /// Which of them does.
    key: Option<String>,
    /// Whether it can be called from here.
    ready: bool,
}

impl Listed {
    fn new(spec: &ProviderSpec, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let is_set = |name: &&String| env(name).is_some_and(|value| !value.trim().is_empty());
        Self {
            name: spec.name.clone(),
            aliases: spec.aliases.clone(),
            operations: spec.operations.iter().map(|op| op.name()).collect(),
            key_env: spec.key_env.clone(),
            key: spec.key_env.iter().find(is_set).cloned(),
            ready: spec.auth == AuthStyle::None || is_configured(spec, env),
        }
    }

    /// Where its key is, or where it is looked for.
    fn about_key(&self) -> String {
        match (&self.key, self.ready, self.key_env.first()) {
            (Some(key), ..) => format!("{key} is set"),
            (None, true, _) => "none needed".to_owned(),
            (None, false, Some(first)) => format!("{first} is not set"),
            (None, false, None) => "to be configured".to_owned(),
        }
    }
}

/// Lists providers.
pub(crate) fn run(args: &ProvidersArgs, out: &mut Output) -> Result<Exit, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    let list = list(ProviderTable::builtin(), args, &env);
    if out.json {
        out.json(&list)?;
    } else if list.is_empty() {
        writeln!(out.err, "no such providers: `llmctl providers` lists all")?;
    } else {
        let row = |one: &Listed| [one.name.clone(), one.about_key(), one.operations.join(" ")];
        out.table(["PROVIDER", "KEY", "OPERATIONS"], list.iter().map(row).collect())?;
    }
    Ok(Exit::Ok)
}

fn list(table: &ProviderTable, args: &ProvidersArgs, env: &dyn Fn(&str) -> Option<String>) -> Vec<Listed> {
    let ProvidersArgs { ready, operation } = args;
    let all = table.iter().map(|spec| Listed::new(spec, env));
    let offers = |one: &Listed| operation.as_ref().is_none_or(|op| one.operations.contains(&&**op));
    all.filter(|one| (one.ready || !ready) && offers(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_listed_with_what_they_offer_and_whether_they_can_be_called() {
        let env = |name: &str| (name == "COHERE_API_KEY").then(|| "key".to_owned());
        let names = |ready: bool, operation: Option<&str>| -> Vec<String> {
            let args = ProvidersArgs { ready, operation: operation.map(str::to_owned) };
            list(ProviderTable::builtin(), &args, &env).into_iter().map(|one| one.name).collect()
        };
        assert_eq!(names(false, None).len(), ProviderTable::builtin().len());
        assert!(names(false, Some("rerank")).iter().any(|name| name == "voyage"));
        assert!(names(true, Some("rerank")).iter().any(|name| name == "cohere"));
        assert!(!names(true, None).iter().any(|name| name == "openai"));
        assert_eq!(names(false, Some("rerrank")), Vec::<String>::new());
        let args = ProvidersArgs { ready: false, operation: None };
        let list = list(ProviderTable::builtin(), &args, &env);
        let about = |name: &str| list.iter().find(|one| one.name == name).map(Listed::about_key);
        assert_eq!(about("cohere").as_deref(), Some("COHERE_API_KEY is set"));
        assert_eq!(about("openai").as_deref(), Some("OPENAI_API_KEY is not set"));
        assert_eq!(about("mock").as_deref(), Some("none needed"));
    }
}
