//! Requests for more pictures than their provider makes at once (`max_images` of its row).

use std::collections::VecDeque;

use llm_types::{
    ApiError, Call, Changes, ErrorKind, ImageRequest, Images, Output, ProviderSpec, Result, Usage,
};

use super::Parts;

/// The most pictures of one call that goes out in parts.
pub const MOST_PICTURES: u32 = 100;

/// What is left of a call for pictures that goes out in parts.
#[derive(Debug)]
pub struct Pictures {
    call: Box<ImageRequest>,
    /// How many pictures each part that is left is for.
    counts: VecDeque<u32>,
    /// How many pictures went before them.
    before: u32,
}

impl Pictures {
    /// The call in parts; `None`: its provider makes so many at once.
    ///
    /// # Errors
    /// 400 for more than anybody asks for at once.
    pub fn of(call: &ImageRequest, spec: &ProviderSpec, model: &str) -> Result<Option<Self>> {
        let most = spec.max_images(spec.dialect_for(call.task.op(), None, model), model);
        let (Some(most), Some(n)) = (most, call.n) else { return Ok(None) };
        if n <= most {
            return Ok(None);
        }
        if n > MOST_PICTURES {
            let message = format!("at most {MOST_PICTURES} pictures are made at once: ask for fewer");
            return Err(ApiError::bad_request(message).with_param("n"));
        }
        let whole = n / most;
        let rest = Some(n % most).filter(|rest| *rest > 0);
        let counts = (0..whole).map(|_| most).chain(rest).collect();
        let call = Box::new(ImageRequest { model: model.to_owned(), ..call.clone() });
        Ok(Some(Self { call, counts, before: 0 }))
    }

    /// How many requests a call takes.
    #[must_use]
    pub fn requests(call: &ImageRequest, spec: &ProviderSpec, model: &str) -> u64 {
        let most = spec.max_images(spec.dialect_for(call.task.op(), None, model), model);
        let (Some(most), Some(n)) = (most, call.n) else { return 1 };
        u64::from(n.div_ceil(most)).max(1)
    }

    /// Tells what is otherwise than in one call, and leaves it so.
    pub fn tell(&mut self, changes: &mut Changes) {
        if self.seed().is_some() {
            changes.altered("seed", "each request of several has its own, counted up from it");
        }
        // What is put together of several answers is no stream of theirs.
        if self.call.stream && self.call.extra.remove("partial_images").is_some() {
            changes.dropped("partial_images", "several requests are answered when they are complete");
        }
        self.call.stream = false;
    }

    fn seed(&self) -> Option<u64> {
        serde_json::from_str(self.call.extra.get("seed")?.get()).ok()
    }

    /// One part: the same request but for how many, and for a seed, which would make the same pictures again.
    fn part(&self, count: u32, before: u32) -> Call {
        let mut call = self.call.clone();
        call.n = Some(count).filter(|count| *count > 1);
        if let Some(seed) = self.seed() {
            // A number can be written.
            let _ = call.extra.set_json("seed", &seed.saturating_add(before.into()));
        }
        Call::Image(call)
    }
}

/// A call that goes out in parts.
#[derive(Debug)]
pub enum Split {
    /// For vectors.
    Vectors(Parts),
    /// For pictures.
    Pictures(Pictures),
}

impl Split {
    /// How many parts are left.
    #[must_use]
    pub fn left(&self) -> usize {
        match self {
            Self::Vectors(parts) => parts.inputs.len(),
            Self::Pictures(pictures) => pictures.counts.len(),
        }
    }

    /// Shows every part that is left, so that whatever is wrong with one is known before any is sent.
    ///
    /// # Errors
    /// As `see`.
    pub fn try_each(&mut self, mut see: impl FnMut(&Call) -> Result<()>) -> Result<()> {
        match self {
            Self::Vectors(parts) => parts.try_each(see),
            Self::Pictures(pictures) => {
                pictures.counts.iter().try_for_each(|count| see(&pictures.part(*count, 0)))
            }
        }
    }

    /// Writes the next part: what was written, and for how much it is.
    pub fn write_next<T>(&mut self, write: impl FnOnce(&Call) -> Result<T>) -> Option<Result<(T, usize)>> {
        match self {
            Self::Vectors(parts) => parts.write_next(write),
            Self::Pictures(pictures) => {
                let count = pictures.counts.pop_front()?;
                let call = pictures.part(count, pictures.before);
                pictures.before += count;
                Some(write(&call).map(|written| (written, usize::try_from(count).unwrap_or(usize::MAX))))
            }
        }
    }
}

