//! `POST /v1/files`: a file goes to the account that is to keep it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use llm_providers::bulk;
use llm_providers::form::Parts;
use llm_types::{ApiError, Result};

use super::form::{Begun, Lost};
use super::place::{Desk, Hints};
use super::{Sending, Visit};
use crate::body::ClientBody;
use crate::respond::Failed;
use crate::through::{Bounds, Fault, Upload, take};

impl Visit {
    pub(super) async fn upload<B>(
        &self,
        desk: &Desk,
        request: Request<B>,
    ) -> Result<Response<ClientBody>, Failed>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let no_form = || ApiError::bad_request("the body must be a form: send it as multipart/form-data");
        let mut hints = Hints::of(request.headers(), request.uri().query());
        let (max, deadline) = (self.snapshot.pass_through.max_body, self.deadline());
        let bounds = Bounds { whole: self.snapshot.max_body, stream: max, deadline };
        let (headers, body) = take(request, false, bounds, self.gateway.memory()).await?;
        if headers.contains_key(CONTENT_ENCODING) {
            let message =
                "compressed request bodies are not accepted: send the form without content-encoding";
            return Err(ApiError::bad_request(message).into());
        }
        let (Upload::Stream(source, ..), Some(kind)) = (body, headers.get(CONTENT_TYPE)) else {
            return Err(no_form().into());
        };
        let begun = Begun::read(Parts::of(&headers)?, source, &mut hints).await?;
        let place = desk.choose(&hints, begun.model.as_deref())?;
        if !place.form.keeps_files() {
            return self.keep(desk, &place, begun).await;
        }
        let (fault, lost) = (Fault::default(), Lost::default());
        let stream = begun.written((desk.clone(), place.clone()), fault.clone(), lost.clone())?;
        let sending = Sending::Stream(HeaderMap::from_iter([(CONTENT_TYPE, kind.clone())]), stream);
        let made = self.object(&place, (Method::POST, "/files"), sending, None).await;
        // The client's own fault goes before what it made of the call.
        if let Some(error) = fault.take() {
            return Err(error.into());
        }
        let made = made.map_err(|error| place.failed(error))?;
        let mark = place.mark.as_ref().map(Arc::as_ref);
        let shown = bulk::file(made, mark).map_err(|error| place.failed(error))?;
        Ok(self.changed(&place, shown, &lost.take()))
    }
}
