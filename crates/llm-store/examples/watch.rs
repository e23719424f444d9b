//! Shows what gateways tell each other: `cargo run -p llm-store --example watch redis://127.0.0.1:6379`.
#![expect(clippy::print_stdout, reason = "it is what the program is for")]

use llm_store::{RedisCooldowns, RedisOptions, StoreError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StoreError> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    // The store is kept: the worker ends when nobody can tell anything any more.
    let (_cooldowns, worker) = RedisCooldowns::new(&RedisOptions::new(url))?;
    worker
        .run(|cooldown| {
            if cooldown.left.is_zero() {
                println!("{} has recovered", cooldown.id);
            } else {
                println!("{} cools down for {:?}", cooldown.id, cooldown.left);
            }
        })
        .await;
    Ok(())
}
