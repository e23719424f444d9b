//! The client over a transport of the test's own.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::BodyExt;
use llm_types::chat::{ChatRequest, Message};
use llm_types::{ApiError, Delta, ErrorKind, Event, FinishKind, ImageRequest, Result};

use crate::Client;
use crate::transport::{ByteStream, RequestBody, Transport};

/// Answers every call alike, and keeps what was sent.
#[derive(Debug)]
struct Canned {
    status: u16,
    content_type: &'static str,
    chunks: Vec<&'static str>,
    sent: Mutex<Vec<(http::request::Parts, serde_json::Value)>>,
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let json = serde_json::from_slice(&body).unwrap();
        self.sent.lock().unwrap().push((head, json));
        let chunks: Vec<Result<Bytes>> = self.chunks.iter().map(|chunk| Ok(Bytes::from(*chunk))).collect();
        let body: ByteStream = Box::pin(stream::iter(chunks));
        let mut answer = http::Response::new(body);
        *answer.status_mut() = self.status.try_into().unwrap();
        answer.headers_mut().insert(CONTENT_TYPE, self.content_type.parse().unwrap());
        Ok(answer)
    }
}

fn canned(status: u16, content_type: &'static str, chunks: &[&'static str]) -> (Client, Arc<Canned>) {
    let canned = Canned { status, content_type, chunks: chunks.to_vec(), sent: Mutex::default() };
    let transport = Arc::new(canned);
    let client = Client::builder()
        .transport(Arc::<Canned>::clone(&transport) as Arc<dyn Transport>)
        .env(|name| (name == "OPENAI_API_KEY" || name == "ANTHROPIC_API_KEY").then(|| "sk-test".to_owned()))
        .build()
        .unwrap();
    (client, transport)
}

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5",
"content":[{"type":"text","text":"Hi!"}],"stop_reason":"end_turn","stop_sequence":null,
"usage":{"input_tokens":3,"output_tokens":2}}"#;

#[tokio::test]
async fn a_chat_reaches_another_dialect_and_tells_what_was_lost() {
    let (client, transport) = canned(200, "application/json", &[MESSAGE]);
    let mut request = ChatRequest::new([Message::system("Be brief."), Message::user("Hello!")]);
    request.sampling.seed = Some(7);
    let reply = client.chat("anthropic/claude-sonnet-4-5", request).await.unwrap();
    assert_eq!(reply.text(), "Hi!");
    assert_eq!(reply.finish(), Some(FinishKind::Stop));
    assert_eq!(reply.usage.as_ref().unwrap().total_tokens(), 5);
    assert!(reply.changes.header().starts_with("dropped seed"), "{}", reply.changes.header());

    let sent = transport.sent.lock().unwrap();
    let (head, body) = sent.first().unwrap();
    assert_eq!(head.uri, "https://api.anthropic.com/v1/messages");
    assert_eq!(head.headers["x-api-key"], "sk-test");
    assert_eq!(body["system"][0]["text"], "Be brief.");
    assert_eq!(body["model"], "claude-sonnet-4-5");
}

