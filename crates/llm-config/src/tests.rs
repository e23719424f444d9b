//! The crate as a whole: what a text becomes, what is said about it.

use std::time::Duration;

use llm_types::{AuthStyle, Dialect, Op, ProviderSpec};
use serde_json::Value;

use crate::{Code, Config, Elsewhere, FixedEnv, Known, Report, Severity, Style};

fn pem(kind: &str) -> String {
    format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n")
}

fn parse(text: &str) -> Result<Config, Report> {
    let mut env = FixedEnv::new([("KEY", "sk-very-secret"), ("HOST", "vllm.internal")]);
    env.files.insert("c.pem".to_owned(), pem("CERTIFICATE"));
    env.files.insert("k.pem".to_owned(), pem("PRIVATE KEY"));
    Config::parse("gateway.toml", text, &env, Known::default()).map(|(config, _)| config)
}

fn openai() -> Vec<ProviderSpec> {
    let row = r#"
        name = "openai"
        aliases = ["oai"]
        dialect = "openai_chat"
        api_base = "https://api.openai.com/v1"
        key_env = ["OPENAI_API_KEY"]
        bare_names = ["gpt-*"]
        headers = { x-a = "1" }
    "#;
    vec![toml::from_str(row).unwrap()]
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse("").unwrap(), Config::default());
    assert_eq!(parse("[server]\n[router]\n").unwrap(), Config::default());
}

#[test]
fn values_reach_the_fields() {
    let config = parse(
        r#"
        [server]
        listen = "0.0.0.0:80"
        max_body = "1MiB"
        tls = { cert = "c.pem", key = "k.pem" }
        [auth]
        master_key = "os.environ/KEY"
        [router]
        backoff = { base = "1s", max = "4s" }
        [[models]]
        name = "smart"
        timeout = "30s"
        backoff = { max = "2s" }
        [[models.deployments]]
        model = "corp/llama"
        api_base = "http://${HOST}:8000/v1"
        headers = { authorization = "Basic ${KEY}" }
        "#,
    )
    .unwrap();
    assert_eq!(config.server.listen.port(), 80);
    assert_eq!(config.server.max_body, 1 << 20);
    assert_eq!(config.server.tls.as_ref().unwrap().cert.to_str(), Some("c.pem"));
    assert_eq!(config.auth.master_key.as_ref().unwrap().expose(), "sk-very-secret");
    let [model] = config.models.as_slice() else { panic!("{:?}", config.models) };
    let router = model.router(&config.router);
    assert_eq!(router.backoff.base, Duration::from_secs(1));
    assert_eq!(router.backoff.max, Duration::from_secs(2));
    assert_eq!(router.timeout, Duration::from_secs(30));
    assert_eq!(router.first_token_timeout, Duration::from_secs(60));
    let [deployment] = model.deployments.as_slice() else { panic!("{model:?}") };
    assert_eq!(deployment.id, "smart/1");
    assert_eq!(deployment.api_base.as_deref(), Some("http://vllm.internal:8000/v1"));
    assert_eq!(deployment.headers["authorization"].expose(), "Basic sk-very-secret");
}

#[test]
fn what_is_shown_holds_no_secret_and_can_be_read_again() {
    let config = parse(
        r#"
        [auth]
        master_key = "${KEY}"
        [[providers]]
        name = "corp"
        dialect = "anthropic"
        api_base = "http://127.0.0.1:1"
        api_key = "${KEY}"
        quirks = { messages = ["flatten_content"], clamp = { temperature = [0, 1.5] } }
        rules = [{ models = ["o*"], drop = ["seed"] }]
        [[models]]
        name = "smart"
        deployments = [{ model = "corp/x", headers = { x-key = "${KEY}" } }]
        "#,
    )
    .unwrap();
    let shown = crate::show(&config);
    assert!(!shown.contains("sk-very-secret"), "{shown}");
    let again = parse(&shown).unwrap();
    assert_eq!(crate::show(&again), shown);
    assert_eq!(again.providers[0].quirks, config.providers[0].quirks);
    assert_eq!(again.providers[0].rules, config.providers[0].rules);
    assert!(format!("{config:?}").contains("[redacted]"));
    assert!(!format!("{config:?}").contains("sk-very-secret"));
}

