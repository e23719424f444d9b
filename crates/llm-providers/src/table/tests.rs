//! The table itself: every row can be used, and user rows lie over built-in ones.

use std::collections::HashSet;

use llm_types::{Dialect, MessageQuirk, Op, ReplyQuirk};

use super::*;

fn rows(text: &str) -> Vec<ProviderSpec> {
    parse(text).unwrap()
}

fn drops(table: &ProviderTable, provider: &str, model: &str, effort: Option<&str>) -> Vec<String> {
    let spec = table.get(provider).unwrap();
    spec.quirks_for(model, effort).flat_map(|quirks| quirks.drop.iter().cloned()).collect()
}

#[test]
fn the_built_in_table_is_sound() {
    let table = ProviderTable::builtin();
    assert_eq!(table.error(), None);
    assert!(table.len() >= 75, "{}", table.len());
    let mut names = HashSet::new();
    for row in table.iter() {
        for name in std::iter::once(&row.name).chain(&row.aliases) {
            assert!(names.insert(name.clone()), "{name} is there twice");
            assert!(!name.contains('/') && !name.is_empty(), "{name}");
        }
        if let Some(api_base) = &row.api_base {
            let filled = crate::credential::fill(api_base, "{", &|name| {
                Some(if name.ends_with("HOST") { "https://h".to_owned() } else { "x".to_owned() })
            });
            Base::parse(&filled.unwrap()).unwrap();
        }
        assert!(!row.operations.is_empty(), "{}", row.name);
        assert!(row.rules_from.is_none(), "{} lends from a row that is not there", row.name);
        let answers_itself = row.dialect == Dialect::Mock;
        assert!(answers_itself || row.api_base.is_some() || !row.base_env.is_empty(), "{}", row.name);
        let signs = row.auth == AuthStyle::AwsSigv4;
        let has_key = !row.key_env.is_empty() || row.tokens.is_some() || signs;
        assert!(has_key || row.auth == AuthStyle::None, "{}", row.name);
        for variant in &row.variants {
            assert!(variant.like.is_none(), "{}: {:?} is like no row", row.name, variant.models);
            assert!(
                !variant.models.is_empty() && variant.models[0].starts_with(&variant.strip),
                "{}",
                row.name
            );
        }
        assert!(
            row.docs.as_deref().is_none_or(|docs| docs.starts_with("https://")),
            "{}: docs must be a URL",
            row.name
        );
    }
}

#[test]
fn globs_and_bounds_of_the_built_in_table_are_sane() {
    for row in ProviderTable::builtin().iter() {
        let globs = row.rules.iter().flat_map(|rule| rule.models.iter().chain(&rule.except));
        for glob in globs.chain(row.model_names.iter().flat_map(|form| &form.models)).chain(&row.bare_names) {
            assert!(!glob.is_empty() && !glob.contains("**") && !glob.contains(' '), "{}: {glob}", row.name);
        }
        for rule in &row.rules {
            assert!(!rule.models.is_empty(), "{}: a rule for no model", row.name);
            let words = ["default", "none", "minimal", "low", "medium", "high", "xhigh", "max"];
            assert!(rule.efforts.iter().all(|word| words.contains(&word.as_str())), "{}", row.name);
            // Each pattern must be able to match a name that no exception takes away again.
            let rule = llm_types::ModelRule { hosts: Vec::new(), ..rule.clone() };
            let reachable = rule.models.iter().any(|glob| rule.is_for(&glob.replace('*', "0")));
            assert!(reachable, "{}: {:?} never applies", row.name, rule.models);
        }
        let quirks = std::iter::once(&row.quirks).chain(row.rules.iter().map(|rule| &rule.quirks));
        for quirks in quirks {
            assert!(quirks.clamp.values().all(|[low, high]| low <= high), "{}", row.name);
            for (from, to) in &quirks.rename {
                // To itself goes what OpenAI does not know and this provider takes.
                let known = from != to || ["thinking", "task", "truncate"].contains(&from.as_str());
                assert!(known && !quirks.drop.contains(to), "{}: {from} to {to}", row.name);
            }
        }
    }
}

#[test]
fn models_of_the_built_in_table_belong_to_their_rows() {
    for row in ProviderTable::builtin().iter() {
        for model in &row.models {
            let full = format!("{}/{model}", row.name);
            let (found, _) = crate::name::resolve(ProviderTable::builtin(), &full).unwrap();
            assert_eq!(found.name, row.name);
        }
    }
}

