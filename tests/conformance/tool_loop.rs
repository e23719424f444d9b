//! A conversation of five turns with tools, through every front to a provider of every dialect: the client gets
//! the same calls and the same last answer as from the provider's own front, and the provider gets the whole
//! history each time, with whatever it signed.

use std::fmt::Write as _;

use llm_testkit::{Script, Upstream};
use serde_json::{Value, json};

use crate::client::Client;
use crate::fixture::{Answer, turns};
use crate::front::{FRONTS, Front};
use crate::lab::Lab;
use crate::matrix::{TOOLS_ONLY, UPSTREAMS};

/// The tools of the loop.
fn tools() -> Vec<(&'static str, Value)> {
    let text = json!({"type": "string"});
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required});
    let list = json!({"type": "array", "items": {"type": "integer"}});
    vec![
        ("list_dir", object(json!({"path": text}), json!(["path"]))),
        ("read_file", object(json!({"path": text, "range": list}), json!(["path"]))),
        (
            "grep",
            object(json!({"pattern": text, "flags": {"type": "array", "items": text}}), json!(["pattern"])),
        ),
        ("write_file", object(json!({"path": text, "text": text}), json!(["path", "text"]))),
    ]
}

#[tokio::test]
async fn a_loop_of_five_turns_is_the_same_everywhere() {
    let lab = Lab::start().await;
    let turns = turns();
    assert_eq!(turns.len(), 5);
    let mut failures = String::new();
    for front in FRONTS {
        for (operation, _, model) in UPSTREAMS.iter().chain(TOOLS_ONLY) {
            for stream in [false, true] {
                let upstream = Upstream::start().unwrap();
                lab.deploy_as(operation, model, upstream.addr());
                let script: Vec<_> = turns.iter().map(|turn| script(turn, operation, stream)).collect();
                script.into_iter().for_each(|script| upstream.push(script));
                let run = Run { lab: &lab, front, operation, upstream: &upstream, stream };
                for problem in play(&run, &turns).await {
                    _ = writeln!(failures, "{} to {operation}, stream {stream}: {problem}", front.name);
                }
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

/// One loop.
struct Run<'r> {
    lab: &'r Lab,
    front: &'static Front,
    operation: &'r str,
    upstream: &'r Upstream,
    stream: bool,
}

fn script(turn: &Answer, operation: &str, stream: bool) -> Script {
    if stream {
        Script::sse(turn.stream(operation).unwrap())
    } else {
        Script::json(&serde_json::from_slice(&turn.whole(operation).unwrap()).unwrap())
    }
}

async fn play(run: &Run<'_>, turns: &[Answer]) -> Vec<String> {
    let Run { lab, front, operation, upstream, stream } = *run;
    let mut client = Client::asking(front, "Sum up what is here.");
    let (mut problems, mut history, mut signed) = (Vec::new(), Vec::new(), Vec::new());
    for (at, turn) in turns.iter().enumerate() {
        let answer = lab.call(front, &front.body(&client.request(&tools()), stream), stream).await;
        if answer.status != 200 || (stream && !front.ends(&answer.text())) {
            problems.push(format!("turn {}: {} {}", at + 1, answer.status, answer.text()));
            return problems;
        }
        let sent = upstream.last_request().map(|request| request.json()).unwrap_or_default();
        let heard = told(operation, &sent);
        if heard != history {
            problems.push(format!("turn {}: the provider heard {heard:#?}, and not {history:#?}", at + 1));
        }
        let pieces = pieces(operation, &sent);
        let lost = signed.iter().filter(|own: &&Signed| !pieces.iter().any(|piece| own.is_in(piece)));
        problems.extend(lost.map(|own| format!("turn {}: {own:?} did not come back: {sent}", at + 1)));

        let expect = turn.facts(operation).unwrap().choices.remove(0);
        let (calls, text) = client.take(&answer.text());
        let named: Vec<_> = calls.iter().map(|(_, name, arguments)| (name, arguments)).collect();
        let wanted: Vec<_> = expect.tool_calls.iter().map(|call| (&call.name, &call.arguments)).collect();
        if named != wanted || text != expect.text {
            problems.push(format!("turn {}: got {named:?} {text:?}, and not {wanted:?}", at + 1));
        }
        signed.extend(signatures(operation, turn));
        history.extend(expect.tool_calls.iter().map(|call| format!("{} {}", call.name, call.arguments)));
        let answers: Vec<_> = calls
            .into_iter()
            .enumerate()
            .map(|(n, call)| {
                let said = format!("answer {n} of turn {} — ≠ \"🍋\"", at + 1);
                (call, said)
            })
            .collect();
        history.extend(answers.iter().map(|((_, name, _), said)| format!("{name}: {said}")));
        client.answer(&answers);
    }
    problems
}

/// What a provider signed, and wants back where it was.
#[derive(Debug)]
struct Signed {
    /// The member with the signature.
    member: &'static str,
    signature: Value,
    /// What it stands on: the thoughts, or the name of the call.
    on: Value,
}

impl Signed {
    fn is_in(&self, piece: &Value) -> bool {
        piece[self.member] == self.signature && Self::on(piece) == self.on
    }

    fn on(piece: &Value) -> Value {
        let call = piece.pointer("/functionCall/name").or_else(|| piece.get("thinking"));
        call.or_else(|| piece.pointer("/summary/0/text")).cloned().unwrap_or_default()
    }
}

fn signatures(operation: &str, turn: &Answer) -> Vec<Signed> {
    let whole: Value = serde_json::from_slice(&turn.whole(operation).unwrap()).unwrap();
    let (list, member) = match operation {
        "messages" => ("/content", "signature"),
        "responses" => ("/output", "encrypted_content"),
        "generateContent" => ("/candidates/0/content/parts", "thoughtSignature"),
        _ => return Vec::new(),
    };
    let pieces = whole.pointer(list).and_then(Value::as_array).into_iter().flatten();
    pieces
        .filter(|piece| piece.get(member).is_some())
        .map(|piece| Signed { member, signature: piece[member].clone(), on: Signed::on(piece) })
        .collect()
}

/// The calls and their results in a request, in order; results by the name of their call.
pub(crate) fn told(operation: &str, body: &Value) -> Vec<String> {
    let mut names: Vec<(String, String)> = Vec::new();
    pieces(operation, body).iter().filter_map(|piece| heard(piece, &mut names)).collect()
}

/// The pieces of a request that can be calls and results.
fn pieces(operation: &str, body: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (turns, parts) = match operation {
        "messages" | "converse" => ("messages", "content"),
        "responses" => return list(&body["input"]),
        "generateContent" => ("contents", "parts"),
        _ => ("messages", "tool_calls"),
    };
    let mut out = Vec::new();
    for turn in list(&body[turns]) {
        out.extend(list(&turn[parts]));
        out.extend(Some(turn).filter(|turn| turn["role"] == "tool"));
    }
    out
}

fn heard(piece: &Value, names: &mut Vec<(String, String)>) -> Option<String> {
    let parsed =
        |text: &Value| serde_json::from_str(text.as_str().unwrap_or_default()).unwrap_or(Value::Null);
    let mut call = |id: &Value, name: &Value, arguments: Value| {
        let name = name.as_str().unwrap_or_default();
        names.push((id.to_string(), name.to_owned()));
        Some(format!("{name} {arguments}"))
    };
    let (id, content) = match piece["type"].as_str() {
        Some("tool_use") => return call(&piece["id"], &piece["name"], piece["input"].clone()),
        Some("function_call") => return call(&piece["call_id"], &piece["name"], parsed(&piece["arguments"])),
        Some("function") => {
            let function = &piece["function"];
            return call(&piece["id"], &function["name"], parsed(&function["arguments"]));
        }
        Some("custom") => {
            let custom = &piece["custom"];
            return call(&piece["id"], &custom["name"], json!({"input": custom["input"]}));
        }
        Some("custom_tool_call") => {
            return call(&piece["call_id"], &piece["name"], json!({"input": piece["input"]}));
        }
        Some("tool_result") => (&piece["tool_use_id"], &piece["content"]),
        Some("function_call_output" | "custom_tool_call_output") => (&piece["call_id"], &piece["output"]),
        _ if piece["role"] == "tool" => (&piece["tool_call_id"], &piece["content"]),
        _ => {
            // Ollama's, and Bedrock's.
            if let Some(made) = piece.get("function") {
                return call(&piece["id"], &made["name"], made["arguments"].clone());
            }
            if let Some(made) = piece.get("toolUse") {
                return call(&made["toolUseId"], &made["name"], made["input"].clone());
            }
            if let Some(result) = piece.get("toolResult") {
                let id = result["toolUseId"].to_string();
                let name = names.iter().find(|(known, _)| *known == id);
                let content = said(&result["content"]);
                return Some(format!("{}: {content}", name.map_or("nobody", |(_, name)| name)));
            }
            if let Some(made) = piece.get("functionCall") {
                return call(&made["id"], &made["name"], made["args"].clone());
            }
            let answer = piece.get("functionResponse")?;
            let content = answer["response"].as_object()?.values().next()?;
            if answer.get("id").is_none() {
                return Some(format!("{}: {}", answer["name"].as_str()?, said(content)));
            }
            (&answer["id"], content)
        }
    };
    let id = id.to_string();
    let name = names.iter().find(|(known, _)| *known == id);
    Some(format!("{}: {}", name.map_or("nobody", |(_, name)| name), said(content)))
}

/// A text, alone or in a list of parts; Gemini's clients put it into an object, which goes on as JSON.
fn said(content: &Value) -> String {
    let text = match content {
        Value::String(text) => text.clone(),
        content => {
            content.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
        }
    };
    let inner = serde_json::from_str::<Value>(&text).ok();
    inner.and_then(|inner| inner["output"].as_str().map(str::to_owned)).unwrap_or(text)
}
