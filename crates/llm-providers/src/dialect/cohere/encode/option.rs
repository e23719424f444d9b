//! Options: sampling, the form of the answer, how long it is, how much is thought, how it is served, who asks.

use llm_types::chat::{
    CacheOptions, Delivery, Effort, Format, Identity, JsonSchema, Limits, OutputOptions, ReasoningOptions,
    Sampling, Thinking,
};
use llm_types::{ApiError, ErrorKind, Result};

use super::super::wire::{self, Request};
use super::Encoder;

/// The most texts that end an answer.
const STOPS: usize = 5;

impl<'r> Encoder<'r, '_> {
    /// How tokens are drawn. Bounds are those of the provider's row.
    pub(super) fn sampling(&mut self, sampling: &'r Sampling, body: &mut Request<'r>) {
        let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
            sampling;
        body.temperature = *temperature;
        body.p = *top_p;
        body.k = *top_k;
        body.frequency_penalty = *frequency_penalty;
        body.presence_penalty = *presence_penalty;
        body.seed = *seed;
        self.refuse(logit_bias.as_ref(), "logit_bias");
    }

    /// Everything about the form of the answer.
    ///
    /// # Errors
    /// When more than one answer is asked for.
    pub(super) fn output(
        &mut self,
        output: &'r OutputOptions,
        grounded: bool,
        body: &mut Request<'r>,
    ) -> Result<()> {
        let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
            output;
        if n.is_some_and(|n| n != 1) {
            let message = "cohere gives one answer per request: leave out `n`, or send it once per answer";
            return Err(ApiError::new(ErrorKind::UnsupportedParam, message).with_param("n"));
        }
        if modalities.iter().any(|modality| modality != "text") {
            self.changes.dropped("modalities", "cohere answers in text");
        }
        self.refuse(audio.as_ref(), "audio");
        body.logprobs = logprobs.filter(|wanted| *wanted);
        self.refuse(top_logprobs.as_ref().filter(|count| **count > 0), "top_logprobs");
        self.refuse(prediction.as_ref(), "prediction");
        self.refuse(verbosity.as_ref(), "verbosity");
        let schema = match format {
            None | Some(Format::Text) => return Ok(()),
            Some(Format::JsonObject) => None,
            Some(Format::JsonSchema(schema)) => Some(schema),
        };
        if body.tools.is_some() || grounded {
            self.changes.dropped("response_format", "not beside tools or documents");
            return Ok(());
        }
        let mut sent = wire::Format { kind: Some("json_object".into()), ..wire::Format::default() };
        if let Some(schema) = schema {
            // An answer that follows the schema exactly satisfies either `strict`; a name says nothing more.
            let JsonSchema { name: _, description, schema, strict: _ } = schema;
            self.refuse(description.as_ref(), "response_format.json_schema.description");
            match schema.as_deref() {
                Some(schema) => sent.schema = Some(schema.into()),
                None => self.changes.altered("response_format", "without a schema it is some JSON object"),
            }
        }
        body.response_format = Some(sent);
        Ok(())
    }

    /// Where the answer ends.
    pub(super) fn limits(&mut self, limits: &'r Limits, body: &mut Request<'r>) {
        let Limits { max_tokens, max_completion_tokens, stop } = limits;
        if max_tokens.is_some() && max_completion_tokens.is_some() && max_tokens != max_completion_tokens {
            self.changes.dropped("max_tokens", "`max_completion_tokens` is given too");
        }
        body.max_tokens = max_completion_tokens.or(*max_tokens);
        let mut stops = Vec::with_capacity(stop.len().min(STOPS));
        for (index, text) in stop.iter().enumerate() {
            if text.is_empty() || stops.len() == STOPS {
                self.changes
                    .dropped(format!("stop[{index}]"), "cohere takes up to 5 texts that are not empty");
            } else {
                stops.push(text.into());
            }
        }
        body.stop_sequences = (!stops.is_empty()).then_some(stops);
    }

    /// How much the model thinks.
    pub(super) fn thinking(&mut self, reasoning: &'r ReasoningOptions, body: &mut Request<'r>) {
        let ReasoningOptions { effort, thinking, summary } = reasoning;
        self.refuse(summary.as_ref(), "reasoning.summary");
        let path = if thinking.is_some() { "thinking" } else { "reasoning_effort" };
        if thinking.is_some() && effort.is_some() {
            self.changes.dropped("reasoning_effort", "`thinking` is given too");
        }
        let wanted = match (thinking, effort) {
            (None, None) => return,
            (Some(Thinking::Disabled), _) | (None, Some(Effort::None)) => None,
            (Some(Thinking::Adaptive), _) => Some(None),
            (Some(Thinking::Enabled { budget_tokens }), _) => Some(*budget_tokens),
            (None, Some(effort)) => Some(budget(*effort)),
        };
        if !self.thinks {
            // Not to think is what such a model does anyway.
            if wanted.is_some() {
                self.changes.dropped(path, "this model does not think");
            }
            return;
        }
        if thinking.is_none() && wanted.is_some() {
            self.changes.altered("reasoning_effort", "sent as a budget in tokens");
        }
        let kind = if wanted.is_some() { "enabled" } else { "disabled" };
        body.thinking = Some(wire::Thinking {
            kind: Some(kind.into()),
            token_budget: wanted.flatten(),
            ..wire::Thinking::default()
        });
    }

    /// How the answer is delivered and served.
    pub(super) fn delivery(&mut self, delivery: &'r Delivery, body: &mut Request<'r>) {
        // A stream always reports its usage.
        let Delivery { stream, include_usage: _, include_obfuscation, service_tier, store } = delivery;
        body.stream = stream.then_some(true);
        self.refuse(include_obfuscation.as_ref(), "stream_options.include_obfuscation");
        let usual = |tier: &&String| !matches!(tier.as_str(), "auto" | "default");
        self.refuse(service_tier.as_ref().filter(usual), "service_tier");
        // A provider that keeps nothing is what `false` asks for.
        self.refuse(store.as_ref().filter(|store| **store), "store");
    }

    /// Prompts are cached without being told.
    pub(super) fn cache(&mut self, cache: &'r CacheOptions) {
        let CacheOptions { key, retention, options, control } = cache;
        self.refuse(key.as_ref(), "prompt_cache_key");
        self.refuse(retention.as_ref(), "prompt_cache_retention");
        self.refuse(options.as_ref(), "prompt_cache_options");
        self.refuse(control.as_ref(), "cache_control");
    }

    /// Who asks.
    pub(super) fn identity(&mut self, identity: &'r Identity) {
        let Identity { user, safety_identifier, metadata } = identity;
        self.refuse(user.as_ref(), "user");
        self.refuse(safety_identifier.as_ref(), "safety_identifier");
        self.refuse(metadata.as_ref(), "metadata");
    }
}

/// The tokens that an effort stands for; `None`: as many as the model finds right.
fn budget(effort: Effort) -> Option<u64> {
    match effort {
        Effort::None => Some(0),
        Effort::Minimal => Some(512),
        Effort::Low => Some(1024),
        Effort::Medium => Some(4096),
        Effort::High | Effort::XHigh | Effort::Max => None,
    }
}
