//! Recorded sound, transcripts, pictures, verdicts and counts through the whole gateway: an OpenAI client asks (an
//! Anthropic client for counts), and the recorded provider answers in its own words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use llm_testkit::player::{Cut, Player};
use llm_testkit::{Received, Recording, Script, Upstream};
use serde_json::Value;

use crate::lab::{Answer, Lab, deployment};
use crate::provider::{address, auth};
use crate::tally::recordings;

/// What stands for a form that the recording does not hold.
const BOUNDARY: &str = "----clientboundary";

/// Recordings whose request no client here can make as it was recorded, and why. Their answers count all the same.
const OTHERWISE: &[(&str, &str)] = &[
    ("deepgram/transcription-basic-e0df88", "OpenAI's clients send the sound itself, not where it lies"),
    ("openai/transcription-basic-45c58e", "the form was not recorded"),
    ("openai/translation-basic-b391da", "the form was not recorded"),
];

/// A field of a form: its name, its file's name, what it holds.
pub(crate) type Field = (String, Option<String>, Vec<u8>);

/// The fields of a form.
pub(crate) fn fields(kind: &str, body: &[u8]) -> Vec<Field> {
    let boundary = kind.split("boundary=").nth(1).unwrap_or_default().trim_matches('"');
    let line = format!("--{boundary}");
    let mut out = Vec::new();
    for part in split(body, line.as_bytes()) {
        let Some(at) = find(part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..at]).into_owned();
        let value =
            |name: &str| head.split(&format!("{name}=\"")).nth(1)?.split('"').next().map(str::to_owned);
        let Some(name) = value(" name") else { continue };
        let data = part[at + 4..].strip_suffix(b"\r\n").unwrap_or(&part[at + 4..]);
        out.push((name, value("filename"), data.to_vec()));
    }
    out.sort();
    out
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn split<'b>(mut bytes: &'b [u8], line: &[u8]) -> Vec<&'b [u8]> {
    let mut out = Vec::new();
    while let Some(at) = find(bytes, line) {
        out.push(&bytes[..at]);
        bytes = &bytes[at + line.len()..];
    }
    out
}

/// The recorded form, and its kind; what stands for it where there is none.
fn recorded_form(recording: &Recording) -> Vec<Field> {
    let kind = recording.request.headers.get("content-type").map(String::as_str).unwrap_or_default();
    let recorded = fields(kind, &recording.request.bytes());
    if recorded.iter().any(|(_, file, _)| file.is_some()) {
        return recorded;
    }
    let sound = recording.request.json().and_then(|body| body.pointer("/input_audio/data")?.as_str());
    let data = sound.map_or_else(|| b"RIFF".to_vec(), |text| STANDARD.decode(text).unwrap());
    vec![("file".to_owned(), Some("ruby.mp3".to_owned()), data)]
}

/// The model that was asked for; a service without models is given some name.
fn model(recording: &Recording) -> String {
    let form = recorded_form(recording);
    let field = form
        .iter()
        .find(|(name, ..)| name == "model")
        .map(|(.., text)| String::from_utf8_lossy(text).into_owned());
    let query = recording.request.query().split('&').find_map(|pair| pair.strip_prefix("model="));
    let named = recording.model().map(str::to_owned).or(field).or_else(|| query.map(str::to_owned));
    named.unwrap_or_else(|| if recording.provider == "openai" { "whisper-1" } else { "any" }.to_owned())
}

/// Plays one recording, and says what is wrong.
pub(crate) async fn play(lab: &Lab, recording: &Recording) -> Vec<String> {
    let player = Player::start(recording, Cut::Events).unwrap();
    let answer = ask(lab, recording, player.addr()).await;
    let mut problems = [told(recording, &answer), booked(lab, recording)].concat();
    match player.received() {
        Some(received) => problems.extend(sent(recording, &received)),
        None => problems.push("no request came".to_owned()),
    }
    problems
}

/// Asks for what was recorded.
async fn ask(lab: &Lab, recording: &Recording, upstream: std::net::SocketAddr) -> Answer {
    let provider = &recording.provider;
    lab.deploy(deployment(format!("{provider}/{}", model(recording))), upstream);
    match recording.operation.as_str() {
        "transcription" => lab.send(form(lab, recording, "/v1/audio/transcriptions")).await,
        "translation" => lab.send(form(lab, recording, "/v1/audio/translations")).await,
        operation => {
            let path = match operation {
                "count_tokens" => "/v1/messages/count_tokens",
                "moderations" => "/v1/moderations",
                "speech" => "/v1/audio/speech",
                _ if recording.request.path().ends_with("/edits") => "/v1/images/edits",
                _ => "/v1/images/generations",
            };
            let mut body = recording.request.json().unwrap().clone();
            body["model"] = "m".into();
            // xAI's words for what is said.
            if let Some(text) = body.as_object_mut().and_then(|body| body.remove("text")) {
                body["input"] = text;
            }
            lab.post(path, &body).await
        }
    }
}

fn form(lab: &Lab, recording: &Recording, path: &str) -> Request<Full<Bytes>> {
    let mut body = Vec::new();
    let mut fields = recorded_form(recording);
    fields.retain(|(name, ..)| name != "model");
    fields.push(("model".to_owned(), None, b"m".to_vec()));
    for (name, file, data) in fields {
        let file =
            file.map(|file| format!("; filename=\"{file}\"\r\nContent-Type: audio/wav")).unwrap_or_default();
        body.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes(),
        );
        body.extend(data);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    Request::post(format!("{}{path}", lab.origin()))
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(Full::from(body))
        .unwrap()
}

