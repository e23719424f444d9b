//! The dialect against real exchanges, and against what no exchange shows.

mod wire;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// A real exchange.
pub(super) struct Recording {
    /// Provider and file.
    pub(super) name: String,
    /// The request's body.
    pub(super) request: Value,
    /// Status, and the body or the stream.
    pub(super) response: Value,
}

/// Every exchange of this dialect. They lie in `LLM_RECORDINGS`, by default `../shared/recordings` beside
/// the workspace.
pub(super) fn recordings() -> Vec<Recording> {
    let root = std::env::var_os("LLM_RECORDINGS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings"),
        PathBuf::from,
    );
    let mut out = Vec::new();
    for provider in ["openai", "azure", "deepseek", "openrouter", "xai"] {
        let folder = root.join(provider);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for file in files {
            let path = file.unwrap().path();
            let mut all: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            if all["operation"] != "responses" {
                continue;
            }
            let name = format!("{provider}/{}", path.file_stem().unwrap().to_string_lossy());
            let request = all["request"]["body"].take();
            out.push(Recording { name, request, response: all["response"].take() });
        }
    }
    assert!(out.len() >= 33, "only {} recordings in {}", out.len(), root.display());
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}
