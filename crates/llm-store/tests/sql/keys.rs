//! Keys and groups: what is kept is what is loaded, in one order, with a log.

use std::sync::Arc;

use llm_governance::report::{AuditFilter, PageAsk};
use llm_governance::{
    Budget, Change, Directory, Error, Group, Key, KeyId, KeyStore as _, Limits, NewKey, Period, Revision,
    Scope, Terms,
};
use llm_store::{Filter, SqlError, SqlStore};
use tokio::time::timeout;

use crate::harness::{Place, SOON, both, pico, run};

both!(
    what_is_kept_is_loaded_and_followed,
    contradictions_change_nothing,
    lists_are_stable_while_keys_are_made,
    the_log_says_who_did_what_without_hashes,
    hostile_names_are_only_names,
    others_are_woken,
    two_admins_do_not_undo_each_other,
);

fn key(name: &str) -> Key {
    let new = NewKey::generate().unwrap();
    let terms = Terms {
        budgets: vec![Budget::hard(pico(5_000_000_000_000), Period::Day)],
        limits: Limits { rpm: Some(60), ..Limits::default() },
        ..Terms::default()
    };
    let mut key =
        Key { terms: Arc::new(terms), hint: new.hint, ..Key::new(KeyId::generate().unwrap(), new.hash) };
    key.more.get_or_insert_default().name = Some(name.into());
    key.team = Some("search".into());
    key
}

fn put(key: &Key) -> Change {
    Change::PutKey(Box::new(key.clone()))
}

fn team(id: &str) -> (Scope, Group) {
    (Scope::Team(id.into()), Group { name: Some("Search".into()), ..Group::new(Terms::default()) })
}

async fn loaded(store: &SqlStore) -> (Vec<Change>, Revision) {
    let mut all = Vec::new();
    let revision = store.load(&mut |change| all.push(change)).await.unwrap();
    (all, revision)
}

async fn what_is_kept_is_loaded_and_followed(place: Place) {
    let store = place.open().await;
    assert_eq!(loaded(&store).await, (Vec::new(), Revision(0)));
    let (one, two) = (key("one"), key("two"));
    let (scope, group) = team("search");
    store.keep(&put(&one), "root").await.unwrap();
    let seen = store.keep(&Change::Put(scope.clone(), Box::new(group.clone())), "root").await.unwrap();
    store.keep(&put(&two), "root").await.unwrap();
    let rotated = one.rotated(NewKey::generate().unwrap().hash, two.hint, jiff::Timestamp::now());
    store.keep(&put(&rotated), "root").await.unwrap();
    let last = store.keep(&Change::RemoveKey(two.id), "root").await.unwrap();

    let (all, revision) = loaded(&store).await;
    assert_eq!(revision, last);
    assert_eq!(all, [Change::Put(scope, Box::new(group)), put(&rotated)]);
    let (changes, newest) = store.since(seen).await.unwrap().unwrap();
    assert_eq!(changes, [put(&two), put(&rotated), Change::RemoveKey(two.id)]);
    assert_eq!(newest, last);
    assert_eq!(store.since(last).await.unwrap(), Some((Vec::new(), last)));
    assert_eq!(store.since(Revision(last.0 + 1)).await.unwrap(), None, "another database");

    // A second program on the same database, after a restart of it.
    let other = place.open().await;
    assert_eq!(loaded(&other).await.0, all);
    Directory::new().replace(all).unwrap();
}

async fn contradictions_change_nothing(place: Place) {
    let store = place.open().await;
    let one = key("one");
    store.keep(&put(&one), "root").await.unwrap();
    let rotated = one.rotated(NewKey::generate().unwrap().hash, one.hint, jiff::Timestamp::now());
    let revision = store.keep(&put(&rotated), "root").await.unwrap();
    for hash in [one.hash, rotated.hash] {
        let same = Key { hash, ..key("two") };
        let error = store.keep(&put(&same), "root").await.unwrap_err();
        assert!(matches!(error, Error::DuplicateKey(id) if id == one.id), "{error}");
    }
    let twice = vec![Budget::hard(pico(1), Period::Day), Budget::hard(pico(2), Period::Day)];
    let terms = Terms { budgets: twice, ..Terms::default() };
    let wrong = [
        Change::RemoveKey(KeyId::generate().unwrap()),
        Change::Remove(Scope::Team("nobody".into())),
        Change::Put(Scope::Key(one.id), Box::new(Group::new(Terms::default()))),
        Change::Put(Scope::Global, Box::new(Group::new(terms))),
        Change::Put(Scope::Team("x".repeat(300).into()), Box::new(Group::new(Terms::default()))),
        Change::Put(Scope::Team("a\0b".into()), Box::new(Group::new(Terms::default()))),
    ];
    for change in wrong {
        assert!(store.keep(&change, "root").await.is_err(), "{change:?}");
        // All or none.
        assert!(store.keep_all(&[put(&key("three")), change], "root").await.is_err());
    }
    assert_eq!(store.revision().await.unwrap(), revision);
    assert_eq!(loaded(&store).await.0, [put(&rotated)]);
    assert_eq!(store.audit(&AuditFilter::default(), &PageAsk::default()).await.unwrap().items.len(), 2);
}

