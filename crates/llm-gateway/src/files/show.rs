//! Files and batches by their ids: shown, read, deleted, cancelled.

use std::sync::Arc;

use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH};
use http::{Method, Response, StatusCode};
use llm_providers::{bulk, own_api};
use llm_types::Result;

use super::place::Desk;
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
        let path = format!("/files/{own}");
        let body = self.object(&place, (method, &path), Sending::Nothing, None).await.map_err(failed)?;
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
        let path = format!("/files/{own}/content");
        let in_flight = place.owner.deployment.stats.begin();
        let called = self.call(&place, (Method::GET, &path), Sending::Nothing, None).await;
        let (headers, upstream) = called.map_err(|error| place.failed(error))?;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::OK;
        *response.headers_mut() = own_api::answer_headers(&headers, &place.target);
        // It names the file as it is kept.
        response.headers_mut().remove(CONTENT_DISPOSITION);
        self.served(&place, response.headers_mut());
        let left = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
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

    /// Shows a batch, or cancels it (POST).
    pub(super) async fn batch(
        &self,
        desk: &Desk,
        method: Method,
        id: &str,
    ) -> Result<Response<ClientBody>, Failed> {
        let (place, own) = desk.by_id(id, "batch_id")?;
        let failed = |error| place.failed(error);
        let deed = if method == Method::POST { "/cancel" } else { "" };
        let path = format!("{}/{own}{deed}", bulk::batch_path(place.form));
        let body = self.object(&place, (method, &path), Sending::Nothing, None).await.map_err(failed)?;
        let body = bulk::shown_batch(body, place.form).map_err(failed)?;
        let mark = place.mark.as_ref().map(Arc::as_ref);
        let (shown, known) = bulk::batch(body, mark).map_err(failed)?;
        self.gateway.jobs().seen(&self.gateway, (desk, &place), &known);
        Ok(self.answer(&place, shown))
    }
}
