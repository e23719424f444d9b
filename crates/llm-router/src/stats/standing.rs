//! Whether a deployment may be asked.

use std::time::Instant;

/// Whether a deployment may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing stands against it.
    Ready,
    /// Its cooldown is over, and nobody has tried it since.
    ProbeDue,
    /// One request is finding out whether it is well again.
    Probing,
    /// It failed and is left alone until then.
    Cooling(Instant),
    /// Its provider's rate limit has nothing left until then.
    Resting(Instant),
    /// It was taken out of service.
    Drained,
}

impl Standing {
    /// Whether a request may go there without being the last resort.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Ready | Self::ProbeDue)
    }

    /// Whom to prefer where no strategy chooses: the less, the better it is. Ready, to be found out, unwell, drained.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Ready => 0,
            Self::ProbeDue | Self::Probing => 1,
            Self::Cooling(_) | Self::Resting(_) => 2,
            Self::Drained => 3,
        }
    }

    /// When it may be asked again, as far as that is known.
    #[must_use]
    pub fn until(self) -> Option<Instant> {
        match self {
            Self::Cooling(until) | Self::Resting(until) => Some(until),
            Self::Ready | Self::ProbeDue | Self::Probing | Self::Drained => None,
        }
    }
}