#[test]
fn families_of_openai_models() {
    let check = |provider: &str, model: &str, effort: Option<&str>, dropped: &[&str], kept: &[&str]| {
        let drop = drops(ProviderTable::builtin(), provider, model, effort);
        let case = format!("{provider}/{model} at {effort:?}: {drop:?}");
        assert!(dropped.iter().all(|name| drop.iter().any(|other| other == name)), "{case}");
        assert!(!kept.iter().any(|name| drop.iter().any(|other| other == name)), "{case}");
    };
    check("openai", "gpt-4o", None, &["top_k", "reasoning_effort"], &["top_p", "stop", "n", "seed"]);
    check(
        "openai",
        "o3",
        None,
        &["top_p", "logprobs", "stop", "parallel_tool_calls"],
        &["tools", "reasoning_effort"],
    );
    check("openai", "o3-mini", None, &["top_p", "parallel_tool_calls"], &["stop"]);
    check("openai", "o4-mini-2025-04-16", None, &["stop"], &["tools"]);
    check("openai", "o1-mini", None, &["tools"], &[]);
    check(
        "openai",
        "gpt-5-mini",
        None,
        &["top_p", "stop", "logprobs"],
        &["tools", "reasoning_effort", "verbosity"],
    );
    check("openai", "gpt-5-chat-latest", None, &["reasoning_effort"], &["top_p", "stop", "prediction"]);
    check("openai", "gpt-5.2", None, &["stop"], &["top_p", "logprobs"]);
    check("openai", "gpt-5.2", Some("none"), &["stop"], &["top_p", "logprobs"]);
    check("openai", "gpt-5.2", Some("low"), &["stop", "top_p", "logprobs"], &[]);
    check("openai", "gpt-5.2-chat-latest", Some("low"), &["reasoning_effort"], &["top_p", "stop"]);
    check("openai", "gpt-5.5", None, &["stop", "top_p"], &[]);
    check("openai", "gpt-5.5", Some("none"), &["stop"], &["top_p"]);
    check("openai", "gpt-6-sol", None, &["stop", "top_p"], &["tools"]);
    check(
        "openai",
        "gpt-5-search-api",
        None,
        &["tools", "temperature"],
        &["response_format", "web_search_options"],
    );
    check("openai", "gpt-4o-search-preview", None, &["n", "seed"], &["web_search_options", "max_tokens"]);
    check("openai", "gpt-4", None, &["response_format"], &["stop"]);
    check("openai", "gpt-4-turbo", None, &[], &["response_format"]);
    // Azure has the same families.
    check("azure", "gpt-5-mini", None, &["top_p"], &["verbosity"]);
    // And GitHub, under their maker's name.
    check("github", "openai/o3", None, &["top_p", "stop", "parallel_tool_calls"], &["tools"]);
    check("github", "openai/gpt-5", None, &["top_p", "stop"], &["verbosity"]);
    check("github", "openai/gpt-5-chat", None, &["reasoning_effort"], &["top_p", "stop"]);
    check("github", "mistral-ai/o3", None, &[], &["top_p", "stop"]);
    let github = ProviderTable::builtin().get("github").unwrap();
    let clamped =
        github.quirks_for("openai/gpt-5", None).any(|quirks| quirks.clamp.contains_key("temperature"));
    assert!(clamped);
}

#[test]
fn names_that_lead_elsewhere_lead_to_rows() {
    let table = ProviderTable::builtin();
    for row in table.iter() {
        assert!(row.moved.values().all(|other| table.get(other).is_some()), "{}", row.name);
    }
    let databricks = table.get("databricks").unwrap();
    let path = |model: &str| databricks.quirks_for(model, None).find_map(|quirks| quirks.path.clone());
    assert_eq!(path("main.ai.gpt").as_deref(), Some("../ai-gateway/mlflow/v1/chat/completions"));
    assert_eq!(path("databricks-claude-opus-5-5"), None);
}

#[test]
fn answers_of_openai_and_azure_pass_unread() {
    for name in ["openai", "azure", "hosted_vllm"] {
        let spec = ProviderTable::builtin().get(name).unwrap();
        assert!(spec.quirks.reply.is_empty(), "{name}");
    }
    for name in [
        "mistral",
        "perplexity",
        "openrouter",
        "groq",
        "cerebras",
        "together_ai",
        "huggingface",
        "snowflake",
        "xai",
    ] {
        let spec = ProviderTable::builtin().get(name).unwrap();
        assert!(spec.has_reply_quirk("m", ReplyQuirk::Normalize), "{name}");
    }
    let xai = ProviderTable::builtin().get("xai").unwrap();
    assert!(xai.has_reply_quirk("grok-4.7", ReplyQuirk::ReasoningOutside));
}

#[test]
fn unknown_members_and_words_are_refused() {
    let check = |row: &str, expect: &str| {
        let text = format!("[[providers]]\nname = \"x\"\ndialect = \"openai_chat\"\n{row}");
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(expect), "{row}: {error}");
    };
    check("api_bse = \"x\"", "unknown field `api_bse`");
    check("quirks = { dorp = [] }", "unknown field `dorp`");
    check("[[providers.rules]]\nmodels = [\"*\"]\ndorp = []", "dorp");
    check("auth = \"basic\"", "unknown variant");
}

