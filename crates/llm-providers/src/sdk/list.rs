//! Lists of files and batches, over as many pages as they have.

use std::collections::HashSet;

use http::Method;
use llm_types::{ApiError, BatchForm, ErrorKind, Result};
use serde::de::DeserializeOwned;

use super::client::Client;
use super::files::{StoredBatch, StoredFile, nothing, read};
use crate::bulk;

/// How many things a page has.
pub(super) const PAGE: usize = 100;

/// Where a list is gone on with.
#[derive(Debug)]
pub(super) struct Pages {
    /// The most that is wanted of it.
    limit: usize,
    found: usize,
    /// The last of the page before.
    after: Option<String>,
    /// The pages before.
    turned: usize,
    seen: HashSet<String>,
}

impl Pages {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, found: 0, after: None, turned: 0, seen: HashSet::new() }
    }

    /// How many things the next page is to have.
    pub(super) fn size(&self) -> usize {
        self.limit.saturating_sub(self.found).clamp(1, PAGE)
    }

    /// Behind what it begins.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The path of the next page.
    fn path(&self, base: &str, form: BatchForm) -> String {
        match (form, &self.after) {
            // Pages are numbered there, so that all must be of one size.
            (BatchForm::Mistral, _) => format!("{base}?page={}&page_size={PAGE}", self.turned),
            (_, Some(after)) => format!("{base}?limit={}&after={}", self.size(), crate::url::escape(after)),
            (_, None) => format!("{base}?limit={}", self.size()),
        }
    }

    /// Turns the page: of so many things, `last` the id of the last. Whether there is another that is wanted.
    ///
    /// # Errors
    /// [`ErrorKind::UpstreamFormat`] for a page that was there before: the list would have no end.
    pub(super) fn turn(&mut self, items: usize, last: Option<&str>, more: bool) -> Result<bool> {
        self.found += items;
        self.turned += 1;
        let Some(last) = last else { return Ok(false) };
        if !self.seen.insert(last.to_owned()) {
            let message = format!("the list does not go on: a page ends with `{last}`, as one before it");
            return Err(ApiError::upstream(ErrorKind::UpstreamFormat, message));
        }
        self.after = Some(last.to_owned());
        Ok(more && self.found < self.limit)
    }
}

impl Client {
    /// The files that a provider keeps, as many of them as are wanted: in its order, over several pages where it has them.
    ///
    /// # Errors
    /// As [`Client::upload`]; when a page comes again.
    pub async fn files(&self, provider: &str, limit: usize) -> Result<Vec<StoredFile>> {
        let (target, form) = self.keeper(provider)?;
        let (mut pages, mut found) = (Pages::new(limit), Vec::<StoredFile>::new());
        loop {
            let body = self.whole(&target, (Method::GET, &pages.path("/files", form)), nothing()).await?;
            let (items, more) = bulk::page(&body)?;
            let page: Vec<StoredFile> = all(&items, "file")?;
            let last = page.last().map(|file| file.id.clone());
            let more = more || (form == BatchForm::Mistral && page.len() >= PAGE);
            found.extend(page);
            if !pages.turn(items.len(), last.as_deref(), more)? {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    /// The batches at a provider, as [`Client::files`].
    ///
    /// # Errors
    /// As [`Client::files`].
    pub async fn batches(&self, provider: &str, limit: usize) -> Result<Vec<StoredBatch>> {
        let (target, form) = self.form(provider)?;
        if !form.keeps_files() {
            return self.shelfless_batches(provider, limit).await;
        }
        let (mut pages, mut found) = (Pages::new(limit), Vec::<StoredBatch>::new());
        loop {
            let path = pages.path(bulk::batch_path(form), form);
            let body = self.whole(&target, (Method::GET, &path), nothing()).await?;
            let (items, more) = bulk::page(&body)?;
            let shown = items.iter().map(|item| bulk::shown_batch(item.clone(), form));
            let page: Vec<StoredBatch> = all(&shown.collect::<Result<Vec<_>>>()?, "batch")?;
            let last = page.last().map(|batch| batch.id.clone());
            let more = more || (form == BatchForm::Mistral && page.len() >= PAGE);
            found.extend(page);
            if !pages.turn(items.len(), last.as_deref(), more)? {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }
}

fn all<T: DeserializeOwned>(items: &[bytes::Bytes], what: &str) -> Result<Vec<T>> {
    items.iter().map(|item| read(item, what)).collect()
}

#[cfg(test)]
mod tests;
