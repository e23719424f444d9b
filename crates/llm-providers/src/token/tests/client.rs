//! The SDK's client makes its calls with one token.

use llm_types::chat::{ChatRequest, Message};

use super::*;
use crate::Client;

#[tokio::test]
async fn calls_one_after_the_other_ask_once() {
    let world = World::new();
    let answer = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]},
        "finishReason": "STOP"}]});
    world.upstream.on(CALL, move |_| Script::json(&answer));
    world.gives("t-1", 3600);
    world.gives("t-2", 3600);
    let credentials = Some(Secret::new(account(&world.upstream.url(), "client").to_string()));
    let options =
        TargetOptions { credentials, api_base: Some(world.upstream.url()), ..TargetOptions::default() };
    let client = Client::builder()
        .transport(Arc::<ReqwestTransport>::clone(&world.transport) as Arc<dyn Transport>)
        .env(|_| None)
        .connection("vertex_ai", options)
        .build()
        .unwrap();
    for client in [client.clone(), client] {
        let request = ChatRequest::new([Message::user("Hello!")]);
        let reply = client.chat("vertex_ai/gemini-2.5-flash", request).await.unwrap();
        assert_eq!(reply.text(), "Hi");
    }
    assert_eq!(world.calls().len(), 2);
    assert!(world.calls().iter().all(|call| call.header("authorization") == Some("Bearer t-1")));
    assert_eq!(world.questions().len(), 1);
}
