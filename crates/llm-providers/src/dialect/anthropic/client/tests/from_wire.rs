//! Wire requests to the neutral form, for the recordings.
//!
//! Only what they hold: the server half of the dialect reads everything.

use llm_types::chat::{
    CacheControl, ChatRequest, File, Format, Image, JsonSchema, Media, Message, Part, Reasoning, Role, Text,
    Thinking, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use llm_types::{Dialect, Extra, Members, Str};

use super::super::super::wire;

/// The neutral form of a recorded request.
pub(super) fn request(json: &str) -> ChatRequest {
    let wire: wire::Request<'_> = serde_json::from_str(json).unwrap();
    let mut out = ChatRequest { origin: Some(Dialect::Anthropic), ..ChatRequest::default() };
    out.model = wire.model.unwrap().into_string();
    out.limits.max_tokens = wire.max_tokens;
    out.limits.stop = wire.stop_sequences.unwrap_or_default().into_iter().map(Str::into_string).collect();
    out.sampling.temperature = wire.temperature;
    out.sampling.top_p = wire.top_p;
    out.sampling.top_k = wire.top_k;
    out.delivery.stream = wire.stream.unwrap_or_default();
    if let Some(system) = wire.system {
        out.messages.push(Message::new(Role::System, parts(system)));
    }
    for message in wire.messages.unwrap() {
        let assistant = message.role.unwrap().as_str() == "assistant";
        let role = if assistant { Role::Assistant } else { Role::User };
        out.messages.push(Message::new(role, parts(message.content.unwrap())));
    }
    out.tooling.tools = wire.tools.unwrap_or_default().into_iter().map(tool).collect();
    if let Some(choice) = wire.tool_choice {
        out.tooling.choice = Some(match choice.kind.unwrap().as_str() {
            "auto" => ToolChoice::Auto,
            "any" => ToolChoice::Required,
            "none" => ToolChoice::None,
            _ => ToolChoice::Function(choice.name.unwrap().into_string()),
        });
        out.tooling.parallel = choice.disable_parallel_tool_use.map(|off| !off);
    }
    if let Some(thinking) = wire.thinking {
        out.reasoning.thinking = Some(match thinking.kind.unwrap().as_str() {
            "enabled" => Thinking::Enabled { budget_tokens: thinking.budget_tokens },
            "adaptive" => Thinking::Adaptive,
            _ => Thinking::Disabled,
        });
    }
    let format = wire.output_config.and_then(|config| config.format);
    out.output.format = format.map(|format| {
        let schema = format.schema.map(|schema| schema.0.into_owned());
        Format::JsonSchema(JsonSchema { schema, ..JsonSchema::default() })
    });
    out.extra = wire.extra.to_extra();
    out
}

fn cache(cache: Option<wire::CacheControl<'_>>) -> Option<CacheControl> {
    let cache = cache?;
    Some(CacheControl { kind: cache.kind?.into_string(), ttl: cache.ttl.map(Str::into_string) })
}

fn tool(tool: wire::Tool<'_>) -> Tool {
    match tool {
        wire::Tool::Def(def) => Tool {
            kind: ToolKind::Function {
                name: def.name.unwrap().into_string(),
                description: def.description.map(Str::into_string),
                parameters: def.input_schema.map(|schema| schema.0.into_owned()),
                strict: def.strict,
            },
            cache: cache(def.cache_control),
            extra: def.extra.to_extra(),
        },
        wire::Tool::Hosted(raw) => Tool {
            kind: ToolKind::Hosted {
                dialect: Dialect::Anthropic,
                kind: serde_json::from_str::<wire::Kind<'_>>(raw.get()).unwrap().0.into_string(),
                json: raw.0.into_owned(),
            },
            cache: None,
            extra: Extra::default(),
        },
    }
}

fn parts(content: wire::Content<'_>) -> Vec<Part> {
    match content {
        wire::Content::Text(text) => vec![Part::text(text.into_string())],
        wire::Content::Blocks(blocks) => blocks.into_iter().map(part).collect(),
    }
}

fn part(block: wire::Block<'_>) -> Part {
    match block {
        wire::Block::Text(block) => Part::Text(Text {
            cache: cache(block.cache_control),
            ..Text::new(block.text.unwrap().0.into_lossy())
        }),
        wire::Block::Image(block) => Part::Image(Image {
            cache: cache(block.cache_control),
            ..Image::new(media(*block.source.unwrap()))
        }),
        wire::Block::Document(block) => Part::File(File {
            media: media(*block.source.unwrap()),
            filename: block.title.map(Str::into_string),
            media_type: Some("application/pdf".to_owned()),
            cache: cache(block.cache_control),
            extra: Members::to_extra(&block.extra),
        }),
        wire::Block::ToolUse(block) => Part::ToolCall(ToolCall {
            id: block.id.unwrap().into_string(),
            name: block.name.unwrap().into_string(),
            arguments: block.input.unwrap().get().to_owned(),
            ..ToolCall::default()
        }),
        wire::Block::ToolResult(block) => Part::ToolResult(ToolResult {
            call_id: block.tool_use_id.unwrap().into_string(),
            parts: block.content.map(parts).unwrap_or_default(),
            is_error: block.is_error,
            ..ToolResult::default()
        }),
        wire::Block::Thinking(block) => Part::Reasoning(Reasoning {
            text: block.thinking.unwrap().0.into_lossy().into_owned(),
            signature: block.signature.map(Str::into_string),
            ..Reasoning::default()
        }),
        wire::Block::Redacted(block) => {
            Part::Reasoning(Reasoning { redacted: block.data.map(Str::into_string), ..Reasoning::default() })
        }
        wire::Block::Other(kind, _) => panic!("no recording holds a `{}` block", kind.as_str()),
    }
}

fn media(source: wire::Source<'_>) -> Media {
    match source.kind.unwrap().as_str() {
        "url" => Media::Url(source.url.unwrap().into_string()),
        "file" => Media::FileId(source.file_id.unwrap().into_string()),
        "text" => Media::Text(source.data.unwrap().into_string()),
        _ => Media::Base64 {
            media_type: source.media_type.unwrap().into_string(),
            data: source.data.unwrap().into_string(),
        },
    }
}