#[tokio::test]
async fn a_stream_yields_typed_events() {
    let chunks = [
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"con",
        "tent\":\"Hel\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    ];
    let (client, transport) = canned(200, "text/event-stream", &chunks);
    let request = || ChatRequest::new([Message::user("Hello!")]);
    let mut events = client.chat_stream("gpt-4o", request()).await.unwrap();
    let mut text = String::new();
    while let Some(event) = events.next().await {
        if let Event::Delta { delta: Delta::Text(more), .. } = event.unwrap() {
            text.push_str(&more);
        }
    }
    assert_eq!(text, "Hello");
    let reply = client.chat_stream("gpt-4o", request()).await.unwrap().collect().await.unwrap();
    assert_eq!((reply.text().as_str(), reply.finish()), ("Hello", Some(FinishKind::Stop)));

    let sent = transport.sent.lock().unwrap();
    let (head, body) = sent.first().unwrap();
    assert_eq!(head.headers[AUTHORIZATION], "Bearer sk-test");
    assert_eq!(body["stream"], true);
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_in_an_error() {
    let chunk = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n";
    let (client, _) = canned(200, "text/event-stream", &[chunk]);
    let events = client.chat_stream("gpt-4o", ChatRequest::new([Message::user("Hello!")])).await.unwrap();
    let error = events.collect().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection);
}

#[tokio::test]
async fn failures_name_the_provider_and_what_to_do() {
    let body = r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#;
    let (client, _) = canned(429, "application/json", &[body]);
    let ask = async |model: &str| -> ApiError {
        client.chat(model, ChatRequest::new([Message::user("Hello!")])).await.unwrap_err()
    };
    let limited = ask("openai/gpt-4o").await;
    assert_eq!(limited.kind, ErrorKind::RateLimit);
    assert_eq!(limited.provider.as_deref(), Some("openai"));
    let keyless = ask("gemini/gemini-2.5-flash").await;
    assert_eq!(keyless.kind, ErrorKind::Auth);
    assert!(keyless.message.contains("GEMINI_API_KEY"), "{keyless}");
    assert_eq!(ask("opnai/gpt-4o").await.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn strict_refuses_what_would_be_lost_before_anything_is_sent() {
    let transport = Arc::new(Canned {
        status: 200,
        content_type: "application/json",
        chunks: vec![MESSAGE],
        sent: Mutex::default(),
    });
    let client = Client::builder()
        .transport(Arc::<Canned>::clone(&transport) as Arc<dyn Transport>)
        .env(|name| (name == "ANTHROPIC_API_KEY").then(|| "sk-test".to_owned()))
        .strict()
        .build()
        .unwrap();
    let mut request = ChatRequest::new([Message::user("Hello!")]);
    request.sampling.seed = Some(7);
    let error = client.chat("anthropic/claude-sonnet-4-5", request).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnsupportedParam);
    assert!(error.message.contains("seed"), "{error}");
    assert!(transport.sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_built_in_provider_needs_no_network() {
    let (client, transport) = canned(500, "text/plain", &[]);
    let request = || ChatRequest::new([Message::user("Hello!")]);
    let reply = client.chat("mock/echo", request()).await.unwrap();
    assert!(reply.text().contains("Hello!"));
    let streamed = client.chat_stream("mock/echo", request()).await.unwrap().collect().await.unwrap();
    assert_eq!(streamed.text(), reply.text());
    assert!(transport.sent.lock().unwrap().is_empty());
}

const COMPLETION: &str = r#"{"id":"cmpl-1","object":"text_completion","created":9,"model":"m",
"choices":[{"text":" there was","index":0,"logprobs":null,"finish_reason":"length"}],
"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}"#;

#[tokio::test]
async fn a_text_is_gone_on_with_by_text_models_and_others() {
    let (client, transport) = canned(200, "application/json", &[COMPLETION]);
    let mut request = ChatRequest::new([Message::user("Once upon a time")]);
    request.extra.set_json("suffix", &"The end.").unwrap();
    let added = client.complete("openai/gpt-3.5-turbo-instruct", request.clone()).await.unwrap();
    assert_eq!((added.text().as_str(), added.finish()), (" there was", Some(FinishKind::Length)));
    // What only a text model can do is not quietly left out.
    let error = client.complete("openai/gpt-4o", request.clone()).await.unwrap_err();
    assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::UnsupportedParam, Some("suffix")));
    {
        let sent = transport.sent.lock().unwrap();
        let [(head, body)] = sent.as_slice() else { panic!("{}", sent.len()) };
        assert_eq!(head.uri, "https://api.openai.com/v1/completions");
        assert_eq!((&body["prompt"], &body["suffix"]), (&"Once upon a time".into(), &"The end.".into()));
    }

    let (client, transport) = canned(200, "application/json", &[MESSAGE]);
    request.extra.remove("suffix");
    let added = client.complete("anthropic/claude-sonnet-4-5", request).await.unwrap();
    assert_eq!(added.text(), "Hi!");
    let sent = transport.sent.lock().unwrap();
    assert_eq!(sent.first().unwrap().1["messages"][0]["content"][0]["text"], "Once upon a time");
}

#[tokio::test]
async fn a_streamed_text_is_gone_on_with() {
    let events = [
        "data: {\"id\":\"c\",\"object\":\"text_completion\",\"choices\":[{\"text\":\"Hel\",\"index\":0,\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"text\":\"lo\",\"index\":0,\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
    ];
    let (client, transport) = canned(200, "text/event-stream", &events);
    let request = ChatRequest::new([Message::user("x")]);
    let stream = client.complete_stream("openai/gpt-3.5-turbo-instruct", request).await.unwrap();
    assert_eq!(stream.collect().await.unwrap().text(), "Hello");
    assert_eq!(transport.sent.lock().unwrap().first().unwrap().1["stream"], true);
}

/// A provider that says where its pictures lie, and the place where they do.
#[derive(Debug, Default)]
struct Gallery(Mutex<Vec<(String, bool)>>);

#[async_trait]
impl Transport for Gallery {
    async fn send(&self, request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        let keyed = request.headers().contains_key(AUTHORIZATION);
        self.0.lock().unwrap().push((request.uri().to_string(), keyed));
        let status = if request.uri().path() == "/gone" { 404 } else { 200_u16 };
        let body = match request.uri().path() {
            "/one.png" => Bytes::from_static(b"\x89PNG\r\n\x1a\n1"),
            "/two.jpg" => Bytes::from_static(b"<html>"),
            path if path.ends_with("/images/generations") => {
                let urls = [
                    "https://cdn.example/one.png",
                    "https://cdn.example/two.jpg",
                    "https://cdn.example/gone",
                    "http://cdn.example/one.png",
                ];
                let data: Vec<_> = urls.iter().map(|url| serde_json::json!({"url": url})).collect();
                serde_json::json!({"created": 1, "data": data}).to_string().into()
            }
            _ => Bytes::new(),
        };
        let mut answer = http::Response::new(Box::pin(stream::iter([Ok(body)])) as ByteStream);
        *answer.status_mut() = status.try_into().unwrap();
        Ok(answer)
    }
}

#[tokio::test]
async fn who_asks_for_the_bytes_of_pictures_gets_them() {
    for (format, read) in [(None, 0), (Some("b64_json"), 1)] {
        let gallery = Arc::new(Gallery::default());
        let client = Client::builder()
            .transport(Arc::<Gallery>::clone(&gallery) as Arc<dyn Transport>)
            .env(|name| (name == "OPENAI_API_KEY").then(|| "sk-test".to_owned()))
            .build()
            .unwrap();
        let request =
            ImageRequest { response_format: format.map(str::to_owned), ..ImageRequest::new("a lighthouse") };
        let made = client.image("openai/dall-e-2", request).await.unwrap();
        let bytes: Vec<&str> = made.output.data.iter().filter_map(|image| image.base64.as_deref()).collect();
        let addresses = made.output.data.iter().filter(|image| image.url.is_some()).count();
        assert_eq!((bytes.len(), addresses), (read, 4 - read));
        let asked = gallery.0.lock().unwrap().clone();
        assert!(asked.iter().skip(1).all(|(_, keyed)| !keyed), "{asked:?}");
        if read > 0 {
            assert_eq!(bytes, ["iVBORw0KGgox"]);
            let told = made.changes.header();
            assert!(told.contains("404") && told.contains("no PNG") && told.contains("no https"), "{told}");
            assert_eq!(asked.len(), 4, "{asked:?}");
        }
    }
}

#[tokio::test]
async fn what_a_stream_fails_with_does_not_repeat_the_key() {
    const SAID: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    const REPEATED: &str = "data: {\"error\":{\"message\":\"bad key sk-planted-key\",\"type\":\"x\"}}\n\n";
    let failures = |chunks: Vec<Result<Bytes>>| async {
        let client = Client::builder()
            .transport(Arc::new(Broken(Mutex::new(chunks))))
            .env(|name| (name == "OPENAI_API_KEY").then(|| "sk-planted-key".to_owned()))
            .build()
            .unwrap();
        let request = ChatRequest::new([Message::user("Hello!")]);
        let mut stream = client.chat_stream("openai/gpt-4o", request).await.unwrap();
        let mut failures = Vec::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Error(error)) | Err(error) => failures.push(format!("{error} {error:?}")),
                Ok(_) => {}
            }
        }
        failures
    };
    let cut = || Err(ApiError::upstream(ErrorKind::Connection, "cut after sk-planted-key"));
    for chunks in [
        vec![Ok(SAID.into()), Ok(REPEATED.into())],
        vec![Ok(REPEATED.into())],
        vec![Ok(SAID.into()), cut()],
        vec![cut()],
    ] {
        let failures = failures(chunks).await;
        assert!(!failures.is_empty());
        for failure in failures {
            assert!(failure.contains("[redacted]") && !failure.contains("planted"), "{failure}");
        }
    }
}

