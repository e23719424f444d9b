//! Lists of files and batches: of what lies in an account that all tenants share, what is the caller's own.
//!
//! What is whose is in the things themselves (`llm_providers::bulk`): the name of a file that came through here, the
//! metadata of a batch. What has no such word, answers of batches among it, is listed for the master key alone.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use llm_providers::bulk;
use llm_types::{ApiError, BatchForm, Head, Result};
use serde::Serialize;
use serde_json::value::RawValue;

use super::place::{Desk, Hints, Place};
use super::{Sending, Visit};
use crate::body::ClientBody;
use crate::respond::Failed;

/// How many are shown where nobody says it, and at most.
const USUAL: usize = 20;
const MOST: usize = 100;
/// How many pages of an account are read for one of ours: others' things lie between.
const PAGES: usize = 50;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Files,
    Batches,
}

/// How far a list has been read.
#[derive(Debug, Default)]
struct Cursor {
    after: Option<String>,
    page: usize,
}

/// What a client asks for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    hints: Hints,
    limit: usize,
    after: Option<String>,
    /// What goes on to the provider.
    rest: String,
}

impl Wanted {
    /// What headers and query ask for.
    ///
    /// # Errors
    /// 400 for a limit that is no number.
    pub(super) fn of(headers: &HeaderMap, query: Option<&str>) -> Result<Self> {
        let mut wanted = Self { hints: Hints::of(headers, query), limit: USUAL, ..Self::default() };
        for (name, value) in query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "limit" => {
                    let limit = value.parse().map_err(|_| {
                        ApiError::bad_request("limit must be a number from 1 to 100").with_param("limit")
                    })?;
                    wanted.limit = usize::clamp(limit, 1, MOST);
                }
                "after" if !value.is_empty() => {
                    wanted.after = Some(crate::front::decoded(value).into_owned());
                }
                "purpose" | "order"
                    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') =>
                {
                    wanted.rest.push_str(&format!("&{name}={value}"));
                }
                _ => {}
            }
        }
        Ok(wanted)
    }
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    object: &'static str,
    data: Vec<&'a RawValue>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

impl Visit {
    /// Lists what is the caller's own.
    pub(super) async fn list(
        &self,
        desk: &Desk,
        what: What,
        wanted: &Wanted,
    ) -> Result<Response<ClientBody>, Failed> {
        let mut places = desk.places(&wanted.hints)?;
        let mut cursor = Cursor::default();
        if let Some(after) = &wanted.after {
            let (place, own) = desk.by_id(after, "after")?;
            let at = places.iter().position(|one| one.owner.is_with(&place.owner));
            places.drain(..at.unwrap_or_default());
            cursor.after = Some(own);
        }
        let Some(first) = places.first().cloned() else {
            let message = "no deployment that this key may call keeps files and batches";
            return Err(ApiError::bad_request(message).into());
        };
        let (mut found, mut has_more) = (Vec::new(), false);
        'places: for place in &places {
            for page in 1..=PAGES {
                let got = self.page(place, what, (wanted, &mut cursor)).await;
                let (items, more) = got.map_err(|error| place.failed(error))?;
                let mut items = items.into_iter().peekable();
                while let Some(item) = items.next() {
                    let mine = self.mine(desk, place, what, item).map_err(|error| place.failed(error))?;
                    found.extend(mine);
                    if found.len() >= wanted.limit {
                        has_more = more || items.peek().is_some();
                        break 'places;
                    }
                }
                if !more {
                    break;
                }
                // It was not looked through to its end.
                has_more |= page == PAGES;
            }
            cursor = Cursor::default();
        }
        let id = |item: Option<&Bytes>| Head::scan(item?.clone()).ok()?.read::<String>("id").ok()?;
        let raw = |item: &Bytes| serde_json::from_slice::<Box<RawValue>>(item).ok();
        let data: Vec<Box<RawValue>> = found.iter().filter_map(raw).collect();
        let shown = Shown {
            object: "list",
            first_id: id(found.first()),
            last_id: id(found.last()),
            data: data.iter().map(|item| &**item).collect(),
            has_more,
        };
        let body = serde_json::to_vec(&shown)
            .map_err(|error| ApiError::bad_request("the list cannot be written").with_source(error))?;
        Ok(self.answer(&first, body.into()))
    }

    /// The next page of an account, behind the cursor, and whether there are more.
    async fn page(
        &self,
        place: &Place,
        what: What,
        (wanted, cursor): (&Wanted, &mut Cursor),
    ) -> Result<(Vec<Bytes>, bool)> {
        if let Some(inline) = &place.inline {
            let from = (cursor.after.as_deref(), MOST);
            let (items, more, last) = match what {
                What::Files => self.inline_files(place, from).await?,
                What::Batches => self.inline_batches((place, inline), from).await?,
            };
            cursor.after = last;
            // A list that cannot be gone on with is over.
            return Ok((items, more && cursor.after.is_some()));
        }
        let base = match what {
            What::Files => "/files",
            What::Batches => bulk::batch_path(place.form),
        };
        let rest = if what == What::Files { &*wanted.rest } else { "" };
        let by_page = place.form == BatchForm::Mistral;
        let path = match (&cursor.after, by_page) {
            (_, true) => format!("{base}?page={}&page_size={MOST}", cursor.page),
            (Some(after), false) => format!("{base}?limit={MOST}&after={after}{rest}"),
            (None, false) => format!("{base}?limit={MOST}{rest}"),
        };
        let body = self.object(place, (Method::GET, &path), Sending::Nothing, None).await?;
        let (mut items, mut more) = bulk::page(&body)?;
        let id = |item: &Bytes| Head::scan(item.clone()).ok()?.read::<String>("id").ok()?;
        if by_page {
            more = items.len() >= MOST;
            cursor.page += 1;
            if let Some(after) = &cursor.after {
                let at = items.iter().position(|item| id(item).as_deref() == Some(after));
                let passed = at.map_or(items.len(), |at| at + 1);
                items.drain(..passed);
                if at.is_some() {
                    cursor.after = None;
                }
            }
        } else {
            let last = items.last().and_then(id);
            // A list that cannot be gone on with is over.
            more &= last.is_some();
            cursor.after = last;
        }
        Ok((items, more))
    }

    /// A thing as its tenant sees it; `None`: it is another's.
    fn mine(&self, desk: &Desk, place: &Place, what: What, item: Bytes) -> Result<Option<Bytes>> {
        let seal = place.seal.as_ref().filter(|_| !desk.sees_all());
        let mark = place.mark.as_ref().map(Arc::as_ref);
        if what == What::Files {
            let name = Head::scan(item.clone())?.read::<String>("filename").ok().flatten();
            let is_mine = bulk::own_name(name.as_deref().unwrap_or_default(), seal).is_some();
            return if is_mine { bulk::file(item, mark).map(Some) } else { Ok(None) };
        }
        let (shown, known) = bulk::batch(bulk::shown_batch(item, place.form)?, mark)?;
        if seal.is_some() && !known.tag.as_ref().is_some_and(|tag| tag.is_of(seal)) {
            return Ok(None);
        }
        self.gateway.jobs().seen(&self.gateway, (desk, place), &known);
        Ok(Some(shown))
    }
}