async fn lists_are_stable_while_keys_are_made(place: Place) {
    let store = place.open().await;
    let mut made: Vec<_> = (0..25).map(|nth| key(&format!("key {nth}"))).collect();
    let changes: Vec<_> = made.iter().map(put).collect();
    store.keep_all(&changes, "root").await.unwrap();
    let (mut seen, mut ask) = (Vec::new(), Some(PageAsk::first(7)));
    while let Some(next) = ask {
        let page = store.keys(&Filter::default(), &next).await.unwrap();
        assert!(page.items.len() <= 7);
        seen.extend(page.items.iter().map(|kept| kept.of.id));
        ask = next.after(&page);
        if made.len() < 28 {
            let more = key("more");
            store.keep(&put(&more), "root").await.unwrap();
            made.push(more);
            // One that was listed is changed: it keeps its place.
            store.keep(&put(made.first().unwrap()), "root").await.unwrap();
        }
    }
    assert_eq!(seen, made.iter().map(|key| key.id).collect::<Vec<_>>());
    let one =
        store.keys(&Filter { name: Some("key 7".into()), ..Filter::default() }, &PageAsk::default()).await;
    assert_eq!(one.unwrap().items.iter().map(|kept| &kept.of).collect::<Vec<_>>(), [&made[7]]);
    let none = Filter { team: Some("search".into()), user: Some("ada".into()), ..Filter::default() };
    assert_eq!(store.keys(&none, &PageAsk::default()).await.unwrap().items, []);
    let foreign = PageAsk { limit: 5, cursor: Some("bm9uc2Vuc2U".into()) };
    assert!(matches!(
        store.keys(&Filter::default(), &foreign).await,
        Err(SqlError::Rule(llm_governance::Error::Cursor))
    ));
    assert_eq!(store.key(made[3].id).await.unwrap().unwrap().of, made[3]);
    assert_eq!(store.key(KeyId::generate().unwrap()).await.unwrap(), None);
    for id in ["a", "b", "c"] {
        let (scope, group) = team(id);
        store.keep(&Change::Put(scope, Box::new(group)), "root").await.unwrap();
    }
    let page = store.groups("team", &Filter::default(), &PageAsk::first(2)).await.unwrap();
    let scopes: Vec<_> = page.items.iter().map(|kept| kept.of.0.to_string()).collect();
    assert_eq!((scopes, page.next.is_some()), (vec!["team:a".to_owned(), "team:b".to_owned()], true));
    assert_eq!(store.groups("user", &Filter::default(), &PageAsk::default()).await.unwrap().items, []);
    assert_eq!(store.group(&Scope::Team("b".into())).await.unwrap().unwrap().of, team("b").1);
}

