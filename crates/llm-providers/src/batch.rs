//! Requests for vectors that hold more inputs than their provider takes at once.
//!
//! How many it takes is a fact of its row (`embed_inputs`). Here a call becomes several, and their answers one, so that
//! no dialect has to know of it.

use llm_types::{ApiError, Call, EmbedRequest, Embeddings, ErrorKind, Output, ProviderSpec, Result, Usage};

/// The calls that a call becomes; `None`: its provider takes it as it is.
#[must_use]
pub fn parts(call: &Call, spec: &ProviderSpec, model: &str) -> Option<Vec<Call>> {
    let Call::Embed(request) = call else { return None };
    let most = spec.embed_inputs(model).filter(|most| request.inputs.len() > *most)?;
    let EmbedRequest { model, inputs, dimensions, encoding, task, truncate, user, origin, extra } =
        &**request;
    let part = |inputs: &[llm_types::EmbedInput]| {
        Call::Embed(Box::new(EmbedRequest {
            model: model.clone(),
            inputs: inputs.to_vec(),
            dimensions: *dimensions,
            encoding: *encoding,
            task: task.clone(),
            truncate: *truncate,
            user: user.clone(),
            origin: *origin,
            extra: extra.clone(),
        }))
    };
    Some(inputs.chunks(most).map(part).collect())
}

/// The answers to the parts of a call as one, in their order. Its usage is the sum, where all of them say theirs.
///
/// # Errors
/// When one of them holds no vectors, or there is none.
pub fn joined(outputs: impl IntoIterator<Item = Output>) -> Result<Output> {
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
    use llm_types::{EmbedContent, EmbedInput};

    use super::*;

    fn vectors(numbers: &[f32], input: Option<u64>) -> Output {
        let usage = input.map(|input| Usage { input, ..Usage::default() });
        let vectors = numbers.iter().map(|number| vec![*number]).collect();
        Output::Embed(Box::new(Embeddings { vectors, usage, ..Embeddings::default() }))
    }

    #[test]
    fn inputs_are_split_in_their_order() {
        let mut spec = ProviderSpec::default();
        let inputs = (0..7).map(|number| EmbedInput::text(number.to_string())).collect();
        let call =
            Call::Embed(Box::new(EmbedRequest { inputs, dimensions: Some(4), ..EmbedRequest::default() }));
        assert!(parts(&call, &spec, "m").is_none());
        spec.quirks.embed_inputs = Some(7);
        assert!(parts(&call, &spec, "m").is_none());
        spec.quirks.embed_inputs = Some(3);
        let texts = |call: &Call| {
            let Call::Embed(request) = call else { panic!("{call:?}") };
            assert_eq!(request.dimensions, Some(4));
            let text = |input: &EmbedInput| match &input.content {
                EmbedContent::Text(text) => text.clone(),
                other => panic!("{other:?}"),
            };
            request.inputs.iter().map(text).collect::<String>()
        };
        let sent: Vec<String> = parts(&call, &spec, "m").unwrap().iter().map(texts).collect();
        assert_eq!(sent, ["012", "345", "6"]);
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
}
