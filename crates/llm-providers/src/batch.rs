//! Requests for vectors that hold more inputs than their provider takes at once, and for more pictures than it makes.
//!
//! How many it takes is a fact of its row (`embed_inputs`). Here a call becomes several, and their answers one, so that
//! no dialect has to know of it. The parts are made one by one, out of the inputs of the call itself: all of them at
//! once would be a second copy of what may be large.

mod pictures;

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use llm_types::{
    ApiError, Call, EmbedInput, EmbedRequest, Embeddings, ErrorKind, Origin, Output, ProviderSpec, Result,
    Usage,
};

pub use pictures::{MOST_PICTURES, Pictures, Split};

use crate::codec::Unread;

/// How many calls a request for vectors may come to.
const MOST_CALLS: usize = 1_000;
/// How many parts of one call are asked for at a time.
pub const ABREAST: usize = 8;
/// How long a part waits before it is asked for again, where its provider does not say it.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest that one waits: whoever is told to wait longer is not the one to ask.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is left of a call that goes out in parts.
#[derive(Debug)]
pub struct Parts {
    /// Everything but its inputs.
    call: Box<EmbedRequest>,
    /// The inputs of each part that is left.
    inputs: VecDeque<Inputs>,
    /// How many inputs went before them.
    before: usize,
}

/// The inputs of one part.
#[derive(Debug)]
enum Inputs {
    Read(Vec<EmbedInput>),
    /// Where they lie in the body, and how they are read.
    Unread(Vec<Bytes>, fn(&[u8]) -> Result<EmbedInput>),
}

impl Inputs {
    fn len(&self) -> usize {
        match self {
            Self::Read(inputs) => inputs.len(),
            Self::Unread(inputs, _) => inputs.len(),
        }
    }
}

/// The most inputs that a provider takes, where so many are too many for it; `None`: it takes them as they are.
///
/// # Errors
/// 400 for what would take more calls than are made for one request.
pub fn most(inputs: usize, spec: &ProviderSpec, model: &str) -> Result<Option<usize>> {
    let Some(most) = spec.embed_inputs(model).filter(|most| inputs > *most) else { return Ok(None) };
    let calls = inputs.div_ceil(most.max(1));
    if calls <= MOST_CALLS {
        return Ok(Some(most));
    }
    let message = format!(
        "the provider takes {most} inputs at once, and {inputs} would take {calls} calls: send at most {}",
        most.saturating_mul(MOST_CALLS)
    );
    Err(ApiError::bad_request(message).with_param("input"))
}

impl Parts {
    /// A call in parts of at most so many inputs; one without inputs is one part.
    #[must_use]
    pub fn new(mut call: Box<EmbedRequest>, most: usize) -> Self {
        let inputs = chunks(mem::take(&mut call.inputs), most).map(Inputs::Read).collect();
        Self { call, inputs, before: 0 }
    }

    /// The same of one whose inputs are read when their part is written.
    #[must_use]
    pub fn unread(unread: Unread, most: usize) -> Self {
        let Unread { call, inputs, read } = unread;
        let inputs = chunks(inputs, most).map(|part| Inputs::Unread(part, read)).collect();
        Self { call, inputs, before: 0 }
    }

    /// Shows every part that is left, so that whatever is wrong with one is known before any is sent.
    ///
    /// # Errors
    /// As `see`; the place of an input is that in the whole call.
    pub fn try_each(&mut self, mut see: impl FnMut(&Call) -> Result<()>) -> Result<()> {
        let mut before = self.before;
        for inputs in &mut self.inputs {
            let count = inputs.len();
            let mut call = self.call.clone();
            call.inputs = match inputs {
                Inputs::Read(inputs) => mem::take(inputs),
                Inputs::Unread(inputs, read) => read_all(inputs, *read)?,
            };
            let call = Call::Embed(call);
            let seen = see(&call);
            if let (Call::Embed(call), Inputs::Read(inputs)) = (call, inputs) {
                *inputs = call.inputs;
            }
            seen.map_err(|error| placed(error, before))?;
            before += count;
        }
        Ok(())
    }

