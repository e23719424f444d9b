//! `[price_map]`: newer prices than the built-in ones, read again and again while the gateway runs.
//!
//! A map is believed as a whole or not at all (`llm_cost::import::check`), and one that is not changes nothing: what
//! was known stays known. Another map makes another snapshot, as a reload does, so that routing, budgets and bills
//! of a request go by the same prices.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use llm_config::PriceMap;
use llm_cost::{Catalogue, import};
use tokio::time::{Instant, sleep_until};

use crate::fetch::{Bounds, fetched};
use crate::gateway::Gateway;
use crate::reload;

/// The longest map, in bytes: LiteLLM's has 2 MB.
const LONGEST: usize = 64 << 20;
/// How long fetching one may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// When it is tried again after a failure, unless that is due sooner.
const AGAIN: Duration = Duration::from_secs(60);

/// Begins to read price maps, as often as the configuration of the moment says.
pub(crate) fn start(gateway: &Arc<Gateway>) {
    gateway.background(rounds(Arc::clone(gateway)));
}

async fn rounds(gateway: Arc<Gateway>) {
    let mut replaced = gateway.replaced();
    let mut last: Option<PriceMap> = None;
    let mut due = Instant::now();
    loop {
        let Some(rule) = gateway.snapshot().price_map.clone() else {
            last = None;
            if replaced.changed().await.is_err() {
                return;
            }
            continue;
        };
        if last.as_ref() != Some(&rule) {
            // A file has been read when the snapshot was made.
            due = if rule.is_url() { Instant::now() } else { Instant::now() + rule.every };
            last = Some(rule.clone());
        }
        tokio::select! {
            () = sleep_until(due) => {}
            _ = replaced.changed() => continue,
        }
        let wait = match refresh(&gateway, &rule).await {
            Ok(()) => rule.every,
            Err(reason) => {
                refused(&rule.source, &reason);
                rule.every.min(AGAIN)
            }
        };
        due = Instant::now() + wait;
    }
}

/// Reads the map again and puts it in place if it says something else.
async fn refresh(gateway: &Arc<Gateway>, rule: &PriceMap) -> Result<(), String> {
    let bounds = Bounds { size: LONGEST, time: PATIENCE };
    let bytes = match rule.is_url() {
        true => fetched(gateway.transport(), &rule.source, bounds).await?,
        false => {
            let source = rule.source.clone();
            let read = tokio::task::spawn_blocking(move || of_file(&source)).await;
            Bytes::from(read.map_err(|error| error.to_string())??)
        }
    };
    let own = Arc::clone(gateway);
    let put = move || {
        let book = Arc::clone(&own.snapshot().prices);
        let map = read(&bytes, book.catalogue())?;
        if book.map() == Some(&map) {
            return Ok(None);
        }
        let models = map.len();
        reload::reprice(&own, map).map_err(|error| error.message.clone()).map(|()| Some(models))
    };
    let put = tokio::task::spawn_blocking(put).await.map_err(|error| error.to_string())?;
    if let Some(models) = put? {
        tracing::info!(models, "prices are those of the price map now");
    }
    Ok(())
}

/// A map, if it may take the place of what is known.
pub(crate) fn read(bytes: &[u8], known: &Catalogue) -> Result<Catalogue, String> {
    import::believed(bytes, known).map(|map| map.catalogue).map_err(|error| error.to_string())
}

/// The bytes of a file. Blocks.
pub(crate) fn of_file(path: &str) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("the file cannot be read: {error}");
    let mut bytes = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX) + 1;
    std::fs::File::open(path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > LONGEST {
        return Err(format!("the file is longer than {LONGEST} bytes"));
    }
    Ok(bytes)
}

/// Tells the log why a map is not used.
pub(crate) fn refused(source: &str, reason: &str) {
    let source = source.split(['?', '#']).next().unwrap_or_default();
    tracing::error!(source, reason, "the price map is not used, prices stay as they were");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_maps_are_judged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.json");
        let path = path.to_str().unwrap();
        assert!(of_file(path).unwrap_err().starts_with("the file cannot be read: "));
        std::fs::write(path, r#"{"m": {"litellm_provider": "p", "input_cost_per_token": 1e-6}}"#).unwrap();
        let bytes = of_file(path).unwrap();
        let few = read(&bytes, Catalogue::builtin()).unwrap_err();
        assert!(few.starts_with("the price map is refused: it lacks "), "{few}");
        let known = Catalogue::parse("[p]\nm\tchat\t\t\t\t\tinput=2\n").unwrap();
        assert_eq!(read(&bytes, &known).unwrap().len(), 1);
        assert!(read(b"[]", &known).unwrap_err().starts_with("not a price map"));
    }
}
