//! Plays a recorded reply as an upstream.
//!
//! A stream's text is cut into HTTP chunks at chosen places. HTTP clients hand on a chunk as a piece of
//! its own even where several arrive together, so the cuts reach the decoder.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;

use crate::recording::Recording;
use crate::script::Script;
use crate::upstream::{Received, Upstream};
use crate::{conformance, event_stream};

/// Where a stream is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere: one chunk.
    Whole,
    /// After each event.
    Events,
    /// After each byte.
    EveryByte,
    /// Once, after so many bytes.
    At(usize),
    /// Once, within the last event that speaks of usage.
    InUsage,
}

/// Where a stream is cut in two, one place after the other: everywhere, or where that would be more than `most`
/// places, at so many in even steps and wherever a reader may have to wait: at the ends of lines and events
/// that come for the first time, and within the characters that are more than one byte long.
#[must_use]
pub fn cuts(stream: &[u8], most: usize) -> Vec<usize> {
    let step = stream.len().div_ceil(most.max(1)).max(1);
    let mut at: BTreeSet<usize> = (0..=stream.len()).step_by(step).collect();
    if step > 1 {
        at.extend(edges(stream));
        let inner = |(at, byte): (usize, &u8)| (byte & 0xC0 == 0x80).then_some(at);
        at.extend(stream.iter().enumerate().filter_map(inner).take(most / 4));
    }
    at.into_iter().collect()
}

/// Around the line ends of the first events of each kind; events of one kind begin alike.
fn edges(stream: &[u8]) -> Vec<usize> {
    const LIKE: usize = 40;
    let (mut seen, mut out, mut start) = (BTreeMap::new(), Vec::new(), 0);
    for (at, byte) in stream.iter().enumerate() {
        if *byte != b'\n' {
            continue;
        }
        let line = stream.get(start..at).unwrap_or_default();
        let count = seen.entry(line.get(..LIKE).unwrap_or(line)).or_insert(0_usize);
        *count += 1;
        if *count <= 2 {
            out.extend(at.saturating_sub(1)..=(at + 2).min(stream.len()));
        }
        start = at + 1;
    }
    out
}

/// An upstream that gives one recorded reply to every request.
#[derive(Debug)]
pub struct Player {
    recording: Recording,
    upstream: Upstream,
}

impl Player {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(recording: &Recording, cut: Cut) -> io::Result<Self> {
        let upstream = Upstream::start()?;
        upstream.always(script(recording, cut));
        Ok(Self { recording: recording.clone(), upstream })
    }

    /// The upstream, for its requests and connections.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.upstream.addr()
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.upstream.url()
    }

    /// The base URL for this recording: what its path has in front of the operation
    /// (`/v1`, `/openai/v1`), for providers whose base includes it.
    #[must_use]
    pub fn api_base(&self) -> String {
        let path = self.recording.request.path();
        let prefix = path.strip_suffix("/chat/completions").unwrap_or_default();
        format!("{}{prefix}", self.url())
    }

    /// The last request that came.
    #[must_use]
    pub fn received(&self) -> Option<Received> {
        self.upstream.last_request()
    }

    /// How the last request differs from the recorded one in method, path and JSON body, spelling
    /// aside; empty where it says the same.
    #[must_use]
    pub fn request_differences(&self) -> Vec<String> {
        let Some(received) = self.received() else { return vec!["no request came".into()] };
        let expect = &self.recording.request;
        let mut out = Vec::new();
        if received.method != expect.method {
            out.push(format!("method: expected {}, got {}", expect.method, received.method));
        }
        if received.path() != expect.path() {
            out.push(format!("path: expected {}, got {}", expect.path(), received.path()));
        }
        if let Some(body) = expect.json() {
            out.extend(conformance::differences(body, &received.json()));
        }
        out
    }
}

/// The recorded reply as a script.
#[must_use]
pub fn script(recording: &Recording, cut: Cut) -> Script {
    let response = &recording.response;
    let mut script = Script::status(response.status);
    for (name, value) in &response.headers {
        let name = name.to_ascii_lowercase();
        if !["content-length", "transfer-encoding", "content-encoding", "connection"].contains(&name.as_str())
        {
            script = script.header(&name, value);
        }
    }
    match response.stream() {
        Some(text) => pieces(text, cut).into_iter().fold(script, Script::chunk),
        None if response.is_binary_stream() => {
            binary_pieces(&response.bytes(), cut).into_iter().fold(script, Script::chunk)
        }
        None => script.body(response.bytes()),
    }
}