#[test]
fn the_address_of_redis_is_shown_without_its_password() {
    let config = parse("[redis]\nurl = 'rediss://me:${KEY}@cache:6380/2'\n").unwrap();
    let redis = config.redis.as_ref().unwrap();
    assert_eq!(redis.url.expose(), "rediss://me:sk-very-secret@cache:6380/2");
    assert_eq!((&*redis.prefix, redis.timeout), ("gateway:", Duration::from_millis(20)));
    let shown = crate::show(&config);
    assert!(shown.contains("\"rediss://me:redacted@cache:6380/2\""), "{shown}");
    assert_eq!(crate::show(&parse(&shown).unwrap()), shown);
    assert!(!format!("{config:?}").contains("sk-very-secret"));
    // Away from where it runs the password is not known, and the address no fault.
    let text = "[redis]\nurl = '${REDIS_URL}'\n";
    let env = FixedEnv::default();
    assert!(Config::parse("f", text, &Elsewhere(&env), Known::default()).is_ok());
    assert!(Config::parse("f", text, &env, Known::default()).is_err());
}

#[test]
fn prices_are_read_exactly_and_shown_again() {
    let config = parse(
        r#"
        [[providers]]
        name = "openai"
        discount = 0.15
        margin = 0.05
        [[prices]]
        model = "openai/gpt-4o*"
        input = 2.5
        output = 10
        above = { 200_000 = { input = 5, output = 15 } }
        flex = { input = 1.25, above = { 200_000 = { input = 2.75 } } }
        batch = { input = 1.25, output = 5 }
        [price_map]
        source = "prices.json"
        [[models]]
        name = "smart"
        deployments = [{ model = "openai/gpt-4o", price = { input = 0.0375, per_second = 0.0001 } }]
        "#,
    )
    .unwrap();
    let usd = |text: &str| Some(text.parse::<llm_types::PicoUsd>().unwrap());
    let [one] = config.prices.as_slice() else { panic!("{:?}", config.prices) };
    let spec = one.price.spec();
    assert_eq!((spec.input, spec.output, spec.cache_read), (usd("2.5"), usd("10"), None));
    assert_eq!((spec.above["200_000"].output, spec.above.len()), (usd("15"), 1));
    assert_eq!(spec.flex.unwrap().above["200_000"].input, usd("2.75"));
    assert_eq!((spec.batch.unwrap().output, spec.priority), (usd("5"), None));
    let own = config.models[0].deployments[0].price.as_ref().unwrap().spec();
    assert_eq!((own.input, own.per_second, own.output), (usd("0.0375"), usd("0.0001"), None));
    assert_eq!((config.providers[0].discount, config.providers[0].margin), (Some(0.15), Some(0.05)));
    let map = config.price_map.as_ref().unwrap();
    assert_eq!((map.is_url(), map.every), (false, Duration::from_secs(6 * 3600)));
    let shown = crate::show(&config);
    let again = parse(&shown).unwrap();
    assert_eq!((&again.prices, &again.price_map), (&config.prices, &config.price_map), "{shown}");
    assert_eq!(again.models, config.models);
    let twice = "[[prices]]\nmodel = 'a'\ninput = 1\n[[prices]]\nmodel = 'a'\ninput = 2\n";
    let (_, warnings) = Config::parse("f", twice, &FixedEnv::default(), Known::default()).unwrap();
    let found: Vec<_> = warnings.iter().map(|one| (one.position(), one.code())).collect();
    assert_eq!(found, [(Some((4, 1)), Code::NoEffect)]);
}

