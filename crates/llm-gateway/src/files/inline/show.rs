//! Files of the folder, and batches whose files they are, as if their provider kept them.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{StreamExt as _, iter};
use http::Method;
use llm_providers::bulk;
use llm_providers::bulk::inline::{Inline, Record, Which, output_of};
use llm_providers::codec::batch::BatchPath;
use llm_types::{ApiError, ErrorKind, Result};
use serde::Serialize;

use super::ENDPOINT;
use super::upload::unwritten;
use crate::files::place::Place;
use crate::files::shelf::Object;
use crate::files::{Sending, Visit};

#[derive(Serialize)]
struct Deleted<'a> {
    id: &'a str,
    object: &'static str,
    deleted: bool,
}

impl Visit {
    /// Shows or deletes a file.
    pub(in crate::files) async fn kept_file(
        &self,
        (place, inline): (&Place, &Inline),
        method: Method,
        id: &str,
    ) -> Result<Bytes> {
        let deletes = method == Method::DELETE;
        if let Some((batch, which)) = output_of(id) {
            if deletes {
                let message = "answers of a batch lie at their provider, which removes them by itself";
                return Err(ApiError::bad_request(message).with_param("file_id"));
            }
            return self.answers_file((place, inline), (id, batch, which)).await;
        }
        let shelf = self.shelf()?;
        let json = if deletes {
            shelf.delete(id).await?;
            serde_json::to_vec(&Deleted { id, object: "file", deleted: true })
        } else {
            serde_json::to_vec(&shelf.file(id).await?.file)
        };
        Ok(json.map_err(unwritten)?.into())
    }

    /// A file of answers, which is not written before somebody reads it: nobody knows yet how long it is.
    async fn answers_file(
        &self,
        (place, inline): (&Place, &Inline),
        (id, batch, which): (&str, &str, Which),
    ) -> Result<Bytes> {
        let path = inline.path(BatchPath::One(batch));
        let body = self.object(place, (Method::GET, &path), Sending::Bare(inline.headers()), None).await?;
        let standing = inline.standing(&body)?;
        if !standing.is_over {
            return Err(not_yet(id));
        }
        let name = if which == Which::Output { "output" } else { "errors" };
        let file = Object {
            id: id.to_owned(),
            object: "file".to_owned(),
            bytes: 0,
            created_at: standing.ended.unwrap_or(standing.created),
            expires_at: None,
            filename: format!("{batch}_{name}.jsonl"),
            purpose: "batch_output".to_owned(),
            status: "processed".to_owned(),
        };
        Ok(serde_json::to_vec(&file).map_err(unwritten)?.into())
    }

    /// Shows a batch, or cancels it (POST), in OpenAI's form.
    pub(in crate::files) async fn inline_batch(
        &self,
        (place, inline): (&Place, &Inline),
        method: Method,
        id: &str,
    ) -> Result<Bytes> {
        let what = if method == Method::POST { BatchPath::Cancel(id) } else { BatchPath::One(id) };
        let path = inline.path(what);
        let body = self.object(place, (method, &path), Sending::Bare(inline.headers()), None).await?;
        self.remembered(inline, &body).await
    }

    /// The next files or batches behind this one, each as a provider would show it, whether there are more, and the
    /// last that was looked at.
    pub(in crate::files) async fn inline_files(
        &self,
        place: &Place,
        (after, limit): (Option<&str>, usize),
    ) -> Result<(Vec<Bytes>, bool, Option<String>)> {
        let (found, more) = self.shelf()?.page(after, limit).await?;
        let last = found.last().map(|stored| stored.file.id.clone());
        let keepers = &self.snapshot.owners.files;
        let here = found
            .iter()
            .filter(|stored| keepers.find(&stored.owner).is_some_and(|owner| owner.is_with(&place.owner)));
        let items = here.map(|stored| serde_json::to_vec(&stored.file).map(Bytes::from).map_err(unwritten));
        Ok((items.collect::<Result<_>>()?, more, last))
    }

    /// The same of batches.
    pub(in crate::files) async fn inline_batches(
        &self,
        (place, inline): (&Place, &Inline),
        (after, limit): (Option<&str>, usize),
    ) -> Result<(Vec<Bytes>, bool, Option<String>)> {
        let path = inline.path(BatchPath::List { limit, after });
        let body = self.object(place, (Method::GET, &path), Sending::Bare(inline.headers()), None).await?;
        let (found, more) = bulk::page(&body)?;
        let last = found.last().map(|item| inline.standing(item)).transpose()?.map(|standing| standing.id);
        // A few at once: each is a small file.
        let shown = iter(found).map(|item| async move { self.remembered(inline, &item).await }).buffered(8);
        let shown: Vec<Result<Bytes>> = shown.collect().await;
        Ok((shown.into_iter().collect::<Result<_>>()?, more, last))
    }

    /// A batch with what is remembered of it.
    async fn remembered(&self, inline: &Inline, body: &Bytes) -> Result<Bytes> {
        let id = inline.standing(body)?.id;
        let record = match &self.snapshot.shelf {
            Some(shelf) => Arc::clone(shelf).record(&id).await?,
            None => None,
        };
        let unknown = || Record { endpoint: ENDPOINT.to_owned(), ..Record::default() };
        inline.shown(body, Some(&record.unwrap_or_else(unknown)))
    }
}

pub(super) fn not_yet(id: &str) -> ApiError {
    let message = format!("there is no `{id}`: the batch is not over yet, or its answers are gone");
    ApiError::new(ErrorKind::NotFound, message).with_param("file_id").with_code("not_found")
}
