//! Providers that are scripted after their references.
//!
//! One file per wire API has answers in its documented form, and the members that a request must have for them
//! (`tests/fixtures/reference`); `providers.json` says which models a provider is asked for, on which page its reference is,
//! which features that does not have, and what it has in words of its own: `paths`, members (`sent`), `answers`, its `error`.
//! A provider with several wire APIs has a list of these.

use std::collections::BTreeMap;

use llm_conform::{Feature, Heard, Limits, Verdict, ask};
use llm_providers::Client;
use llm_providers::table::ProviderTable;
use llm_providers::target::TargetOptions;
use llm_testkit::event_stream::message;
use llm_testkit::{Received, Script, Upstream};
use llm_types::{MessageQuirk, Op, glob_matches};
use serde_json::Value;

use super::{Mark, Matrix, scripted};
use crate::fixture::{frame, read};
use crate::lab::{Lab, deployment};

/// The name of the gateway's row in the client's table.
pub(super) const GATEWAY: &str = "gateway";

/// Asks every provider that has a reference for every feature of a conversation. What is wrong with what came.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let files: BTreeMap<String, Value> = read("reference").collect();
    let upstream = Upstream::start().unwrap();
    let client = client(lab);
    let mut problems = Vec::new();
    let providers = files["providers"].as_object().unwrap();
    let wire_apis = |about: &'_ Value| match about {
        Value::Array(several) => several.clone(),
        about => vec![about.clone()],
    };
    let wire_apis = providers
        .iter()
        .flat_map(|(provider, about)| wire_apis(about).into_iter().map(move |about| (provider, about)));
    for (provider, about) in wire_apis {
        let about = &about;
        let dialect = about["dialect"].as_str().unwrap();
        let wrapped = about["framing"] == "payload_parts";
        let api = Api { name: dialect, file: &files[dialect], own: about, wrapped };
        for model in about["models"].as_array().unwrap().iter().map(|model| model.as_str().unwrap()) {
            deploy(lab, dialect, model, &upstream);
            for feature in llm_conform::of(Op::Chat) {
                let without = about["without"].as_array().unwrap();
                if without.iter().any(|name| name == feature.name) {
                    continue;
                }
                match play(&client, &upstream, &api, feature).await {
                    Ok(true) => matrix.note(provider, (Op::Chat, feature.name), Mark::Reference),
                    Ok(false) => {}
                    Err(why) => problems.push(format!("{model}: {}: {why}", feature.name)),
                }
            }
            let _ = lab.booked();
        }
    }
    problems
}

/// A wire API, and what its reference says.
struct Api<'f> {
    name: &'f str,
    file: &'f Value,
    /// What of it the provider has in words of its own.
    own: &'f Value,
    /// Its streams come in Amazon's binary messages.
    wrapped: bool,
}

impl Api<'_> {
    /// A part of its description: the provider's own, else that of the wire API.
    fn part(&self, pointer: &str) -> Option<&Value> {
        self.own.pointer(pointer).or_else(|| self.file.pointer(pointer))
    }

    /// What stands there for a feature, else for a text.
    fn answer(&self, part: &str, name: &str) -> &Value {
        let found = self.part(&format!("/{part}/{name}"));
        found.or_else(|| self.part(&format!("/{part}/text"))).unwrap()
    }
}

/// A client of the gateway, as `llmctl --gateway` has it.
pub(super) fn client(lab: &Lab) -> Client {
    let row =
        llm_config::Provider { name: GATEWAY.to_owned(), key_optional: Some(true), ..Default::default() };
    let mut spec = row.spec(None);
    spec.operations = vec![
        Op::Chat,
        Op::Responses,
        Op::Messages,
        Op::CountTokens,
        Op::Completion,
        Op::Embed,
        Op::Rerank,
        Op::Transcribe,
        Op::Translate,
        Op::Speech,
        Op::Moderate,
        Op::Image,
        Op::ImageEdit,
        Op::ImageVariation,
        Op::Batch,
        Op::Realtime,
    ];
    spec.quirks.messages = vec![MessageQuirk::CacheControl];
    let table = ProviderTable::default().with(vec![spec]);
    let options =
        TargetOptions { api_base: Some(format!("{}/v1", lab.origin())), ..TargetOptions::default() };
    Client::builder().table(table.into()).connection(GATEWAY, options).build().unwrap()
}

fn deploy(lab: &Lab, dialect: &str, model: &str, upstream: &Upstream) {
    let deployment = scripted::placed(deployment(model));
    lab.deploy_in(dialect, deployment, upstream.addr());
}