#[test]
fn a_users_row_of_a_known_name_replaces_what_it_sets() {
    let user = r#"
        [[providers]]
        name = "groq"
        dialect = "openai_chat"
        api_base = "https://groq.proxy.example/v1"
        headers = { X-Team = "a" }
        quirks = { drop = ["seed"] }
    "#;
    let builtin = ProviderTable::builtin();
    let table = builtin.with(rows(user));
    assert_eq!(table.len(), builtin.len());
    let (groq, before) = (table.get("groq").unwrap(), builtin.get("groq").unwrap());
    assert_eq!(groq.api_base.as_deref(), Some("https://groq.proxy.example/v1"));
    assert_eq!(groq.headers["X-Team"], "a");
    assert_eq!(groq.quirks.drop, ["seed"]);
    assert_eq!(groq.key_env, before.key_env);
    assert_eq!(groq.quirks.reply, before.quirks.reply);
    assert_eq!(groq.quirks.messages, before.quirks.messages);
    assert_eq!(table.by_base("https://groq.proxy.example/v1").unwrap().name, "groq");
    assert!(table.by_base("https://api.groq.com/openai/v1").is_none());
}

#[test]
fn a_users_row_may_add_rules_headers_and_another_dialect() {
    let user = r#"
        [[providers]]
        name = "openrouter"
        dialect = "openai_chat"
        headers = { http-referer = "https://me.example", x-title = "" }
        [[providers.rules]]
        models = ["m"]
        drop = ["seed"]
        [[providers]]
        name = "deepseek"
        dialect = "anthropic"
        api_base = "https://api.deepseek.com/anthropic"
        auth = "x-api-key"
        key_env = ["DEEPSEEK_API_KEY"]
        operations = ["chat"]
    "#;
    let table = ProviderTable::builtin().with(rows(user));
    let openrouter = table.get("openrouter").unwrap();
    assert_eq!(openrouter.headers.len(), 1);
    assert_eq!(openrouter.headers["http-referer"], "https://me.example");
    assert_eq!(drops(&table, "openrouter", "m", None), ["seed"]);
    let deepseek = table.get("deepseek").unwrap();
    assert_eq!((deepseek.dialect, deepseek.auth), (Dialect::Anthropic, AuthStyle::XApiKey));
    assert!(deepseek.quirks.rename.is_empty() && deepseek.models.is_empty());
}

#[test]
fn a_users_name_wins_over_an_alias() {
    let user = "[[providers]]\nname = \"vllm\"\ndialect = \"openai_chat\"\napi_base = \"http://v/v1\"\nrules_from = \"openai\"\n";
    let builtin = ProviderTable::builtin();
    let table = builtin.with(rows(user));
    assert_eq!(table.len(), builtin.len() + 1);
    assert_eq!(table.get("vllm").unwrap().name, "vllm");
    assert_eq!(table.get("hosted_vllm").unwrap().name, "hosted_vllm");
    assert!(drops(&table, "vllm", "gpt-5", None).contains(&"stop".to_owned()));
    // Laying rows over a table twice does not lend rules twice.
    let again = table.with(Vec::new());
    assert_eq!(again.get("azure").unwrap().rules.len(), builtin.get("azure").unwrap().rules.len());
}

#[test]
fn model_rules_may_change_messages() {
    let openai = ProviderTable::builtin().get("openai").unwrap();
    assert!(openai.has_message_quirk("o1-mini", MessageQuirk::SystemToUser));
    assert!(!openai.has_message_quirk("o1", MessageQuirk::SystemToUser));
}

#[test]
fn anthropics_clients_reach_anthropics_api_where_a_row_names_it() {
    let check = |name: &str, client: Dialect, expect: Dialect| {
        let (spec, model) = crate::name::resolve(ProviderTable::builtin(), name).unwrap();
        assert_eq!(spec.dialect_for(Op::Chat, Some(client), &model), expect, "{name} {client}");
        let own = spec.dialect_for(Op::Chat, Some(Dialect::Anthropic), &model) == Dialect::Anthropic;
        assert_eq!(spec.offers(Op::Messages, &model), own, "{name}: what the row says must hold");
    };
    use Dialect::{Anthropic, Gemini, OpenaiChat};
    check("openrouter/anthropic/claude-sonnet-4.5", Anthropic, Anthropic);
    check("openrouter/anthropic/claude-sonnet-4.5", OpenaiChat, OpenaiChat);
    check("openrouter/openai/gpt-5.2", Anthropic, OpenaiChat);
    check("litellm_proxy/claude", Anthropic, Anthropic);
    check("azure_ai/claude-opus-4-5", OpenaiChat, Anthropic);
    check("azure_ai/Mistral-Large-3", Anthropic, OpenaiChat);
    check("vertex_ai/claude-sonnet-4-5@20250929", Anthropic, Anthropic);
    check("vertex_ai/gemini-2.5-flash", Anthropic, Gemini);
    check("anthropic/claude-sonnet-4-5", Anthropic, Anthropic);
    check("deepseek/deepseek-chat", Anthropic, OpenaiChat);
}