async fn the_log_says_who_did_what_without_hashes(place: Place) {
    let store = place.open().await;
    let one = key("one");
    store.keep(&put(&one), "ada").await.unwrap();
    let rotated = one.rotated(NewKey::generate().unwrap().hash, one.hint, jiff::Timestamp::now());
    store.keep(&put(&rotated), "ada").await.unwrap();
    store.keep(&Change::RemoveKey(one.id), "grace").await.unwrap();
    let object = format!("key:{}", one.id);
    let filter = AuditFilter { object: Some(object.clone()), ..AuditFilter::default() };
    let log = store.audit(&filter, &PageAsk::default()).await.unwrap().items;
    let actions: Vec<_> = log.iter().map(|entry| (&*entry.actor, &*entry.action)).collect();
    assert_eq!(actions, [("grace", "delete"), ("ada", "update"), ("ada", "create")]);
    for entry in &log {
        let text = format!("{entry:?}");
        assert!(!text.contains(&one.hash.to_string()) && !text.contains(&rotated.hash.to_string()), "{text}");
        assert!(text.contains("5"), "the budget is there: {text}");
    }
    assert_eq!((log[0].after.as_ref(), log[2].before.as_ref()), (None, None));
    assert_eq!(log[1].before, log[2].after);
    let by = AuditFilter { actor: Some("grace".into()), ..AuditFilter::default() };
    assert_eq!(store.audit(&by, &PageAsk::default()).await.unwrap().items.len(), 1);
    let later =
        AuditFilter { from: Some(log[0].at + jiff::SignedDuration::from_secs(1)), ..AuditFilter::default() };
    assert_eq!(store.audit(&later, &PageAsk::default()).await.unwrap().items, []);
    let first = store.audit(&AuditFilter::default(), &PageAsk::first(2)).await.unwrap();
    let rest = PageAsk::first(2).after(&first).unwrap();
    assert_eq!(store.audit(&AuditFilter::default(), &rest).await.unwrap().items, [log[2].clone()]);
}

async fn hostile_names_are_only_names(place: Place) {
    let store = place.open().await;
    for name in ["'; DROP TABLE virtual_key; --", "\" OR 1=1", "$1", "%_\\", "🦀", "NULL"] {
        let one = key(name);
        store.keep(&put(&one), name).await.unwrap();
        let found =
            store.keys(&Filter { name: Some(name.into()), ..Filter::default() }, &PageAsk::default()).await;
        assert_eq!(found.unwrap().items.iter().map(|kept| &kept.of).collect::<Vec<_>>(), [&one], "{name}");
        let (scope, group) = team(name);
        store.keep(&Change::Put(scope.clone(), Box::new(group.clone())), "root").await.unwrap();
        assert_eq!(store.group(&scope).await.unwrap().unwrap().of, group);
        let by = AuditFilter { actor: Some(name.into()), ..AuditFilter::default() };
        assert_eq!(store.audit(&by, &PageAsk::default()).await.unwrap().items.len(), 1);
    }
}

async fn others_are_woken(place: Place) {
    let (store, other) = (place.open().await, place.open().await);
    let mut changes = store.changes(Revision(0));
    let one = other.keep(&put(&key("one")), "root").await.unwrap();
    assert_eq!(timeout(SOON, changes.changed()).await.unwrap(), one);
    let waiting = tokio::spawn(async move { changes.changed().await });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let two = other.keep(&put(&key("two")), "root").await.unwrap();
    assert_eq!(timeout(SOON, waiting).await.unwrap().unwrap(), two);
    // By its own hand as well.
    let mut changes = store.changes(two);
    let three = store.keep(&put(&key("three")), "root").await.unwrap();
    assert_eq!(timeout(SOON, changes.changed()).await.unwrap(), three);
}

async fn two_admins_do_not_undo_each_other(place: Place) {
    let store = place.open().await;
    let one = key("one");
    let seen = store.keep(&put(&one), "ada").await.unwrap();
    let blocked = Key { blocked: true, ..one.clone() };
    store.keep_if(&put(&blocked), seen, "ada").await.unwrap();
    let error = store.keep_if(&put(&one), seen, "grace").await.unwrap_err();
    assert!(matches!(error, SqlError::Conflict { .. }), "{error}");
    let kept = store.key(one.id).await.unwrap().unwrap();
    assert!(kept.of.blocked);
    store.keep_if(&put(&one), kept.updated, "grace").await.unwrap();
}

#[test]
fn who_is_too_far_behind_loads_everything() {
    run(async {
        let place = Place::sqlite();
        let store = place.open().await;
        let (scope, group) = team("search");
        let changes = vec![Change::Put(scope, Box::new(group)); 10_300];
        let seen = store.keep_all(&changes[..1], "root").await.unwrap();
        store.keep_all(&changes, "root").await.unwrap();
        assert_eq!(store.since(seen).await.unwrap(), None);
        let (changes, _) = store.since(Revision(seen.0 + 10_000)).await.unwrap().unwrap();
        assert_eq!(changes.len(), 300);
    });
}
