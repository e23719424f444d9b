//! The same question three times: asked, answered from memory, asked anew.

use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use llm_cache::{Cache, Directives, Entry, KeyBuilder, MemoryStore, Owner, Policy};
use llm_types::Head;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::new(Arc::new(MemoryStore::new(64 << 20)), Policy::default());
    let owner = Owner { key: Some("key-of-ann"), ..Owner::default() };
    let asked = [
        (r#"{"model":"smart","messages":[{"role":"user","content":"Hi"}]}"#, ""),
        (r#"{"messages": [{"content": "Hi", "role": "user"}], "model": "smart", "user": "7"}"#, "max-age=60"),
        (r#"{"model":"smart","messages":[{"role":"user","content":"Hi"}]}"#, "no-cache"),
    ];
    let mut stdout = std::io::stdout();
    for (body, header) in asked {
        let directives = Directives::read([header]);
        let tenant = cache.policy().scope.tenant(owner);
        let head = Head::scan(Bytes::from_static(body.as_bytes()))?;
        let key = KeyBuilder::new(&tenant, body.len()).part("route", b"chat").request(&head, &["user"])?;
        let now = SystemTime::now();
        if let Some(found) = cache.get(&key, &directives, now).await? {
            let text = String::from_utf8_lossy(found.entry.body());
            writeln!(stdout, "hit, {} s old: {text}", found.age.as_secs())?;
            continue;
        }
        // Here a provider would be called.
        let entry = Entry::new(br#"{"text":"Hello!"}"#, now).with_notes([("provider", "openai")]);
        let kept = cache.put(key, &directives, entry).await?;
        writeln!(stdout, "asked a provider; kept: {kept}")?;
    }
    writeln!(stdout, "{:?}", cache.counts())?;
    Ok(())
}
