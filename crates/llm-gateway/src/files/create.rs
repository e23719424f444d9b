//! `POST /v1/batches`: a file of requests is answered within a day.
//!
//! The file may have come here long ago, or not through here at all, and the caller's rights may be others by now. So it
//! is read once more, line by line: what the caller may not call is refused, and what all of it can cost is reserved.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use llm_governance::{Facts, PriceBound, RowCache, RowOwner};
use llm_providers::bulk::inline::Requests;
use llm_providers::bulk::{self, Batch, Line, Lines, Tag};
use llm_types::{ApiError, ErrorKind, Head, PicoUsd, Result, Usage};
use tokio::time::timeout_at;

use super::held::{Held, Whole};
use super::inline::{self, Making};
use super::jobs::Job;
use super::place::{Desk, Place, Serving};
use super::{Sending, Visit, late};
use crate::admit::{TAGS, tags};
use crate::attempt::Delivery;
use crate::beside::Beside;
use crate::body::ClientBody;
use crate::respond::{self, Failed};
use crate::through::{self, Fault};
use crate::ticket::{Account, Ticket};
use crate::{intake, named};

/// What the lines of a file ask.
struct Survey {
    serving: Serving,
    /// The model, by its name at the provider.
    model: String,
    /// The most that all can cost; `None`: nothing bounds it, or nobody wants to know.
    bound: Option<PicoUsd>,
    /// All of them, written as a trial, where they go out in one call.
    requests: Option<Box<Requests>>,
}

/// What the lines of a file are held against.
struct Look<'a> {
    desk: &'a Desk,
    place: &'a Place,
    endpoint: &'a str,
    /// Somebody pays.
    metered: bool,
}

/// How a batch is made.
enum Way<'a> {
    /// Of a file that its provider keeps.
    File(Bytes),
    /// Of lines that lie here.
    Inline(Making<'a>),
}

