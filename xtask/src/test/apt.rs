//! What the tests need of the system, installed where it is missing and we may.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::shell::{self, works};

/// Whether packages of the system can be installed: by root, with apt-get.
pub(crate) fn may_install() -> bool {
    let root = shell::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    root && works(Command::new("apt-get").arg("--version"))
}

/// Held by whoever runs apt-get, which does not wait for another of its kind.
static ALONE: Mutex<()> = Mutex::new(());

/// Installs packages of the system.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    shell::run(apt().args(["update", "-qq"]))?;
    shell::run(apt().args(["install", "-y", "-qq"]).args(packages))
}