/// Cuts a stream's text.
#[must_use]
pub fn pieces(text: &str, cut: Cut) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    match cut {
        Cut::Whole => split(bytes, 0),
        Cut::At(at) => split(bytes, at),
        Cut::EveryByte => bytes.iter().map(|byte| vec![*byte]).collect(),
        Cut::InUsage => {
            let found = text.rfind("\"usage").or_else(|| text.rfind("\"eval_count"));
            split(bytes, found.map_or(0, |at| at + 4))
        }
        Cut::Events => events(text),
    }
}

/// Cuts a stream of binary messages. The usage is in the last.
fn binary_pieces(bytes: &[u8], cut: Cut) -> Vec<Vec<u8>> {
    match cut {
        Cut::Whole => split(bytes, 0),
        Cut::At(at) => split(bytes, at),
        Cut::EveryByte => bytes.iter().map(|byte| vec![*byte]).collect(),
        Cut::InUsage => split(bytes, bytes.len().saturating_sub(40)),
        Cut::Events => event_stream::messages(bytes),
    }
}

fn split(bytes: &[u8], at: usize) -> Vec<Vec<u8>> {
    let (before, after) = bytes.split_at(at.min(bytes.len()));
    [before, after].into_iter().filter(|piece| !piece.is_empty()).map(<[u8]>::to_vec).collect()
}

/// Each event with the empty line that ends it; each line, where they are objects.
fn events(text: &str) -> Vec<Vec<u8>> {
    if text.starts_with('{') {
        return text.split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect();
    }
    let mut pieces = vec![Vec::new()];
    for line in text.split_inclusive('\n') {
        if let Some(piece) = pieces.last_mut() {
            piece.extend_from_slice(line.as_bytes());
        }
        if line.trim_end_matches(['\r', '\n']).is_empty() {
            pieces.push(Vec::new());
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Recordings;
    use crate::load::{Target, once};

    fn stream() -> Recording {
        let set = Recordings::own().unwrap().provider("anthropic").with("stream").with("basic");
        set.into_iter().next().unwrap()
    }

    #[test]
    fn cuts_lose_nothing() {
        let recording = stream();
        let text = recording.response.sse().unwrap();
        let check = |cut: Cut, count: usize| {
            let pieces = pieces(text, cut);
            assert_eq!((pieces.concat(), pieces.len()), (text.as_bytes().to_vec(), count), "{cut:?}");
        };
        check(Cut::Whole, 1);
        check(Cut::EveryByte, text.len());
        check(Cut::At(10), 2);
        check(Cut::At(usize::MAX), 1);
        check(Cut::InUsage, 2);
        check(Cut::Events, crate::sse::events(text).len());
        assert!(pieces(text, Cut::InUsage)[1].starts_with(b"ge\":{"));
    }

    #[tokio::test]
    async fn a_reply_arrives_and_the_request_is_compared() {
        let recording = stream();
        let player = Player::start(&recording, Cut::EveryByte).unwrap();
        assert_eq!(player.request_differences(), ["no request came"]);
        let mut body = recording.request.json().unwrap().clone();
        let target = |body: &serde_json::Value| {
            Target::post(player.addr(), "/v1/messages", body.to_string().as_bytes())
        };
        let (status, reply) = once(&target(&body)).await.unwrap();
        assert_eq!((status, &reply[..]), (200, recording.response.sse().unwrap().as_bytes()));
        assert_eq!(player.request_differences(), Vec::<String>::new());
        body["max_tokens"] = json!(1);
        once(&target(&body)).await.unwrap();
        assert_eq!(player.request_differences(), ["max_tokens: expected 64, got 1"]);
    }

    #[test]
    fn the_base_is_what_stands_before_the_operation() {
        let set = Recordings::own().unwrap();
        let recording = set.find("own-openai-chat-basic-system").unwrap();
        let player = Player::start(recording, Cut::Whole).unwrap();
        assert_eq!(player.api_base(), format!("{}/v1", player.url()));
    }

    #[test]
    fn a_stream_is_cut_where_it_matters() {
        assert_eq!(cuts(b"abc", 10), [0, 1, 2, 3]);
        assert_eq!(cuts(b"", 10), [0]);
        let event = "data: {\"text\":\"größe\"}\n\n";
        let stream = event.repeat(500);
        let places = cuts(stream.as_bytes(), 40);
        assert!(places.len() < 80 && places.last() == Some(&stream.len()), "{places:?}");
        // Within both characters, before, within and behind the empty line.
        for at in [18, 20, event.len() - 2, event.len() - 1, event.len()] {
            assert!(places.contains(&at), "{at}: {places:?}");
        }
        assert!(places.windows(2).all(|two| two[1] - two[0] <= stream.len().div_ceil(40)));
    }
}
