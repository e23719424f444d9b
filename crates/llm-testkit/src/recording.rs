//! Recorded exchanges with providers: a request and the reply that came.
//!
//! Two sources in one format: a few small ones of our own in `tests/fixtures/recordings`, always there,
//! and a larger set beside the repository (`LLM_RECORDINGS`, else `../shared/recordings`), which may be
//! absent.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

/// One exchange.
#[derive(Debug, Clone, Deserialize)]
pub struct Recording {
    /// A stable name.
    pub id: String,
    /// Who answered.
    pub provider: String,
    /// The wire API: `chat`, `messages`, `generateContent`, `embeddings` and others.
    pub operation: String,
    /// What it shows: `stream`, `tools`, `tool_call`, `error_429` and others.
    pub features: Vec<String>,
    /// What was sent.
    pub request: Request,
    /// What came back.
    pub response: Response,
    /// The file it was read from.
    #[serde(skip)]
    pub file: PathBuf,
}

/// What was sent.
#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The whole URL. Its host may be made up.
    pub url: String,
    /// Some of the headers; authentication is not among them.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(flatten)]
    content: Content,
}

/// What came back.
#[derive(Debug, Clone, Deserialize)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Some of the headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(flatten)]
    content: Content,
}

/// A body, in the form in which its file holds it.
#[derive(Debug, Clone, Default, Deserialize)]
struct Content {
    body: Option<Value>,
    sse: Option<String>,
    text: Option<String>,
    base64: Option<String>,
}

impl Content {
    fn bytes(&self) -> Bytes {
        if let Some(body) = &self.body {
            return body.to_string().into();
        }
        if let Some(text) = self.sse.as_ref().or(self.text.as_ref()) {
            return text.clone().into();
        }
        STANDARD.decode(self.base64.as_deref().unwrap_or_default()).unwrap_or_default().into()
    }
}

impl Request {
    /// The body as JSON, where it is JSON.
    #[must_use]
    pub fn json(&self) -> Option<&Value> {
        self.content.body.as_ref()
    }

    /// The body as bytes.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.content.bytes()
    }

    /// The path of the URL, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// The query of the URL; empty where there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    fn target(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
    }
}

impl Response {
    /// The body as JSON, where it is JSON.
    #[must_use]
    pub fn json(&self) -> Option<&Value> {
        self.content.body.as_ref()
    }

    /// The event stream, where it is one.
    #[must_use]
    pub fn sse(&self) -> Option<&str> {
        self.content.sse.as_deref()
    }

    /// The stream, where it is one: events, or one JSON object per line.
    #[must_use]
    pub fn stream(&self) -> Option<&str> {
        let is_lines = |(name, value): (&String, &String)| {
            name.eq_ignore_ascii_case("content-type") && value.starts_with("application/x-ndjson")
        };
        let lines = || self.content.text.as_deref().filter(|_| self.headers.iter().any(is_lines));
        self.sse().or_else(lines)
    }

    /// Whether it is a stream of Amazon's binary messages.
    #[must_use]
    pub fn is_binary_stream(&self) -> bool {
        let is_kind = |(name, value): (&String, &String)| {
            name.eq_ignore_ascii_case("content-type")
                && value.starts_with("application/vnd.amazon.eventstream")
        };
        self.content.base64.is_some() && self.headers.iter().any(is_kind)
    }

    /// The body as bytes.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.content.bytes()
    }

    /// Whether the status says success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Recording {
    /// Whether it shows that.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|have| have == feature)
    }

    /// Whether its reply is a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.response.stream().is_some() || self.response.is_binary_stream()
    }

    /// The model that was asked for: a member of the body, or a part of the path (Gemini; Bedrock, escaped as it is
    /// there).
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        let named = self.request.json().and_then(|body| body.get("model")).and_then(Value::as_str);
        let path = self.request.path();
        named
            .or_else(|| path.rsplit_once("/models/")?.1.split(':').next())
            .or_else(|| path.strip_prefix("/model/")?.split('/').next())
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy();
        write!(f, "{}/{name}", self.provider)
    }
}

/// A set of recordings, in the order of their file names.
#[derive(Debug, Clone, Default)]
pub struct Recordings {
    all: Vec<Recording>,
}

impl Recordings {
    /// Our own small set.
    ///
    /// # Errors
    /// When a file can't be read or is not a recording.
    pub fn own() -> io::Result<Self> {
        Self::read(&own_folder())
    }

    /// The set beside the repository; `None` where it is absent.
    ///
    /// # Errors
    /// When a file can't be read or is not a recording.
    pub fn shared() -> io::Result<Option<Self>> {
        shared_folder().map(|folder| Self::read(&folder)).transpose()
    }

    /// Both sets, or ours alone where the other is absent.
    ///
    /// # Errors
    /// When a file can't be read or is not a recording.
    pub fn load() -> io::Result<Self> {
        let mut set = Self::own()?;
        if let Some(shared) = Self::shared()? {
            set.all.extend(shared.all);
        }
        Ok(set)
    }