/// Whether a feature came out right; `false`: it cannot be said or done.
async fn play(
    client: &Client,
    upstream: &Upstream,
    api: &Api<'_>,
    feature: &Feature,
) -> Result<bool, String> {
    upstream.clear();
    answers(api, feature, upstream);
    let name = format!("{GATEWAY}/m");
    let verdict = if feature.name == "errors" {
        // The gateway itself knows no model of that name: the provider's own words are wanted.
        let text = llm_conform::of(Op::Chat).next().unwrap();
        let answer = client.call(&name, text.call()).await;
        let output = answer.map(|answer| answer.output);
        feature.judge(&Heard { output, streamed: None, changes: Default::default() })
    } else {
        ask(client, &name, feature, Limits::default()).await.map_err(|error| error.to_string())?.verdict
    };
    let requests = upstream.requests();
    let sent = requests.first();
    match verdict {
        Verdict::Passed => {
            sent.map_or_else(|| Err("nothing was sent".to_owned()), |sent| says(api, feature, sent))
        }
        Verdict::Refused(_) => Ok(false),
        // A provider that tells nothing of its cache has no such feature.
        Verdict::Unseen(_) if feature.name == "caching" => Ok(false),
        Verdict::Failed(why) | Verdict::Unseen(why) => Err(why.into_owned()),
    }
}

/// Whether the documented members were sent.
fn says(api: &Api<'_>, feature: &Feature, sent: &Received) -> Result<bool, String> {
    let body = sent.json();
    let way = if feature.name.starts_with("stream") { "/paths/stream" } else { "/paths/whole" };
    if let Some(path) = api.part(way).filter(|path| !glob_matches(path.as_str().unwrap(), &sent.target)) {
        return Err(format!("{} is not {path}", sent.target));
    }
    let members = api.part(&format!("/sent/{}", feature.name)).and_then(Value::as_object);
    for (places, expect) in members.into_iter().flatten() {
        let found = places.split('|').find_map(|place| body.pointer(place));
        let right = found.is_some_and(|found| expect == "*" || found == expect);
        if !right {
            return Err(format!("{places} is {found:?} and not {expect}: {body}"));
        }
    }
    Ok(true)
}

/// Has the provider answer: at once, or where the first answer points to.
fn answers(api: &Api<'_>, feature: &Feature, upstream: &Upstream) {
    let script = script(api, feature, &upstream.url());
    if let Some(created) = api.file.get("created").filter(|_| feature.name != "errors") {
        upstream.push(Script::status(201).json_body(&pointing(created, &upstream.url())));
    }
    upstream.push(script);
}

/// An answer with the addresses that it points to.
fn pointing(answer: &Value, at: &str) -> Value {
    serde_json::from_str(&answer.to_string().replace("{at}", at)).unwrap()
}

/// What an answer tells that shows a feature.
const TOLD: [(&str, &str); 5] = [
    ("system", "A sheltered place. Ahoy!"),
    ("multi_turn", "It is red."),
    ("tool_results", "It is 17 °C in Oslo."),
    ("images", "Red."),
    ("documents", "Harbour."),
];

/// The answer with another text in it.
fn answer_with(answer: &Value, text: &str) -> Value {
    const SENTENCE: &str = "A harbour is a sheltered place for boats.";
    serde_json::from_str(&answer.to_string().replace(SENTENCE, text)).unwrap()
}

/// What the provider answers.
fn script(api: &Api<'_>, feature: &Feature, at: &str) -> Script {
    let name = match feature.name {
        "errors" => {
            let error = api.part("/error").unwrap();
            let status = u16::try_from(error["status"].as_u64().unwrap()).unwrap();
            return Script::status(status).json_body(&error["body"]);
        }
        "stream" | "stream_usage" => return stream(api, "text"),
        "stream_tools" => return stream(api, "tools"),
        "max_tokens" => "length",
        "tool_choice" => "tools",
        "parallel_tools" => "calls",
        "json_schema" => "schema",
        other => other,
    };
    let answer = api.answer("answers", name);
    match TOLD.iter().find(|(feature, _)| *feature == name) {
        Some((_, told)) => Script::json(&pointing(&answer_with(answer, told), at)),
        None => Script::json(&pointing(answer, at)),
    }
}

fn stream(api: &Api<'_>, name: &str) -> Script {
    let kind = match api.name {
        _ if api.wrapped => "application/vnd.amazon.eventstream",
        "converse" => "application/vnd.amazon.eventstream",
        "ollama_chat" => "application/x-ndjson",
        _ => "text/event-stream",
    };
    let events = api.answer("streams", name).as_array().unwrap();
    let script = Script::status(200).header("content-type", kind);
    let done = (api.name == "chat").then(|| b"data: [DONE]\n\n".to_vec());
    let framed = events.iter().map(|event| frame(api.name, event)).chain(done);
    framed.fold(script, |script, bytes| {
        script.chunk(if api.wrapped { message("event", "PayloadPart", &bytes) } else { bytes })
    })
}