/// The answers to the parts of a call as one, in their order.
///
/// # Errors
/// When one of them holds no pictures, or there is none.
pub(super) fn joined(outputs: impl IntoIterator<Item = Output>) -> Result<Output> {
    let none = || ApiError::upstream(ErrorKind::UpstreamFormat, "the upstream's answer holds no pictures");
    let mut whole: Option<Images> = None;
    for output in outputs {
        let Output::Images(part) = output else { return Err(none()) };
        let Some(whole) = &mut whole else {
            whole = Some(*part);
            continue;
        };
        let Images { model: _, created: _, data, usage, origin: _, extra: _ } = *part;
        whole.data.extend(data);
        whole.usage = whole.usage.take().zip(usage).map(|(one, other): (Usage, Usage)| one.and(&other));
    }
    whole.map(|whole| Output::Images(Box::new(whole))).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use llm_types::{Extra, MadeImage, RawValue, Units};

    use super::*;

    fn spec(most: u32) -> ProviderSpec {
        let mut spec = ProviderSpec { dialect: llm_types::Dialect::Stability, ..ProviderSpec::default() };
        spec.quirks.max_images = Some(most);
        spec
    }

    fn asked(n: u32) -> ImageRequest {
        let mut extra = Extra::default();
        extra.set("seed", RawValue::from_string("7".to_owned()).unwrap());
        ImageRequest { n: Some(n), extra, stream: true, ..ImageRequest::new("a") }
    }

    #[test]
    fn each_part_is_for_as_many_as_fit_and_has_a_seed_of_its_own() {
        let check = |n: u32, most: u32, expect: &[(Option<u32>, &str)]| {
            let mut changes = Changes::default();
            let mut pictures = Pictures::of(&asked(n), &spec(most), "m").unwrap().unwrap();
            pictures.tell(&mut changes);
            assert!(changes.header().contains("altered seed"), "{}", changes.header());
            let mut split = Split::Pictures(pictures);
            let mut parts = Vec::new();
            let mut seen = 0;
            split
                .try_each(|_| {
                    seen += 1;
                    Ok(())
                })
                .unwrap();
            while let Some(part) = split.write_next(|call| {
                let Call::Image(request) = call else { panic!("{call:?}") };
                assert_eq!((&*request.model, request.stream), ("m", false));
                Ok((request.n, request.extra.get("seed").unwrap().get().to_owned()))
            }) {
                parts.push(part.unwrap().0);
            }
            let expect: Vec<_> = expect.iter().map(|(n, seed)| (*n, (*seed).to_owned())).collect();
            assert_eq!((seen, &parts), (expect.len(), &expect));
        };
        check(3, 1, &[(None, "7"), (None, "8"), (None, "9")]);
        check(9, 4, &[(Some(4), "7"), (Some(4), "11"), (None, "15")]);
        assert!(Pictures::of(&asked(4), &spec(4), "m").unwrap().is_none());
        assert!(Pictures::of(&asked(4), &spec(0), "m").unwrap().is_none());
        let requests = |n: u32, most: u32| Pictures::requests(&asked(n), &spec(most), "m");
        assert_eq!((requests(9, 4), requests(4, 4), requests(4, 0)), (3, 1, 1));
        let many = Pictures::of(&asked(101), &spec(4), "m").unwrap_err();
        assert_eq!(many.param.as_deref(), Some("n"));
    }

    #[test]
    fn pictures_are_put_together_in_their_order() {
        let part = |name: &str| {
            let usage = Usage { units: Units { images: 1, ..Units::default() }, ..Usage::default() };
            let data = vec![MadeImage { base64: Some(name.to_owned()), ..MadeImage::default() }];
            Output::Images(Box::new(Images { data, usage: Some(usage), ..Images::default() }))
        };
        let Output::Images(whole) = super::super::joined([part("a"), part("b")]).unwrap() else { panic!() };
        let names: Vec<_> = whole.data.iter().filter_map(|one| one.base64.as_deref()).collect();
        assert_eq!((names, whole.usage.map(|usage| usage.units.images)), (vec!["a", "b"], Some(2)));
        assert!(joined([]).is_err());
    }
}
