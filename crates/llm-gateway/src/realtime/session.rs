//! A session: events both ways, one at a time.
//!
//! One loop reads from both ends and writes what it read to the other before it reads again, so that nothing piles up
//! here: an end that does not take what is written to it stops the other, and ends the session after a while.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use llm_providers::realtime::transcript::{self, Heard};
use llm_providers::realtime::{self, Told};
use llm_types::{ApiError, ErrorKind, Origin, Result, Usage};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::dial::{Far, bounds};
use super::meter::Meter;
use crate::gateway::Gateway;
use crate::place::Place;
use crate::record::{Afterwards, Decision};
use crate::stop::Stop;

/// How long an end may take to take a message, or to agree that the session is over.
const WRITE: Duration = Duration::from_secs(30);
/// The same for a last word.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a response that was cancelled may take to say what it used.
const LAST_RESPONSE: Duration = Duration::from_secs(5);
/// After so long without a word of the client it is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// After so long without any word of it, it is gone.
const GONE: Duration = Duration::from_secs(60);
/// After so long without an event the session is over.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// How long a session lasts: as long as OpenAI's own.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

type Near = WebSocketStream<TokioIo<Upgraded>>;

/// A session that is about to begin.
pub(super) struct Session {
    request_id: Arc<str>,
    far: Far,
    meter: Meter,
    held: Held,
    /// The gateway drains: a response may end, and then the session does.
    closing: Stop,
    /// The last call.
    stop: Stop,
}

/// What is told of a session when it is over. Dropped before, its client went away.
pub(super) struct Held {
    /// Its place at its deployment.
    place: Option<Place>,
    decision: Option<Arc<Decision>>,
}

impl Held {
    pub(super) fn new(place: Place, decision: Option<Arc<Decision>>) -> Self {
        Self { place: Some(place), decision }
    }

    /// The session is over, for this reason where that is no ordinary one.
    pub(super) fn finish(mut self, total: &Usage, error: Option<&ApiError>) {
        match (self.place.take(), error.filter(|error| error.origin == Origin::Upstream)) {
            (Some(place), Some(error)) => place.fail(error),
            (Some(place), None) => place.close(total),
            (None, _) => {}
        }
        if let Some(decision) = self.decision.take() {
            decision.end(Some(total), error, Afterwards::default());
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(decision) = self.decision.take() {
            decision.end(None, Some(&gone()), Afterwards::default());
        }
    }
}

/// Why a session ends.
enum End {
    /// One end closed it, with these words for the other.
    Closed(Option<CloseFrame>),
    /// We do, and the client is told why.
    Error(ApiError, CloseCode),
    /// An end broke off.
    Broken,
}

impl Session {
    pub(super) fn new(
        gateway: &Gateway,
        request_id: Arc<str>,
        far: Far,
        (meter, held): (Meter, Held),
    ) -> Self {
        let (closing, stop) = (gateway.closing().clone(), gateway.stop().clone());
        Self { request_id, far, meter, held, closing, stop }
    }

