//! Pictures and documents at addresses that clients name, for providers that fetch nothing themselves.
//!
//! Bounded in number, size and time; only what is a picture or a PDF by its own first bytes goes on. Redirects are
//! followed a few times, each of them to where [`Reach`] lets us.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::header::{ACCEPT, LOCATION};
use http::{StatusCode, Uri};
use llm_config::Fetch;
use llm_providers::dialect::openai_images;
use llm_providers::transport::{Guard, HyperOptions, HyperTransport, Transport as _};
use llm_types::chat::{Media, Part};
use llm_types::{ApiError, Call, ImageRequest, Result, Segments, Upload, media_type};
use tokio::time::timeout;

use super::reach::Reach;
use super::room::{Room, Unread};
use crate::intake::{BodyMemory, BodyShare};

/// How many of the largest may come together, in base64.
const TOGETHER: usize = 2;
/// The most addresses of one request.
const MOST: usize = 16;
/// How many are read at once.
const AT_ONCE: usize = 4;
/// How often an address may lead on to another.
const HOPS: usize = 3;
/// The longest address, in bytes.
const LONGEST: usize = 4096;

/// Reads what clients name by its address.
#[derive(Debug)]
pub(crate) struct MediaFetch {
    settings: Fetch,
    reach: Reach,
    transport: OnceLock<HyperTransport>,
}

impl MediaFetch {
    /// As the configuration says.
    ///
    /// # Errors
    /// For hosts and ranges that are none.
    pub(crate) fn of(settings: &Fetch, previous: Option<&Arc<Self>>) -> Result<Option<Arc<Self>>> {
        if !settings.enabled {
            return Ok(None);
        }
        if let Some(same) = previous.filter(|previous| previous.settings == *settings) {
            return Ok(Some(Arc::clone(same)));
        }
        let reach = Reach::of(&settings.allow)?;
        Ok(Some(Arc::new(Self { settings: settings.clone(), reach, transport: OnceLock::new() })))
    }

    /// Puts the bytes of what a conversation names by its address in the address's place; gives the memory that they take.
    ///
    /// # Errors
    /// 400 with the reason for the first that cannot be read.
    pub(crate) async fn inline(&self, call: &mut Call, memory: &BodyMemory) -> Result<BodyShare> {
        let request = match call {
            Call::Chat(request) | Call::CountTokens(request) => request,
            Call::Image(request) => return self.inline_pictures(request, memory).await,
            _ => return Ok(memory.share()),
        };
        let mut places = Vec::new();
        for message in &mut request.messages {
            find(&mut message.parts, &mut places);
        }
        places.retain(|media| address(media).is_some());
        if places.len() > MOST {
            let message = format!("more than {MOST} addresses are to be fetched: send the content as base64");
            return Err(ApiError::bad_request(message));
        }
        let mut wanted: HashMap<String, usize> = HashMap::new();
        for url in places.iter().filter_map(|media| address(media)) {
            *wanted.entry(url).or_default() += 1;
        }
        let share = memory.share();
        let room = &Room::of(&share, self.together());
        let read = |(url, times): (String, usize)| async move {
            match self.read(&url, room, times).await {
                Ok(bytes) => Ok((url, (bytes, times))),
                Err(why) => Err(refused(&url, why)),
            }
        };
        let mut found: HashMap<String, (Media, usize)> =
            stream::iter(wanted).map(read).buffer_unordered(AT_ONCE).try_collect().await?;
        for place in places {
            let Some(url) = address(place) else { continue };
            match found.get_mut(&url) {
                Some((media, times)) if *times > 1 => {
                    *times -= 1;
                    *place = media.clone();
                }
                // The last one has it: to copy it would hold it twice.
                _ => *place = found.remove(&url).map_or(Media::Url(url), |(media, _)| media),
            }
        }
        Ok(share)
    }

    /// The most of one request, in base64.
    fn together(&self) -> usize {
        self.settings.max_bytes.saturating_mul(TOGETHER)
    }

    /// The same of an edit.
    async fn inline_pictures(&self, request: &mut ImageRequest, memory: &BodyMemory) -> Result<BodyShare> {
        let (images, mask) = openai_images::named(request);
        let masked = usize::from(mask.is_some());
        let addresses: Vec<String> = images.into_iter().chain(mask).collect();
        let share = memory.share();
        let mut files = Vec::with_capacity(addresses.len());
        let room = Room::of(&share, self.together());
        for (address, read) in
            addresses.iter().zip(self.read_pictures(addresses.clone(), &share, &room).await)
        {
            let base64 = read.map_err(|why| refused(address, why))?;
            let data = STANDARD.decode(base64).map_err(|error| refused(address, error.to_string().into()))?;
            let kind = media_type(&data).unwrap_or("image/png").to_owned();
            files.push(Upload { kind, ..Upload::new("image", data) });
        }
        let mask = files.split_off(files.len().saturating_sub(masked)).pop();
        openai_images::put(request, files, mask);
        Ok(share)
    }

