//! `llmctl prices update`: newer prices, judged before they are written.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use llm_cost::import::{self, PriceMap};
use llm_cost::{Catalogue, Entry};
use llm_providers::transport::{ReqwestTransport, Transport, collect};
use llm_types::{ApiError, ErrorKind, Segments};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::Output;

/// The longest map, in bytes.
const LONGEST: usize = 64 << 20;

/// What came of it.
#[derive(Debug, Serialize)]
struct Updated {
    file: String,
    models: usize,
    /// Models that were not known.
    new: usize,
    /// Known ones with other prices.
    changed: usize,
    /// Known ones that the map does not have: they stay as they are.
    missing: usize,
    skipped: Vec<Skipped>,
}

/// A model that cannot be read.
#[derive(Debug, Serialize)]
struct Skipped {
    model: String,
    reason: String,
}

/// Reads a map and writes it to a file.
pub(super) async fn run(from: &str, file: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let bytes = match from.contains("://") {
        true => fetched(&ReqwestTransport::new()?, from).await?,
        false => input::file(Path::new(from)).map_err(Failure::Usage)?.into(),
    };
    let map = import::believed(&bytes, &known(file))
        .with_context(|| format!("{from} is not used, nothing is written"))
        .map_err(Failure::Other)?;
    write(file, &bytes).map_err(Failure::Other)?;
    tell(&updated(file, map), out)?;
    Ok(Exit::Ok)
}

/// What the map may take the place of: the built-in prices, and a map that was written before.
fn known(file: &Path) -> Catalogue {
    let before = input::file(file).ok().and_then(|bytes| import::from_litellm(&bytes).ok());
    let entries = before.into_iter().flat_map(|map| {
        let all = map.catalogue.iter().map(|(provider, entry)| (provider.to_owned().into(), entry.clone()));
        all.collect::<Vec<_>>()
    });
    Catalogue::builtin().with(entries)
}

async fn fetched(transport: &dyn Transport, url: &str) -> Result<Bytes, Failure> {
    let request = http::Request::get(url).body(Segments::from(Bytes::new()).into());
    let request = request
        .with_context(|| format!("`{url}` is not an address, write for example https://example.com/map.json"))
        .map_err(Failure::Usage)?;
    let (head, body) = transport.send(request).await?.into_parts();
    if !head.status.is_success() {
        let message = format!("{url} was answered with {}", head.status);
        return Err(ApiError::new(ErrorKind::UpstreamFormat, message).into());
    }
    Ok(collect(body, LONGEST).await?)
}

/// Writes beside the file first, so that a gateway that reads it sees the old map or the new one.
fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", file.display());
    let mut name = file.file_name().with_context(failed)?.to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    let mut new = std::fs::File::create(&beside).with_context(failed)?;
    new.write_all(bytes).and_then(|()| new.sync_all()).with_context(failed)?;
    std::fs::rename(&beside, file).with_context(failed)
}

fn updated(file: &Path, map: PriceMap) -> Updated {
    let PriceMap { catalogue, skipped } = map;
    let builtin = Catalogue::builtin();
    let own = |catalogue: &Catalogue, provider: &str, entry: &Entry| {
        catalogue.of(provider).iter().find(|one| one.model == entry.model).cloned()
    };
    let (mut new, mut changed) = (0, 0);
    for (provider, entry) in catalogue.iter() {
        match own(builtin, provider, entry) {
            None => new += 1,
            Some(old) => changed += usize::from(old.prices != entry.prices),
        }
    }
    let gone = builtin.iter().filter(|(provider, entry)| own(&catalogue, provider, entry).is_none());
    Updated {
        file: file.display().to_string(),
        models: catalogue.len(),
        new,
        changed,
        missing: gone.count(),
        skipped: skipped.into_iter().map(|(model, reason)| Skipped { model, reason }).collect(),
    }
}

fn tell(done: &Updated, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        return out.json(done);
    }
    let Updated { file, models, new, changed, missing, skipped } = done;
    writeln!(
        out.out,
        "{file}: {models} models, {new} new, {changed} with other prices, {missing} not in it"
    )?;
    for Skipped { model, reason } in skipped {
        writeln!(out.err, "{model} is left out: {reason}")?;
    }
    Ok(writeln!(out.err, "name it in the configuration: [price_map] source = {file:?}")?)
}

#[cfg(test)]
mod tests {
    use llm_cost::Class;

    use super::*;
    use crate::output::testing::output;

    /// The built-in prices as LiteLLM writes them, as far as the judgement looks at them.
    fn map(more: &str, keep: impl Fn(usize) -> bool) -> String {
        let price = |entry: &Entry| entry.prices.base().iter().map(|(_, pico)| pico).find(|pico| *pico > 0);
        let rows = Catalogue::builtin().iter().enumerate().filter(|(nth, _)| keep(*nth));
        let rows = rows.map(|(_, (provider, entry))| {
            let pico = price(entry).unwrap_or_default();
            let name = serde_json::to_string(&format!("{provider}/{}", entry.model)).unwrap();
            let base = entry.prices.base();
            let input = base.get(Class::Input).filter(|pico| *pico > 0).unwrap_or(pico);
            let output = base.get(Class::Output).unwrap_or_default();
            format!(
                r#"{name}: {{"litellm_provider": "{provider}", "input_cost_per_token": {input}e-12,
                    "output_cost_per_token": {output}e-12}}"#
            )
        });
        format!("{{{more}{}}}", rows.collect::<Vec<_>>().join(","))
    }

    #[tokio::test]
    async fn a_map_is_judged_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("map.json"), folder.path().join("prices.json"));
        let update = async |text: String| {
            std::fs::write(&from, text).unwrap();
            let (mut out, told, _) = output(true);
            let done = run(from.to_str().unwrap(), &to, &mut out).await;
            done.map(|_| serde_json::from_str::<serde_json::Value>(&told.text()).unwrap())
        };
        let refused = update(map("", |nth| nth % 3 == 0)).await.unwrap_err();
        assert!(refused.to_string().contains("is it complete?"), "{refused}");
        assert!(!to.exists());
        let newer =
            r#""openai/gpt-99": {"litellm_provider": "openai", "input_cost_per_token": 1e-6}, "odd": 7,"#;
        let done = update(map(newer, |nth| nth != 0)).await.unwrap();
        assert_eq!((&done["new"], &done["missing"]), (&1.into(), &1.into()), "{done}");
        assert_eq!(done["skipped"][0]["model"], "odd");
        assert!(std::fs::read_to_string(&to).unwrap().contains("gpt-99"));
        // What was written before is known then, and a later map that is refused leaves it as it was.
        assert!(known(&to).find("openai", "gpt-99").is_some());
        assert!(matches!(update("{}".to_owned()).await, Err(Failure::Other(_))));
        assert!(std::fs::read_to_string(&to).unwrap().contains("gpt-99"));
    }
}
