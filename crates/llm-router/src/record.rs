//! Why a request went where it went.
//!
//! The attempts are kept for every request, inline up to two. What else was considered is worked out only when
//! somebody asks: for a sampled request ([`Trace`]), or to tell a client why nobody could be asked.

use std::fmt;
use std::fmt::Write;
use std::time::{Duration, Instant};

use llm_types::ApiError;
use smallvec::SmallVec;

use crate::candidates::Candidates;
use crate::facts::Capabilities;
use crate::group::Group;

/// The most of one attempt's message that is repeated.
const MESSAGE_LIMIT: usize = 300;

/// Why a deployment cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The caller's own reason.
    Caller(&'static str),
    /// Only another one holds what the request refers to.
    Pinned,
    /// It lacks a tag that the request asks for.
    Tags,
    /// It stands elsewhere.
    Region,
    /// It cannot do something that the request uses.
    Capability(Capabilities),
    /// Prompt and answer do not fit the model.
    ContextWindow {
        /// Tokens of the request.
        need: u64,
        /// Tokens that fit.
        has: u64,
    },
    /// The answer asked for is too long for the model.
    MaxOutput {
        /// Tokens of the answer.
        need: u64,
        /// Tokens it can give.
        has: u64,
    },
    /// It failed and is left alone for so long.
    Cooling(Duration),
    /// Its provider's rate limit has nothing left for so long.
    Resting(Duration),
    /// Another request is finding out whether it is well again.
    Probing,
    /// Its cooldown is over, and a request that can be sent elsewhere has to find out first.
    Waiting,
    /// It was taken out of service.
    Drained,
    /// It has as many requests under way as it may.
    Parallel,
    /// It has had as many requests or tokens in this minute as it may; the time until there is room.
    Minute(Option<Duration>),
    /// Its tier comes after that of those who were compared.
    Later,
    /// It is expected to take longer than the strategy's bound, and somebody else is not.
    Slow {
        /// The time it is expected to take, in milliseconds.
        expected_ms: u32,
        /// The bound, in milliseconds.
        within_ms: u32,
    },
    /// It is over the strategy's bound as long as nobody knows how fast it is, and a request is finding out.
    Untested,
    /// Its price is not known, and that of somebody else is.
    Unpriced,
    /// The strategy compares some that are drawn by chance, and it was not one of them.
    NotDrawn,
    /// The request goes to whoever the strategy knows least.
    Explored,
    /// The strategy had no say: another one was asked for this.
    Instead(Because),
}

impl Reason {
    /// Whether it is about the deployment's health, not about what the request asks for.
    pub(crate) fn is_health(&self) -> bool {
        self.passes() || matches!(self, Self::Drained)
    }

    /// Whether it is the strategy's own, about one that nothing else stands against.
    pub(crate) fn is_strategys(&self) -> bool {
        use Reason as R;
        matches!(self, R::Slow { .. } | R::Untested | R::Unpriced | R::NotDrawn | R::Explored)
    }

    /// Whether it may be otherwise in a while.
    #[must_use]
    pub fn passes(&self) -> bool {
        use Reason as R;
        matches!(self, R::Cooling(_) | R::Resting(_) | R::Probing | R::Parallel | R::Minute(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(why) => f.write_str(why),
            Self::Pinned => f.write_str("the request belongs to another deployment"),
            Self::Tags => f.write_str("lacks a tag that the request asks for"),
            Self::Region => f.write_str("is not in the region that the request asks for"),
            Self::Capability(missing) => write!(f, "does not offer {}", missing.name()),
            Self::ContextWindow { need, has } => {
                write!(f, "has a context window of {has} tokens, the request needs about {need}")
            }
            Self::MaxOutput { need, has } => {
                write!(f, "answers with at most {has} tokens, the request asks for {need}")
            }
            Self::Cooling(left) => write!(f, "cools down for another {:.1} s", left.as_secs_f64()),
            Self::Resting(left) => {
                write!(f, "its rate limit is used up for another {:.1} s", left.as_secs_f64())
            }
            Self::Probing => f.write_str("is being tried after a cooldown"),
            Self::Waiting => {
                f.write_str("waits to be tried after a cooldown, by a request that could go elsewhere")
            }
            Self::Drained => f.write_str("was taken out of service"),
            Self::Parallel => f.write_str("has as many requests under way as it may"),
            Self::Minute(Some(left)) => {
                write!(f, "is at its limit per minute for another {:.1} s", left.as_secs_f64())
            }
            Self::Minute(None) => f.write_str("is at its limit per minute"),
            Self::Later => f.write_str("comes after the others: its order is higher, or its weight is 0"),
            Self::Slow { expected_ms, within_ms } => {
                let (expected, within) = (f64::from(*expected_ms) / 1e3, f64::from(*within_ms) / 1e3);
                write!(f, "is expected to take {expected:.3} s, the bound is {within:.3} s")
            }
            Self::Untested => {
                f.write_str("is being tried by another request, and nothing is known of it yet")
            }
            Self::Unpriced => f.write_str("has no price, and another one has"),
            Self::NotDrawn => f.write_str("was not one of those that were drawn to be compared"),
            Self::Explored => {
                f.write_str("is known better than another one, which this request finds out about")
            }
            Self::Instead(because) => f.write_str(because.of_another()),
        }
    }
}

/// What became of one deployment of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It could have been asked, and was not needed.
    NotPicked,
    /// It was asked.
    Tried,
    /// It could not be asked, and why.
    PassedOver(Reason),
}

