//! The programs under test, and the environment that they must not see.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// How variables end that are for the gateway of whoever runs the tests, not for ours.
const FOREIGN: [&str; 5] = ["_KEY", "_BASE", "_URL", "_TOKEN", "_PROXY"];

/// The variables that must not leak into a program under test.
pub(crate) fn foreign() -> impl Iterator<Item = String> {
    env::vars().map(|(name, _)| name).filter(|name| {
        let upper = name.to_ascii_uppercase();
        FOREIGN.iter().any(|suffix| upper.ends_with(suffix)) || upper.starts_with("GATEWAY_")
    })
}

/// A program: the one that `cargo xtask test` names, else it is built here.
pub(crate) fn binary(name: &str) -> PathBuf {
    let variable = format!("{}_BIN", name.to_ascii_uppercase());
    match env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None => built().join(name),
    }
}

fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // The test itself is <target>/<profile>/deps/e2e-….
        let own = env::current_exe().unwrap();
        let profile = own.ancestors().nth(2).unwrap();
        let target = profile.parent().unwrap();
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["build", "-p", "gateway", "-p", "llmctl", "--target-dir"]).arg(target);
        let output = command.current_dir(llm_testkit::workspace()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        target.join("debug")
    })
}
