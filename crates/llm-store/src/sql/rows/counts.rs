//! Usage by the names of its classes, zeros left out: small in the journal, and readable in the database.

use std::fmt;

use llm_types::{Units, Usage};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A usage that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts(pub(super) Usage);

/// Every count with its name.
fn counts(usage: &mut Usage) -> [(&'static str, &mut u64); 20] {
    let Usage {
        input,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        input_audio,
        input_image,
        output,
        reasoning,
        output_audio,
        output_image,
        queries,
        accepted_prediction,
        rejected_prediction,
        units: Units { images, input_images, pixels, input_audio_ms, output_audio_ms, characters, pages },
        estimated: _,
        service: _,
        stated: _,
    } = usage;
    [
        ("input", input),
        ("cache_read", cache_read),
        ("cache_write_5m", cache_write_5m),
        ("cache_write_1h", cache_write_1h),
        ("input_audio", input_audio),
        ("input_image", input_image),
        ("output", output),
        ("reasoning", reasoning),
        ("output_audio", output_audio),
        ("output_image", output_image),
        ("queries", queries),
        ("accepted_prediction", accepted_prediction),
        ("rejected_prediction", rejected_prediction),
        ("images", images),
        ("input_images", input_images),
        ("pixels", pixels),
        ("input_audio_ms", input_audio_ms),
        ("output_audio_ms", output_audio_ms),
        ("characters", characters),
        ("pages", pages),
    ]
}

const ESTIMATED: &str = "estimated";

/// Every count that is not zero, with its name.
pub(super) fn named(usage: &Usage) -> impl Iterator<Item = (&'static str, u64)> {
    let mut copy = usage.clone();
    let estimated = (ESTIMATED, u64::from(usage.estimated));
    let counts = counts(&mut copy).map(|(name, count)| (name, *count));
    counts.into_iter().chain([estimated]).filter(|(_, count)| *count > 0)
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Counts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts by the names of their classes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts, A::Error> {
        let mut usage = Usage::default();
        while let Some((name, count)) = map.next_entry::<String, u64>()? {
            if name == ESTIMATED {
                usage.estimated = count > 0;
            } else if let Some((_, place)) = counts(&mut usage).into_iter().find(|(known, _)| *known == name)
            {
                *place = count;
            }
        }
        Ok(Counts(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_read_back() {
        let mut usage = Usage { estimated: true, ..Usage::default() };
        counts(&mut usage).into_iter().zip(1..).for_each(|((_, count), nth)| *count = nth);
        let all: std::collections::BTreeMap<_, _> = named(&usage).collect();
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), Counts(usage));
        let small = Usage { input: 7, output: 3, ..Usage::default() };
        assert_eq!(named(&small).collect::<Vec<_>>(), [("input", 7), ("output", 3)]);
        // A class of a later version.
        let later = serde_json::from_str::<Counts>(r#"{"dreams":5,"input":7}"#).unwrap();
        assert_eq!(later.0.input, 7);
    }
}