/// Why a deployment was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Because {
    /// The group's strategy chose it.
    Strategy,
    /// The request belongs to it.
    Pinned,
    /// The session's requests go there.
    Session,
    /// It answered the same beginning last.
    Prefix,
    /// To find out whether it is well again.
    Probe,
    /// Nobody untried was left.
    Again,
    /// Everybody was cooling down; it was to be ready first.
    LastResort,
    /// The one asked before took long to begin.
    Hedge,
}

impl Because {
    /// Why it was not one of the others.
    fn of_another(self) -> &'static str {
        match self {
            Self::Strategy | Self::Hedge => "was not chosen",
            Self::Pinned => "the request belongs to another one",
            Self::Session => "the session's requests go to another one",
            Self::Prefix => "another one answered the same beginning last",
            Self::Probe => "the request finds out whether another one is well again",
            Self::Again => "another one is asked again",
            Self::LastResort => "another one will be ready first",
        }
    }
}

/// One call of one deployment.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The deployment's position in the group.
    pub index: usize,
    /// Why it was asked.
    pub because: Because,
    /// When it began.
    pub started: Instant,
    /// The pause before it.
    pub waited: Duration,
    /// How long it took; `None` while it runs.
    pub took: Option<Duration>,
    /// What went wrong, if anything.
    pub error: Option<ApiError>,
    /// Another one answered first.
    pub lost: bool,
}

/// Why there was no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// An attempt was answered.
    Answered,
    /// Every deployment was passed over.
    NoCandidate,
    /// Every deployment is unwell or late, and there is another group to ask.
    AllCooling,
    /// The last failure would have been the same everywhere.
    NotRetryable,
    /// Every deployment has been tried and none may be asked again.
    NobodyLeft,
    /// The providers of all have asked for pauses, which are not waited for, or not any more.
    AllPaused,
    /// The policy allows no further retry.
    RetriesSpent,
    /// The group's retry budget is spent.
    BudgetSpent,
    /// The request's time is up, or would be after the pause.
    Deadline,
    /// The caller stopped asking.
    Abandoned,
}

/// What was done for one request.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// In order.
    pub attempts: SmallVec<[Attempt; 2]>,
    /// Why it ended; `None` while it goes on.
    pub end: Option<End>,
    /// What was considered, if the request is sampled.
    pub trace: Option<Box<Trace>>,
    /// Each time nobody could be asked at once.
    pub waits: Vec<Waited>,
}

/// What was considered for one request.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Each time somebody was to be asked.
    pub decisions: SmallVec<[Decision; 1]>,
}

/// One choice among the deployments of a group.
#[derive(Debug, Clone)]
pub struct Decision {
    /// When.
    pub at: Instant,
    /// One for each deployment, in the group's order.
    pub candidates: Candidates,
    /// Who was asked, and why.
    pub chosen: Option<(usize, Because)>,
}

/// One pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// When it began.
    pub at: Instant,
    /// How long it was to be.
    pub pause: Duration,
    /// What for.
    pub why: WaitedFor,
}

/// What a pause was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitedFor {
    /// Our own backoff before the deployment at this position is asked again.
    Backoff(usize),
    /// The deployment at this position had asked for it.
    RetryAfter(usize),
}

impl Record {
    /// How many of the attempts were retries.
    #[must_use]
    pub fn retries(&self) -> usize {
        self.attempts.len().saturating_sub(1)
    }

    /// What went wrong last.
    #[must_use]
    pub fn last_error(&self) -> Option<&ApiError> {
        // With a hedge that is not always the one begun last.
        let ended = |attempt: &&Attempt| attempt.started.checked_add(attempt.took.unwrap_or_default());
        let failed = self.attempts.iter().filter(|attempt| attempt.error.is_some());
        failed.max_by_key(ended)?.error.as_ref()
    }

    /// Each attempt with its deployment and cause, separated by semicolons.
    pub(crate) fn causes<T>(&self, group: &Group<T>, text: &mut String) {
        for attempt in &self.attempts {
            if !text.is_empty() {
                text.push_str("; ");
            }
            // Writing to a `String` cannot fail.
            let _ = match group.get(attempt.index) {
                Some(deployment) => write!(text, "{deployment}: "),
                None => write!(text, "deployment {}: ", attempt.index + 1),
            };
            text.push_str(&attempt.cause());
        }
    }
}

impl Attempt {
    fn cause(&self) -> String {
        let Some(error) = &self.error else {
            return if self.lost { "another one was faster".to_owned() } else { "no answer".to_owned() };
        };
        let status = error.upstream_status.unwrap_or_else(|| error.status()).as_u16();
        let word = error.kind.code().unwrap_or_else(|| error.kind.type_name());
        let message: String = error.message.chars().take(MESSAGE_LIMIT).collect();
        format!("{status} {word}: {message}")
    }
}
