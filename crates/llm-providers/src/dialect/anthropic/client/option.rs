//! Options: sampling, the form of the answer, who asks, how it is served.

use llm_types::chat::{
    CacheOptions, Delivery, Format, Identity, JsonSchema, Limits, OutputOptions, Sampling,
};
use llm_types::{ApiError, ErrorKind, Extra, Members, RawValue, Result, Str};

use super::super::model::Sampled;
use super::super::schema::{self, Input, Unfit};
use super::super::wire::{self, Metadata, OutputConfig, OutputFormat, Raw, Request, ToolDef};
use super::beta;
use super::encoder::{Encoder, NO_COUNTERPART};
use super::part::word;
use super::thinking::Plan;
use super::tool::{JSON_TOOL, Offered};

/// Members that pass whoever set them: they mean nothing to anyone else.
const KNOWN: &[&str] = &[
    "context_management",
    "speed",
    "mcp_servers",
    "container",
    "output_config",
    "inference_geo",
    "anthropic_beta",
];

/// Members that the encoder writes itself.
const WRITTEN: &[&str] = &[
    "model",
    "max_tokens",
    "system",
    "messages",
    "tools",
    "tool_choice",
    "thinking",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "stream",
    "metadata",
    "service_tier",
    "cache_control",
];

/// The smallest `top_p` beside thinking.
const THINKING_TOP_P: f64 = 0.95;

/// How JSON by a schema is asked for.
#[derive(Debug, Default)]
pub(super) struct Structured<'r> {
    /// Natively.
    pub(super) format: Option<OutputFormat<'r>>,
    /// Through a tool.
    pub(super) tool: Option<Offered<'r>>,
}

fn is_one(number: f64) -> bool {
    (number - 1.0).abs() < f64::EPSILON
}

