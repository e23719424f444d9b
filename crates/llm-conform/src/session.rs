//! Sessions of the realtime API: events both ways, and what a response used
//! (platform.openai.com/docs/api-reference/realtime).

use futures_util::{SinkExt as _, StreamExt as _};
use llm_providers::Client;
use llm_providers::transport::Duplex;
use llm_types::{ApiError, Call, ErrorKind, Result};
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{Feature, Verdict};

/// The largest event, in bytes: OpenAI's own bound for sound.
const EVENT: usize = 16 << 20;
/// The most events that are read for one that is waited for: sound comes in many.
const EVENTS: usize = 10_000;

/// Asks for one feature; whoever calls bounds the time.
pub(crate) async fn ask(client: &Client, model: &str, feature: &Feature) -> Result<Verdict> {
    let bounds = WebSocketConfig::default().max_message_size(Some(EVENT)).max_frame_size(Some(EVENT));
    let connection = client.session(model).await?;
    let socket = WebSocketStream::from_raw_socket(connection, Role::Client, Some(bounds)).await;
    let mut session = Session { socket };
    let found = session.shows(feature).await;
    // A session that is left open goes on costing.
    let _ = session.socket.close(None).await;
    found
}

struct Session {
    socket: WebSocketStream<Box<dyn Duplex>>,
}

impl Session {
    async fn shows(&mut self, feature: &Feature) -> Result<Verdict> {
        let text = match feature.call() {
            Call::Chat(request) => request.messages.first().map(llm_types::chat::Message::text),
            _ => None,
        };
        let content = json!([{"type": "input_text", "text": text}]);
        let item = json!({"type": "message", "role": "user", "content": content});
        self.send(&json!({"type": "conversation.item.create", "item": item})).await?;
        // `created` in the API's first version, `added` since.
        let taken = ["conversation.item.created", "conversation.item.added"];
        if let Err(why) = self.until(&taken).await? {
            return Ok(Verdict::Failed(why.into()));
        }
        if feature.name != "usage" {
            return Ok(Verdict::Passed);
        }
        self.send(&json!({"type": "response.create"})).await?;
        Ok(match self.until(&["response.done"]).await? {
            Err(why) => Verdict::Failed(why.into()),
            Ok(event) => used(&event),
        })
    }

    async fn send(&mut self, event: &Value) -> Result<()> {
        self.socket.send(Message::text(event.to_string())).await.map_err(broken)
    }

    /// Reads up to an event of one of these types; why there is none.
    async fn until(&mut self, types: &[&str]) -> Result<std::result::Result<Value, String>> {
        for _ in 0..EVENTS {
            let message = match self.socket.next().await {
                Some(message) => message.map_err(broken)?,
                None => return Ok(Err("the session ended by itself".to_owned())),
            };
            let text = match &message {
                Message::Text(text) => text.as_str(),
                Message::Close(_) => return Ok(Err("the session ended by itself".to_owned())),
                _ => continue,
            };
            let Ok(event) = serde_json::from_str::<Value>(text) else {
                return Ok(Err("an event is no JSON".to_owned()));
            };
            let kind = event["type"].as_str().unwrap_or_default();
            if kind == "error" {
                let said = event.pointer("/error/message").and_then(Value::as_str).unwrap_or("an error");
                return Ok(Err(said.to_owned()));
            }
            if types.contains(&kind) {
                return Ok(Ok(event));
            }
        }
        Ok(Err(format!("no `{}` among {EVENTS} events", types.join("` or `"))))
    }
}

fn used(event: &Value) -> Verdict {
    let status = event.pointer("/response/status").and_then(Value::as_str).unwrap_or_default();
    // One that runs into a limit of its own is over too.
    if !matches!(status, "completed" | "incomplete") {
        return Verdict::Failed(format!("the response is `{status}`").into());
    }
    let count = |name: &str| event.pointer(&format!("/response/usage/{name}")).and_then(Value::as_u64);
    match (count("input_tokens"), count("output_tokens")) {
        (Some(1..), Some(1..)) => Verdict::Passed,
        (Some(_), Some(_)) => Verdict::Failed("what a response used is told as nothing".into()),
        _ => Verdict::Failed("what a response used is not told".into()),
    }
}

/// A connection that was there, and is gone: that is no reason to ask nothing else.
fn broken(error: Error) -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, format!("the session broke off: {error}"))
        .with_source(error)
}
