//! Vectors, sound, transcripts, pictures, verdicts.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use llm_types::{
    ApiError, Call, Changes, EmbedRequest, Embeddings, ErrorKind, ImageRequest, Images, ModerateRequest,
    Moderation, Op, Output, Result, Speech, SpeechRequest, TranscribeRequest, Transcript,
};

use super::client::{Client, REPLY_LIMIT, named};
use crate::batch::{Pictures, Split};
use crate::codec::DecodeCx;
use crate::transport::{collect, was_sent};
use crate::{batch, dialect, mock, own_api};

/// What was asked for, and what of the request did not reach the provider as it was asked.
#[derive(Debug, Clone)]
pub struct Answered<T> {
    /// What was asked for.
    pub output: T,
    /// What was dropped or altered.
    pub changes: Changes,
}

impl Client {
    /// Writes down what is said, e.g. with `openai/whisper-1` or `deepgram/nova-3`.
    ///
    /// ```no_run
    /// # async fn run(client: llm_providers::Client) -> llm_types::Result<()> {
    /// use llm_types::{Content, Stretch, TranscribeRequest, Upload};
    /// // Read as it is sent; sound that is in memory goes as `Upload::new("talk.wav", bytes)`.
    /// let sound = std::fs::File::open("talk.wav").and_then(Stretch::whole).expect("a file");
    /// let file = Upload::of("talk.wav", Content::from(sound));
    /// let heard = client.transcribe("openai/whisper-1", TranscribeRequest::new(file)).await?;
    /// println!("{}", heard.output.text);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the model is unknown, its provider does not do this, its key is missing, the provider cannot be reached or
    /// refuses.
    pub async fn transcribe(&self, model: &str, request: TranscribeRequest) -> Result<Answered<Transcript>> {
        let request = TranscribeRequest { stream: false, ..request };
        let (output, changes) = self.ask(model, Call::Transcribe(Box::new(request))).await?;
        match output {
            Output::Transcript(transcript) => Ok(Answered { output: *transcript, changes }),
            _ => Err(other()),
        }
    }

    /// Says something, e.g. with `openai/tts-1`; the sound is whole when it comes ([`Client::speak_stream`] does not wait for its end).
    ///
    /// # Errors
    /// As [`Client::transcribe`].
    pub async fn speak(&self, model: &str, request: SpeechRequest) -> Result<Answered<Speech>> {
        let request = SpeechRequest { events: false, ..request };
        let (output, changes) = self.ask(model, Call::Speak(Box::new(request))).await?;
        match output {
            Output::Speech(speech) => Ok(Answered { output: *speech, changes }),
            _ => Err(other()),
        }
    }

    /// Makes pictures, or changes them, e.g. with `openai/gpt-image-1`. Whoever asks for their bytes
    /// (`response_format: b64_json`) gets them, also of a provider that says where they lie: they are read there.
    ///
    /// # Errors
    /// As [`Client::transcribe`].
    pub async fn image(&self, model: &str, request: ImageRequest) -> Result<Answered<Images>> {
        let request = ImageRequest { stream: false, ..request };
        let target = self.offering(model, request.task.op())?;
        let (output, changes) = match Pictures::of(&request, target.spec(), target.model())? {
            None => self.ask(model, Call::Image(Box::new(request))).await?,
            Some(mut pictures) => {
                let mut changes = Changes::default();
                pictures.tell(&mut changes);
                self.in_parts(model, Split::Pictures(pictures), changes).await?
            }
        };
        match output {
            Output::Images(images) => Ok(Answered { output: *images, changes }),
            _ => Err(other()),
        }
    }

    /// Tells whether content is against a policy, e.g. with `openai/omni-moderation-latest`.
    ///
    /// # Errors
    /// As [`Client::transcribe`].
    pub async fn moderate(&self, model: &str, request: ModerateRequest) -> Result<Answered<Moderation>> {
        let (output, changes) = self.ask(model, Call::Moderate(Box::new(request))).await?;
        match output {
            Output::Moderation(moderation) => Ok(Answered { output: *moderation, changes }),
            _ => Err(other()),
        }
    }

