//! Options: sampling, the form of the answer, who asks, how it is served.

use llm_types::chat::{Delivery, Format, Identity, JsonSchema, Limits, OutputOptions, Sampling};
use llm_types::{ApiError, ErrorKind, Result, Str};

use super::super::wire::{
    self, Fields, Inference, NovaInference, OutputConfig, Raw, Request, ServiceTier, Structure, TextFormat,
    ToolSpec,
};
use super::Encoder;
use super::thinking::Plan;
use super::tool::{JSON_TOOL, schema_of};
use crate::dialect::anthropic::model::Sampled;
use crate::dialect::anthropic::schema::{self, Input, Unfit};

/// The smallest `top_p` beside Claude's thinking.
const THINKING_TOP_P: f64 = 0.95;

/// How JSON by a schema is asked for.
#[derive(Debug, Default)]
pub(super) struct Structured<'r> {
    /// Natively.
    pub(super) format: Option<OutputConfig<'r>>,
    /// Through a tool.
    pub(super) tool: Option<ToolSpec<'r>>,
}

fn is_one(number: f64) -> bool {
    (number - 1.0).abs() < f64::EPSILON
}

impl<'r> Encoder<'r, '_> {
    /// `inferenceConfig`, as far as the model takes it; `top_k` is a member of the model's own body.
    pub(super) fn inference(
        &mut self,
        sampling: &'r Sampling,
        limits: &'r Limits,
        plan: &Plan,
        fields: &mut Fields<'r>,
    ) -> Option<Inference<'r>> {
        let Sampling { temperature, top_p, top_k, frequency_penalty, presence_penalty, seed, logit_bias } =
            sampling;
        self.refuse(frequency_penalty.as_ref(), "frequency_penalty");
        self.refuse(presence_penalty.as_ref(), "presence_penalty");
        self.refuse(seed.as_ref(), "seed");
        self.refuse(logit_bias.as_ref(), "logit_bias");
        let (temperature, top_p) = self.drawn(*temperature, *top_p, plan);
        self.top_k(*top_k, plan, fields);
        let stops = self.stops(limits);
        let max_tokens = plan.max_tokens;
        let set = max_tokens.is_some() || temperature.is_some() || top_p.is_some() || stops.is_some();
        set.then(|| Inference { max_tokens, temperature, top_p, stops, ..Inference::default() })
    }

    fn drawn(
        &mut self,
        temperature: Option<f64>,
        top_p: Option<f64>,
        plan: &Plan,
    ) -> (Option<f64>, Option<f64>) {
        let (mut temperature, mut top_p) = (temperature, top_p);
        let Some(facts) = self.model.facts() else {
            return (temperature, top_p);
        };
        let refused = facts.sampled == Sampled::Refused;
        let why =
            if refused { "this model takes no sampling parameters" } else { "not while the model thinks" };
        if let Some(asked) = temperature {
            if (refused || plan.thinks()) && !is_one(asked) {
                self.changes.dropped("temperature", why);
                temperature = None;
            } else if !(0.0..=1.0).contains(&asked) {
                self.changes.altered("temperature", "Claude takes 0 to 1");
                temperature = Some(asked.clamp(0.0, 1.0));
            }
        }
        if let Some(asked) = top_p {
            if (refused && !is_one(asked)) || (plan.thinks() && asked < THINKING_TOP_P) {
                self.changes.dropped("top_p", why);
                top_p = None;
            } else if facts.sampled == Sampled::Either && temperature.is_some() {
                self.changes.dropped("top_p", "this model takes temperature or top_p, not both");
                top_p = None;
            }
        }
        (temperature, top_p)
    }

    fn top_k(&mut self, top_k: Option<u64>, plan: &Plan, fields: &mut Fields<'r>) {
        let Some(top_k) = top_k else { return };
        let claude = self.model.facts();
        let bound = plan.thinks() || claude.is_some_and(|facts| facts.sampled == Sampled::Refused);
        if claude.is_some() && !bound && fields.top_k.is_none() {
            fields.top_k = Some(top_k);
        } else if self.model.is_nova() && fields.inference.is_none() {
            fields.inference = Some(NovaInference { top_k: Some(top_k), ..NovaInference::default() });
        } else {
            let why = self.not_taken();
            self.changes.dropped("top_k", why);
        }
    }

    fn stops(&mut self, limits: &'r Limits) -> Option<Vec<Str<'r>>> {
        // The bounds on the answer are part of the plan: thinking counts against them.
        let Limits { max_tokens: _, max_completion_tokens: _, stop } = limits;
        let mut out: Vec<Str<'r>> = Vec::with_capacity(stop.len());
        for (index, text) in stop.iter().enumerate() {
            let blank = text.is_empty() || (self.model.facts().is_some() && text.trim().is_empty());
            if blank || out.len() == self.model.stops {
                self.changes.dropped(format!("stop[{index}]"), "the model does not stop there");
            } else {
                out.push(text.into());
            }
        }
        (!out.is_empty()).then_some(out)
    }

    /// Everything about the form of the answer.
    ///
    /// # Errors
    /// When more than one answer is asked for, or a schema is none.
    pub(super) fn output(&mut self, output: &'r OutputOptions) -> Result<Structured<'r>> {
        let OutputOptions { n, format, modalities, audio, logprobs, top_logprobs, prediction, verbosity } =
            output;
        if n.is_some_and(|n| n != 1) {
            let message = "bedrock gives one answer per request: leave out `n`, or send it once per answer";
            return Err(ApiError::new(ErrorKind::UnsupportedParam, message).with_param("n"));
        }
        if modalities.iter().any(|modality| modality != "text") {
            self.changes.dropped("modalities", "the model decides what it answers in");
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
        // An answer that follows the schema exactly satisfies either `strict`.
        let JsonSchema { name, description, schema, strict: _ } = asked;
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
        if !self.model.structured {
            self.changes.altered("response_format", "asked for through a tool, whose input is the answer");
            let input = match schema::answer_input(schema).map_err(unfit)? {
                Input::AsItIs => Raw::from(schema),
                Input::Completed(schema) | Input::Wrapped(schema) => Raw::from(schema),
            };
            let words = description.as_deref().unwrap_or("Gives the answer in the form that is asked for.");
            let tool = ToolSpec {
                name: Some(JSON_TOOL.into()),
                description: Some(words.into()),
                schema: schema_of(Some(input)),
                ..ToolSpec::default()
            };
            return Ok(Structured { format: None, tool: Some(tool) });
        }
        let mut sent: Str<'r> = schema.get().into();
        if self.model.facts().is_some() {
            let filtered = schema::strict(schema, None).map_err(unfit)?;
            if filtered.weakened {
                self.changes.altered(path, "constraints that Claude does not know became words");
            }
            if filtered.changed {
                sent = filtered.schema.get().to_owned().into();
            }
        }
        let schema = wire::JsonSchema {
            name: (!name.is_empty()).then(|| name.into()),
            description: description.as_ref().map(Into::into),
            schema: Some(sent),
            ..wire::JsonSchema::default()
        };
        let structure = Structure { schema: Some(schema), ..Structure::default() };
        let text = TextFormat {
            kind: Some("json_schema".into()),
            structure: Some(structure),
            ..TextFormat::default()
        };
        Ok(Structured {
            format: Some(OutputConfig { text: Some(text), ..OutputConfig::default() }),
            tool: None,
        })
    }

    /// How the answer is delivered and served.
    pub(super) fn delivery(&mut self, delivery: &'r Delivery, out: &mut Request<'r>) {
        // The path says whether it is a stream, and a stream always reports its usage.
        let Delivery { stream: _, include_usage: _, include_obfuscation, service_tier, store } = delivery;
        self.refuse(include_obfuscation.as_ref(), "stream_options.include_obfuscation");
        // A provider that keeps nothing is what `false` asks for.
        self.refuse(store.as_ref().filter(|store| **store), "store");
        let Some(tier) = service_tier.as_deref() else { return };
        if out.service_tier.is_some() {
            self.changes.dropped("service_tier", "`serviceTier` is given as well");
            return;
        }
        let kind = match tier {
            "default" | "flex" | "priority" | "reserved" => tier,
            "auto" | "standard_only" => "default",
            _ => {
                self.changes.dropped("service_tier", "bedrock knows default, flex, priority and reserved");
                return;
            }
        };
        out.service_tier = Some(ServiceTier { kind: Some(kind.into()), ..ServiceTier::default() });
    }

    /// Who asks.
    ///
    /// # Errors
    /// When `metadata` is not an object.
    pub(super) fn identity(&mut self, identity: &'r Identity, out: &mut Request<'r>) -> Result<()> {
        let Identity { user, safety_identifier, metadata } = identity;
        self.refuse(user.as_ref(), "user");
        self.refuse(safety_identifier.as_ref(), "safety_identifier");
        let Some(metadata) = metadata.as_deref() else { return Ok(()) };
        if !metadata.get().starts_with('{') {
            return Err(ApiError::bad_request("`metadata` must be an object of texts").with_param("metadata"));
        }
        if out.metadata.is_some() {
            self.changes.dropped("metadata", "`requestMetadata` is given as well");
        } else if metadata.get() != "{}" {
            out.metadata = Some(metadata.into());
        }
        Ok(())
    }
}
