//! The slot of the benchmark.

/// What `cargo xtask bench` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Refuses: there is nothing to measure with.
pub(crate) fn run(_: Args) -> anyhow::Result<()> {
    anyhow::bail!("the benchmark is not built yet")
}
