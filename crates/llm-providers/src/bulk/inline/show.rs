//! How such a batch stands, in OpenAI's words, and what is remembered of it.
//!
//! The provider knows nothing of files, endpoints and metadata. What a client said of them when it made the batch is
//! kept beside ([`Record`]); ids of the files of answers are made of the batch's own.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_types::{ApiError, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::answer::Which;
use crate::codec::batch::{BatchCounts, BatchStanding};

/// What goes behind the id of a batch to name its files of answers.
const FILES: [(Which, &str); 2] = [(Which::Output, "-output"), (Which::Errors, "-errors")];

/// What is remembered of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// What its requests are.
    pub endpoint: String,
    /// The file that they came in.
    pub input_file: Option<String>,
    /// What its client wrote there, and our word in it.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// The batch, and which of its files an id names; `None`: it names none.
#[must_use]
pub fn output_of(id: &str) -> Option<(&str, Which)> {
    FILES.into_iter().find_map(|(which, end)| Some((id.strip_suffix(end)?, which)))
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: &'a str,
    object: &'static str,
    endpoint: &'a str,
    errors: Option<()>,
    input_file_id: Option<&'a str>,
    completion_window: &'static str,
    status: &'static str,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    created_at: i64,
    in_progress_at: i64,
    expires_at: Option<i64>,
    finalizing_at: Option<i64>,
    completed_at: Option<i64>,
    failed_at: Option<i64>,
    expired_at: Option<i64>,
    cancelling_at: Option<i64>,
    cancelled_at: Option<i64>,
    request_counts: Counts,
    metadata: Option<&'a BTreeMap<String, String>>,
}

#[derive(Debug, Serialize)]
struct Counts {
    total: u64,
    completed: u64,
    failed: u64,
}

/// A batch in OpenAI's form.
pub(super) fn shown(standing: BatchStanding, record: Option<&Record>) -> Result<Bytes> {
    let BatchStanding { id, is_over, created, cancelled, ended, expires, has_answers, counts } = standing;
    let BatchCounts { open, answered, failed, cancelled: never, expired } = counts;
    let missed = failed + never + expired;
    let status = match (is_over, cancelled) {
        (true, Some(_)) => "cancelled",
        (true, None) if expired > 0 => "expired",
        (true, None) => "completed",
        (false, Some(_)) => "cancelling",
        (false, None) => "in_progress",
    };
    let at = |word: &str| ended.filter(|_| status == word);
    let file = |wanted: Which, lines: u64| {
        let end = FILES.into_iter().find(|(which, _)| *which == wanted).map(|(_, end)| end)?;
        (is_over && has_answers && lines > 0).then(|| format!("{id}{end}"))
    };
    let shown = Shown {
        object: "batch",
        endpoint: record.map_or("", |record| &record.endpoint),
        errors: None,
        input_file_id: record.and_then(|record| record.input_file.as_deref()),
        completion_window: "24h",
        status,
        output_file_id: file(Which::Output, answered),
        error_file_id: file(Which::Errors, missed),
        created_at: created,
        in_progress_at: created,
        expires_at: expires,
        finalizing_at: None,
        completed_at: at("completed"),
        failed_at: None,
        expired_at: at("expired"),
        cancelling_at: cancelled,
        cancelled_at: at("cancelled"),
        request_counts: Counts { total: open + answered + missed, completed: answered, failed: missed },
        metadata: record.and_then(|record| record.metadata.as_ref()),
        id: &id,
    };
    let json = serde_json::to_vec(&shown).map_err(|error| {
        ApiError::new(ErrorKind::Internal, "the batch cannot be written").with_source(error)
    })?;
    Ok(json.into())
}
