//! The folder: what is in it, and what is not any more.

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::*;

fn shelf(dir: &Path, max: usize) -> Arc<Shelf> {
    let config = Files { dir: Some(dir.join("a/b")), max_bytes: max, ..Files::default() };
    Shelf::of(&config).unwrap().unwrap()
}

async fn put(shelf: &Arc<Shelf>, text: &str, wanted: Option<i64>) -> Result<Object> {
    let mut incoming = shelf.begin().await?;
    incoming.write(text.as_bytes()).await?;
    let (owner, filename) = ("w".to_owned(), "in.jsonl".to_owned());
    incoming.keep(Told { owner, filename, purpose: "batch".to_owned(), wanted }).await
}

fn names(shelf: &Shelf) -> Vec<String> {
    let all = fs::read_dir(&shelf.dir).unwrap();
    let mut names: Vec<String> = all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_kept_shown_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 1000);
    let (one, two) = (put(&shelf, "one", None).await.unwrap(), put(&shelf, "three", Some(60)).await.unwrap());
    assert_eq!((one.bytes, two.expires_at), (3, Some(two.created_at + 60)));
    let (stream, length) = shelf.content(&two.id).await.unwrap();
    let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!((chunks.concat(), length), (b"three".to_vec(), 5));
    let (page, more) = shelf.page(None, 1).await.unwrap();
    assert_eq!((page[0].file.id.as_str(), more), (&*two.id, true));
    let (page, more) = shelf.page(Some(&two.id), 1).await.unwrap();
    assert_eq!((page[0].file.id.as_str(), more), (&*one.id, false));
    shelf.delete(&one.id).await.unwrap();
    for id in [&*one.id, "file_1", "../x", "file_00000000000000000000000000000000"] {
        assert_eq!(shelf.content(id).await.err().unwrap().kind, ErrorKind::NotFound, "{id}");
        assert_eq!(shelf.delete(id).await.err().unwrap().kind, ErrorKind::NotFound, "{id}");
    }
    assert_eq!(names(&shelf), [two.id.clone(), format!("{}.json", two.id)]);
}

#[tokio::test]
async fn what_is_not_whole_leaves_nothing_and_room_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 300);
    let mut incoming = shelf.begin().await.unwrap();
    incoming.write(b"half").await.unwrap();
    assert_eq!(names(&shelf).len(), 1);
    drop(incoming);
    assert!(names(&shelf).is_empty());
    assert_eq!(put(&shelf, &"x".repeat(301), None).await.unwrap_err().kind, ErrorKind::TooLarge);
    put(&shelf, &"x".repeat(200), None).await.unwrap();
    assert_eq!(put(&shelf, &"x".repeat(200), None).await.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(names(&shelf).len(), 2);
}

#[tokio::test]
async fn a_sweep_takes_what_is_old_and_ours() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 10_000);
    put(&shelf, "one", None).await.unwrap();
    let short = put(&shelf, "two", Some(0)).await.unwrap();
    let record = Record { endpoint: "/v1/x".to_owned(), ..Record::default() };
    shelf.remember("msgbatch_1", record.clone(), Recalls::default()).await.unwrap();
    assert_eq!(shelf.record("msgbatch_1").await.unwrap(), Some(record));
    assert_eq!(shelf.record("../msgbatch_1").await.unwrap(), None);
    for other in ["theirs.json", ".file_x.part"] {
        fs::write(shelf.dir.join(other), "x").unwrap();
    }
    assert_eq!(shelf.file(&short.id).await.unwrap_err().kind, ErrorKind::NotFound, "it was wanted no longer");
    let now = SystemTime::now();
    // A description that is broken stands in nobody's way.
    let broken = format!("{}.json", "file_00000000000000000000000000000000");
    fs::write(shelf.dir.join(&broken), "{").unwrap();
    let (page, more) = shelf.page(None, 10).await.unwrap();
    assert_eq!((page.len(), more), (1, false), "nor is one listed that is wanted no longer");
    fs::remove_file(shelf.dir.join(broken)).unwrap();
    assert_eq!(shelf.sweep(now).unwrap(), 2);
    let days = |days: u64| now + Duration::from_secs(days * 24 * 60 * 60 + 60);
    assert_eq!(shelf.sweep(days(1)).unwrap(), 1, "what was never whole");
    assert_eq!(shelf.sweep(days(29)).unwrap(), 0);
    assert_eq!(shelf.sweep(days(30)).unwrap(), 3);
    assert_eq!(names(&shelf), ["theirs.json"]);
}

#[tokio::test]
async fn files_that_come_at_the_same_time_share_the_room() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 700);
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(shelf.begin().await.unwrap());
    }
    for incoming in &mut all {
        incoming.write(&[b'x'; 300]).await.unwrap();
    }
    for incoming in all {
        let told =
            Told { owner: String::new(), filename: String::new(), purpose: String::new(), wanted: None };
        let _ = incoming.keep(told).await;
    }
    assert!(shelf.used().unwrap() <= 700, "{:?}", names(&shelf));
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_reads_what_is_in_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let shelf = shelf(dir.path(), 10_000);
    put(&shelf, "one", None).await.unwrap();
    for entry in fs::read_dir(&shelf.dir).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
    }
}
