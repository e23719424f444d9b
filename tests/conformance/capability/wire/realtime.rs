//! Sessions over a WebSocket: events both ways, and what a response used.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use llm_types::Op;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{accept_hdr_async, client_async};

use super::Features;
use crate::capability::scripted::deploy_at;
use crate::capability::{Mark, Matrix};
use crate::lab::{Lab, reported};

pub(super) const FEATURES: Features = &[
    ("session", "a session is opened, and events go both ways"),
    ("usage", "what a response used is booked"),
];

/// Who has sessions (openai-chat.md, others.md).
pub(super) const MODELS: &[&str] =
    &["openai/gpt-realtime", "azure/gpt-realtime", "litellm_proxy/gpt-realtime"];

/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A provider that repeats what it hears, and answers what asks for a response.
async fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    addr
}

#[expect(clippy::result_large_err, reason = "the shape of a callback that is given")]
async fn serve(stream: TcpStream) {
    let judge = |request: &Request, response: Response| {
        let named = request.uri().query().unwrap_or_default();
        let right = request.uri().path().ends_with("/realtime")
            && (named.contains("model=gpt-realtime") || named.contains("deployment=gpt-realtime"));
        if right { Ok(response) } else { Err(ErrorResponse::new(Some(request.uri().to_string()))) }
    };
    let Ok(mut socket) = accept_hdr_async(stream, judge).await else { return };
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let event: Value = serde_json::from_str(&text).unwrap();
        let answers = match event["type"].as_str() {
            Some("response.create") => vec![
                json!({"type": "response.created", "response": {"id": "resp_1", "usage": null}}),
                json!({"type": "response.done", "response": {"id": "resp_1", "status": "completed", "usage": {
                    "total_tokens": 110, "input_tokens": 100, "output_tokens": 10,
                    "input_token_details": {"text_tokens": 100, "audio_tokens": 0, "cached_tokens": 0},
                    "output_token_details": {"text_tokens": 10, "audio_tokens": 0}}}}),
            ],
            _ => vec![event],
        };
        for answer in answers {
            let _ = socket.send(Message::text(answer.to_string())).await;
        }
    }
}

/// Asks each. What is wrong.
pub(super) async fn run(lab: &Lab, matrix: &mut Matrix) -> Vec<String> {
    let mut problems = Vec::new();
    for model in MODELS {
        deploy_at(lab, model, provider().await);
        let provider = model.split_once('/').unwrap().0;
        let _ = lab.booked();
        match timeout(PATIENCE, session(lab)).await.unwrap_or_else(|_| Err("nothing came in time".to_owned()))
        {
            Ok(()) => matrix.note(provider, (Op::Realtime, "session"), Mark::Reference),
            Err(why) => problems.push(format!("{model}: a session: {why}")),
        }
        match booked(lab).await {
            Some(110) => matrix.note(provider, (Op::Realtime, "usage"), Mark::Reference),
            other => problems.push(format!("{model}: a session: booked {other:?}")),
        }
    }
    problems
}

async fn session(lab: &Lab) -> Result<(), String> {
    let addr = lab.addr();
    let request = format!("ws://{addr}/v1/realtime?model=m").into_client_request().unwrap();
    let stream = TcpStream::connect(addr).await.map_err(|error| error.to_string())?;
    let (mut socket, _) = client_async(request, stream).await.map_err(|error| error.to_string())?;
    let update = json!({"type": "session.update", "session": {"voice": "alloy"}});
    for (sent, until) in
        [(update.clone(), "session.update"), (json!({"type": "response.create"}), "response.done")]
    {
        socket.send(Message::text(sent.to_string())).await.map_err(|error| error.to_string())?;
        loop {
            let message =
                socket.next().await.ok_or("the session ended")?.map_err(|error| error.to_string())?;
            let event: Value =
                serde_json::from_str(message.to_text().unwrap_or_default()).unwrap_or_default();
            if event["type"] == until {
                break;
            }
        }
    }
    socket.close(None).await.map_err(|error| error.to_string())
}

/// How many tokens were booked, once something is.
async fn booked(lab: &Lab) -> Option<u64> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(row) = lab.booked().first() {
            return reported(row).map(llm_types::Usage::total_tokens);
        }
        if std::time::Instant::now() > until {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
