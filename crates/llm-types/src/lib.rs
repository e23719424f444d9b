#![doc = include_str!("../README.md")]

mod call;
mod capability;
mod change;
mod dialect;
mod edit;
mod embed;
mod error;
mod event;
mod extra;
mod glance;
mod head;
mod image;
mod inside;
mod moderate;
mod money;
mod names;
mod op;
mod output;
mod price;
mod rate_limit;
mod raw;
mod reply;
mod reply_builder;
mod rerank;
mod scan;
mod secret;
mod segments;
mod spec;
mod speech;
mod stretch;
mod text;
mod tokens;
mod transcript;
mod upload;
mod usage;
mod variant;
#[doc(hidden)]
pub use wire::Fields;
#[doc(hidden)]
pub use wire::private as __private;
mod wire;

pub mod chat;

pub use call::Call;
pub use capability::Capabilities;
pub use change::{Action, Change, Changes};
pub use dialect::Dialect;
pub use edit::Edits;
pub use embed::{EmbedContent, EmbedInput, EmbedRequest, Embeddings, VectorEncoding};
pub use error::{ApiError, ErrorKind, Fault, Origin, Result};
pub use event::{Delta, Event, EventSink, Flow, PartStart, Start};
pub use extra::{Extra, Members};
pub use glance::{Glance, glance};
pub use head::{Head, Member};
pub use image::{ImageRequest, ImageTask, Images, MadeImage};
pub use inside::{Inside, Search};
pub use moderate::{ModerateRequest, Moderation, Verdict};
pub use money::{AmountText, MoneyError, PicoUsd};
pub use names::NameSet;
pub use op::Op;
pub use output::{Output, TokenCount};
pub use price::PriceSpec;
pub use rate_limit::{RateLimit, RateLimits};
pub use raw::{Kind, Raw, WireText, by_kind};
pub use reply::{Choice, Finish, FinishKind, Reply};
pub use reply_builder::ReplyBuilder;
pub use rerank::{Ranked, Ranking, RerankDocument, RerankRequest};
pub use secret::Secret;
pub use segments::{Piece, Segments};
pub use spec::{
    AuthStyle, BatchForm, ImageEditForm, ImageSize, KeyRule, MessageQuirk, ModelLists, ModelName, ModelRule,
    ProviderSpec, Quirks, ReplyQuirk, RerankForm, RerankQuirk, RunnerForm, UrlForm, glob_matches,
};
pub use speech::{Speech, SpeechRequest};
pub use stretch::{Content, Stretch};
pub use text::{Str, SurrogateCarry, Wtf8};
pub use tokens::TokenSource;
pub use transcript::{Spoken, TranscribeRequest, Transcript, TranscriptFormat};
pub use upload::{Upload, media_type};
pub use usage::{Billed, ServiceTier, Units, Usage};
pub use variant::Variant;

/// Raw JSON text of one value, kept as it came.
pub use serde_json::value::RawValue;