    /// Writes the next part: what was written, and how many inputs it holds. The inputs are gone then.
    pub fn write_next<T>(&mut self, write: impl FnOnce(&Call) -> Result<T>) -> Option<Result<(T, usize)>> {
        let inputs = self.inputs.pop_front()?;
        let (before, count) = (self.before, inputs.len());
        self.before += count;
        let mut call = self.call.clone();
        let read = match inputs {
            Inputs::Read(inputs) => Ok(inputs),
            Inputs::Unread(inputs, read) => read_all(&inputs, read),
        };
        let written = read.and_then(|inputs| {
            call.inputs = inputs;
            write(&Call::Embed(call)).map_err(|error| placed(error, before))
        });
        Some(written.map(|written| (written, count)))
    }
}

fn read_all(inputs: &[Bytes], read: fn(&[u8]) -> Result<EmbedInput>) -> Result<Vec<EmbedInput>> {
    inputs.iter().map(|input| read(input)).collect()
}

/// A list in lists of at most so many; an empty one is one.
fn chunks<T>(list: Vec<T>, most: usize) -> impl Iterator<Item = Vec<T>> {
    let mut first = true;
    let mut left = list.into_iter();
    std::iter::from_fn(move || {
        let part: Vec<T> = left.by_ref().take(most.max(1)).collect();
        (mem::take(&mut first) || !part.is_empty()).then_some(part)
    })
}

/// A fault of a part, with the place that its input has in the whole call.
fn placed(mut error: ApiError, before: usize) -> ApiError {
    let place = |param: &str| {
        let (number, rest) = param.strip_prefix("input[")?.split_once(']')?;
        let number = number.parse::<usize>().ok()?.checked_add(before)?;
        Some(format!("input[{number}]{rest}"))
    };
    if let Some(param) = error.param.as_deref().and_then(place) {
        error.param = Some(param);
    }
    error
}

/// How long to wait before a part that failed is asked for once more; `None`: it is not. One that may have been
/// answered, and billed, is not asked for twice.
#[must_use]
pub fn pause(error: &ApiError, sent: bool) -> Option<Duration> {
    let refused = error.upstream_status.is_some() || !sent;
    let again = error.origin == Origin::Upstream && error.should_retry.unwrap_or(error.kind.retry_same());
    let wait = error.retry_after.unwrap_or(PAUSE);
    (refused && again && wait <= LONGEST_PAUSE).then_some(wait)
}

/// An answer that holds a vector for each of so many inputs. One that does not is none: nobody could tell which vector
/// is whose.
///
/// # Errors
/// [`ErrorKind::UpstreamFormat`] when it holds more or fewer.
pub fn counted(output: Output, inputs: usize) -> Result<Output> {
    match &output {
        Output::Embed(embeddings) if embeddings.vectors.len() != inputs => {
            let vectors = embeddings.vectors.len();
            let message = format!("the upstream answered {vectors} vectors for {inputs} inputs: try again");
            Err(ApiError::upstream(ErrorKind::UpstreamFormat, message))
        }
        _ => Ok(output),
    }
}

/// The answers to the parts of a call as one, in their order. Its usage is the sum, where all of them say theirs.
///
/// # Errors
/// When one of them holds no vectors, or there is none.
pub fn joined(outputs: impl IntoIterator<Item = Output>) -> Result<Output> {
    let mut outputs = outputs.into_iter().peekable();
    if matches!(outputs.peek(), Some(Output::Images(_))) {
        return pictures::joined(outputs);
    }
    let mut whole: Option<Embeddings> = None;
    for output in outputs {
        let Output::Embed(part) = output else { return Err(none()) };
        let Some(whole) = &mut whole else {
            whole = Some(*part);
            continue;
        };
        let Embeddings { id: _, model: _, vectors, usage, origin: _, extra: _ } = *part;
        whole.vectors.extend(vectors);
        whole.usage = whole.usage.take().zip(usage).map(|(one, other): (Usage, Usage)| one.and(&other));
    }
    whole.map(|whole| Output::Embed(Box::new(whole))).ok_or_else(none)
}

