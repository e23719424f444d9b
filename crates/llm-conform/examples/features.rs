//! Prints every feature, and asks the built-in provider for the first.
#![expect(clippy::print_stdout, reason = "the example prints what it finds")]

use llm_conform::{FEATURES, Limits, ask};
use llm_providers::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> llm_types::Result<()> {
    let client = Client::from_env()?;
    for feature in FEATURES {
        println!("{} {}: {}", feature.op, feature.name, feature.about);
    }
    if let Some(feature) = FEATURES.first() {
        let finding = ask(&client, "mock/echo", feature, Limits::default()).await?;
        println!("{:?}", finding.verdict);
    }
    Ok(())
}
