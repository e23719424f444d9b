//! Options: sampling, the form of the answer, how long it is, how much is thought, how it is served, who asks.

use llm_types::chat::{
    CacheOptions, Delivery, Effort, Format, Identity, JsonSchema, Limits, OutputOptions, ReasoningOptions,
    Sampling, Thinking,
};
use llm_types::{ApiError, ErrorKind, Result};

use super::super::wire::{Options, Raw, Request};
use super::{Encoder, raw};

impl<'r> Encoder<'r, '_> {
    /// How tokens are drawn.
    pub(super) fn sampling(&mut self, sampling: &'r Sampling, options: &mut Options<'r>) {
        let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
            sampling;
        options.temperature = *temperature;
        options.top_p = *top_p;
        options.top_k = *top_k;
        options.frequency_penalty = *frequency_penalty;
        options.presence_penalty = *presence_penalty;
        options.seed = *seed;
        self.refuse(logit_bias.as_ref(), "logit_bias");
    }

    /// Everything about the form of the answer.
    ///
    /// # Errors
    /// When more than one answer is asked for.
    pub(super) fn output(&mut self, output: &'r OutputOptions, body: &mut Request<'r>) -> Result<()> {
        let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
            output;
        if n.is_some_and(|n| n != 1) {
            let message = "ollama gives one answer per request: leave out `n`, or send it once per answer";
            return Err(ApiError::new(ErrorKind::UnsupportedParam, message).with_param("n"));
        }
        if modalities.iter().any(|modality| modality != "text") {
            self.changes.dropped("modalities", "ollama answers in text");
        }
        self.refuse(audio.as_ref(), "audio");
        body.logprobs = logprobs.filter(|wanted| *wanted);
        body.top_logprobs = top_logprobs.filter(|count| *count > 0);
        self.refuse(prediction.as_ref(), "prediction");
        self.refuse(verbosity.as_ref(), "verbosity");
        body.format = match format {
            None | Some(Format::Text) => None,
            Some(Format::JsonObject) => raw(&"json"),
            Some(Format::JsonSchema(schema)) => {
                // The answer is held to the schema by a grammar, which is all that `strict` asks for.
                let JsonSchema { name: _, description, schema, strict: _ } = schema;
                self.refuse(description.as_ref(), "response_format.json_schema.description");
                match schema.as_deref() {
                    Some(schema) => Some(Raw::from(schema)),
                    None => {
                        self.changes.altered("response_format", "without a schema it is some JSON object");
                        raw(&"json")
                    }
                }
            }
        };
        Ok(())
    }

    /// Where the answer ends.
    pub(super) fn limits(&mut self, limits: &'r Limits, options: &mut Options<'r>) {
        let Limits { max_tokens, max_completion_tokens, stop } = limits;
        if max_tokens.is_some() && max_completion_tokens.is_some() && max_tokens != max_completion_tokens {
            self.changes.dropped("max_tokens", "`max_completion_tokens` is given too");
        }
        options.num_predict = max_completion_tokens.or(*max_tokens);
        let mut stops = Vec::with_capacity(stop.len());
        for (index, text) in stop.iter().enumerate() {
            if text.is_empty() {
                self.changes.dropped(format!("stop[{index}]"), "an answer does not end at an empty text");
            } else {
                stops.push(text.into());
            }
        }
        options.stop = (!stops.is_empty()).then_some(stops);
    }

    /// Whether the model thinks, or how much.
    pub(super) fn thinking(&mut self, reasoning: &'r ReasoningOptions, body: &mut Request<'r>) {
        let ReasoningOptions { effort, thinking, summary } = reasoning;
        self.refuse(summary.as_ref(), "reasoning.summary");
        if thinking.is_some() && effort.is_some() {
            self.changes.dropped("reasoning_effort", "`thinking` is given too");
        }
        body.think = match (thinking, effort) {
            (None, None) => None,
            (Some(Thinking::Disabled), _) => self.unthinking("thinking"),
            (None, Some(Effort::None)) => self.unthinking("reasoning_effort"),
            (Some(Thinking::Adaptive), _) => raw(&true),
            (Some(Thinking::Enabled { budget_tokens }), _) => {
                self.refuse(budget_tokens.as_ref(), "thinking.budget_tokens");
                raw(&true)
            }
            (None, Some(effort)) if self.levels => {
                let level = match effort {
                    Effort::None | Effort::Minimal | Effort::Low => "low",
                    Effort::Medium => "medium",
                    Effort::High | Effort::XHigh | Effort::Max => "high",
                };
                if level != effort.name() {
                    self.changes.altered("reasoning_effort", "this model knows low, medium and high");
                }
                raw(&level)
            }
            (None, Some(_)) => {
                self.changes
                    .altered("reasoning_effort", "this model thinks or does not: it is told to think");
                raw(&true)
            }
        };
    }

    fn unthinking(&mut self, path: &'static str) -> Option<Raw<'r>> {
        if !self.levels {
            return raw(&false);
        }
        self.changes.altered(path, "this model cannot be kept from thinking: it is told to think little");
        raw(&"low")
    }

    /// How the answer is delivered and served.
    pub(super) fn delivery(&mut self, delivery: &'r Delivery, body: &mut Request<'r>) {
        // A stream always reports its usage. Left out, `stream` means that it is one.
        let Delivery { stream, include_usage: _, include_obfuscation, service_tier, store } = delivery;
        body.stream = Some(*stream);
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