    /// All `<provider>/<name>.json` in a folder.
    ///
    /// # Errors
    /// When a file can't be read or is not a recording.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        for provider in std::fs::read_dir(folder)? {
            let provider = provider?.path();
            if !provider.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(provider)? {
                let file = file?.path();
                if file.extension().is_some_and(|extension| extension == "json") {
                    files.push(file);
                }
            }
        }
        files.sort();
        let all = files.into_iter().map(read_one).collect::<io::Result<_>>()?;
        Ok(Self { all })
    }

    /// Those that `wanted` holds for.
    #[must_use]
    pub fn filter(mut self, wanted: impl Fn(&Recording) -> bool) -> Self {
        self.all.retain(wanted);
        self
    }

    /// Those of a provider.
    #[must_use]
    pub fn provider(self, name: &str) -> Self {
        self.filter(|recording| recording.provider == name)
    }

    /// Those of a wire API.
    #[must_use]
    pub fn operation(self, name: &str) -> Self {
        self.filter(|recording| recording.operation == name)
    }

    /// Those that show something.
    #[must_use]
    pub fn with(self, feature: &str) -> Self {
        self.filter(|recording| recording.has(feature))
    }

    /// Those that do not.
    #[must_use]
    pub fn without(self, feature: &str) -> Self {
        self.filter(|recording| !recording.has(feature))
    }

    /// One by its id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Recording> {
        self.all.iter().find(|recording| recording.id == id)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Recording> {
        self.all.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl IntoIterator for Recordings {
    type Item = Recording;
    type IntoIter = std::vec::IntoIter<Recording>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl<'a> IntoIterator for &'a Recordings {
    type Item = &'a Recording;
    type IntoIter = std::slice::Iter<'a, Recording>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The root of the workspace that the running test belongs to. It is looked for when the test runs: clones
/// that share a target directory share the binaries too.
///
/// # Panics
/// When the program was not started by cargo, nor below the workspace.
#[must_use]
#[expect(clippy::panic, reason = "only tests call it, and they fail with its words")]
pub fn workspace() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let from = package.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let root = from.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.unwrap_or_else(|| panic!("{} is in no workspace", from.display())).to_owned()
}

/// Our own small set.
pub(crate) fn own_folder() -> PathBuf {
    workspace().join("tests/fixtures/recordings")
}

/// The large set, where it is there.
pub(crate) fn shared_folder() -> Option<PathBuf> {
    let named = std::env::var_os("LLM_RECORDINGS").map(PathBuf::from);
    Some(named.unwrap_or_else(|| workspace().join("../shared/recordings"))).filter(|folder| folder.is_dir())
}

fn read_one(file: PathBuf) -> io::Result<Recording> {
    let text = std::fs::read_to_string(&file)?;
    let recording = serde_json::from_str::<Recording>(&text).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} is no recording: {error}", file.display()))
    })?;
    Ok(Recording { file, ..recording })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_set_covers_three_dialects() {
        let own = Recordings::own().unwrap();
        for (provider, operation) in
            [("openai", "chat"), ("anthropic", "messages"), ("gemini", "generateContent")]
        {
            let set = own.clone().provider(provider).operation(operation);
            assert!(!set.clone().without("stream").with("basic").is_empty(), "{provider}: text");
            assert!(!set.clone().without("stream").with("tool_call").is_empty(), "{provider}: tools");
            assert!(!set.clone().with("stream").with("basic").is_empty(), "{provider}: text stream");
            assert!(!set.clone().with("stream").with("tool_call").is_empty(), "{provider}: tool stream");
            assert!(set.iter().any(|recording| !recording.response.is_success()), "{provider}: error");
        }
        assert!(!own.clone().provider("anthropic").with("reasoning").is_empty());
        let ids: std::collections::BTreeSet<_> = own.iter().map(|recording| &recording.id).collect();
        assert_eq!(ids.len(), own.len(), "ids are unique");
    }

    #[test]
    fn what_a_file_says_is_what_it_holds() {
        for recording in &Recordings::load().unwrap() {
            if recording.is_stream() {
                assert!(recording.has("stream"), "{recording}");
            }
            let error = recording.features.iter().any(|feature| feature.starts_with("error_"));
            assert_eq!(error, !recording.response.is_success(), "{recording}");
            assert!(!recording.response.bytes().is_empty(), "{recording}");
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let request = |url: &str| Request {
            method: "POST".into(),
            url: url.into(),
            headers: BTreeMap::new(),
            content: Content::default(),
        };
        let gemini = request("https://x.recorded/v1beta/models/g-1:streamGenerateContent?alt=sse");
        assert_eq!((gemini.path(), gemini.query()), ("/v1beta/models/g-1:streamGenerateContent", "alt=sse"));
        assert_eq!(request("https://x.recorded").path(), "/");
    }
}
