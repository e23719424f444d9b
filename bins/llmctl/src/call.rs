//! Calls: the one place that knows the SDK's client.
//!
//! A gateway is one more OpenAI-compatible provider, in a table that holds nothing else: what the gateway
//! serves must not be judged by what is known of providers here.

use llm_config::Provider;
use llm_providers::table::ProviderTable;
use llm_providers::target::TargetOptions;
use llm_providers::{Answered, ChatReply, ChatStream, Client, RerankReply, SpeechStream, name};
use llm_types::chat::ChatRequest;
use llm_types::{
    EmbedRequest, Embeddings, ImageRequest, Images, MessageQuirk, ModerateRequest, Moderation, Op,
    ProviderSpec, RerankRequest, Result, Secret, SpeechRequest, TranscribeRequest, Transcript,
};

use crate::args::Via;
use crate::exit::Failure;
use crate::input::gateway::Gateway;

/// The name of the table's only row in gateway mode.
const GATEWAY: &str = "gateway";

/// The row of any server that speaks OpenAI's words.
const COMPATIBLE: &str = "hosted_vllm";

/// What a gateway may serve.
const SERVED: [Op; 16] = [
    Op::Batch,
    Op::Chat,
    Op::Responses,
    Op::Messages,
    Op::CountTokens,
    Op::Completion,
    Op::Embed,
    Op::Rerank,
    Op::Transcribe,
    Op::Translate,
    Op::Speech,
    Op::Image,
    Op::ImageEdit,
    Op::ImageVariation,
    Op::Moderate,
    Op::Realtime,
];

/// A client, and what stands before the model's name.
#[derive(Debug)]
pub(crate) struct Caller {
    client: Client,
    model: String,
}

impl Caller {
    /// Where the command line says.
    ///
    /// # Errors
    /// When the gateway's address or key cannot be used, or the model is unknown.
    pub(crate) fn of(via: &Via, model: &str) -> std::result::Result<Self, Failure> {
        Ok(match &via.gateway {
            Some(url) => {
                let env = |name: &str| std::env::var(name).ok();
                let gateway = Gateway::new(url, via.key.clone(), &env).map_err(Failure::Usage)?;
                Self::through(gateway, model)?
            }
            None => Self::direct(model, via.key.clone())?,
        })
    }

    /// Straight to the model's provider; `key` instead of the environment's.
    pub(crate) fn direct(model: &str, key: Option<String>) -> Result<Self> {
        let mut builder = Client::builder();
        if let Some(key) = key {
            let (spec, _) = name::resolve(ProviderTable::builtin(), model)?;
            let options = TargetOptions { api_key: Some(Secret::new(key)), ..TargetOptions::default() };
            builder = builder.connection(&spec.name, options);
        }
        Ok(Self { client: builder.build()?, model: model.to_owned() })
    }

    /// At another address than the provider's usual one. A model that names no provider is asked in OpenAI's words.
    pub(crate) fn at(model: &str, base: &str, key: Option<String>) -> Result<Self> {
        let table = ProviderTable::builtin();
        let api_key = key.map(Secret::new);
        let options = TargetOptions { api_base: Some(base.to_owned()), api_key, ..TargetOptions::default() };
        if let Ok((spec, _)) = name::resolve(table, model) {
            let client = Client::builder().connection(spec.name.clone(), options).build()?;
            return Ok(Self { client, model: model.to_owned() });
        }
        // What such a server can do is not known: that is what it is asked.
        let mut spec = table.get(COMPATIBLE).map(|spec| ProviderSpec::clone(spec)).unwrap_or_default();
        spec.operations = SERVED.to_vec();
        let table = table.clone().with(vec![spec]);
        let client = Client::builder().table(table.into()).connection(COMPATIBLE, options).build()?;
        Ok(Self { client, model: format!("{COMPATIBLE}/{model}") })
    }

    /// The client that calls.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The model, with what stands before its name.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// Through a gateway.
    pub(crate) fn through(gateway: Gateway, model: &str) -> Result<Self> {
        let row = Provider { name: GATEWAY.to_owned(), key_optional: Some(true), ..Provider::default() };
        // Whether a model of its can do this, the gateway says.
        let mut spec = row.spec(None);
        spec.operations = SERVED.to_vec();
        // A gateway understands marks for prompt caches, whoever is behind it.
        spec.quirks.messages = vec![MessageQuirk::CacheControl];
        let table = ProviderTable::default().with(vec![spec]);
        let api_base = Some(gateway.api_base());
        let options = TargetOptions { api_base, api_key: gateway.key, ..TargetOptions::default() };
        let client = Client::builder().table(table.into()).connection(GATEWAY, options).build()?;
        Ok(Self { client, model: format!("{GATEWAY}/{model}") })
    }

    /// What keeps files and batches, and the client that calls it: a gateway, else the provider of the model's name.
    pub(crate) fn keeper(&self) -> (&Client, &str) {
        (&self.client, self.model.split('/').next().unwrap_or_default())
    }

    /// Asks for a whole answer.
    pub(crate) async fn chat(&self, request: ChatRequest) -> Result<ChatReply> {
        self.client.chat(&self.model, request).await
    }

    /// Asks how a text goes on.
    pub(crate) async fn complete(&self, request: ChatRequest) -> Result<ChatReply> {
        self.client.complete(&self.model, request).await
    }

    /// Asks how a text goes on, as it comes.
    pub(crate) async fn complete_stream(&self, request: ChatRequest) -> Result<ChatStream> {
        self.client.complete_stream(&self.model, request).await
    }

    /// Asks for vectors.
    pub(crate) async fn embed(&self, request: EmbedRequest) -> Result<Answered<Embeddings>> {
        self.client.embed(&self.model, request).await
    }

    /// Asks for documents in order.
    pub(crate) async fn rerank(&self, request: RerankRequest) -> Result<RerankReply> {
        self.client.rerank(&self.model, request).await
    }

    /// Asks for what is said in a file, which is read while it is sent.
    pub(crate) async fn transcribe(&self, request: TranscribeRequest) -> Result<Answered<Transcript>> {
        self.client.transcribe(&self.model, request).await
    }

    /// Asks for speech, as it comes.
    pub(crate) async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream> {
        self.client.speak_stream(&self.model, request).await
    }

    /// Asks for pictures.
    pub(crate) async fn image(&self, request: ImageRequest) -> Result<Answered<Images>> {
        self.client.image(&self.model, request).await
    }

    /// Asks whether a text is against a policy.
    pub(crate) async fn moderate(&self, request: ModerateRequest) -> Result<Answered<Moderation>> {
        self.client.moderate(&self.model, request).await
    }

    /// Asks for an answer as it comes.
    pub(crate) async fn stream(&self, request: ChatRequest) -> Result<ChatStream> {
        self.client.chat_stream(&self.model, request).await
    }
}