/// Answers one call with a stream that fails.
#[derive(Debug)]
struct Broken(Mutex<Vec<Result<Bytes>>>);

#[async_trait]
impl Transport for Broken {
    async fn send(&self, _: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        let chunks = std::mem::take(&mut *self.0.lock().unwrap());
        let mut answer = http::Response::new(Box::pin(stream::iter(chunks)) as ByteStream);
        answer.headers_mut().insert(CONTENT_TYPE, "text/event-stream".parse().unwrap());
        Ok(answer)
    }
}

/// Takes one key alone, and gives an address for a picture, which it never shows.
#[derive(Debug)]
struct Guarded {
    good: &'static str,
}

#[async_trait]
impl Transport for Guarded {
    async fn send(&self, request: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        if request.uri().path() == "/picture.png" {
            std::future::pending::<()>().await;
        }
        let good = request.headers().get(AUTHORIZATION).is_some_and(|key| key == self.good);
        let body = match request.uri().path() {
            _ if !good => r#"{"error":{"message":"wrong key","type":"invalid_request_error"}}"#,
            "/v1/images/generations" => {
                r#"{"created":1,"data":[{"url":"https://pictures.example/picture.png"}]}"#
            }
            _ => r#"{"object":"list","data":[],"has_more":false}"#,
        };
        let body: ByteStream = Box::pin(stream::iter([Ok(Bytes::from(body))]));
        let mut answer = http::Response::new(body);
        *answer.status_mut() = if good { 200 } else { 401 }.try_into().unwrap();
        answer.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
        Ok(answer)
    }
}

