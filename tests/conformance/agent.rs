//! Requests as coding agents send them: long instructions with cache marks, dozens of tools, thinking between
//! calls, parallel calls, pictures in results, tools that take free text. Each is for one front and goes to a
//! provider of every dialect.

use std::fmt::Write as _;

use llm_testkit::conformance::differences;
use serde_json::Value;

use crate::fixture::read;
use crate::front::{FRONTS, Front};
use crate::golden::golden;
use crate::matrix::{TOOLS_ONLY, UPSTREAMS};
use crate::pipe::Pipe;
use crate::tool_loop::told;

/// Where a request has its tools, and where a tool has its name.
fn tools(operation: &str, body: &Value) -> Vec<String> {
    let (list, name) = match operation {
        "chat" | "chat_v2" | "ollama_chat" => ("/tools", "/function/name"),
        "converse" => ("/toolConfig/tools", "/toolSpec/name"),
        "generateContent" => ("/tools/0/functionDeclarations", "/name"),
        _ => ("/tools", "/name"),
    };
    let tools = body.pointer(list).and_then(Value::as_array).into_iter().flatten();
    let name = |tool: &Value| tool.pointer(name).or_else(|| tool.pointer("/custom/name")).cloned();
    // Bedrock marks what is cached by a tool that is none.
    let tools = tools.filter(|tool| tool.get("cachePoint").is_none());
    tools.map(|tool| name(tool).unwrap_or_default().as_str().unwrap_or_default().to_owned()).collect()
}

/// Where a result must not be empty, words stand for nothing.
fn unsaid(line: &str) -> String {
    line.strip_suffix("(no output)").unwrap_or(line).to_owned()
}

/// How often a text stands in a request.
fn count(body: &Value, text: &str) -> usize {
    body.to_string().matches(text).count()
}

#[test]
fn requests_of_coding_agents_reach_every_dialect() {
    let mut failures = String::new();
    for (name, request) in read("agents") {
        let front: &'static Front = FRONTS.iter().find(|front| front.name == name).unwrap();
        let mut out = String::new();
        for (operation, dialect, model) in UPSTREAMS.iter().chain(TOOLS_ONLY) {
            let mut pipe = Pipe::to(front, *dialect, model);
            let body = front.body(&request, true);
            let (wire, changes) = pipe.ask(&body, true).unwrap();
            _ = writeln!(out, "## to {operation}\n");
            let sent: Value = serde_json::from_slice(&wire.body.to_bytes()).unwrap();
            let mut check = |what: &str, expect: Vec<String>, got: Vec<String>| {
                if expect != got {
                    let (front, expect) = (front.name, expect.join("\n"));
                    _ = writeln!(
                        failures,
                        "{front} to {operation}: {what}: {expect}\ngot {}",
                        got.join("\n")
                    );
                }
            };
            check("tools", tools(&name, &request), tools(operation, &sent));
            let heard = told(operation, &sent).into_iter().map(|line| unsaid(&line));
            check("calls and results", told(&name, &request), heard.collect());
            let pictures = |body: &Value| vec![count(body, "iVBORw0KGgo=").to_string()];
            check("pictures", pictures(&request), pictures(&sent));
            // OpenAI's own row takes out the marks of prompt caching: that is a rule of a provider's.
            if name == *operation && name != "chat" {
                let mut own = body.clone();
                if let Some(named) = own.get_mut("model") {
                    *named = sent["model"].clone();
                }
                // Through the neutral form a few defaults are said, or not said any more.
                let mut defaults = differences(&own, &sent);
                defaults.retain(|difference| !difference.ends_with("type: not expected, got \"custom\""));
                defaults.iter().for_each(|difference| _ = writeln!(out, "spelling: {difference}"));
                check("its own front", Vec::new(), changes.list().iter().map(|c| format!("{c:?}")).collect());
                let spliced = pipe.splice(&body, true).unwrap().expect("nothing in it needs the full way");
                let spliced: Value = serde_json::from_slice(&spliced.0.body.to_bytes()).unwrap();
                check("its own bytes", Vec::new(), differences(&own, &spliced));
            }
            for change in changes.list() {
                _ = writeln!(out, "{:?}: {} ({})", change.action, change.path, change.why);
            }
            let marks = count(&sent, "\"cache_control\"");
            let thoughts = count(&sent, "\"thinking\":\"") + count(&sent, "\"thought\":true");
            let thoughts = thoughts + count(&sent, "\"type\":\"reasoning\"");
            _ = writeln!(out, "{marks} cache marks, {thoughts} thoughts\n");
        }
        golden(&mut failures, &format!("agent-{name}"), out.trim_end());
    }
    assert!(failures.is_empty(), "\n{failures}");
}
