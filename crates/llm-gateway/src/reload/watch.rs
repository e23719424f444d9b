//! Notices that the configuration file, or a secret it names, has changed.
//!
//! The folders are watched and not the files: editors and Kubernetes put another file, or another link, in the
//! old one's place. What happens in those folders is only a reason to look; whether a file has changed is told by
//! its mark. Where a file system tells nothing (network drives) the marks are looked at now and then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::file::{Mark, Marks};
use super::reload;
use crate::gateway::Gateway;

/// How long nothing may have happened before the file is read: whoever writes is then done.
const QUIET: Duration = Duration::from_millis(100);
/// The longest wait for that.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the marks are looked at although nothing was told.
const ANYWAY: Duration = Duration::from_secs(30);
/// The same where nothing can be told.
const UNTOLD: Duration = Duration::from_secs(5);
/// The longest chain of links that is followed.
const LINKS: usize = 16;

/// Begins to watch the configuration file of a gateway, if it has one.
pub(crate) fn watch(gateway: &Arc<Gateway>) {
    if gateway.reloads().file().is_some() {
        gateway.background(follow(Arc::clone(gateway)));
    }
}

async fn follow(gateway: Arc<Gateway>) {
    while let Some(marks) = marks(&gateway) {
        let told = Arc::new(Notify::new());
        let watcher = watcher(&folders(&marks), &told);
        let anyway = if watcher.is_some() { ANYWAY } else { UNTOLD };
        while !changed(&marks).await {
            // Nothing told is as good as something: the marks decide.
            let _ = timeout(anyway, told.notified()).await;
            settle(&told).await;
        }
        // Somebody else may have asked for it in the meantime.
        if self::marks(&gateway).is_some_and(|now| Arc::ptr_eq(&now, &marks)) {
            // The log has the outcome.
            let _ = reload(&gateway, "a file has changed").await;
        }
    }
}

fn marks(gateway: &Gateway) -> Option<Marks> {
    Some(Arc::clone(&gateway.reloads().state()?.marks))
}

/// Waits until nothing has happened for a moment.
async fn settle(told: &Notify) {
    let since = Instant::now();
    while since.elapsed() < PATIENCE && timeout(QUIET, told.notified()).await.is_ok() {}
}

/// Whether a file is not what it was.
async fn changed(marks: &Marks) -> bool {
    let marks = Arc::clone(marks);
    let look = move || marks.iter().any(|(path, mark)| Mark::of(path) != *mark);
    tokio::task::spawn_blocking(look).await.unwrap_or(false)
}

/// Tells of everything that happens in these folders; `None`: that is not possible here.
fn watcher(folders: &BTreeSet<PathBuf>, told: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let told = Arc::clone(told);
    let hear = move |event: notify::Result<notify::Event>| {
        // Reading is no change, and our own reading must not wake us.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            told.notify_one();
        }
    };
    let watcher = notify::recommended_watcher(hear).and_then(|mut watcher| {
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "the folder of the configuration cannot be watched: it is looked at every few seconds");
            None
        }
    }
}

/// The folders in which something happens when one of the files changes: those of the files, and of what they link to.
fn folders(marks: &[(PathBuf, Mark)]) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for (path, _) in marks {
        let mut path = path.clone();
        for _ in 0..LINKS {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new(".")).to_owned();
            let next = std::fs::read_link(&path).ok().map(|link| parent.join(link));
            folders.insert(parent);
            match next {
                Some(next) => path = next,
                None => break,
            }
        }
    }
    folders.retain(|folder| folder.is_dir());
    folders
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_folders_of_links_are_watched_too() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        // As Kubernetes mounts a ConfigMap.
        std::fs::create_dir(root.join("..one")).unwrap();
        std::fs::write(root.join("..one/gateway.toml"), "").unwrap();
        symlink("..one", root.join("..data")).unwrap();
        symlink("..data/gateway.toml", root.join("gateway.toml")).unwrap();
        let path = root.join("gateway.toml");
        let marks =
            [(path.clone(), Mark::of(&path)), (root.join("gone/key"), Mark::of(&root.join("gone/key")))];
        let found: Vec<_> = folders(&marks).into_iter().collect();
        assert_eq!(found, [root.to_owned(), root.join("..data")]);
        // The swap: another folder behind the link, and the old one is gone.
        std::fs::create_dir(root.join("..two")).unwrap();
        std::fs::write(root.join("..two/gateway.toml"), "").unwrap();
        symlink("..two", root.join("..new")).unwrap();
        std::fs::rename(root.join("..new"), root.join("..data")).unwrap();
        assert_ne!(Mark::of(&path), marks[0].1);
    }
}