#[tokio::test]
async fn a_key_that_is_refused_is_looked_for_again() {
    let key = Arc::new(Mutex::new("sk-old"));
    let given = Arc::clone(&key);
    let client = Client::builder()
        .transport(Arc::new(Guarded { good: "Bearer sk-new" }))
        .env(move |name| (name == "OPENAI_API_KEY").then(|| (*given.lock().unwrap()).to_owned()))
        .build()
        .unwrap();
    let picture = || client.image("openai/gpt-image-1", ImageRequest::new("x"));
    // The list's way is another one, to the same account.
    assert_eq!(client.files("openai", 1).await.unwrap_err().kind, ErrorKind::Auth);
    assert_eq!(picture().await.unwrap_err().kind, ErrorKind::Auth);
    assert_eq!(client.files("openai", 1).await.unwrap_err().kind, ErrorKind::Auth);
    *key.lock().unwrap() = "sk-new";
    // Nothing was kept after the refusal; what was kept by a call in between goes with the next one.
    assert!(client.files("openai", 1).await.is_ok());
    assert!(picture().await.is_ok());
    // As long as it is good it is not asked for again.
    *key.lock().unwrap() = "sk-old";
    assert!(picture().await.is_ok() && client.files("openai", 1).await.is_ok());
}

#[cfg(feature = "tokens")]
#[tokio::test]
async fn a_picture_that_does_not_come_is_not_waited_for() {
    let client = Client::builder()
        .transport(Arc::new(Guarded { good: "Bearer sk-test" }))
        .env(|name| (name == "OPENAI_API_KEY").then(|| "sk-test".to_owned()))
        .picture_timeout(std::time::Duration::from_millis(50))
        .build()
        .unwrap();
    let asked =
        ImageRequest { response_format: Some("b64_json".to_owned()), ..ImageRequest::new("a red square") };
    let found = client.image("openai/dall-e-3", asked);
    let made = tokio::time::timeout(std::time::Duration::from_secs(60), found).await.unwrap().unwrap();
    assert!(made.output.data[0].url.is_some(), "it was made, and is paid: {made:?}");
    assert!(made.changes.header().contains("took more than 0.05 s"), "{}", made.changes.header());
}
