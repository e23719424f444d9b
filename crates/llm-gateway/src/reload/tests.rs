//! A gateway without a listener, and the file that it was made of.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use llm_providers::transport::{ByteStream, RequestBody, Transport};
use llm_router::Standing;
use llm_types::{Call, ErrorKind, Reply, Result};
use tempfile::TempDir;

use super::*;
use crate::auth::Auth;
use crate::{Guard, Principal};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl Transport for Nowhere {
    async fn send(&self, _: http::Request<RequestBody>) -> Result<http::Response<ByteStream>> {
        Err(ApiError::upstream(ErrorKind::Connection, "there is no network"))
    }
}

#[derive(Debug)]
struct Watchman;

#[async_trait]
impl Guard for Watchman {
    async fn request(&self, _: &mut Call, _: &Principal) -> Result<()> {
        Ok(())
    }

    async fn reply(&self, _: &mut Reply, _: &Principal) -> Result<()> {
        Ok(())
    }
}

fn model(name: &str) -> String {
    format!("[[models]]\nname = \"{name}\"\ndeployments = [{{ model = \"mock/echo\" }}]\n")
}

fn gateway(path: &Path, listen: Option<&str>) -> Arc<Gateway> {
    let file = ConfigFile::new(path).listening(listen.map(|listen| listen.parse().unwrap()));
    let loaded = file.load().unwrap();
    let snapshot = assemble::snapshot(&loaded.config, |_| None, None).unwrap();
    let snapshot = snapshot.with_guard(Arc::new(Watchman));
    Arc::new(Gateway::new(snapshot, Arc::new(Nowhere)).with_file(file, loaded))
}