impl Visit {
    pub(super) async fn create<B>(
        &self,
        desk: &Desk,
        request: Request<B>,
    ) -> Result<Response<ClientBody>, Failed>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let bounds = intake::Bounds { size: self.snapshot.max_body, deadline: self.deadline() };
        let (headers, body, _share) = intake::read(Box::new(request), bounds, self.gateway.memory()).await?;
        let head = Head::scan(body)?;
        let member = |name: &'static str| {
            let missing = || ApiError::bad_request(format!("`{name}` is missing")).with_param(name);
            head.read::<String>(name)?.filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        let endpoint = member("endpoint")?;
        let (place, file) = desk.by_id(&member("input_file_id")?, "input_file_id")?;
        let metered = !self.gateway.governance().is_idle();
        if place.inline.is_some() && !same(inline::ENDPOINT, &endpoint) {
            let message = format!("batches at this provider are of {}", inline::ENDPOINT);
            return Err(ApiError::bad_request(message).with_param("endpoint").into());
        }
        let look = Look { desk, place: &place, endpoint: &endpoint, metered };
        let survey = self.survey(&look, &file).await;
        let Survey { serving, model, bound, requests } = survey.map_err(|error| place.failed(error))?;
        let tag = Tag::of(&self.request_id, &model, place.seal.as_ref());
        // Where nothing is metered and there are no tenants, nobody would read it.
        let own = (metered || place.seal.is_some()).then(|| bulk::tagged(head.get("metadata"), &tag));
        let own = own.transpose()?;
        let metadata = own.as_deref().or_else(|| head.get("metadata"));
        let changes = requests.as_ref().map(|requests| requests.changes.clone()).unwrap_or_default();
        let way = match requests {
            Some(surveyed) => {
                let metadata = inline::metadata(&head, metadata)?;
                Way::Inline(Making { place: &place, serving: &serving, file: &file, surveyed, metadata })
            }
            None => Way::File(bulk::create(&head, place.form, (&file, &model), metadata)?),
        };
        let mut ticket = self.admit(desk, &serving, &headers).await?;
        let (most, bound) = (bound, bound.map(PriceBound::fixed));
        let attempt = ticket.attempt(&serving.deployment, &serving.target, bound).await;
        let (fault, whole) = (Fault::default(), Whole::default());
        let attempt = attempt.map_err(|refusal| refusal.error)?.delivered(Delivery::Later);
        let held = Held::new(attempt, matches!(way, Way::Inline(_)).then(|| Arc::clone(&whole)));
        let made = match way {
            Way::Inline(making) => self.make(making, held.progress(), (&fault, &whole)).await,
            Way::File(wire) => {
                let call = (Method::POST, bulk::batch_path(place.form));
                self.object(&place, call, Sending::Json(wire), held.progress()).await
            }
        };
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                let own = fault.take();
                // Otherwise it may have been made, and whoever finds it books it.
                if own.is_none() && error.upstream_status.is_some_and(is_refusal) {
                    held.fail(&error);
                }
                return Err(place.failed(own.unwrap_or(error)));
            }
        };
        let failed = |error| place.failed(error);
        let mark = place.mark.as_ref().map(Arc::as_ref);
        let (shown, known) =
            bulk::batch(bulk::shown_batch(made, place.form).map_err(failed)?, mark).map_err(failed)?;
        let mut response = self.changed(&place, shown, &changes);
        if let Some(limits) = ticket.rate_limits() {
            respond::write_limits(response.headers_mut(), limits);
        }
        // Its places in limits are for requests that are under way here.
        ticket.finish(Some(&Usage::default()));
        if metered {
            let known = Batch { endpoint, ..known };
            let job = Job { bound: most, ..Job::of((&place, &serving), &known, &self.request_id) };
            self.gateway.jobs().keep(&self.gateway, job, held).await;
        }
        Ok(response)
    }

    /// Lets the caller in, and opens the account of the batch.
    async fn admit(&self, desk: &Desk, serving: &Serving, headers: &HeaderMap) -> Result<Ticket, Failed> {
        let governance = self.gateway.governance();
        if governance.is_idle_for(&desk.principal.who) {
            return Ok(Ticket::free());
        }
        let who = &desk.principal.who;
        let own = tags(&desk.principal, headers.get(&TAGS))?;
        let facts = Facts {
            model: &serving.name,
            alias_of: None,
            route: "/v1/batches",
            tags: &own,
            // Providers count batches apart.
            tokens: 0,
            bound: None,
        };
        let grant = governance.enter(who, &facts).await.map_err(Failed::refused)?;
        let account = Account {
            governance: Arc::clone(governance),
            prices: Arc::clone(&self.snapshot.prices),
            request_id: Arc::clone(&self.request_id),
            model: serving.name.as_str().into(),
            who: RowOwner::from(who),
            tags: who.tags().iter().chain(&own).cloned().collect(),
            body: 0,
            cache: RowCache::Bypass,
        };
        Ok(Ticket::new(account, grant))
    }

    /// Reads what the lines of a file ask.
    async fn survey(&self, look: &Look<'_>, file: &str) -> Result<Survey> {
        let mut upstream = match &look.place.inline {
            Some(inline) => self.kept_content((look.place, inline), file).await?.0,
            None => {
                let path = format!("/files/{file}/content");
                self.call(look.place, (Method::GET, &path), Sending::Nothing, None).await?.1
            }
        };
        let mut lines = Lines::default();
        let mut found: Option<Survey> = None;
        let deadline = self.deadline().into();
        loop {
            let chunk = timeout_at(deadline, upstream.next()).await.map_err(|_| late())?.transpose()?;
            let over = chunk.is_none();
            lines.feed(&chunk.unwrap_or_default());
            while let Some(line) = lines.next_line()?.or_else(|| if over { lines.last_line() } else { None })
            {
                self.line(look, line, &mut found)?;
            }
            if over {
                break;
            }
        }
        found.ok_or_else(|| {
            ApiError::bad_request("the file holds no request of a batch").with_param("input_file_id")
        })
    }

    /// Holds the models that a line names beside its own against the caller's rights.
    fn check_beside(&self, serving: &Serving, asked: &Head, desk: &Desk) -> Result<()> {
        let Serving { deployment, target, name: _ } = serving;
        match Beside::of(&self.snapshot, deployment, (target, target.model()), asked)? {
            Some(beside) => beside.check(&desk.principal.who),
            None => Ok(()),
        }
    }

    fn line(&self, look: &Look<'_>, (number, line): (u64, Bytes), found: &mut Option<Survey>) -> Result<()> {
        let Look { desk, place, endpoint, metered } = *look;
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let at = |what: String| {
            let message = format!("line {number} of the file: {what}");
            ApiError::new(ErrorKind::BadRequest, message).with_param("input_file_id")
        };
        let line = Line::read(number, &line)?.ok_or_else(|| at("no request of a batch".to_owned()))?;
        let model = line.model.as_deref().ok_or_else(|| at("its body names no model".to_owned()))?;
        if line.url.as_deref().is_some_and(|url| !same(url, endpoint)) {
            return Err(at(format!("its `url` is not the batch's `endpoint`, {endpoint}")));
        }
        let survey = match found {
            Some(survey) if survey.model != model => {
                return Err(at(
                    "another model than the lines before: make one file for each model".to_owned()
                ));
            }
            Some(survey) => survey,
            None => {
                let serving = desk.serving(&place.owner, model)?;
                let bound = metered.then_some(PicoUsd::ZERO);
                let inline = place.inline.as_ref().map(|inline| inline.of(&serving.target));
                let requests = inline.map(|inline| Box::new(inline.requests(self.snapshot.strict)));
                found.insert(Survey { serving, model: model.to_owned(), bound, requests })
            }
        };
        let known = named::check_line(&self.snapshot, &desk.principal, endpoint, line.asked());
        known.and_then(|()| self.check_beside(&survey.serving, line.asked(), desk)).map_err(
            |mut error| {
                error.message = format!("line {number} of the file: {}", error.message);
                error
            },
        )?;
        if let Some(requests) = &mut survey.requests {
            requests.add(&line)?;
        }
        if let Some(so_far) = survey.bound {
            let Serving { deployment, target, name: _ } = &survey.serving;
            let most = through::bound_of_line(&self.snapshot, (deployment, target), endpoint, line.body());
            survey.bound = most.map(|most| so_far.saturating_add(most));
        }
        Ok(())
    }
}

/// Whether two paths are one: Azure's have no version.
fn same(url: &str, endpoint: &str) -> bool {
    let bare = |path: &str| path.strip_prefix("/v1").unwrap_or(path).to_owned();
    bare(url) == bare(endpoint)
}

/// Whether a provider that says so has made nothing: it refuses, or has no time to begin.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || matches!(status.as_u16(), 501 | 503 | 529)
}