    /// Goes on until an end closes it.
    pub(super) async fn run(mut self, near: OnUpgrade) {
        let near = match timeout(WRITE, near).await {
            Ok(Ok(near)) => near,
            _ => return self.held.finish(&self.meter.finish(), Some(&gone())),
        };
        let mut near = Near::from_raw_socket(TokioIo::new(near), Role::Server, Some(bounds())).await;
        let end = self.relay(&mut near).await;
        if self.meter.is_busy() {
            // A response that nobody hears costs money all the same: how much is known when it has ended.
            let _ = timeout(LAST_RESPONSE, self.hear_out()).await;
        }
        let broken = gone();
        let error = match &end {
            End::Closed(_) => None,
            End::Broken => Some(&broken),
            End::Error(error, _) => Some(error),
        };
        self.held.finish(&self.meter.finish(), error);
        let frame = match end {
            End::Closed(frame) => frame,
            End::Broken => {
                Some(CloseFrame { code: CloseCode::Error, reason: "the other end is gone".into() })
            }
            End::Error(error, code) => {
                tracing::info!(request_id = &*self.request_id, kind = ?error.kind, %error, "realtime session ended");
                let event = Message::text(realtime::error_event(&error, None));
                let _ = timeout(FAREWELL, near.send(event)).await;
                Some(CloseFrame { code, reason: reason(&error).into() })
            }
        };
        let _ = timeout(FAREWELL, near.close(frame)).await;
        let _ = timeout(FAREWELL, self.far.close(None)).await;
        // The client's own word that it is over, so that it reads ours.
        let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = near.next().await {} }).await;
    }

    async fn relay(&mut self, near: &mut Near) -> End {
        let began = Instant::now();
        let (mut heard, mut event, mut asked) = (began, began, began);
        let (mut closing, mut stopping) = (self.closing.heard(), self.stop.heard());
        loop {
            if self.stop.is_told() || (self.closing.is_told() && !self.meter.is_busy()) {
                return End::Error(going(), CloseCode::Away);
            }
            let now = Instant::now();
            if now >= heard + GONE {
                return End::Broken;
            }
            if now >= event + IDLE || now >= began + LIFETIME {
                let message =
                    "the session has lasted as long as it may, or nobody said anything for 15 minutes";
                return End::Error(ApiError::new(ErrorKind::Timeout, message), CloseCode::Normal);
            }
            let look = (heard.max(asked) + PING).min(event + IDLE).min(began + LIFETIME);
            let ended = tokio::select! {
                message = near.next() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(message)) => {
                            if message.is_text() || message.is_binary() {
                                event = heard;
                            }
                            self.onward(near, message).await
                        }
                        Some(Err(_)) | None => Err(End::Broken),
                    }
                }
                message = self.far.next() => match message {
                    Some(Ok(message)) => {
                        event = Instant::now();
                        self.back(near, message).await
                    }
                    Some(Err(_)) | None => Err(End::Error(lost(), CloseCode::Error)),
                },
                () = sleep_until(look) => {
                    asked = Instant::now();
                    write(near, Message::Ping(Bytes::new())).await
                }
                () = &mut closing, if !self.closing.is_told() => Ok(()),
                () = &mut stopping => Ok(()),
            };
            if let Err(end) = ended {
                return end;
            }
        }
    }

    /// Cancels what runs, and reads until it has ended.
    async fn hear_out(&mut self) {
        let running: Vec<String> = self.meter.running().map(realtime::cancel).collect();
        let all = self.meter.is_answering().then_some(realtime::CANCEL);
        for cancel in running.iter().map(String::as_str).chain(all) {
            if self.far.send(Message::text(cancel)).await.is_err() {
                return;
            }
        }
        while self.meter.is_busy()
            && let Some(Ok(message)) = self.far.next().await
        {
            match realtime::told(&content(&message)) {
                Told::Done { id, usage, said } => self.meter.ended(&id, usage.as_deref(), said).await,
                Told::Refused { event_id } => drop(self.meter.refused(&event_id)),
                Told::Begun { id } => {
                    let cancel = realtime::cancel(&id);
                    let _ = self.meter.begun(id).await;
                    if self.far.send(Message::text(cancel)).await.is_err() {
                        return;
                    }
                }
                Told::Other => match transcript::heard(&content(&message)) {
                    Heard::Done { item, usage } => self.meter.transcript_done(&item, usage.as_deref()).await,
                    Heard::Failed { item } => self.meter.transcript_failed(&item),
                    Heard::Begun { .. } | Heard::Settings { .. } | Heard::Other => {}
                },
            }
        }
    }

    /// A message of the client.
    async fn onward(&mut self, near: &mut Near, message: Message) -> Result<(), End> {
        match message {
            Message::Text(_) | Message::Binary(_) => match realtime::asks(&content(&message)) {
                Ok(None) => match self.wished(&content(&message)).await {
                    Ok(()) => self.tell(message).await,
                    Err((error, about)) => refuse(near, error, about.as_deref()).await,
                },
                Ok(Some(ask)) => match self.meter.ask(ask.event_id.clone()).await {
                    Ok(name) => self.tell(text(ask.named(&name))).await,
                    Err(error) => refuse(near, error, ask.event_id.as_deref()).await,
                },
                Err(error) => refuse(near, error, None).await,
            },
            Message::Close(frame) => Err(End::Closed(frame)),
            // Answered by the other end's own hands.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    /// Takes note of what the client wants of transcripts.
    async fn wished(&mut self, event: &Bytes) -> Result<(), (ApiError, Option<String>)> {
        if let Some(bytes) = transcript::sound(event) {
            self.meter.hears(bytes);
        }
        let Some(wish) = transcript::wishes(event).map_err(|error| (error, None))? else { return Ok(()) };
        self.meter.wish(&wish).await.map_err(|error| (error, wish.event_id))
    }

    /// Takes note of what the provider says of transcripts; those that cannot be paid any more are turned off.
    async fn heard(&mut self, event: &[u8]) -> Result<Option<ApiError>, End> {
        match transcript::heard(event) {
            Heard::Begun { item } => {
                let begun = self.meter.transcript_begun(item).await;
                // Of two spellings a session knows one, and says of the other that it does not.
                let Err(error) = begun else {
                    for on in self.meter.unmute().await.iter().flat_map(|events| events.iter()) {
                        self.tell(Message::text(on.clone())).await?;
                    }
                    return Ok(None);
                };
                match error.kind {
                    ErrorKind::RateLimit => self.meter.mute(),
                    _ => self.meter.silence(),
                }
                for off in transcript::OFF {
                    self.tell(Message::text(off)).await?;
                }
                return Ok(Some(error));
            }
            Heard::Done { item, usage } => self.meter.transcript_done(&item, usage.as_deref()).await,
            Heard::Failed { item } => self.meter.transcript_failed(&item),
            Heard::Settings { model } => self.meter.transcripts_are(model.as_deref()),
            Heard::Other => {}
        }
        Ok(None)
    }

    /// Tells the provider.
    async fn tell(&mut self, message: Message) -> Result<(), End> {
        let sent = timeout(WRITE, self.far.send(message)).await.ok().and_then(Result::ok);
        sent.ok_or_else(|| End::Error(lost(), CloseCode::Error))
    }

    /// A message of the provider.
    async fn back(&mut self, near: &mut Near, message: Message) -> Result<(), End> {
        let event = match &message {
            Message::Text(_) | Message::Binary(_) => content(&message),
            Message::Close(frame) => return Err(closed(frame.as_ref())),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        match realtime::told(&event) {
            Told::Other => {
                let off = self.heard(&event).await?;
                write(near, message).await?;
                match off {
                    Some(error) => refuse(near, error, None).await,
                    None => Ok(()),
                }
            }
            Told::Begun { id } => {
                let cancel = realtime::cancel(&id);
                let Err(error) = self.meter.begun(id).await else { return write(near, message).await };
                self.tell(Message::text(cancel)).await?;
                write(near, message).await?;
                refuse(near, error, None).await
            }
            Told::Done { id, usage, said } => {
                self.meter.ended(&id, usage.as_deref(), said).await;
                write(near, message).await
            }
            Told::Refused { event_id } => match self.meter.refused(&event_id) {
                Some(own) => write(near, text(realtime::renamed(&event, own.as_deref()))).await,
                None => write(near, message).await,
            },
        }
    }
}

/// What a message says.
fn content(message: &Message) -> Bytes {
    match message {
        Message::Text(text) => AsRef::<Bytes>::as_ref(text).clone(),
        Message::Binary(bytes) => bytes.clone(),
        _ => Bytes::new(),
    }
}

/// A message that says this, which is JSON.
fn text(json: Bytes) -> Message {
    Utf8Bytes::try_from(json.clone()).map_or_else(|_| Message::Binary(json), Message::Text)
}

/// The client is told that there is no response, and may go on; who may not ask at all any more, may not.
async fn refuse(near: &mut Near, error: ApiError, about: Option<&str>) -> Result<(), End> {
    if matches!(error.kind, ErrorKind::Auth | ErrorKind::Permission) {
        return Err(End::Error(error, CloseCode::Policy));
    }
    write(near, Message::text(realtime::error_event(&error, about))).await
}

/// How a session ends that the provider closes. That something went wrong there counts against the deployment; its words
/// for that may hold a key.
fn closed(frame: Option<&CloseFrame>) -> End {
    let faulty = |frame: &&CloseFrame| (1011..=1014).contains(&u16::from(frame.code));
    match frame.filter(faulty) {
        Some(frame) => {
            let message = format!("the upstream ended the session with code {}", frame.code);
            End::Error(ApiError::upstream(ErrorKind::Api, message), frame.code)
        }
        None => End::Closed(frame.cloned()),
    }
}

async fn write(near: &mut Near, message: Message) -> Result<(), End> {
    match timeout(WRITE, near.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Broken),
    }
}

fn going() -> ApiError {
    let message = "the gateway is stopping: connect again";
    ApiError::new(ErrorKind::Unavailable, message).with_code("session_closed")
}

pub(super) fn gone() -> ApiError {
    ApiError::new(ErrorKind::ClientCancelled, "the client went away")
}

fn lost() -> ApiError {
    ApiError::upstream(ErrorKind::Connection, "the upstream broke the session: connect again")
}

/// The words of a close frame, which has room for 123 bytes.
fn reason(error: &ApiError) -> String {
    let text = &error.message;
    text.get(..text.floor_char_boundary(120)).unwrap_or_default().to_owned()
}
