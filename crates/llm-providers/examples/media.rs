//! Vectors, an order of documents, speech, its transcript and a picture:
//! `cargo run -p llm-providers --example media`, or with the name of a provider, such as `openai`.

#![expect(clippy::print_stdout, reason = "a program for people")]

use llm_providers::Client;
use llm_types::{
    EmbedInput, EmbedRequest, ImageRequest, RerankRequest, Result, SpeechRequest, TranscribeRequest, Upload,
};

/// The models that are asked: for vectors, an order, speech, transcripts, pictures.
fn models(provider: Option<&str>) -> [&'static str; 5] {
    match provider {
        Some("openai") => [
            "openai/text-embedding-3-small",
            "cohere/rerank-v3.5",
            "openai/gpt-4o-mini-tts",
            "openai/gpt-4o-mini-transcribe",
            "openai/gpt-image-1.5",
        ],
        _ => ["mock/echo"; 5],
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    run(std::env::args().nth(1).as_deref()).await
}

async fn run(provider: Option<&str>) -> Result<()> {
    let [vectors, order, voice, ears, painter] = models(provider);
    let client = Client::from_env()?;

    let inputs = ["Oslo", "Bergen"].map(EmbedInput::text).into();
    let made = client.embed(vectors, EmbedRequest { inputs, ..EmbedRequest::default() }).await?;
    println!(
        "{} vectors of {} numbers",
        made.output.vectors.len(),
        made.output.vectors.first().map_or(0, Vec::len)
    );

    let ranked = client.rerank(order, RerankRequest::new("Where does it rain?", ["Oslo", "Bergen"])).await?;
    println!("{} documents in their order", ranked.results.len());

    let speech = client.speak(voice, SpeechRequest::new("It rains in Bergen.", "alloy")).await?;
    println!("{} bytes of {}", speech.output.audio.len(), speech.output.kind);

    let sound = Upload::new("speech.wav", speech.output.audio.clone());
    println!("heard: {}", client.transcribe(ears, TranscribeRequest::new(sound)).await?.output.text);

    let pictures = client.image(painter, ImageRequest::new("Rain over Bergen")).await?;
    println!("{} picture", pictures.output.data.len());
    Ok(())
}

#[cfg(test)]
#[tokio::test]
async fn it_runs_without_any_key() {
    run(None).await.unwrap();
}
