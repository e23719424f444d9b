//! Files and batches: a batch of one request, made, followed and given up.
//!
//! What a test leaves behind costs somebody: every batch that is not over is cancelled, every file deleted, as far as the
//! endpoint lets it.

use std::time::{Duration, Instant};

use llm_providers::transport::collect;
use llm_providers::{Client, MadeBatch, NewBatch, StoredBatch};
use llm_types::{ApiError, Call, ErrorKind, Result, Upload};
use serde_json::{Value, json};

use crate::{Feature, Verdict};

/// What the requests are.
const ENDPOINT: &str = "/v1/chat/completions";
/// What the one request is called.
const NAME: &str = "a1";
/// The most of a file that is read.
const READ: usize = 1 << 20;
/// How often a batch is looked at: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Asks for one feature. Whatever takes long ends within `time`.
pub(crate) async fn ask(client: &Client, model: &str, feature: &Feature, time: Duration) -> Result<Verdict> {
    let until = Instant::now() + time.mul_f64(0.8);
    let target = client.target(model)?;
    let lines = lines(feature, target.model());
    let bulk = Bulk { client, provider: target.provider(), model: target.model(), lines };
    match feature.name {
        "file" => bulk.file().await,
        "results" => bulk.results(until).await,
        "cancel" => bulk.cancel().await,
        _ => bulk.batch().await,
    }
}

/// The request of a feature as a file.
fn lines(feature: &Feature, model: &str) -> Upload {
    let call = feature.call();
    let (text, most) = match &call {
        Call::Chat(request) => (
            request.messages.first().map(llm_types::chat::Message::text).unwrap_or_default(),
            request.limits.output_tokens(),
        ),
        _ => Default::default(),
    };
    let body = json!({"model": model, "messages": [{"role": "user", "content": text}], "max_completion_tokens": most});
    let line = json!({"custom_id": NAME, "method": "POST", "url": ENDPOINT, "body": body});
    Upload { kind: "application/jsonl".to_owned(), ..Upload::new("conform.jsonl", format!("{line}\n")) }
}

struct Bulk<'a> {
    client: &'a Client,
    provider: &'a str,
    model: &'a str,
    lines: Upload,
}

fn failed(why: impl Into<std::borrow::Cow<'static, str>>) -> Result<Verdict> {
    Ok(Verdict::Failed(why.into()))
}

impl Bulk<'_> {
    async fn file(&self) -> Result<Verdict> {
        let kept = self.client.upload(self.provider, &self.lines, "batch").await?;
        if kept.id.is_empty() {
            return failed("the file has no id");
        }
        let found = self.read_back(&kept.id).await;
        let deleted = self.client.delete_file(self.provider, &kept.id).await;
        match found? {
            Verdict::Passed => deleted.map(|()| Verdict::Passed),
            verdict => Ok(verdict),
        }
    }

    async fn read_back(&self, id: &str) -> Result<Verdict> {
        let shown = self.client.file(self.provider, id).await?;
        if shown.id != id {
            return failed("another file is shown than the one that was asked for");
        }
        let held = collect(self.client.file_content(self.provider, id).await?, READ).await?;
        match serde_json::from_slice::<Value>(&held) {
            Ok(line) if line["custom_id"] == NAME => Ok(Verdict::Passed),
            _ => failed("the file holds something else than what was sent"),
        }
    }

    async fn made(&self) -> Result<MadeBatch> {
        let wish = NewBatch { model: self.model.to_owned(), ..NewBatch::new("", ENDPOINT) };
        let made = self.client.create_batch_of(self.provider, &self.lines, &wish).await?;
        if made.batch.id.is_empty() {
            return Err(ApiError::upstream(ErrorKind::UpstreamFormat, "the batch has no id"));
        }
        Ok(made)
    }

    async fn batch(&self) -> Result<Verdict> {
        let made = self.made().await?.batch;
        let shown = self.client.batch(self.provider, &made.id).await;
        self.clear(&made).await;
        let shown = shown?;
        if shown.id != made.id {
            return failed("another batch is shown than the one that was made");
        }
        if !is_known(&made.status) || !is_known(&shown.status) {
            return failed(format!("a batch has no status `{}`", shown.status));
        }
        Ok(Verdict::Passed)
    }

    async fn cancel(&self) -> Result<Verdict> {
        let made = self.made().await?.batch;
        let given_up = self.client.cancel_batch(self.provider, &made.id).await;
        self.drop_files(&made).await;
        match given_up?.status.as_str() {
            "cancelling" | "cancelled" => Ok(Verdict::Passed),
            "completed" | "finalizing" => Ok(Verdict::Unseen("it was over before it was given up".into())),
            other => failed(format!("a batch that was given up is `{other}`")),
        }
    }

    async fn results(&self, until: Instant) -> Result<Verdict> {
        let made = self.made().await?;
        let (mut pause, mut batch) = (PAUSE.0, made.batch.clone());
        while !is_over(&batch.status) {
            if Instant::now() + pause > until {
                self.clear(&batch).await;
                let why = "accepted, and not over in the time that it has (--timeout): it was given up";
                return Ok(Verdict::Unseen(why.into()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
            batch = self.client.batch(self.provider, &made.batch.id).await?;
        }
        let found = self.answer(&made, &batch).await;
        self.drop_files(&batch).await;
        found
    }

    /// What the file of answers holds.
    async fn answer(&self, made: &MadeBatch, batch: &StoredBatch) -> Result<Verdict> {
        if batch.status != "completed" {
            return failed(format!("the batch is `{}`", batch.status));
        }
        let Some(output) = &batch.output_file_id else {
            return failed("the batch is over and names no answers");
        };
        let lines = made.needs_requests.then_some(&self.lines);
        let held = collect(self.client.batch_answers(self.provider, output, lines).await?, READ).await?;
        let first = held.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let Ok(line) = serde_json::from_slice::<Value>(first) else {
            return failed("the answers are no lines of JSON");
        };
        if line["custom_id"] != NAME {
            return failed("an answer does not name its request");
        }
        let said = line.pointer("/response/body/choices/0/message/content").and_then(Value::as_str);
        match said {
            Some(text) if !text.trim().is_empty() => Ok(Verdict::Passed),
            _ => failed(format!("an answer holds no text: {}", line["error"])),
        }
    }

    /// Cancels it and deletes what it was made of; that this may fail is no matter.
    async fn clear(&self, batch: &StoredBatch) {
        let _ = self.client.cancel_batch(self.provider, &batch.id).await;
        self.drop_files(batch).await;
    }

    async fn drop_files(&self, batch: &StoredBatch) {
        for id in [&batch.input_file_id, &batch.output_file_id].into_iter().flatten() {
            let _ = self.client.delete_file(self.provider, id).await;
        }
    }
}

fn is_over(status: &str) -> bool {
    !matches!(status, "validating" | "in_progress" | "finalizing" | "cancelling")
}

fn is_known(status: &str) -> bool {
    matches!(status, "validating" | "in_progress" | "finalizing" | "completed")
}
