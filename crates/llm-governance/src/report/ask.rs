//! What may be asked about rows, and what comes of it.

use jiff::Timestamp;

use super::Sums;
use crate::key::KeyId;
use crate::window::Zone;

/// What a report is divided by, or narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupBy {
    /// The day, in the time zone of the report: `2026-11-21`.
    Day,
    /// The hour, in UTC: `2026-11-21T15:00:00Z`.
    Hour,
    /// The model, as clients ask for it: by its name or an alias, whoever answered.
    Model,
    /// The model that answered, as its provider calls it.
    Served,
    /// The provider.
    Provider,
    /// The deployment.
    Deployment,
    /// The key, by id.
    Key,
    /// The team.
    Team,
    /// The user.
    User,
    /// The organisation.
    Organisation,
    /// The tag. A row with several tags is in the sums of each, one without any in those of the empty tag.
    Tag,
}

impl GroupBy {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Day,
        Self::Hour,
        Self::Model,
        Self::Served,
        Self::Provider,
        Self::Deployment,
        Self::Key,
        Self::Team,
        Self::User,
        Self::Organisation,
        Self::Tag,
    ];

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or_default()
    }

    /// All its words: the one that reports have, and those that are understood as well.
    #[must_use]
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Model => &["model", "model_asked"],
            Self::Served => &["model_served", "served"],
            Self::Day => &["day"],
            Self::Hour => &["hour"],
            Self::Provider => &["provider"],
            Self::Deployment => &["deployment"],
            Self::Key => &["key"],
            Self::Team => &["team"],
            Self::User => &["user"],
            Self::Organisation => &["organisation"],
            Self::Tag => &["tag"],
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.names().contains(&name))
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportAsk {
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub to: Timestamp,
    /// What it is divided by, in this order. Nothing: one sum.
    pub group_by: Vec<GroupBy>,
    /// What it is narrowed to.
    pub only: Vec<(GroupBy, String)>,
    /// Whose days they are.
    pub zone: Zone,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// From when it truly is: a store keeps sums by the hour, and by UTC's day where owners or tags are asked for.
    pub from: Timestamp,
    /// Until when it truly is.
    pub to: Timestamp,
    /// Its lines, in the order of what it is divided by; at most 100,000, beyond which there is no report.
    pub rows: Vec<ReportRow>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// A value for each thing that the report is divided by; empty: there is none.
    pub group: Vec<String>,
    /// The sums.
    pub sums: Sums,
}

/// Which rows; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFilter {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// All attempts of this request.
    pub request: Option<String>,
    /// Of this key.
    pub key: Option<KeyId>,
    /// Of this team.
    pub team: Option<String>,
    /// Of this user.
    pub user: Option<String>,
    /// Of this organisation.
    pub organisation: Option<String>,
    /// For this model, as clients ask for it.
    pub model: Option<String>,
    /// Answered by this provider.
    pub provider: Option<String>,
    /// Answered by this deployment.
    pub deployment: Option<String>,
    /// Failures alone.
    pub failed: bool,
}
