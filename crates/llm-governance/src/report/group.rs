//! Under which headings of a report a row is.

use jiff::Timestamp;

use super::{GroupBy, ReportAsk};
use crate::window::Zone;

/// What a report may divide a row by. Names that are not there are empty.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is as in `UsageRow`")]
pub struct RowFacts<'a> {
    pub time: Timestamp,
    pub model_asked: &'a str,
    pub model: &'a str,
    pub provider: &'a str,
    pub deployment: &'a str,
    pub key: &'a str,
    pub team: &'a str,
    pub user: &'a str,
    pub organisation: &'a str,
    pub tags: Vec<&'a str>,
}

impl RowFacts<'_> {
    /// Whether it is in a report at all.
    #[must_use]
    pub fn fit(&self, ask: &ReportAsk) -> bool {
        let in_time = ask.from <= self.time && self.time < ask.to;
        in_time && ask.only.iter().all(|(by, value)| self.values(*by, &ask.zone).contains(value))
    }

    /// Every line that it is in.
    #[must_use]
    pub fn lines(&self, ask: &ReportAsk) -> Vec<Vec<String>> {
        let mut lines = vec![Vec::new()];
        for by in &ask.group_by {
            let mut values = self.values(*by, &ask.zone);
            // Of one tag: the row's others are not asked for.
            values.retain(|value| ask.only.iter().all(|(only, kept)| only != by || kept == value));
            let longer = |line: &Vec<String>| {
                let line = line.clone();
                values
                    .iter()
                    .map(move |value| line.iter().chain([value]).cloned().collect())
                    .collect::<Vec<_>>()
            };
            lines = lines.iter().flat_map(longer).collect();
        }
        lines
    }

    /// What it is under one heading; of tags there may be several.
    fn values(&self, by: GroupBy, zone: &Zone) -> Vec<String> {
        let one = match by {
            GroupBy::Day => zone.shown(self.time).strftime("%Y-%m-%d").to_string(),
            GroupBy::Hour => Zone::UTC.shown(self.time).strftime("%Y-%m-%dT%H:00:00Z").to_string(),
            GroupBy::Model => self.model_asked.to_owned(),
            GroupBy::Served => self.model.to_owned(),
            GroupBy::Provider => self.provider.to_owned(),
            GroupBy::Deployment => self.deployment.to_owned(),
            GroupBy::Key => self.key.to_owned(),
            GroupBy::Team => self.team.to_owned(),
            GroupBy::User => self.user.to_owned(),
            GroupBy::Organisation => self.organisation.to_owned(),
            GroupBy::Tag => {
                let mut tags: Vec<_> = self.tags.iter().map(|tag| (*tag).to_owned()).collect();
                tags.sort_unstable();
                tags.dedup();
                return if tags.is_empty() { vec![String::new()] } else { tags };
            }
        };
        vec![one]
    }
}
