//! An upstream that is well or unwell as it is told, and remembers whose answers it broke off.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm_testkit::{End, Gate, Received, Script, Upstream};
use serde_json::{Value, json};

/// Words of an answer, after the marker and the upstream's name.
const WORDS: usize = 8;
/// How long an answer takes: long enough that 200 clients at once do not need the whole machine.
const WHOLE: Duration = Duration::from_millis(700);
const GAP: Duration = Duration::from_millis(80);
/// Slow, and not too slow.
const SLOW: Duration = Duration::from_millis(1500);

/// What is wrong with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 429 with `Retry-After`.
    RateLimited,
    /// 500.
    Broken,
    /// Requests are taken and not answered as long as it lasts.
    Hang,
    /// What comes is no answer: no HTTP, no JSON, no events.
    Garbage,
    /// The connection is reset before any content.
    ResetEarly,
    /// The connection is reset in the middle of the content.
    ResetLate,
    /// The first token takes its time.
    Slow,
}

/// An upstream under a test's control.
#[derive(Debug)]
pub(crate) struct Moody {
    pub(crate) upstream: Upstream,
    mood: Arc<Mood>,
}

#[derive(Debug)]
struct Mood {
    name: char,
    now: Mutex<(Option<Fault>, Gate)>,
    /// Markers of streams that were broken off after content.
    broken: Mutex<HashSet<String>>,
    turn: AtomicUsize,
}

/// Who asks: the marker at the end of the prompt.
pub(crate) fn marker(request: &Received) -> String {
    let body = request.json();
    body["messages"][0]["content"].as_str().unwrap_or_default().to_owned()
}

/// What an upstream answers to whoever asks with this marker.
pub(crate) fn answer(marker: &str, name: char) -> String {
    words(marker, name).concat()
}

fn words(marker: &str, name: char) -> Vec<String> {
    let rest = (1..=WORDS).map(|nth| format!(" {name}{nth}"));
    std::iter::once(format!("{marker} from {name}")).chain(rest).collect()
}

impl Moody {
    /// A healthy one.
    pub(crate) fn start(name: char) -> Self {
        let upstream = Upstream::start().unwrap();
        let (now, broken) = (Mutex::new((None, Gate::new())), Mutex::default());
        let mood = Arc::new(Mood { name, now, broken, turn: AtomicUsize::new(0) });
        let own = Arc::clone(&mood);
        upstream.on("/v1/chat/completions", move |request| own.script(request));
        Self { upstream, mood }
    }

    /// From now on this is wrong with it.
    pub(crate) fn falls_ill(&self, fault: Fault) {
        *lock(&self.mood.now) = (Some(fault), Gate::new());
    }

    /// From now on it is well; what hung goes on.
    pub(crate) fn recovers(&self) {
        let mut now = lock(&self.mood.now);
        now.1.open();
        *now = (None, Gate::new());
    }

    /// Whether it broke this one's stream off after content.
    pub(crate) fn broke(&self, marker: &str) -> bool {
        lock(&self.mood.broken).contains(marker)
    }

    pub(crate) fn name(&self) -> char {
        self.mood.name
    }
}

impl Mood {
    fn script(&self, request: &Received) -> Script {
        let (fault, gate) = lock(&self.now).clone();
        let (streamed, marker) = (request.json()["stream"] == true, marker(request));
        let well =
            || if streamed { self.stream(&marker, WORDS + 1, GAP) } else { self.whole(&marker, WHOLE) };
        match fault {
            None => well(),
            Some(Fault::RateLimited) => error(429).header("retry-after", "1"),
            Some(Fault::Broken) => error(500),
            Some(Fault::Hang) => well().gate_head(&gate),
            Some(Fault::Garbage) => self.garbage(),
            Some(Fault::Slow) => well().delay_head(SLOW),
            Some(Fault::ResetEarly) if streamed => self.stream(&marker, 0, GAP).then(End::Reset),
            Some(Fault::ResetLate) if streamed => {
                lock(&self.broken).insert(marker.clone());
                self.stream(&marker, 4, GAP).then(End::Reset)
            }
            Some(Fault::ResetEarly | Fault::ResetLate) => {
                let body = completion(&answer(&marker, self.name)).to_string();
                let half = body.get(..body.len() / 2).unwrap_or_default().to_owned();
                Script::status(200).header("content-type", "application/json").body(half).then(End::Reset)
            }
        }
    }

    fn garbage(&self) -> Script {
        match self.turn.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => Script::garbage("\u{0}\u{1}SSH-2.0-upstream\r\n\r\n"),
            1 => Script::status(200).header("content-type", "text/html").body("<html>welcome</html>"),
            2 => Script::sse(["data: {\"choices\": [}\n\n"]),
            _ => {
                Script::status(200).header("content-type", "application/json").body("{\"object\": \"list\"}")
            }
        }
    }

    /// A stream of so many words; a whole one ends properly.
    fn stream(&self, marker: &str, count: usize, gap: Duration) -> Script {
        let role = json!({"role": "assistant", "content": ""});
        let words = words(marker, self.name);
        let deltas = words.iter().take(count).map(|word| json!({"content": word}));
        let mut events: Vec<_> =
            std::iter::once(role).chain(deltas).map(|delta| event(&delta, None)).collect();
        if count > WORDS {
            events.push(event(&json!({}), Some("stop")));
            events.push("data: [DONE]\n\n".to_owned());
        }
        Script::sse(events).paced(gap)
    }

    fn whole(&self, marker: &str, time: Duration) -> Script {
        Script::json(&completion(&answer(marker, self.name))).delay_head(time)
    }
}

fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    })
}

fn event(delta: &Value, finish: Option<&str>) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]
    });
    format!("data: {chunk}\n\n")
}

fn error(status: u16) -> Script {
    Script::status(status).json_body(&json!({"error": {"message": "no luck", "type": "x", "code": null}}))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
