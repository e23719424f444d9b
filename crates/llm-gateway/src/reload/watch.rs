//! Notices that the configuration file, or a secret it names, has changed.
//!
//! The marks of those files are looked at twice a second. That is told alike of editors that put another file in the
//! old one's place, of Kubernetes, which puts another link there, and of network drives. A watch on the folders would
//! tell a little sooner, and would be woken by everything else that happens there: by each write of a database that
//! lies beside the configuration.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::file::{Mark, Marks};
use super::{Cause, reload};
use crate::gateway::Gateway;

/// How often the marks are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long nothing may have happened before the files are read: whoever writes is then done.
const QUIET: Duration = Duration::from_millis(100);
/// The longest wait for that.
const PATIENCE: Duration = Duration::from_secs(1);

/// Begins to watch the configuration file of a gateway, if it has one.
pub(crate) fn watch(gateway: &Arc<Gateway>) {
    if gateway.reloads().file().is_some() {
        gateway.background(follow(Arc::clone(gateway)));
    }
}

async fn follow(gateway: Arc<Gateway>) {
    while let Some(marks) = marks(&gateway) {
        changed(&marks).await;
        // Somebody else may have asked for it in the meantime.
        if self::marks(&gateway).is_some_and(|now| Arc::ptr_eq(&now, &marks)) {
            // The log has the outcome.
            let _ = reload(&gateway, Cause { what: "a file has changed", by: "gateway" }).await;
        }
    }
}

fn marks(gateway: &Gateway) -> Option<Marks> {
    Some(Arc::clone(&gateway.reloads().state()?.marks))
}

/// Returns once a file is not what it was, and nothing has happened to it for a moment.
async fn changed(marks: &Marks) {
    let before: Vec<Mark> = marks.iter().map(|(_, mark)| *mark).collect();
    let mut found = before.clone();
    while found == before {
        sleep(LOOK).await;
        found = look(marks).await.unwrap_or(found);
    }
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        sleep(QUIET).await;
        let now = look(marks).await.unwrap_or_default();
        if now == found {
            return;
        }
        found = now;
    }
}

/// What the files are like now, seen from where a slow drive holds nobody up.
async fn look(marks: &Marks) -> Option<Vec<Mark>> {
    let marks = Arc::clone(marks);
    let look = move || marks.iter().map(|(path, _)| Mark::of(path)).collect();
    tokio::task::spawn_blocking(look).await.ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// Whether a change of these files is noticed.
    async fn noticed(paths: &[PathBuf], change: impl FnOnce()) -> bool {
        let marks: Marks = paths.iter().map(|path| (path.clone(), Mark::of(path))).collect();
        let watch = changed(&marks);
        tokio::pin!(watch);
        let quiet = tokio::time::timeout(3 * LOOK, &mut watch).await.is_err();
        change();
        quiet && tokio::time::timeout(20 * LOOK, watch).await.is_ok()
    }

    #[tokio::test]
    async fn another_link_is_noticed_and_so_is_a_file_that_comes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        // As Kubernetes mounts a ConfigMap.
        std::fs::create_dir(root.join("..one")).unwrap();
        std::fs::write(root.join("..one/gateway.toml"), "").unwrap();
        symlink("..one", root.join("..data")).unwrap();
        symlink("..data/gateway.toml", root.join("gateway.toml")).unwrap();
        let paths = [root.join("gateway.toml"), root.join("gone/key")];
        // The swap: another folder behind the link, and the old one is gone.
        let swap = || {
            std::fs::create_dir(root.join("..two")).unwrap();
            std::fs::write(root.join("..two/gateway.toml"), "").unwrap();
            symlink("..two", root.join("..new")).unwrap();
            std::fs::rename(root.join("..new"), root.join("..data")).unwrap();
        };
        assert!(noticed(&paths, swap).await);
        let come = || {
            std::fs::create_dir(root.join("gone")).unwrap();
            std::fs::write(root.join("gone/key"), "sk-late").unwrap();
        };
        assert!(noticed(&paths, come).await);
    }
}