impl<'r> Encoder<'r, '_> {
    /// Temperature, `top_p` and `top_k`, as far as the model takes them.
    pub(super) fn sampling(&mut self, sampling: &'r Sampling, plan: &Plan, out: &mut Request<'r>) {
        let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
            sampling;
        self.refuse(frequency_penalty.as_ref(), "frequency_penalty");
        self.refuse(presence_penalty.as_ref(), "presence_penalty");
        self.refuse(seed.as_ref(), "seed");
        self.refuse(logit_bias.as_ref(), "logit_bias");
        let refused = self.facts.sampled == Sampled::Refused;
        let why =
            if refused { "this model takes no sampling parameters" } else { "not while the model thinks" };
        let bound = refused || plan.thinks();
        out.temperature = *temperature;
        if let Some(temperature) = temperature {
            if bound && !is_one(*temperature) {
                self.changes.dropped("temperature", why);
                out.temperature = None;
            } else if !(0.0..=1.0).contains(temperature) {
                self.changes.altered("temperature", "anthropic takes 0 to 1");
                out.temperature = Some(temperature.clamp(0.0, 1.0));
            }
        }
        out.top_p = *top_p;
        if let Some(top_p) = top_p {
            if (refused && !is_one(*top_p)) || (plan.thinks() && *top_p < THINKING_TOP_P) {
                self.changes.dropped("top_p", why);
                out.top_p = None;
            } else if self.facts.sampled == Sampled::Either && out.temperature.is_some() {
                self.changes.dropped("top_p", "this model takes temperature or top_p, not both");
                out.top_p = None;
            }
        }
        out.top_k = *top_k;
        if bound && top_k.is_some() {
            self.changes.dropped("top_k", why);
            out.top_k = None;
        }
    }

    /// Everything about the form of the answer but its schema.
    ///
    /// # Errors
    /// When more than one answer is asked for.
    pub(super) fn output(&mut self, output: &'r OutputOptions) -> Result<Structured<'r>> {
        let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
            output;
        if n.is_some_and(|n| n != 1) {
            let message = "anthropic gives one answer per request: leave out `n`, or send it once per answer";
            return Err(ApiError::new(ErrorKind::UnsupportedParam, message).with_param("n"));
        }
        if modalities.iter().any(|modality| modality != "text") {
            self.changes.dropped("modalities", "anthropic answers in text only");
        }
        self.refuse(audio.as_ref(), "audio");
        self.refuse(logprobs.as_ref().filter(|wanted| **wanted), "logprobs");
        self.refuse(top_logprobs.as_ref(), "top_logprobs");
        self.refuse(prediction.as_ref(), "prediction");
        self.refuse(verbosity.as_ref(), "verbosity");
        match format {
            None | Some(Format::Text) => Ok(Structured::default()),
            Some(Format::JsonObject) => {
                self.changes.altered("response_format", "without a schema only the prompt asks for JSON");
                Ok(Structured::default())
            }
            Some(Format::JsonSchema(schema)) => self.structured(schema),
        }
    }

    fn structured(&mut self, asked: &'r JsonSchema) -> Result<Structured<'r>> {
        // The name is a label, and an answer that follows the schema exactly satisfies either `strict`.
        let JsonSchema { name: _, description, schema, strict: _ } = asked;
        let path = "response_format.json_schema.schema";
        let Some(schema) = schema.as_deref() else {
            self.changes.altered("response_format", "without a schema only the prompt asks for JSON");
            return Ok(Structured::default());
        };
        let unfit = |unfit| {
            let message = match unfit {
                Unfit::NotAnObject => "the schema must be a JSON Schema object",
                Unfit::Endless => "the schema refers to itself or is too large: send a finite one",
            };
            ApiError::bad_request(message).with_param(path)
        };
        if self.facts.json_schema {
            let filtered = schema::strict(schema, description.as_deref()).map_err(unfit)?;
            if filtered.weakened {
                self.changes.altered(path, "constraints that anthropic does not know became words");
            }
            let schema = if filtered.changed { Raw::from(filtered.schema) } else { Raw::from(schema) };
            let format =
                OutputFormat { kind: word("json_schema"), schema: Some(schema), ..OutputFormat::default() };
            return Ok(Structured { format: Some(format), tool: None });
        }
        self.changes.altered("response_format", "asked for through a tool, whose input is the answer");
        let input_schema = match schema::answer_input(schema).map_err(unfit)? {
            Input::AsItIs => Raw::from(schema),
            Input::Completed(schema) | Input::Wrapped(schema) => Raw::from(schema),
        };
        let description = description.as_deref().unwrap_or("Gives the answer in the form that is asked for.");
        let def = ToolDef {
            kind: word("custom"),
            name: word(JSON_TOOL),
            description: Some(description.into()),
            input_schema: Some(input_schema),
            ..ToolDef::default()
        };
        let tool = Offered { tool: wire::Tool::Def(Box::new(def)), index: None };
        Ok(Structured { format: None, tool: Some(tool) })
    }

    /// `output_config`: what the caller wrote, completed.
    ///
    /// # Errors
    /// When the caller's is not an object.
    pub(super) fn output_config(
        &mut self,
        asked: Option<&'r RawValue>,
        plan: &Plan,
        format: Option<OutputFormat<'r>>,
    ) -> Result<Option<OutputConfig<'r>>> {
        let mut config: OutputConfig<'r> = match asked {
            Some(raw) => serde_json::from_str(raw.get()).map_err(|error| {
                let message = format!("`output_config` is not what it should be: {error}");
                ApiError::bad_request(message).with_param("output_config")
            })?,
            None => OutputConfig::default(),
        };
        if config.format.is_none() {
            config.format = format;
        } else if format.is_some() {
            self.changes.dropped("response_format", "`output_config.format` is given as well");
        }
        if config.effort.is_none() {
            config.effort = plan.effort.map(|effort| effort.name().into());
        } else if plan.effort.is_some() {
            self.changes.dropped("reasoning_effort", "`output_config.effort` is given as well");
        }
        if config.effort.is_some() && self.facts.effort_beta {
            self.betas.add(beta::EFFORT);
        }
        let empty = config.effort.is_none() && config.format.is_none() && config.extra.is_empty();
        Ok((asked.is_some() || !empty).then_some(config))
    }

    /// Texts that end the answer.
    pub(super) fn stop(&mut self, limits: &'r Limits) -> Option<Vec<Str<'r>>> {
        let Limits { max_tokens: _, max_completion_tokens: _, stop } = limits;
        let mut out = Vec::with_capacity(stop.len());
        for (index, text) in stop.iter().enumerate() {
            if text.trim().is_empty() {
                self.changes.dropped(format!("stop[{index}]"), "anthropic does not stop at white space");
            } else {
                out.push(text.into());
            }
        }
        (!out.is_empty()).then_some(out)
    }

    /// How the answer is delivered and served.
    pub(super) fn delivery(&mut self, delivery: &'r Delivery, out: &mut Request<'r>) {
        // Whether a stream reports usage is not asked: it always does, and the client's front withholds it.
        let Delivery { stream, include_usage: _, include_obfuscation, service_tier, store } = delivery;
        out.stream = stream.then_some(true);
        self.refuse(include_obfuscation.as_ref(), "stream_options.include_obfuscation");
        // A provider that keeps nothing is what `false` asks for.
        self.refuse(store.as_ref().filter(|store| **store), "store");
        out.service_tier = service_tier.as_deref().map(|tier| match tier {
            "default" | "standard_only" => "standard_only".into(),
            "auto" => "auto".into(),
            _ => {
                self.changes.altered("service_tier", "anthropic knows auto and standard_only");
                "auto".into()
            }
        });
    }

    /// Prompt caching, save Anthropic's own control.
    pub(super) fn caching(&mut self, cache: &'r CacheOptions) {
        let CacheOptions { key, retention, options, control: _ } = cache;
        self.refuse(key.as_ref(), "prompt_cache_key");
        self.refuse(retention.as_ref(), "prompt_cache_retention");
        self.refuse(options.as_ref(), "prompt_cache_options");
    }

    /// Who asks.
    pub(super) fn identity(&mut self, identity: &'r Identity) -> Option<Metadata<'r>> {
        let Identity { user, safety_identifier, metadata } = identity;
        self.refuse(metadata.as_ref(), "metadata");
        let mut user_id = None;
        for (path, value) in [("user", user), ("safety_identifier", safety_identifier)] {
            let Some(value) = value else {
                continue;
            };
            if looks_personal(value) {
                self.changes.dropped(path, "anthropic refuses e-mail addresses and phone numbers here");
            } else if user_id.is_some_and(|taken| taken != value) {
                self.changes.dropped(path, "anthropic takes one identifier");
            } else {
                user_id = Some(value);
            }
        }
        let user_id = user_id?;
        Some(Metadata { user_id: Some(user_id.into()), ..Metadata::default() })
    }

    /// Members that no field names; those that go elsewhere (`output_config`, …) are taken out by the
    /// caller.
    pub(super) fn request_members(&mut self, extra: &'r Extra) -> Members<'r> {
        let mut out = Members::default();
        for (name, value) in extra.iter() {
            if KNOWN.contains(&name) || (self.is_own() && !WRITTEN.contains(&name)) {
                out.push(name.into(), value);
            } else {
                self.changes.dropped(name.to_owned(), NO_COUNTERPART);
            }
        }
        out
    }
}

/// Whether an identifier looks like an e-mail address or a phone number.
fn looks_personal(id: &str) -> bool {
    let email = id.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let digits = id.bytes().filter(u8::is_ascii_digit).count();
    let phone = digits >= 7 && id.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
    email || phone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_identifiers_are_recognised() {
        let check = |id: &str, expect: bool| assert_eq!(looks_personal(id), expect, "{id}");
        check("someone@example.com", true);
        check("+49 (30) 123-4567", true);
        check("u-1", false);
        check("user@host", false);
        check("3f2a9c", false);
        check("12345", false);
    }
}
