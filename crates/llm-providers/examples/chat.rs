//! Asks a model one question: `cargo run -p llm-providers --example chat -- openai/gpt-4o "Why?"`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use llm_providers::Client;
use llm_types::chat::{ChatRequest, Message};

#[tokio::main]
async fn main() -> llm_types::Result<()> {
    let mut args = std::env::args().skip(1);
    let model = args.next().unwrap_or_else(|| "mock/echo".to_owned());
    let question = args.next().unwrap_or_else(|| "Why is the sky blue?".to_owned());

    let client = Client::from_env()?;
    let request = ChatRequest::new([Message::system("Be brief."), Message::user(question)]);
    let reply = client.chat(&model, request).await?;

    println!("{}", reply.text());
    if let Some(usage) = &reply.usage {
        println!("({} tokens in, {} out)", usage.prompt_tokens(), usage.completion_tokens());
    }
    for change in reply.changes.list() {
        println!("({} did not reach the provider as asked: {})", change.path, change.why);
    }
    Ok(())
}
