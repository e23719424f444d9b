//! Sessions over a WebSocket: events both ways, and what a response used.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use llm_conform::{Limits, Verdict, ask};
use llm_types::Op;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::capability::reference::{GATEWAY, client};
use crate::capability::scripted::deploy_at;
use crate::capability::{Mark, Matrix};
use crate::lab::{Lab, reported};

/// Who has sessions (openai-chat.md, others.md).
pub(super) const MODELS: &[&str] =
    &["openai/gpt-realtime", "azure/gpt-realtime", "litellm_proxy/gpt-realtime"];

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
    let _ = socket.send(Message::text(json!({"type": "session.created"}).to_string())).await;
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        let event: Value = serde_json::from_str(&text).unwrap();
        let answers = match event["type"].as_str() {
            Some("conversation.item.create") => {
                vec![json!({"type": "conversation.item.added", "item": event["item"]})]
            }
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
    let client = client(lab);
    let mut problems = Vec::new();
    for model in MODELS {
        deploy_at(lab, model, provider().await);
        let provider = model.split_once('/').unwrap().0;
        for feature in llm_conform::of(Op::Realtime) {
            let _ = lab.booked();
            match ask(&client, &format!("{GATEWAY}/m"), feature, Limits::default()).await {
                Ok(found) if found.verdict == Verdict::Passed => {}
                Ok(found) => problems.push(format!("{model}: a session: {}: {}", feature.name, found.why)),
                Err(error) => problems.push(format!("{model}: a session: {}: {error}", feature.name)),
            }
            if feature.name == "usage" {
                let rows = lab.booked_soon().await;
                let booked = rows.first().and_then(reported).map(llm_types::Usage::total_tokens);
                if booked != Some(110) {
                    problems.push(format!("{model}: a session: booked {booked:?}"));
                }
            }
            matrix.note(provider, (Op::Realtime, feature.name), Mark::Reference);
        }
    }
    problems
}
