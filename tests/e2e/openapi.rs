//! The OpenAPI document, and a fuzzer that reads it: the admin API does what the document says.

use std::process::Command;

use http::Method;
use serde_json::json;

use crate::harness::Gateway;

const CONFIG: &str = "[auth]\nmaster_key = \"sk-master-of-the-tests\"\n[[models]]\nname = \"a\"\n\
     deployments = [{ model = \"mock/echo\" }]\n";

/// What the fuzzer watches. What only a type's meaning forbids (a team that does not exist) is not in a schema, so
/// that some bodies that fit it are refused.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
     response_schema_conformance,negative_data_rejection,unsupported_method,ignored_auth";

/// What is called: all that is kept in the store.
const PATHS: &str = "^/admin/v1/(keys|teams|users|organisations|budgets|limits|usage|audit|requests)";
/// How many calls of each operation that are right, and how many that are not. They bound the time as well: some 500 in
/// all. With `--max-time` the fuzzer would go on until that is over, and with two workers it falls over its own threads.
const EXAMPLES: &str = "10";

#[tokio::test]
async fn every_key_may_read_the_document_and_nobody_else() {
    let gateway = Gateway::start(CONFIG);
    gateway.get("/openapi.json").await.error(401);
    let master = "Bearer sk-master-of-the-tests";
    let made = gateway.post("/admin/v1/keys").header("authorization", master).body("{}").send().await.json();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let reply = gateway.call(Method::GET, "/openapi.json").header("authorization", &bearer).send().await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    let document = reply.json();
    assert_eq!(document["openapi"], "3.1.0");
    let create = &document["paths"]["/admin/v1/keys"]["post"];
    assert_eq!(
        create["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/KeyForm"
    );
    assert!(create["responses"]["201"].is_object(), "{create}");
    assert_ne!(document["paths"]["/v1/chat/completions"]["post"], json!(null));
}

#[test]
fn a_fuzzer_finds_nothing_that_the_document_does_not_say() {
    let python = std::env::var_os("LLM_PYTHON").expect("LLM_PYTHON: run the tests with `cargo xtask test`");
    let dir = tempfile::tempdir().unwrap();
    let store = format!("[store]\nurl = \"sqlite:{}\"\n", dir.path().join("gateway.db").display());
    let gateway = Gateway::start(&format!("{CONFIG}{store}"));
    let mut command = Command::new(python);
    command.current_dir(dir.path()).env("NO_PROXY", "127.0.0.1").args(["-m", "schemathesis.cli", "run"]);
    command.arg(format!("{}/openapi.json", gateway.url()));
    command.args(["--header", "Authorization: Bearer sk-master-of-the-tests", "--checks", CHECKS]);
    command.args(["--include-path-regex", PATHS]);
    command.args([
        "--phases",
        "fuzzing",
        "--max-examples",
        EXAMPLES,
        "--generation-deterministic",
        "--no-shrink",
    ]);
    command.args([
        "--suppress-health-check",
        "all",
        "--continue-on-failure",
        "--no-color",
        "--warnings",
        "off",
    ]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Fuzzing"), "{said}");
    // Nothing was left out.
    let count = |word: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(word)).unwrap_or_default();
        line.trim().split('/').next().and_then(|count| count.parse::<usize>().ok())
    };
    let selected = count("Selected:").unwrap_or_else(|| panic!("{said}"));
    assert!(selected >= 44 && count("Tested:") == Some(selected), "{said}");
    assert!(!gateway.logs().contains("panicked"), "{}", gateway.logs());
}
