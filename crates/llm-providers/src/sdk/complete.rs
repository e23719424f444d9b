//! How a text goes on.

use llm_types::chat::ChatRequest;
use llm_types::{ApiError, Dialect, Head, Op, Result};

use super::client::{ChatReply, Client};
use super::stream::ChatStream;
use crate::codec::ServerCodec as _;
use crate::dialect::openai_completions::Server;

/// What is spoken where the model is a text model.
const WORDS: Dialect = Dialect::OpenaiCompletions;

impl Client {
    /// Asks how a text goes on: the one message of the request. A text model is asked as such, every other is sent the
    /// text as a message. What only text models know (`suffix`, `echo`, `best_of`) stands in the request's `extra`.
    ///
    /// ```no_run
    /// # async fn run(client: llm_providers::Client) -> llm_types::Result<()> {
    /// use llm_types::chat::{ChatRequest, Message};
    /// let request = ChatRequest::new([Message::user("Once upon a time")]);
    /// let added = client.complete("openai/gpt-3.5-turbo-instruct", request).await?;
    /// println!("{}", added.text());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Client::chat`]; when only a text model could do what is asked, and the model is none.
    pub async fn complete(&self, model: &str, request: ChatRequest) -> Result<ChatReply> {
        let request = self.completion(model, request)?;
        self.turn(model, request, Some(WORDS)).await
    }

    /// The same as a stream of typed events.
    ///
    /// # Errors
    /// As [`Client::complete`]; what fails later comes out of the stream.
    pub async fn complete_stream(&self, model: &str, request: ChatRequest) -> Result<ChatStream> {
        let request = self.completion(model, request)?;
        self.turn_streamed(model, request, Some(WORDS)).await
    }

    /// As [`Client::chat`], in an API that the provider offers beside its usual one, e.g. the Responses API or Anthropic's
    /// Messages API.
    ///
    /// # Errors
    /// As [`Client::chat`]; when the provider has no such API for this model.
    pub async fn chat_in(&self, model: &str, request: ChatRequest, words: Dialect) -> Result<ChatReply> {
        self.speaks(model, words)?;
        self.turn(model, request, Some(words)).await
    }

    /// The same as a stream of typed events.
    ///
    /// # Errors
    /// As [`Client::chat_in`]; what fails later comes out of the stream.
    pub async fn chat_stream_in(
        &self,
        model: &str,
        request: ChatRequest,
        words: Dialect,
    ) -> Result<ChatStream> {
        self.speaks(model, words)?;
        self.turn_streamed(model, request, Some(words)).await
    }

    fn speaks(&self, model: &str, words: Dialect) -> Result<()> {
        let target = self.target(model)?;
        if target.dialect_for(Op::Chat, Some(words)) == words {
            return Ok(());
        }
        let message = format!("{} does not offer `{}` for this model", target.provider(), words.name());
        Err(ApiError::bad_request(message).with_param("model"))
    }

    /// The request as one for a text, unless only a text model could answer it and this is none.
    fn completion(&self, model: &str, mut request: ChatRequest) -> Result<ChatRequest> {
        request.origin = request.origin.or(Some(WORDS));
        if self.target(model)?.dialect_for(Op::Chat, Some(WORDS)) == WORDS {
            return Ok(request);
        }
        let unwritten = |_| ApiError::bad_request("the request cannot be written");
        let mut members = request.extra.clone();
        if !request.messages.is_empty() {
            // Its text is no matter here: that it is one is.
            members.set_json("prompt", &"").map_err(unwritten)?;
        }
        let head = Head::scan(serde_json::to_vec(&members).map_err(unwritten)?.into())?;
        Server.bound(&head)?.map_or(Ok(request), Err)
    }
}