fn written(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn names(gateway: &Gateway) -> Vec<String> {
    gateway.snapshot().router.names().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_listener_that_others_reach_keeps_its_key_whatever_the_file_says() {
    let key = "[auth]\nmaster_key = \"sk-m\"\n";
    let (_dir, path) = written(&format!("{key}{}", model("a")));
    let gateway = gateway(&path, Some("0.0.0.0:0"));
    // The file alone is fine: it listens to this machine, as far as it knows.
    std::fs::write(&path, model("b")).unwrap();
    let error = gateway.reload("a test").await.unwrap_err();
    assert!(matches!(error, ReloadError::Exposed(_)), "{error}");
    assert!(error.to_string().contains("master_key"), "{error}");
    assert_eq!((names(&gateway), gateway.snapshot().master_key.is_some()), (vec!["a".to_owned()], true));
    let state = gateway.reloads().state().unwrap();
    assert!(state.refused.is_some());
    std::fs::write(&path, format!("{key}{}", model("b"))).unwrap();
    let done = gateway.reload("a test").await.unwrap();
    assert_eq!((done.generation, names(&gateway)), (2, vec!["b".to_owned()]));
    assert_eq!(done.restart, [""; 0], "the command line's address is not the file's to change");
}

#[tokio::test]
async fn an_empty_file_changes_nothing() {
    let (_dir, path) = written(&model("a"));
    for listen in [None, Some("127.0.0.1:7")] {
        std::fs::write(&path, model("a")).unwrap();
        let gateway = gateway(&path, listen);
        for text in ["", " \n\n", "# [[models]]\n"] {
            std::fs::write(&path, text).unwrap();
            let error = gateway.reload("a test").await.unwrap_err();
            assert!(matches!(error, ReloadError::Empty), "{text:?}: {error}");
            assert!(error.to_string().contains("the old configuration stays"), "{error}");
            assert_eq!(names(&gateway), ["a"], "{text:?}");
            assert!(gateway.reloads().state().unwrap().refused.is_some());
        }
        std::fs::write(&path, model("b")).unwrap();
        assert!(gateway.reload("a test").await.unwrap().changed);
        assert_eq!(names(&gateway), ["b"]);
    }
    // Who began with nothing has nothing to lose.
    std::fs::write(&path, "").unwrap();
    let gateway = gateway(&path, None);
    std::fs::write(&path, "# nothing yet").unwrap();
    assert!(!gateway.reload("a test").await.unwrap().changed);
}

#[tokio::test]
async fn a_reload_does_not_take_the_key_away() {
    let (_dir, path) = written(&format!("[auth]\nmaster_key = \"sk-m\"\n{}", model("a")));
    let gateway = gateway(&path, None);
    std::fs::write(&path, model("b")).unwrap();
    let error = gateway.reload("a test").await.unwrap_err();
    assert!(matches!(error, ReloadError::Keyless), "{error}");
    assert_eq!((names(&gateway), gateway.snapshot().master_key.is_some()), (vec!["a".to_owned()], true));
}

#[tokio::test]
async fn a_reload_without_keys_opens_nothing() {
    let key = "[[keys]]\nname = \"ci\"\nkey = \"sk-0123456789abcdef\"\n";
    let auth = "[auth]\nmaster_key = \"sk-m\"\n";
    let (_dir, path) = written(&format!("{auth}{key}{}", model("a")));
    let gateway = gateway(&path, None);
    let check = async || {
        let (snapshot, headers) = (gateway.snapshot(), http::HeaderMap::new());
        let (master, governance) = (snapshot.master_key.as_ref(), gateway.governance());
        Auth { master, issuers: None, governance, address: None }.check(&headers, None).await
    };
    // Keys may go: who comes without one is still asked for it.
    std::fs::write(&path, format!("{auth}{}", model("a"))).unwrap();
    assert!(gateway.reload("a test").await.unwrap().changed);
    assert_eq!(check().await.unwrap_err().kind, ErrorKind::Auth);
    std::fs::write(&path, format!("{key}{}", model("a"))).unwrap();
    assert!(matches!(gateway.reload("a test").await.unwrap_err(), ReloadError::Keyless));
    assert_eq!(check().await.unwrap_err().kind, ErrorKind::Auth);
}

#[tokio::test]
async fn a_cooldown_ends_when_there_are_to_be_none() {
    let (_dir, path) = written(&model("a"));
    let gateway = gateway(&path, None);
    let standing = || {
        let snapshot = gateway.snapshot();
        let (group, index) = snapshot.router.deployment("a/1").unwrap();
        group.deployments[index].stats.standing(Instant::now())
    };
    let snapshot = gateway.snapshot();
    let (group, index) = snapshot.router.deployment("a/1").unwrap();
    group.deployments[index].stats.learn_cooldown(PATIENCE, 1, Instant::now());
    std::fs::write(&path, format!("{}{}", model("a"), model("b"))).unwrap();
    assert!(gateway.reload("a test").await.unwrap().changed);
    assert!(matches!(standing(), Standing::Cooling(_)), "any other reload leaves it as it is");
    std::fs::write(&path, format!("[router]\ncooldown = false\n{}", model("a"))).unwrap();
    assert!(gateway.reload("a test").await.unwrap().changed);
    assert_eq!(standing(), Standing::Ready);
}

#[tokio::test]
async fn what_is_not_of_the_file_goes_on() {
    let (_dir, path) = written(&model("a"));
    let gateway = gateway(&path, None);
    let before = gateway.snapshot();
    let old = before.router.deployment("a/1").and_then(|(group, index)| group.get(index)).unwrap();
    std::fs::write(&path, format!("[router]\nretries = 1\n{}{}", model("a"), model("b"))).unwrap();
    let done = gateway.reload("a test").await.unwrap();
    let expect = Deployments { kept: 1, added: vec!["b/1".into()], ..Deployments::default() };
    assert_eq!((done.changed, done.deployments), (true, expect));
    let after = gateway.snapshot();
    let (group, _) = after.router.deployment("a/1").unwrap();
    assert!(Arc::ptr_eq(&group.deployments[0].stats, &old.stats));
    let (old_group, _) = before.router.deployment("a/1").unwrap();
    assert!(Arc::ptr_eq(&group.budget, &old_group.budget));
    assert!(Arc::ptr_eq(&group.prefixes, &old_group.prefixes));
    assert_eq!((after.guards.len(), group.policy.retries), (1, 1));
}

#[tokio::test]
async fn links_and_secrets_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (root, secrets) = (dir.path().join("config"), dir.path().join("secrets"));
    let path = root.join("gateway.toml");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::write(secrets.join("key"), "sk-first").unwrap();
    // As Kubernetes swaps a ConfigMap: a new folder, and one link renamed over another.
    let swap = |nth: &str, name: &str| {
        std::fs::create_dir_all(root.join(nth)).unwrap();
        let key = secrets.join("key");
        let auth = format!("[auth]\nmaster_key = \"${{file:{}}}\"\n", key.display());
        std::fs::write(root.join(nth).join("gateway.toml"), auth + &model(name)).unwrap();
        symlink(nth, root.join("..new")).unwrap();
        std::fs::rename(root.join("..new"), root.join("..data")).unwrap();
    };
    swap("..1", "a");
    symlink("..data/gateway.toml", &path).unwrap();
    let gateway = gateway(&path, None);
    let mut replaced = gateway.replaced();
    watch(&gateway);
    for (nth, name) in [("..2", "b"), ("..3", "c")] {
        swap(nth, name);
        tokio::time::timeout(PATIENCE, replaced.changed()).await.expect("a reload").unwrap();
        assert_eq!(names(&gateway), [name]);
    }
    std::fs::write(secrets.join("key"), "sk-second").unwrap();
    tokio::time::timeout(PATIENCE, replaced.changed()).await.expect("a reload").unwrap();
    assert_eq!(gateway.snapshot().master_key.as_ref().unwrap().expose(), "sk-second");
    gateway.begin_drain();
}