    /// What is at the addresses of pictures, in base64 and in their order, or why it is not known. The share has room for
    /// it twice: here, and in what is made of it.
    pub(crate) async fn pictures(
        &self,
        addresses: Vec<String>,
        share: &BodyShare,
    ) -> Vec<Result<String, Unread>> {
        self.read_pictures(addresses, share, &Room::of(share, usize::MAX)).await
    }

    async fn read_pictures(
        &self,
        addresses: Vec<String>,
        share: &BodyShare,
        room: &Room<'_>,
    ) -> Vec<Result<String, Unread>> {
        let read = |(place, url): (usize, String)| async move {
            if let Some((_, data)) = url.strip_prefix("data:").and_then(|held| held.split_once(";base64,")) {
                return share.grow(2 * data.len()).map(|()| data.to_owned()).map_err(Unread::NoRoom);
            }
            if place >= MOST {
                return Err(format!("more than {MOST} are not fetched").into());
            }
            match self.read(&url, room, 1).await? {
                Media::Base64 { media_type, data } if media_type.starts_with("image/") => Ok(data),
                _ => Err("it is no picture".into()),
            }
        };
        stream::iter(addresses.into_iter().enumerate()).map(read).buffered(AT_ONCE).collect().await
    }

    /// What is at an address, for so many places.
    async fn read(&self, url: &str, room: &Room<'_>, places: usize) -> Result<Media, Unread> {
        match timeout(self.settings.timeout, self.follow(url, room, places)).await {
            Ok(read) => read,
            Err(_) => Err(format!("nothing came within {} s", self.settings.timeout.as_secs_f64()).into()),
        }
    }

    async fn follow(&self, url: &str, room: &Room<'_>, places: usize) -> Result<Media, Unread> {
        let mut uri = parsed(url)?;
        for _ in 0..=HOPS {
            self.check(&uri)?;
            let request = http::Request::get(&uri).header(ACCEPT, "image/*, application/pdf");
            let request =
                request.body(Segments::from(Bytes::new()).into()).map_err(|error| error.to_string())?;
            let answer = self.transport()?.send(request).await.map_err(|error| unreached(&error))?;
            let (head, body) = answer.into_parts();
            if head.status.is_redirection() && head.status != StatusCode::NOT_MODIFIED {
                let location = head.headers.get(LOCATION).and_then(|location| location.to_str().ok());
                uri = led_on(&uri, location.ok_or("it leads on to nowhere")?)?;
                continue;
            }
            if !head.status.is_success() {
                return Err(format!("it was answered with {}", head.status).into());
            }
            return room.read(&head.headers, body, (self.settings.max_bytes, places)).await;
        }
        Err(format!("it leads on more than {HOPS} times").into())
    }

    /// Whether the host may be asked, where it is an address: names are looked up by the transport, which asks then.
    fn check(&self, uri: &Uri) -> Result<(), String> {
        let host = uri.host().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            Ok(address) if !self.reach.may(host, address) => Err(NOT_PUBLIC.to_owned()),
            _ => Ok(()),
        }
    }

    fn transport(&self) -> Result<&HyperTransport, String> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let reach = self.reach.clone();
        let guard = Guard::new(move |host, address| reach.may(host, address), NOT_PUBLIC);
        let options = HyperOptions {
            connect_timeout: self.settings.timeout,
            max_idle_per_host: 0,
            guard: Some(guard),
            ..HyperOptions::default()
        };
        let made = HyperTransport::new(&options).map_err(|error| error.message.clone())?;
        Ok(self.transport.get_or_init(|| made))
    }
}

/// Why an address is not asked: the same for a host that is not known, or whoever names hosts here could find out which there are.
const NOT_PUBLIC: &str = "its host is not known or not public (`fetch.allow` names exceptions)";

/// Why nobody answered.
fn unreached(error: &ApiError) -> String {
    // Nor may it be told apart from an address that stands for itself.
    if error.message.ends_with(NOT_PUBLIC) { NOT_PUBLIC.to_owned() } else { error.message.clone() }
}