fn none() -> ApiError {
    ApiError::upstream(ErrorKind::UpstreamFormat, "the upstream's answer holds no vectors")
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use llm_types::EmbedContent;

    use super::*;

    fn vectors(numbers: &[f32], input: Option<u64>) -> Output {
        let usage = input.map(|input| Usage { input, ..Usage::default() });
        let vectors = numbers.iter().map(|number| vec![*number]).collect();
        Output::Embed(Box::new(Embeddings { vectors, usage, ..Embeddings::default() }))
    }

    fn seven() -> Box<EmbedRequest> {
        let inputs = (0..7).map(|number| EmbedInput::text(number.to_string())).collect();
        Box::new(EmbedRequest { inputs, dimensions: Some(4), ..EmbedRequest::default() })
    }

    fn texts(call: &Call) -> String {
        let Call::Embed(request) = call else { panic!("{call:?}") };
        assert_eq!(request.dimensions, Some(4));
        let text = |input: &EmbedInput| match &input.content {
            EmbedContent::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        request.inputs.iter().map(text).collect()
    }

    #[test]
    fn a_row_says_how_many_inputs_are_too_many() {
        let mut spec = ProviderSpec::default();
        let most = |inputs: usize, spec: &ProviderSpec| most(inputs, spec, "m");
        assert_eq!(most(7, &spec).unwrap(), None);
        spec.quirks.embed_inputs = Some(7);
        let found = [7, 8, 7_000].map(|inputs| most(inputs, &spec).unwrap());
        assert_eq!(found, [None, Some(7), Some(7)]);
        let refused = most(7_001, &spec).unwrap_err();
        assert!(refused.message.contains("send at most 7000"), "{refused}");
    }

    #[test]
    fn inputs_are_split_in_their_order() {
        let mut parts = Parts::new(seven(), 3);
        let mut seen = Vec::new();
        parts
            .try_each(|call| {
                seen.push(texts(call));
                Ok(())
            })
            .unwrap();
        let mut sent = Vec::new();
        while let Some(part) = parts.write_next(|call| Ok(texts(call))) {
            sent.push(part.unwrap());
        }
        assert_eq!(sent, [("012".to_owned(), 3), ("345".to_owned(), 3), ("6".to_owned(), 1)]);
        assert_eq!(seen, ["012", "345", "6"]);
    }

    #[test]
    fn a_fault_names_the_input_as_the_client_counts() {
        let mut parts = Parts::new(seven(), 3);
        let wrong = |call: &Call| match texts(call).as_str() {
            "345" => Err(ApiError::bad_request("no").with_param("input[1]")),
            _ => Ok(()),
        };
        assert_eq!(parts.try_each(wrong).unwrap_err().param.as_deref(), Some("input[4]"));
        assert!(parts.write_next(wrong).unwrap().is_ok());
        assert_eq!(parts.write_next(wrong).unwrap().unwrap_err().param.as_deref(), Some("input[4]"));
    }

    #[test]
    fn answers_are_put_together_in_their_order() {
        let joined = joined([vectors(&[0.0, 1.0], Some(3)), vectors(&[2.0], Some(4))]).unwrap();
        let Output::Embed(whole) = joined else { panic!() };
        assert_eq!((whole.vectors.len(), whole.vectors[2][0]), (3, 2.0));
        assert_eq!(whole.usage.map(|usage| usage.input), Some(7));
        let Output::Embed(unsaid) = super::joined([vectors(&[0.0], Some(3)), vectors(&[2.0], None)]).unwrap()
        else {
            panic!()
        };
        assert_eq!(unsaid.usage, None);
        assert!(super::joined([]).is_err());
    }

    #[test]
    fn a_vector_too_few_is_no_answer() {
        assert!(counted(vectors(&[0.0, 1.0], None), 2).is_ok());
        for inputs in [1, 3] {
            let error = counted(vectors(&[0.0, 1.0], None), inputs).unwrap_err();
            assert_eq!(error.kind, ErrorKind::UpstreamFormat);
        }
    }

    #[test]
    fn what_may_have_been_billed_is_not_asked_for_again() {
        let check = |status: Option<u16>, kind, retry_after: Option<u64>, sent, expect: Option<u64>| {
            let mut error = ApiError::upstream(kind, "no");
            error.upstream_status = status.map(|status| StatusCode::from_u16(status).unwrap());
            error.retry_after = retry_after.map(Duration::from_secs);
            assert_eq!(pause(&error, sent), expect.map(Duration::from_millis), "{status:?} {kind:?}");
        };
        check(Some(503), ErrorKind::Unavailable, None, true, Some(250));
        check(Some(429), ErrorKind::RateLimit, Some(2), true, Some(2000));
        check(Some(429), ErrorKind::RateLimit, Some(60), true, None);
        check(Some(400), ErrorKind::BadRequest, None, true, None);
        check(None, ErrorKind::Connection, None, true, None);
        check(None, ErrorKind::Connection, None, false, Some(250));
    }
}
