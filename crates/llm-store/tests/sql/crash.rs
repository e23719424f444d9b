//! `kill -9` in the middle: what was told to be journaled is there afterwards, once, and the counters are its sum.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use llm_governance::report::{PageAsk, RowFilter};
use llm_governance::{Mode, Scope};
use llm_store::{RowOptions, RowWriter, SqlStore, Stored};

use crate::harness::{Place, SOON, both, pico, row, run, running, window};

both!(no_row_is_lost_and_none_counts_twice, a_journal_torn_at_its_end_gives_the_rest);

const VARIABLES: [&str; 3] = ["STORE_CRASH_URL", "STORE_CRASH_FOLDER", "STORE_CRASH_NODE"];
const KEPT: &str = "kept ";

/// Writes rows until it is killed, where it is told to; the parent tells it.
#[test]
fn child() {
    let [Ok(url), Ok(folder), Ok(node)] = VARIABLES.map(std::env::var) else { return };
    run(async {
        let store = SqlStore::open(&url).await.unwrap();
        let mut options = RowOptions::new(folder, &*node);
        (options.collect, options.memory) = (std::time::Duration::from_millis(3), 64);
        let (writer, _task) = running(&store, options);
        for nth in 0_u64.. {
            let receipts: Vec<_> = (0..10)
                .map(|part| {
                    let request = format!("{node}-{nth}-{part}");
                    (request.clone(), writer.try_append(&row(&request, 1, i128::from(nth % 97))))
                })
                .collect();
            for (request, receipt) in receipts {
                if receipt.await == Stored::Journal {
                    println!("{KEPT}{request}");
                }
            }
        }
    });
}

/// Lets a child write until it has kept so many rows, and kills it.
fn killed(place: &Place, node: &str, rows: usize) -> Vec<String> {
    let folder = place.journal();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--nocapture"])
        .envs(VARIABLES.iter().zip([place.url.as_str(), folder.to_str().unwrap(), node]))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut kept = Vec::new();
    for line in lines.map_while(Result::ok) {
        // The first one shares its line with the name of the test.
        if let Some((_, request)) = line.split_once(KEPT) {
            kept.push(request.to_owned());
        }
        if kept.len() == rows {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    kept
}

async fn no_row_is_lost_and_none_counts_twice(place: Place) {
    let mut kept = Vec::new();
    for (node, rows) in [("n1", 700), ("n2", 1), ("n3", 1_500)] {
        kept.extend(killed(&place, node, rows));
    }
    assert!(kept.len() >= 2_200, "{}", kept.len());
    let store = place.open().await;
    let (writer, task) = place.writer(&store, "n4");
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    let (mut rows, mut ask) = (BTreeMap::new(), Some(PageAsk::first(1_000)));
    while let Some(next) = ask {
        let page = store.rows(&RowFilter::default(), &next).await.unwrap();
        for row in &page.items {
            assert_eq!(rows.insert(row.request.clone(), row.cost), None, "{}", row.request);
        }
        ask = next.after(&page);
    }
    for request in &kept {
        assert!(rows.contains_key(request), "{request} was kept");
    }
    let sum = rows.values().fold(pico(0), |sum, cost| sum.saturating_add(*cost));
    let sums = store.spend(&Scope::Global).await.unwrap();
    assert_eq!((usize::try_from(sums.attempts).unwrap(), sums.cost), (rows.len(), sum));
    let time = row("r", 1, 0).time;
    for (scope, mode) in [(Scope::Team("search".into()), Mode::Hard), (Scope::Global, Mode::Soft)] {
        assert_eq!(store.window(&window(scope, mode, time)).await.unwrap().spent, sum);
    }
    let leases = store.leases(None, time).await.unwrap();
    assert_eq!(leases.iter().fold(pico(0), |sum, lease| sum.saturating_add(lease.used)), sum);
    let files = std::fs::read_dir(place.journal()).unwrap().map(|file| file.unwrap().file_name());
    let files: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
    // A row that was being written when its process was killed was kept for nobody.
    let left: Vec<_> = files.iter().filter(|name| !name.ends_with(".torn")).collect();
    assert_eq!(left, ["lock"], "{files:?}");
}

async fn a_journal_torn_at_its_end_gives_the_rest(place: Place) {
    let store = place.open().await;
    let (writer, task) = RowWriter::start(&store, place.options("n1")).unwrap();
    for nth in 0..20 {
        assert_eq!(writer.try_append(&row(&format!("r{nth}"), 1, 7)).await, Stored::Journal);
    }
    drop((writer, task));
    let is_part = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "rows");
    let files = std::fs::read_dir(place.journal()).unwrap().map(|file| file.unwrap().path());
    let path = files.into_iter().find(is_part).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let (writer, task) = place.writer(&store, "n2");
    assert!(writer.drain(SOON).await);
    task.await.unwrap();
    assert_eq!(writer.status().replayed, 19);
    assert_eq!(store.spend(&Scope::Global).await.unwrap().cost, pico(19 * 7));
    assert!(path.with_extension("torn").exists(), "kept for people to look at");
}