#[test]
fn models_of_a_command_line() {
    let config = Config::from_models(["gpt-4o", "openai/gpt-4o-mini"]);
    let pairs: Vec<_> = config.models.iter().map(|model| (&*model.name, &*model.deployments[0].id)).collect();
    assert_eq!(pairs, [("gpt-4o", "gpt-4o/1"), ("openai/gpt-4o-mini", "openai/gpt-4o-mini/1")]);
    let env = FixedEnv::default();
    let warnings = config.check("--model", &env, Known { providers: &openai() }).unwrap();
    let codes: Vec<_> = warnings.iter().map(|warning| (warning.severity(), warning.code())).collect();
    assert_eq!(codes, [(Severity::Warning, Code::NoApiKey); 2]);

    let report = Config::from_models(["llama"]).check("--model", &env, Known { providers: &openai() });
    insta::assert_snapshot!(report.unwrap_err(), @r"
    error: models[0].deployments[0].model: `llama` is no well-known model name, so its provider is not known
    --> --model
     = help: write `provider/llama`, for example `openai/llama`
    ");
}

#[test]
fn keys_and_addresses_are_asked_for_where_a_provider_needs_them() {
    let check = |text: &str, vars: &[(&str, &str)], expect: &[Code]| {
        let env = FixedEnv::new(vars.iter().copied());
        let codes: Vec<Code> = match Config::parse("f", text, &env, Known { providers: &openai() }) {
            Ok((_, warnings)) => warnings.iter().map(crate::Diagnostic::code).collect(),
            Err(report) => report.diagnostics().iter().map(crate::Diagnostic::code).collect(),
        };
        assert_eq!(codes, expect, "{text}");
    };
    let plain = "[[models]]\nname = 'a'\ndeployments = [{ model = 'gpt-4o' }]\n";
    check(plain, &[], &[Code::NoApiKey]);
    check(plain, &[("OPENAI_API_KEY", "")], &[Code::NoApiKey]);
    check(plain, &[("OPENAI_API_KEY", "x")], &[]);
    check("[[models]]\nname = 'a'\ndeployments = [{ model = 'oai/x', api_key = 'k' }]\n", &[], &[]);
    let own = "[[providers]]\nname = 'openai'\napi_key = 'k'\n";
    check(&format!("{own}{plain}"), &[], &[]);
    let local =
        "[[providers]]\nname = 'local'\napi_base = 'http://127.0.0.1:1/v1'\nbare_names = ['llama*']\n";
    check(&format!("{local}[[models]]\nname = 'a'\ndeployments = [{{ model = 'llama3' }}]\n"), &[], &[]);
    let wild = "[[models]]\nname = '*'\ndeployments = [{ model = '*' }]\n";
    check(wild, &[], &[]);
}

#[test]
fn settings_without_effect_are_warned_about() {
    let env = FixedEnv::default();
    let text = "[server]\nrequest_timeout = '1m'\n[router]\ntimeout = '2m'\nfirst_token_timeout = '3m'\n";
    let (_, warnings) = Config::parse("f", text, &env, Known::default()).unwrap();
    let places: Vec<_> = warnings.iter().map(|one| (one.position(), one.code())).collect();
    assert_eq!(places, [(Some((4, 11)), Code::NoEffect), (Some((5, 23)), Code::NoEffect)]);
}

#[test]
fn defaults_are_not_warned_about() {
    let check = |text: &str, count: usize| {
        let (_, warnings) = Config::parse("f", text, &FixedEnv::default(), Known::default()).unwrap();
        assert_eq!(warnings.len(), count, "{text}: {warnings:?}");
    };
    check("[server]\nrequest_timeout = '1m'\n", 0);
    check("[server]\nrequest_timeout = '1s'\n[router]\nretries = 1\n", 0);
    check("[router]\ntimeout = '5s'\n", 0);
    check("[router]\ntimeout = '5s'\nfirst_token_timeout = '6s'\n", 1);
    check("[server]\nrequest_timeout = '1m'\n[router]\ntimeout = '61s'\n", 1);
}

#[test]
fn certificates_and_keys_are_looked_at() {
    let (cert, key) = (&*pem("CERTIFICATE"), &*pem("PRIVATE KEY"));
    let mut env = FixedEnv::default();
    for (name, text) in
        [("c", cert), ("k", key), ("text", "hello"), ("cut", cert.split("-----END").next().unwrap())]
    {
        env.files.insert(name.to_owned(), text.to_owned());
    }
    let check = |text: &str, expect: &[((usize, usize), &str)]| {
        let found: Vec<_> = match Config::parse("f", text, &env, Known::default()) {
            Ok((_, warnings)) => warnings,
            Err(report) => report.diagnostics().to_vec(),
        };
        assert_eq!(found.len(), expect.len(), "{text}: {found:?}");
        for (one, (place, part)) in found.iter().zip(expect) {
            assert_eq!(one.position(), Some(*place), "{one}");
            assert!(one.to_string().contains(part), "{one}");
        }
    };
    check("[server]\ntls = { cert = 'c', key = 'k' }\n[upstream]\nextra_ca = 'c'\n", &[]);
    check("[server]\ntls = { cert = 'nope', key = 'k' }\n", &[((2, 16), "cannot read the file `nope`")]);
    check("[server]\ntls = { cert = 'text', key = 'k' }\n", &[((2, 16), "holds no certificate")]);
    check("[server]\ntls = { cert = 'cut', key = 'k' }\n", &[((2, 16), "`cut` is not PEM")]);
    check("[server]\ntls = { cert = 'k', key = 'k' }\n", &[((2, 16), "holds no certificate")]);
    check("[server]\ntls = { cert = 'c', key = 'c' }\n", &[((2, 27), "holds no private key")]);
    check("[upstream]\nextra_ca = ''\n", &[((2, 12), "must be the path")]);
    check("[upstream]\nextra_ca = 'text'\n", &[((2, 12), "holds no certificate")]);
    check("[upstream]\n\nextra_ca = 'gone'\n", &[((3, 12), "cannot read")]);
}

#[test]
fn away_from_where_it_runs_what_is_not_here_is_a_warning() {
    let text = "[server]\nlisten = '${LISTEN}'\nrequest_timeout = '${TIMEOUT}'\n[auth]\nmaster_key = '${KEY}'\n\
                [[providers]]\nname = 'own'\ndialect = 'openai_chat'\napi_base = '${BASE}/v1'\n\
                api_key = '${file:/run/secrets/own}'\n";
    let env = FixedEnv::default();
    let report = Config::parse("f", text, &env, Known::default()).unwrap_err();
    assert!(report.diagnostics().iter().any(|one| one.code() == Code::Interpolation), "{report}");
    let (config, warnings) = Config::parse("f", text, &Elsewhere(&env), Known::default()).unwrap();
    let places: Vec<_> = warnings.iter().map(|one| (one.position().unwrap().0, one.code())).collect();
    assert_eq!(places, [2, 3, 5, 9, 10].map(|line| (line, Code::Interpolation)));
    assert!(config.auth.master_key.is_some());
    // What is wrong on every machine stays wrong.
    for wrong in ["[auth]\nmaster_key = '${KEY'\n", "[auth]\nmaster_key = '${1}'\n", "[server]\nx = '${A}'\n"]
    {
        assert!(Config::parse("f", wrong, &Elsewhere(&env), Known::default()).is_err(), "{wrong}");
    }
}

#[test]
fn a_row_of_ones_own_changes_what_it_names_and_nothing_else() {
    let openai = openai();
    let config = parse(
        r#"
        [[providers]]
        name = "openai"
        api_base = "http://127.0.0.1:1/v1"
        headers = { x-b = "2" }
        [[providers]]
        name = "corp"
        aliases = ["c"]
        api_base = "http://127.0.0.1:2/v1"
        auth = "x-api-key"
        quirks = { drop = ["store"] }
        "#,
    )
    .unwrap();
    let [changed, own] = config.providers.as_slice() else { panic!("{:?}", config.providers) };
    let spec = changed.spec(openai.first());
    assert_eq!(spec.api_base.as_deref(), Some("http://127.0.0.1:1/v1"));
    assert_eq!(spec.headers.into_values().collect::<String>(), "2");
    assert!(spec.key_env.is_empty() && spec.operations.is_empty() && !spec.key_optional);
    let spec = own.spec(None);
    assert_eq!((spec.dialect, spec.auth), (Dialect::OpenaiChat, AuthStyle::XApiKey));
    assert_eq!((spec.quirks.drop, spec.operations), (vec!["store".to_owned()], vec![Op::Chat]));
    assert!(spec.key_optional && own.is_named("c"));
    assert_eq!(config.provider("c"), Some(own));
}

#[test]
fn diagnostics_show_the_place_and_what_to_do() {
    let report = parse(
        "[server]\nlisen = \"127.0.0.1:4000\"\nstrict = \"ja\"\n\n[[models]]\nname = \"smart\"\n[[models.deployments]]\n\
         model = \"openai/gpt-4o\"\napi_ky = \"sk-in-the-file\"\nlocation = 5\n",
    )
    .unwrap_err();
    insta::assert_snapshot!(report, @r#"
    error: unknown key `lisen` in `server`
     --> gateway.toml:2:1
      |
    2 | lisen = "127.0.0.1:4000"
      | ^^^^^
      |
      = help: did you mean `listen`?

    error: `strict` must be true or false, not a string
     --> gateway.toml:3:10
      |
    3 | strict = "ja"
      |          ^^^^
      |
      = help: remove the quotes

    error: unknown key `api_ky` in `models.deployments`
     --> gateway.toml:9:1
      |
    9 | api_ky = "sk-in-the-file"
      | ^^^^^^
      |
      = help: did you mean `api_key`?

    error: `location` must be a string, not an integer
      --> gateway.toml:10:12
       |
    10 | location = 5
       |            ^
    "#);
}

#[test]
fn a_syntax_error_hides_what_looks_like_a_secret() {
    let report = parse("[auth]\nmaster_key = \"sk-in-the-file\n").unwrap_err();
    insta::assert_snapshot!(report.render(Style::Plain), @r#"
    error: not valid TOML: invalid basic string, expected `"`
     --> gateway.toml:2:29
      |
    2 | master_key =*"**************
      |                             ^
    "#);
    let coloured = report.render(Style::Coloured);
    assert!(coloured.contains("\u{1b}[") && !coloured.contains("sk-in"), "{coloured}");
}

#[test]
fn a_resolved_value_is_named_by_its_reference() {
    let report = parse("[[models]]\nname = '${KEY}'\n").unwrap_err();
    let text = report.to_string();
    assert!(text.contains("the model `${KEY}` has no deployments") && !text.contains("sk-very"), "{text}");
}

#[test]
fn an_unreadable_file_is_reported_like_any_fault() {
    let path = std::path::Path::new("no/such/gateway.toml");
    let report = Config::load(path, &FixedEnv::default(), Known::default()).unwrap_err();
    let [one] = report.diagnostics() else { panic!("{report}") };
    assert_eq!((one.code(), one.position(), one.json().line), (Code::UnreadableFile, None, 0));
    assert_eq!(one.file(), "no/such/gateway.toml");
}

#[test]
fn json_names_the_place() {
    let report = parse("[server]\nlisen = 1\n").unwrap_err();
    let json = serde_json::to_string(&report.diagnostics()[0].json()).unwrap();
    insta::assert_snapshot!(json, @r#"{"file":"gateway.toml","line":2,"column":1,"end_line":2,"end_column":6,"severity":"error","code":"unknown-key","message":"unknown key `lisen` in `server`","help":"did you mean `listen`?"}"#);
}

#[test]
fn every_key_of_the_schema_is_described() {
    fn walk(path: &str, schema: &Value, bare: &mut Vec<String>) {
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{path}.{name}");
            if member.get("description").is_none() {
                bare.push(path.clone());
            }
            walk(&path, member, bare);
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(inner) {
                walk(path, inner, bare);
            }
        }
    }
    let mut bare = Vec::new();
    walk("", crate::json_schema::inlined(), &mut bare);
    assert!(bare.is_empty(), "{bare:?}");

    let text = crate::schema();
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$defs"]["Server"]["properties"]["request_timeout"]["default"], "10m");
    assert_eq!(schema["$defs"]["Server"]["additionalProperties"], false);
    assert_eq!(schema["$defs"]["Model"]["required"], serde_json::json!(["name"]));
    assert_eq!(schema["$defs"]["Deployment"]["properties"]["api_key"]["writeOnly"], true);
    let null = text.lines().find(|line| line.contains("null"));
    assert_eq!(null, None, "TOML has no null");
}

#[test]
fn files_of_batches_are_kept_for_a_day_at_least() {
    let files = parse("[files]\ndir = \"batches\"\nkeep = \"1d\"\nmax_bytes = \"1MiB\"\n").unwrap().files;
    assert_eq!((files.keep, files.max_bytes), (Duration::from_secs(86_400), 1 << 20));
    let report = parse("[files]\nkeep = \"23h\"\n").unwrap_err();
    let text = format!("{report:?}");
    assert!(text.contains("at least a day"), "{text}");
}
