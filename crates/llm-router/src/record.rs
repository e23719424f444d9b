//! Why a request went where it went.
//!
//! Kept for every request, so it must cost nothing: inline up to four deployments and attempts, no text
//! until one is asked for.

use std::fmt::Write;
use std::time::{Duration, Instant};

use llm_types::ApiError;
use smallvec::SmallVec;

use crate::group::Group;

/// The most of one attempt's message that is repeated.
const MESSAGE_LIMIT: usize = 300;

/// What became of one deployment of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It could have been asked, and was not needed.
    NotPicked,
    /// It was asked.
    Tried,
    /// It could not be asked, and why.
    PassedOver(&'static str),
}

/// One call of one deployment.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The deployment's position in the group.
    pub index: usize,
    /// When it began.
    pub started: Instant,
    /// The pause before it.
    pub waited: Duration,
    /// How long it took; `None` while it runs.
    pub took: Option<Duration>,
    /// What went wrong, if anything.
    pub error: Option<ApiError>,
}

/// Why there was no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// An attempt was answered.
    Answered,
    /// Every deployment was passed over.
    NoCandidate,
    /// The last failure would have been the same everywhere.
    NotRetryable,
    /// Every deployment has been tried and none may be asked again.
    NobodyLeft,
    /// The policy allows no further retry.
    RetriesSpent,
    /// The router's retry budget is spent.
    BudgetSpent,
    /// The request's time is up, or would be after the pause.
    Deadline,
    /// The caller stopped asking.
    Abandoned,
}

/// What was considered and done for one request.
#[derive(Debug, Clone)]
pub struct Record {
    /// One for each deployment, in the group's order.
    pub verdicts: SmallVec<[Verdict; 4]>,
    /// In order.
    pub attempts: SmallVec<[Attempt; 4]>,
    /// Why it ended; `None` while it goes on.
    pub end: Option<End>,
}

impl Record {
    /// Nothing done yet.
    pub(crate) fn new(deployments: usize) -> Self {
        let verdicts = SmallVec::from_elem(Verdict::NotPicked, deployments);
        Self { verdicts, attempts: SmallVec::new(), end: None }
    }

    /// How many of the attempts were retries.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.attempts.len().saturating_sub(1)
    }

    /// What to tell a client when nobody answered: each attempt with its deployment and cause.
    #[must_use]
    pub fn summary<T>(&self, group: &Group<T>) -> String {
        let mut text = match self.attempts.len() {
            0 => format!("no deployment of `{}` can take this request", group.name),
            1 => "the only attempt failed".to_owned(),
            count => format!("all {count} attempts failed"),
        };
        let mut separator = ": ";
        for (deployment, verdict) in group.deployments.iter().zip(&self.verdicts) {
            if let (true, Verdict::PassedOver(why)) = (self.attempts.is_empty(), verdict) {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "{separator}{deployment}: {why}");
                separator = "; ";
            }
        }
        for attempt in &self.attempts {
            let _ = match group.get(attempt.index) {
                Some(deployment) => write!(text, "{separator}{deployment}: "),
                None => write!(text, "{separator}deployment {}: ", attempt.index + 1),
            };
            text.push_str(&attempt.cause());
            separator = "; ";
        }
        text
    }
}

impl Attempt {
    fn cause(&self) -> String {
        let Some(error) = &self.error else {
            return "no answer".to_owned();
        };
        let status = error.upstream_status.unwrap_or_else(|| error.status()).as_u16();
        let word = error.kind.code().unwrap_or_else(|| error.kind.type_name());
        let message: String = error.message.chars().take(MESSAGE_LIMIT).collect();
        format!("{status} {word}: {message}")
    }
}
