//! Sessions of the realtime API: relayed ([`relayed`]), counted and paid ([`metered`]).

mod metered;
mod relayed;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt, StreamExt};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::harness::{Gateway, PATIENCE, PROVIDER_KEY, Reply, model};

const MASTER: &str = "sk-master-of-the-tests";

/// A provider of realtime sessions: answers `response.create`, and repeats everything else.
#[derive(Debug)]
struct Provider {
    port: u16,
    heads: Arc<Mutex<Vec<Request>>>,
    heard: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let provider = Self { port, heads: Arc::default(), heard: Arc::default(), open: Arc::default() };
        let (heads, heard, open) =
            (Arc::clone(&provider.heads), Arc::clone(&provider.heard), Arc::clone(&provider.open));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&heads), Arc::clone(&heard), Arc::clone(&open)));
            }
        });
        provider
    }

    fn deployment(&self) -> String {
        let base = format!("http://127.0.0.1:{}/v1", self.port);
        format!("{{ model = \"openai/gpt-realtime\", api_base = \"{base}\", api_key = \"{PROVIDER_KEY}\" }}")
    }

    /// How many events of this kind it has heard.
    async fn count(&self, kind: &str) -> usize {
        let kind = format!("\"{kind}\"");
        self.heard.lock().await.iter().filter(|event| event.contains(&kind)).count()
    }

    async fn wait_closed(&self) {
        timeout(PATIENCE, async {
            while self.open.load(Ordering::SeqCst) > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the provider's end is closed");
    }
}

#[expect(clippy::result_large_err, reason = "the shape of a callback that is given")]
async fn serve(
    stream: TcpStream,
    heads: Arc<Mutex<Vec<Request>>>,
    heard: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
) {
    let mut seen = None;
    let judge = |request: &Request, response: Response| {
        seen = Some(request.clone());
        if request.headers().contains_key("x-refuse")
            || request.uri().query().is_some_and(|query| query.starts_with("model=gpt-refused"))
        {
            let body =
                json!({"error": {"message": format!("no: {PROVIDER_KEY}"), "type": "invalid_request_error"}});
            let mut refusal = ErrorResponse::new(Some(body.to_string()));
            *refusal.status_mut() = StatusCode::FORBIDDEN;
            return Err(refusal);
        }
        Ok(response)
    };
    let accepted = accept_hdr_async(stream, judge).await;
    heads.lock().await.extend(seen);
    let Ok(mut socket) = accepted else { return };
    open.fetch_add(1, Ordering::SeqCst);
    let mut count = 0;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        heard.lock().await.push(text.to_string());
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["type"] == "session.fail" {
            let frame = CloseFrame { code: CloseCode::Error, reason: PROVIDER_KEY.into() };
            let _ = socket.close(Some(frame)).await;
            break;
        }
        let answers = answers(&event, &mut count);
        for answer in answers {
            if socket.send(Message::text(answer.to_string())).await.is_err() {
                break;
            }
        }
    }
    open.fetch_sub(1, Ordering::SeqCst);
}

/// What the provider says to an event. `how` a response is to be made is its instructions: at once, unless they say to
/// `hold` it until it is finished or cancelled, to `refuse` it, also after one of its own (`overtake`), or to say `nothing`. `response.begin` stands for
/// whatever has the provider begin one by itself.
fn answers(event: &Value, count: &mut usize) -> Vec<Value> {
    let how = event["response"]["instructions"].as_str().unwrap_or_default();
    let mut next = || {
        *count += 1;
        format!("resp_{count}")
    };
    match event["type"].as_str().unwrap() {
        "response.create" if how == "refuse" || how == "overtake" => {
            let error =
                json!({"type": "invalid_request_error", "code": "refused", "event_id": event["event_id"]});
            let error = json!({"type": "error", "event_id": "event_1", "error": error});
            // One that it begins by itself may come first.
            let first = (how == "overtake").then(|| begun(&next()));
            first.into_iter().chain([error]).collect()
        }
        "response.create" if how == "hold" => vec![begun(&next())],
        "response.create" if how == "nothing" => {
            let id = next();
            let done = json!({"type": "response.done", "response": {"id": id, "usage": null}});
            vec![begun(&id), done]
        }
        "response.create" => {
            let id = next();
            vec![begun(&id), json!({"type": "response.text.delta", "delta": "Hello"}), done(&id)]
        }
        "response.begin" => vec![begun(&next())],
        "response.cancel" | "response.finish" => {
            let latest = format!("resp_{count}");
            vec![done(event["response_id"].as_str().unwrap_or(&latest))]
        }
        _ => vec![event.clone()],
    }
}

fn begun(id: &str) -> Value {
    json!({"type": "response.created", "response": {"id": id, "usage": null}})
}

fn done(id: &str) -> Value {
    json!({"type": "response.done", "response": {"id": id, "status": "completed", "usage": {
        "input_tokens": 10_000, "output_tokens": 100,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 10_000, "cached_tokens": 0},
        "output_token_details": {"text_tokens": 100, "audio_tokens": 0}}}})
}

type Socket = WebSocketStream<TcpStream>;

async fn connect(
    gateway: &Gateway,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<(Socket, Response), Error> {
    let mut request = format!("ws://{}{path}", gateway.addr()).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(gateway.addr()).await.unwrap();
    let (socket, response) =
        timeout(PATIENCE, client_async(request, stream)).await.expect("an answer in time")?;
    Ok((socket, response.map(|_| ())))
}

async fn session(gateway: &Gateway, key: &str) -> Socket {
    let bearer = format!("Bearer {key}");
    connect(gateway, "/v1/realtime?model=voice", &[("authorization", &bearer)]).await.unwrap().0
}

async fn refusal(gateway: &Gateway, path: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
    match connect(gateway, path, headers).await {
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8(body).unwrap())
        }
        other => panic!("{path}: {other:?}"),
    }
}

async fn say(socket: &mut Socket, event: Value) {
    send(socket, &event.to_string()).await;
}

async fn send(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

/// The next event, or the code of the close frame.
async fn hear(socket: &mut Socket) -> Result<Value, CloseCode> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("an event in time") {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn kinds(socket: &mut Socket, count: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push(hear(socket).await.unwrap()["type"].as_str().unwrap().to_owned());
    }
    kinds
}

async fn admin(gateway: &Gateway, method: Method, path: &str, body: &str) -> Reply {
    let call = gateway.call(method, path).header("authorization", &format!("Bearer {MASTER}"));
    call.body(body.to_owned()).send().await
}

async fn key(gateway: &Gateway, form: Value) -> (String, String) {
    let made = admin(gateway, Method::POST, "/admin/v1/keys", &form.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn rows(gateway: &Gateway, id: &str, count: usize) -> Vec<Value> {
    let asked = async {
        loop {
            let rows =
                admin(gateway, Method::GET, &format!("/admin/v1/requests?key_id={id}"), "").await.json();
            let rows = rows["data"].as_array().unwrap().clone();
            if rows.len() >= count {
                return rows;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asked).await.expect("the rows in time")
}

fn config(provider: &Provider) -> String {
    format!("[auth]\nmaster_key = \"{MASTER}\"\n{}", model("voice", &[provider.deployment()]))
}
