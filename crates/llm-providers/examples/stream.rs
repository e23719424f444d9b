//! Prints an answer as it comes: `cargo run -p llm-providers --example stream -- anthropic/claude-sonnet-4-5`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::io::Write as _;

use llm_providers::Client;
use llm_types::chat::{ChatRequest, Message};
use llm_types::{Delta, Event};

#[tokio::main]
async fn main() -> llm_types::Result<()> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "mock/echo".to_owned());
    let client = Client::from_env()?;
    let request = ChatRequest::new([Message::user("Count from one to ten in words.")]);
    let mut stream = client.chat_stream(&model, request).await?;
    while let Some(event) = stream.next().await {
        match event? {
            Event::Delta { delta: Delta::Text(text), .. } => {
                print!("{text}");
                // What cannot be shown now is shown with the next piece.
                let _ = std::io::stdout().flush();
            }
            Event::Finish { finish, .. } => println!("\n({:?})", finish.kind),
            _ => {}
        }
    }
    Ok(())
}
