//! Files and batches by their ids: shown, read, deleted, cancelled.

use std::sync::Arc;

use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use llm_providers::transport::ByteStream;
use llm_providers::{bulk, own_api};
use llm_types::{Changes, Result};

use super::place::{Desk, Place};
use super::{Sending, Visit};
use crate::body::ClientBody;
use crate::gateway::Running;
use crate::place::Place as InFlight;
use crate::respond::Failed;
use crate::through::{Plain, Through};

impl Visit {
    /// Shows or deletes a file.
    pub(super) async fn file(
        &self,
        desk: &Desk,
        method: Method,
        id: &str,
    ) -> Result<Response<ClientBody>, Failed> {
        let (place, own) = desk.by_id(id, "file_id")?;
        let failed = |error| place.failed(error);
        let body = match &place.inline {
            Some(inline) => self.kept_file((&place, inline), method, &own).await.map_err(failed)?,
            None => {
                let path = format!("/files/{own}");
                self.object(&place, (method, &path), Sending::Nothing, None).await.map_err(failed)?
            }
        };
        let mark = place.mark.as_ref().map(Arc::as_ref);
        Ok(self.answer(&place, bulk::file(body, mark).map_err(failed)?))
    }

    /// What a file holds, as it comes.
    pub(super) async fn content(
        &self,
        desk: &Desk,
        id: &str,
        running: Running,
    ) -> Result<Response<ClientBody>, Failed> {
        let (place, own) = desk.by_id(id, "file_id")?;
        let in_flight = place.owner.deployment.stats.begin();
        let held = self.held(&place, &own).await;
        let (headers, upstream, left) = held.map_err(|error| place.failed(error))?;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::OK;
        *response.headers_mut() = headers;
        // It names the file as it is kept.
        response.headers_mut().remove(CONTENT_DISPOSITION);
        self.served(&place, &Changes::default(), response.headers_mut());
        let plain = Plain {
            place: InFlight::Counted { _in_flight: in_flight },
            target: Arc::clone(&place.target),
            deadline: self.deadline().into(),
            stop: self.gateway.stop().clone(),
            request_id: Arc::clone(&self.request_id),
        };
        let through = Box::new(Through::plain(upstream, left, plain));
        Ok(response.map(|()| ClientBody::through(through, running)))
    }

    /// The head of what a file holds, its bytes, and how many they are, where that is known.
    async fn held(&self, place: &Place, id: &str) -> Result<(HeaderMap, ByteStream, Option<u64>)> {
        if let Some(inline) = &place.inline {
            let (content, length) = self.kept_content((place, inline), id).await?;
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            if let Some(length) = length {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            return Ok((headers, content, length));
        }
        let path = format!("/files/{id}/content");
        let (headers, content) = self.call(place, (Method::GET, &path), Sending::Nothing, None).await?;
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok((own_api::answer_headers(&headers, &place.target), content, length))
    }

    /// Shows a batch, or cancels it (POST).
    pub(super) async fn batch(
        &self,
        desk: &Desk,
        method: Method,
        id: &str,
    ) -> Result<Response<ClientBody>, Failed> {
        let (place, own) = desk.by_id(id, "batch_id")?;
        let failed = |error| place.failed(error);
        let body = match &place.inline {
            Some(inline) => self.inline_batch((&place, inline), method, &own).await.map_err(failed)?,
            None => {
                let deed = if method == Method::POST { "/cancel" } else { "" };
                let path = format!("{}/{own}{deed}", bulk::batch_path(place.form));
                let body =
                    self.object(&place, (method, &path), Sending::Nothing, None).await.map_err(failed)?;
                bulk::shown_batch(body, place.form).map_err(failed)?
            }
        };
        let mark = place.mark.as_ref().map(Arc::as_ref);
        let (shown, known) = bulk::batch(body, mark).map_err(failed)?;
        self.gateway.jobs().seen(&self.gateway, (desk, &place), &known);
        Ok(self.answer(&place, shown))
    }
}
