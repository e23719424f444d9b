//! The Redis server that tests start for themselves, each its own on a free port.

use std::env;
use std::process::Command;

use anyhow::bail;

use super::apt;
use crate::shell::{say, works};

/// Sees to it that there is one: the program that `LLM_REDIS_SERVER` names, else `redis-server`, installed
/// where it is missing and may be.
pub(crate) fn ready() -> anyhow::Result<()> {
    if env::var_os("LLM_REDIS_SERVER").is_some_and(|program| !program.is_empty()) {
        return Ok(());
    }
    if works(Command::new("redis-server").arg("--version")) {
        return Ok(());
    }
    if !apt::may_install() {
        bail!(
            "there is no redis-server: install Redis 6 or newer (Debian: `apt-get install redis-server`), or \
             set LLM_REDIS_SERVER to a program"
        );
    }
    say("there is no redis-server: installing it with apt-get. Tests start their own, on free ports; the \
         package may start one as a service, too");
    apt::install(&["redis-server"])
}