    /// Makes vectors of texts, one each, in their order. A list that is longer than the provider takes goes out in
    /// several calls, some at a time; one of them that is refused for the moment is made once more.
    ///
    /// # Errors
    /// As [`Client::transcribe`].
    pub async fn embed(&self, model: &str, request: EmbedRequest) -> Result<Answered<Embeddings>> {
        let target = self.target(model)?;
        let inputs = request.inputs.len();
        let most = batch::most(inputs, target.spec(), target.model())?.unwrap_or(inputs);
        let parts = Split::Vectors(batch::Parts::new(Box::new(request), most));
        let (output, changes) = self.in_parts(model, parts, Changes::default()).await?;
        match output {
            Output::Embed(embeddings) => Ok(Answered { output: *embeddings, changes }),
            _ => Err(other()),
        }
    }

    /// Asks for the parts of a call, some at a time, and puts their answers together.
    pub(super) async fn in_parts(
        &self,
        model: &str,
        mut parts: Split,
        mut changes: Changes,
    ) -> Result<(Output, Changes)> {
        let parts = std::iter::from_fn(move || parts.write_next(|call| Ok(call.clone())));
        let asking = parts.map(|part| async move {
            let (call, inputs) = part?;
            let (output, lost) = self.ask_again(model, call).await?;
            Ok::<_, ApiError>((batch::counted(output, inputs)?, lost))
        });
        let answers: Vec<(Output, Changes)> =
            stream::iter(asking).buffered(batch::ABREAST).try_collect().await?;
        for (_, lost) in &answers {
            lost.list().iter().for_each(|change| changes.push(change.clone()));
        }
        Ok((batch::joined(answers.into_iter().map(|(output, _)| output))?, changes))
    }

    /// Asks for anything, whole.
    ///
    /// # Errors
    /// As [`Client::transcribe`].
    pub async fn call(&self, model: &str, call: Call) -> Result<Answered<Output>> {
        if let Call::Image(request) = call {
            let Answered { output, changes } = self.image(model, *request).await?;
            return Ok(Answered { output: Output::Images(Box::new(output)), changes });
        }
        if let Call::Embed(request) = call {
            let Answered { output, changes } = self.embed(model, *request).await?;
            return Ok(Answered { output: Output::Embed(Box::new(output)), changes });
        }
        let (output, changes) = self.ask(model, call).await?;
        Ok(Answered { output, changes })
    }

    /// The same, and once more where that may help.
    async fn ask_again(&self, model: &str, call: Call) -> Result<(Output, Changes)> {
        match self.ask(model, call.clone()).await {
            Err(error) if let Some(pause) = batch::pause(&error, was_sent(&error)) => {
                rest(pause).await;
                self.ask(model, call).await
            }
            other => other,
        }
    }

    /// Asks for anything that is answered whole.
    async fn ask(&self, model: &str, mut call: Call) -> Result<(Output, Changes)> {
        let op: Op = call.op();
        let target = self.offering(model, op)?;
        call.set_model(target.model());
        let Some(codec) = dialect::client(target.dialect_for(op, None)) else {
            return Ok((mock::output(&call)?, Changes::default()));
        };
        let sent = self.send(codec, &target, &call).await?;
        let body: Bytes = collect(sent.body, REPLY_LIMIT).await?;
        let cx = DecodeCx { spec: target.spec(), model: target.model(), memo: &sent.memo };
        let mut output = codec.decode(op, &body, &cx).map_err(|error| named(error, &target))?;
        own_api::told_beside(&mut output, &sent.headers);
        let mut changes = sent.changes;
        self.bytes_of(&mut output, &sent.memo, (&target, &mut changes)).await;
        Ok((output, changes))
    }
}

/// Waits, where something here can.
async fn rest(pause: Duration) {
    #[cfg(feature = "tokens")]
    tokio::time::sleep(pause).await;
    #[cfg(not(feature = "tokens"))]
    let _ = pause;
}

pub(super) fn other() -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, "the provider's answer is not what was asked for")
}
