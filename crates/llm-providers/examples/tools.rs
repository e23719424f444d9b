//! A tool loop: the model asks for the weather, we answer, it concludes.
//! `cargo run -p llm-providers --example tools -- openai/gpt-4o`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use llm_providers::Client;
use llm_types::chat::{ChatRequest, Message, Part, Role, Tool, ToolChoice};
use llm_types::{ApiError, RawValue};

const SCHEMA: &str = r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#;

#[tokio::main]
async fn main() -> llm_types::Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "mock/echo".to_owned());
    let client = Client::from_env()?;
    let schema = RawValue::from_string(SCHEMA.to_owned())
        .map_err(|error| ApiError::bad_request(format!("the schema is not JSON: {error}")))?;

    let mut request = ChatRequest::new([Message::user("What is the weather in Oslo?")]);
    request.tooling.tools.push(Tool::function("get_weather", "The weather in a city", Some(schema)));
    request.tooling.choice = Some(ToolChoice::Required);

    // Bounded: a model may go on calling tools for ever.
    for _ in 0..4 {
        let reply = client.chat(&model, request.clone()).await?;
        let calls: Vec<_> = reply.tool_calls().cloned().collect();
        if calls.is_empty() {
            println!("{}", reply.text());
            break;
        }
        let parts: Vec<Part> = reply.choices.iter().flat_map(|choice| choice.parts.clone()).collect();
        request.messages.push(Message::new(Role::Assistant, parts));
        for call in calls {
            println!("{}({})", call.name, call.arguments);
            request.messages.push(Message::tool_result(call.id, r#"{"celsius": 4, "sky": "clear"}"#));
        }
        request.tooling.choice = Some(ToolChoice::None);
    }
    Ok(())
}
