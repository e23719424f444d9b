//! Forms of batches: OpenAI's, and what is put into it.
//!
//! Mistral has jobs in place of batches (<https://docs.mistral.ai/api/#tag/batch>): other paths and names, one model for
//! a whole job, and a status in words of its own. Their files are OpenAI's.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_types::{ApiError, BatchForm, Edits, Head, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::object::broken;

/// Where batches are; of one: behind a slash its id, and behind another what is done with it.
#[must_use]
pub const fn batch_path(form: BatchForm) -> &'static str {
    match form {
        // What has no form of files is put into OpenAI's here.
        BatchForm::Openai | BatchForm::Inline => "/batches",
        BatchForm::Mistral => "/batch/jobs",
    }
}

#[derive(Debug, Serialize)]
struct NewJob<'a> {
    input_files: [&'a str; 1],
    endpoint: &'a str,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    timeout_hours: u32,
}

/// Writes a new batch, as a client asks for it in OpenAI's form, for its provider: `file` is the file's own id, `model`
/// what its lines ask, `metadata` what goes with it.
///
/// # Errors
/// 400 for a window that is none.
pub fn create(
    head: &Head,
    form: BatchForm,
    (file, model): (&str, &str),
    metadata: Option<&[u8]>,
) -> Result<Bytes> {
    let internal = |_| ApiError::bad_request("the batch cannot be written");
    if form != BatchForm::Mistral {
        let mut edits = Edits::default();
        edits.set(head, "input_file_id", serde_json::to_vec(file).map_err(internal)?);
        if let Some(metadata) = metadata {
            edits.set(head, "metadata", metadata.to_vec());
        }
        return Ok(edits.apply(head).to_bytes());
    }
    let window = head.read::<String>("completion_window")?.unwrap_or_else(|| "24h".to_owned());
    let timeout_hours = window.strip_suffix('h').and_then(|hours| hours.parse().ok()).ok_or_else(|| {
        ApiError::bad_request("completion_window must be a number of hours, such as `24h`")
            .with_param("completion_window")
    })?;
    let endpoint = head.read::<String>("endpoint")?.unwrap_or_default();
    let metadata = metadata.map(serde_json::from_slice).transpose().map_err(internal)?;
    let job = NewJob { input_files: [file], endpoint: &endpoint, model, metadata, timeout_hours };
    Ok(serde_json::to_vec(&job).map_err(internal)?.into())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Job {
    id: String,
    status: String,
    endpoint: String,
    input_files: Vec<String>,
    output_file: Option<String>,
    error_file: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    completed_at: Option<i64>,
    total_requests: u64,
    succeeded_requests: u64,
    failed_requests: u64,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    object: &'static str,
    endpoint: String,
    errors: Option<()>,
    input_file_id: Option<String>,
    completion_window: &'static str,
    status: &'static str,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    created_at: i64,
    in_progress_at: Option<i64>,
    completed_at: Option<i64>,
    failed_at: Option<i64>,
    expired_at: Option<i64>,
    cancelled_at: Option<i64>,
    request_counts: Counts,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize)]
struct Counts {
    total: u64,
    completed: u64,
    failed: u64,
}

/// A batch as its provider shows it, in OpenAI's form.
///
/// # Errors
/// [`llm_types::ErrorKind::UpstreamFormat`] when it is no batch.
pub fn shown(body: Bytes, form: BatchForm) -> Result<Bytes> {
    if form != BatchForm::Mistral {
        return Ok(body);
    }
    let job: Job = serde_json::from_slice(&body).map_err(|_| broken("batch"))?;
    let status = match &*job.status {
        "QUEUED" => "validating",
        "SUCCESS" => "completed",
        "FAILED" => "failed",
        "TIMEOUT_EXCEEDED" => "expired",
        "CANCELLATION_REQUESTED" => "cancelling",
        "CANCELLED" => "cancelled",
        _ => "in_progress",
    };
    let ended = |word: &str| job.completed_at.filter(|_| status == word);
    let shown = Shown {
        object: "batch",
        errors: None,
        input_file_id: job.input_files.into_iter().next(),
        completion_window: "24h",
        status,
        in_progress_at: job.started_at,
        completed_at: ended("completed"),
        failed_at: ended("failed"),
        expired_at: ended("expired"),
        cancelled_at: ended("cancelled"),
        id: job.id,
        endpoint: job.endpoint,
        output_file_id: job.output_file,
        error_file_id: job.error_file,
        created_at: job.created_at,
        request_counts: Counts {
            total: job.total_requests,
            completed: job.succeeded_requests,
            failed: job.failed_requests,
        },
        metadata: job.metadata,
    };
    Ok(serde_json::to_vec(&shown).map_err(|_| broken("batch"))?.into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_new_batch_is_written_in_both_forms() {
        let body = json!({"input_file_id": "gw-x", "endpoint": "/v1/chat/completions", "completion_window": "48h", "own": 1});
        let head = Head::scan(body.to_string().into()).unwrap();
        let write = |form| -> Value {
            let written = create(&head, form, ("f1", "m"), Some(br#"{"a":"b"}"#)).unwrap();
            serde_json::from_slice(&written).unwrap()
        };
        let openai = json!({"input_file_id": "f1", "endpoint": "/v1/chat/completions", "completion_window": "48h",
            "own": 1, "metadata": {"a": "b"}});
        assert_eq!(write(BatchForm::Openai), openai);
        let mistral = json!({"input_files": ["f1"], "endpoint": "/v1/chat/completions", "model": "m",
            "metadata": {"a": "b"}, "timeout_hours": 48});
        assert_eq!(write(BatchForm::Mistral), mistral);
        let head = Head::scan(Bytes::from_static(br#"{"completion_window":"soon"}"#)).unwrap();
        assert!(create(&head, BatchForm::Mistral, ("f1", "m"), None).is_err());
    }

    #[test]
    fn a_job_is_shown_as_a_batch() {
        let check = |status: &str, expect: &str| {
            let job = json!({"id": "j1", "object": "batch", "status": status, "input_files": ["f1"], "output_file": "f2",
                "endpoint": "/v1/chat/completions", "created_at": 1, "completed_at": 9, "total_requests": 3,
                "succeeded_requests": 2, "failed_requests": 1, "metadata": {"a": "b"}});
            let shown: Value =
                serde_json::from_slice(&shown(job.to_string().into(), BatchForm::Mistral).unwrap()).unwrap();
            assert_eq!(shown["status"], expect);
            assert_eq!(shown["request_counts"], json!({"total": 3, "completed": 2, "failed": 1}));
            assert_eq!((&shown["input_file_id"], &shown["output_file_id"]), (&json!("f1"), &json!("f2")));
            let (_, known) = super::super::batch(shown.to_string().into(), None).unwrap();
            assert_eq!(known.ended.is_some(), known.is_over(), "{status}");
        };
        check("QUEUED", "validating");
        check("RUNNING", "in_progress");
        check("SUCCESS", "completed");
        check("FAILED", "failed");
        check("TIMEOUT_EXCEEDED", "expired");
        check("CANCELLATION_REQUESTED", "cancelling");
        check("CANCELLED", "cancelled");
    }
}