/// Pieces that are at an address.
fn find<'p>(parts: &'p mut [Part], places: &mut Vec<&'p mut Media>) {
    for part in parts {
        match part {
            Part::Image(image) => places.push(&mut image.media),
            Part::File(file) => places.push(&mut file.media),
            Part::ToolResult(result) => find(&mut result.parts, places),
            _ => {}
        }
    }
}

/// The address, where it is one that is fetched.
fn address(media: &Media) -> Option<String> {
    match media {
        Media::Url(url) if url.starts_with("https://") || url.starts_with("http://") => Some(url.clone()),
        _ => None,
    }
}

fn parsed(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().ok().filter(|_| url.len() <= LONGEST).ok_or("it is no address")?;
    let authority = uri.authority().ok_or("it names no host")?;
    if authority.as_str().contains('@') {
        return Err("it holds a password".to_owned());
    }
    Ok(uri)
}

/// Where an address leads on to.
fn led_on(from: &Uri, location: &str) -> Result<Uri, String> {
    let (scheme, authority) =
        (from.scheme_str().unwrap_or("https"), from.authority().map_or("", |at| at.as_str()));
    if location.starts_with("https://") || (location.starts_with("http://") && scheme == "http") {
        return parsed(location);
    }
    match location.strip_prefix("//") {
        Some(rest) => parsed(&format!("{scheme}://{rest}")),
        None if location.starts_with('/') => parsed(&format!("{scheme}://{authority}{location}")),
        None => Err("it leads on to what is not fetched".to_owned()),
    }
}

/// Only where it is: what its query says may be a key, and what stands before an `@` a password.
fn refused(url: &str, why: Unread) -> ApiError {
    let why = match why {
        Unread::Why(why) => why,
        // That there is no room is no fault of the address.
        Unread::NoRoom(error) => return error,
    };
    let place = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = place.split_once("://").unwrap_or(("", place));
    // Wherever the authority ends for whoever reads it: a password may hold a slash.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let between = if scheme.is_empty() { "" } else { "://" };
    let shown: String = [scheme, between, rest].concat().chars().take(200).collect();
    ApiError::bad_request(format!("`{shown}` cannot be fetched: {why}")).with_code("media_not_fetched")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::TOTAL_LIMIT;

    #[tokio::test]
    async fn pictures_need_room_for_them_twice() {
        let fetch = MediaFetch::of(&Fetch { enabled: true, ..Fetch::default() }, None).unwrap().unwrap();
        let (memory, picture) = (BodyMemory::default(), || vec!["data:image/png;base64,QUJD".to_owned()]);
        let others = memory.share();
        others.grow(TOTAL_LIMIT - 7).unwrap();
        let share = memory.share();
        let none = fetch.pictures(picture(), &share).await;
        assert!(none[0].as_ref().unwrap_err().to_string().contains("try again"), "{none:?}");
        assert_eq!(share.check().unwrap_err().kind, llm_types::ErrorKind::Unavailable);
        drop((share, others));
        let share = memory.share();
        assert_eq!(fetch.pictures(picture(), &share).await[0].as_ref().unwrap(), "QUJD");
        assert!(share.check().is_ok());
    }

    #[test]
    fn an_address_leads_on_within_its_scheme_or_to_a_safer_one() {
        let go = |from: &str, to: &str| led_on(&from.parse().unwrap(), to).map(|uri| uri.to_string());
        assert_eq!(go("https://a/b", "/c?d").unwrap(), "https://a/c?d");
        assert_eq!(go("https://a/b", "//c/d").unwrap(), "https://c/d");
        assert_eq!(go("http://a/b", "https://c/").unwrap(), "https://c/");
        for wrong in ["http://c/", "ftp://c/", "file:///etc/passwd", "x", "https://u:p@c/"] {
            assert!(go("https://a/b", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_it_is_is_told_by_its_first_bytes() {
        let check = |bytes: &[u8], expect: Option<&str>| assert_eq!(media_type(bytes), expect);
        check(b"\x89PNG\r\n\x1a\nrest", Some("image/png"));
        check(b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp"));
        check(b"RIFF\0\0\0\0WAVE", None);
        check(b"<html>", None);
        check(b"", None);
    }

    #[test]
    fn an_error_does_not_repeat_what_may_be_a_key() {
        for url in [
            "https://h/a.png?sig=secret#x",
            "https://bob:secret@h/a.png",
            "https://secret@h/a.png",
            "https://bob:secret/@h/a.png",
        ] {
            let error = refused(url, "no".into());
            let place = error.message.contains("https://h/a.png");
            assert!(place && !error.message.contains("secret"), "{}", error.message);
        }
        assert!(refused("bob:secret@h", "no".into()).message.starts_with("`h` cannot"));
    }
}