#[test]
fn no_row_declares_what_does_nothing() {
    for row in ProviderTable::builtin().iter() {
        let has = |op: Op| row.operations.contains(&op);
        assert_eq!(has(Op::Batch), row.batch_form().is_some(), "{}: batches", row.name);
        let speaks =
            |dialect| row.dialect == dialect || row.variants.iter().any(|one| one.dialect == Some(dialect));
        assert!(
            !has(Op::Messages) || speaks(Dialect::Anthropic) || speaks(Dialect::OpenaiChat),
            "{}",
            row.name
        );
        assert!(!has(Op::Responses) || speaks(Dialect::OpenaiChat), "{}: responses", row.name);
        let goes_on = speaks(Dialect::OpenaiChat) || speaks(Dialect::Ollama);
        assert!(!has(Op::Completion) || goes_on, "{}: completions", row.name);
        assert!(!has(Op::Realtime) || speaks(Dialect::OpenaiChat), "{}: realtime", row.name);
    }
}

#[test]
fn text_completions_go_out_as_such_where_the_model_has_them() {
    use Dialect::{OpenaiChat, OpenaiCompletions};
    let check = |name: &str, client, expect| {
        let (spec, model) = crate::name::resolve(ProviderTable::builtin(), name).unwrap();
        assert_eq!(spec.dialect_for(Op::Chat, Some(client), &model), expect, "{name} {client}");
    };
    // Text models have nothing else.
    for name in [
        "openai/gpt-3.5-turbo-instruct",
        "openai/gpt-3.5-turbo-instruct-0914",
        "davinci-002",
        "babbage-002",
        "ft:davinci-002:org::id",
        "azure/gpt-3.5-turbo-instruct",
        "azure/instruct_series/my-own-name",
    ] {
        check(name, OpenaiChat, OpenaiCompletions);
        check(name, OpenaiCompletions, OpenaiCompletions);
    }
    // OpenAI's chat models, and providers without the operation, are asked as chats.
    for name in [
        "openai/gpt-4o",
        "gpt-5",
        "o3-mini",
        "azure/my-own-name",
        "groq/m",
        "deepseek/deepseek-chat",
        "codestral/m",
    ] {
        check(name, OpenaiCompletions, OpenaiChat);
    }
    // Other servers have it for whatever they serve.
    for name in
        ["together_ai/m", "hosted_vllm/m", "ollama_openai/llama3", "fireworks_ai/m", "openai/llama-of-my-own"]
    {
        check(name, OpenaiCompletions, OpenaiCompletions);
        check(name, OpenaiChat, OpenaiChat);
    }
}

#[test]
fn rows_of_vectors_say_how_many_inputs_they_take() {
    let check = |name: &str, model: &str, most: Option<usize>| {
        let spec = ProviderTable::builtin().get(name).unwrap();
        assert_eq!(spec.embed_inputs(model), most, "{name}/{model}");
    };
    check("openai", "text-embedding-3-small", Some(2048));
    check("azure", "vectors-of-ours", Some(2048));
    check("azure_ai", "Cohere-embed-v3-english", Some(96));
    check("mistral", "mistral-embed", Some(256));
    check("gemini", "gemini-embedding-001", Some(100));
    check("vertex_ai", "gemini-embedding-001", Some(1));
    check("vertex_ai", "gemini-embedding-2-preview", Some(1));
    check("vertex_ai", "text-multilingual-embedding-002", Some(250));
    check("huggingface", "m", Some(32));
    check("dashscope", "text-embedding-v4", Some(10));
    check("cloudflare", "@cf/baai/bge-m3", Some(100));
    check("perplexity", "pplx-embed-v1-0.6b", Some(512));
    check("sagemaker", "my-endpoint", Some(32));
    check("sagemaker", "my-voyage-endpoint", None);
    check("hosted_vllm", "m", None);
    // Whose vectors are bytes.
    let bytes =
        ProviderTable::builtin().iter().filter(|spec| spec.has_reply_quirk("m", ReplyQuirk::Int8Vectors));
    assert_eq!(bytes.map(|spec| spec.name.as_str()).collect::<Vec<_>>(), ["perplexity"]);
}
