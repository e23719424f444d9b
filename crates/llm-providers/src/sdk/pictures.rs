//! Pictures as the caller wants them: their bytes, where a provider only says where they lie.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::abortable;
use futures_util::{StreamExt as _, stream};
use http::header::ACCEPT;
use llm_types::{Changes, MadeImage, Output, Segments, media_type};

use super::client::Client;
use crate::codec::Memo;
use crate::target::Target;
use crate::transport::{RequestBody, collect};

/// The member that says which is wanted.
const ASKED: &str = "response_format";
/// The largest picture, in bytes, and how many are read at once.
const LIMIT: usize = 64 * 1024 * 1024;
const AT_ONCE: usize = 4;

impl Client {
    /// Puts the bytes of pictures in the place of their addresses, where the caller asked for bytes. What cannot be read
    /// stays an address, and that is told: it was made, and is paid.
    pub(super) async fn bytes_of(
        &self,
        output: &mut Output,
        memo: &Memo,
        (target, changes): (&Target, &mut Changes),
    ) {
        let Output::Images(images) = output else { return };
        if memo.media.as_ref().is_none_or(|media| !media.bytes) {
            return;
        }
        let far: Vec<&mut MadeImage> =
            images.data.iter_mut().filter(|image| image.base64.is_none()).collect();
        let read = far.into_iter().filter_map(|image| image.url.clone().map(|url| (image, url))).map(
            async |(image, url)| match within(self.picture_time(), self.picture(&url, target)).await {
                Ok(base64) => {
                    (image.base64, image.url) = (Some(base64), None);
                    None
                }
                Err(why) => Some(why),
            },
        );
        let failed: Vec<Option<String>> = stream::iter(read).buffered(AT_ONCE).collect().await;
        for why in failed.into_iter().flatten() {
            changes.altered(ASKED, format!("a picture is not read from where it lies, for {why}: `url`"));
        }
    }

    /// What is at an address, in base64. Nobody's key goes there.
    async fn picture(&self, url: &str, target: &Target) -> Result<String, String> {
        if let Some((_, data)) = url.strip_prefix("data:").and_then(|held| held.split_once(";base64,")) {
            return Ok(data.to_owned());
        }
        // A server of one's own may be without TLS; nobody else's is asked so.
        let may = url.starts_with("https://") || (target.is_plain() && url.starts_with("http://"));
        if !may {
            return Err("it is no https address".to_owned());
        }
        let request =
            http::Request::get(url).header(ACCEPT, "image/*").body(RequestBody::from(Segments::default()));
        let request = request.map_err(|error| error.to_string())?;
        let answer = self.transport().send(request).await.map_err(|error| error.message.clone())?;
        let (head, body) = answer.into_parts();
        if !head.status.is_success() {
            return Err(format!("it was answered with {}", head.status));
        }
        let bytes = collect(body, LIMIT).await.map_err(|error| error.message.clone())?;
        match media_type(&bytes) {
            Some(kind) if kind.starts_with("image/") => Ok(STANDARD.encode(&bytes)),
            _ => Err("it is no PNG, JPEG, GIF or WebP".to_owned()),
        }
    }
}

/// Gives up what takes longer. The clock is a thread: not every runtime that a caller has brings one.
async fn within<T>(time: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let (work, handle) = abortable(work);
    let (_ends, clock) = mpsc::channel::<()>();
    let watch = move || {
        if clock.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
            handle.abort();
        }
    };
    // Without a thread nobody watches, and the transport's own bounds have to do.
    let _ = std::thread::Builder::new().name("picture-clock".to_owned()).spawn(watch);
    let late = |_| Err(format!("it took more than {} s", time.as_secs_f64()));
    work.await.unwrap_or_else(late)
}