/// What is wrong with what the client was told.
fn told(recording: &Recording, answer: &Answer) -> Vec<String> {
    let mut problems = Vec::new();
    let mut compare = |what: &str, expect: String, got: String| {
        if expect != got {
            problems.push(format!("{what}: expected {expect:.300}, got {got:.300}"));
        }
    };
    compare("status", recording.response.status.to_string(), answer.status.as_u16().to_string());
    compare("whole", "true".to_owned(), answer.whole.to_string());
    let recorded = recording.response.json();
    let got: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let (false, Some(recorded)) = (recording.response.is_success(), recorded) {
        let said = llm_testkit::expect::error_message(recorded);
        let shown = got.pointer("/error/message").and_then(Value::as_str).unwrap_or_default().to_owned();
        compare("error", "true".to_owned(), (!said.is_empty() && shown.contains(&said)).to_string());
        return problems;
    }
    match recording.operation.as_str() {
        "speech" => {
            let sound = recorded
                .and_then(|body| body["audio_data"].as_str())
                .map(|text| STANDARD.decode(text).unwrap());
            let sound = sound.unwrap_or_else(|| recording.response.bytes().to_vec());
            compare("sound", format!("{sound:?}"), format!("{:?}", answer.body.to_vec()));
            let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok());
            compare("kind", "audio/mpeg".to_owned(), kind.unwrap_or_default().to_owned());
        }
        "transcription" | "translation" if recording.is_stream() => {
            compare("stream", recording.response.sse().unwrap_or_default().to_owned(), answer.text());
        }
        "transcription" | "translation" => {
            let said = "/results/channels/0/alternatives/0/transcript";
            let text = recorded.and_then(|body| body.get("text").or_else(|| body.pointer(said)));
            compare("text", format!("{text:?}"), format!("{:?}", got.get("text")));
        }
        "images" => {
            compare("pictures", pictures(recorded), pictures(Some(&got)));
        }
        _ => compare("answer", recorded.unwrap_or(&Value::Null).to_string(), got.to_string()),
    }
    problems
}

fn pictures(body: Option<&Value>) -> String {
    let data = body.and_then(|body| body["data"].as_array());
    let pictures: Vec<_> = data.into_iter().flatten().map(|one| one["b64_json"].to_string()).collect();
    pictures.join(" ")
}

/// What is wrong with what was booked.
fn booked(lab: &Lab, recording: &Recording) -> Vec<String> {
    match lab.booked().as_slice() {
        [row] if row.error.is_none() == recording.response.is_success() => Vec::new(),
        // Nobody is billed for a count.
        [] if recording.operation == "count_tokens" => Vec::new(),
        other => vec![format!("books: {other:?}")],
    }
}

/// What is wrong with what the provider was sent.
fn sent(recording: &Recording, received: &Received) -> Vec<String> {
    let (name, value) = auth(recording);
    let expect = address(recording);
    let mut problems = Vec::new();
    let mut compare = |what: &str, expect: String, got: String| {
        if expect != got {
            problems.push(format!("{what}: expected {expect:.300}, got {got:.300}"));
        }
    };
    let value = if recording.provider == "deepgram" { value.replace("Bearer", "Token") } else { value };
    compare("key", value, received.header(name).unwrap_or_default().to_owned());
    compare("path", expect.path, received.path().to_owned());
    let otherwise =
        |why: &&(&str, &str)| why.0 == recording.to_string() && recording.provider != "openrouter";
    if OTHERWISE.iter().any(|why| otherwise(&why)) {
        return problems;
    }
    match recording.request.json() {
        Some(body) => {
            let differences = llm_testkit::conformance::differences(body, &received.json());
            problems.extend(differences.into_iter().map(|problem| format!("request: {problem}")));
        }
        None => {
            let kind = received.header("content-type").unwrap_or_default().to_owned();
            let names = |fields: &[Field]| {
                format!(
                    "{:?}",
                    fields.iter().map(|(name, file, _)| (name.clone(), file.clone())).collect::<Vec<_>>()
                )
            };
            let (expect, got) = (recorded_form(recording), fields(&kind, &received.body));
            compare("fields", names(&expect), names(&got));
            compare(
                "form",
                "the same".to_owned(),
                if expect == got { "the same" } else { "another" }.to_owned(),
            );
        }
    }
    problems
}

#[tokio::test]
async fn sound_goes_on_in_any_pieces() {
    let lab = Lab::start().await;
    let upstream = Upstream::start().unwrap();
    let mut seen = 0;
    for recording in recordings().operation("speech").iter().filter(|one| one.response.json().is_none()) {
        seen += 1;
        let bytes = recording.response.bytes();
        let head = |script: Script| script.header("content-type", "audio/mpeg");
        let (first, rest) = bytes.split_at(bytes.len().min(200));
        let single = first.iter().fold(head(Script::status(200)), |script, byte| script.chunk(vec![*byte]));
        let halves = [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]];
        let halved =
            halves.iter().fold(head(Script::status(200)), |script, half| script.chunk(half.to_vec()));
        for script in [single.chunk(rest.to_vec()), halved] {
            upstream.push(script);
            let answer = ask(&lab, recording, upstream.addr()).await;
            assert_eq!((answer.whole, answer.body == bytes), (true, true), "{recording}");
        }
    }
    assert!(!llm_testkit::is_complete() || seen >= 3, "{seen} recordings of sound");
    assert_eq!(upstream.unscripted(), 0);
}
