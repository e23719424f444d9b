//! How much of an input for vectors its provider reads, for a guess where nobody counts.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A picture counts as so many bytes of text at most: in base64 it is longer than it is read.
const PICTURE: usize = 4 * 1_024;
/// A number of a list is a token: about as many bytes of text.
const TOKEN: usize = 4;
/// Members that hold pictures, or say where they lie.
const PICTURES: [&str; 4] = ["image", "image_url", "url", "bytes"];
/// Members that say what something is.
const KINDS: [&str; 2] = ["type", "detail"];

/// The length of an input as text, in bytes.
pub(super) fn length(input: &[u8]) -> usize {
    match input.first() {
        Some(b'[') => TOKEN * input.split(|byte| *byte == b',').count(),
        Some(b'{') => {
            let mut json = serde_json::Deserializer::from_slice(input);
            Content::Text.deserialize(&mut json).unwrap_or(input.len())
        }
        _ => input.len().saturating_sub(2),
    }
}

/// What a value holds.
#[derive(Clone, Copy)]
enum Content {
    Text,
    Picture,
}

impl<'de> DeserializeSeed<'de> for Content {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<usize, E> {
        let is_data = || text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"));
        Ok(match self {
            Self::Text if !is_data() => text.len(),
            _ => text.len().min(PICTURE),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut sum: usize = 0;
        while let Some(name) = map.next_key::<String>()? {
            if KINDS.contains(&name.as_str()) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let is_picture = PICTURES.contains(&name.as_str());
            let more = map.next_value_seed(if is_picture { Self::Picture } else { self })?;
            sum = sum.saturating_add(more);
        }
        Ok(sum)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<usize, A::Error> {
        let mut sum: usize = 0;
        while let Some(more) = list.next_element_seed(self)? {
            sum = sum.saturating_add(more);
        }
        Ok(sum)
    }

    fn visit_bool<E>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<usize, E> {
        Ok(TOKEN)
    }

    fn visit_u64<E>(self, _: u64) -> Result<usize, E> {
        Ok(TOKEN)
    }

    fn visit_f64<E>(self, _: f64) -> Result<usize, E> {
        Ok(TOKEN)
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_count_as_they_are_and_pictures_up_to_a_bound() {
        let check =
            |input: String, expect: usize| assert_eq!(length(input.as_bytes()), expect, "{input:.60}");
        let long = "a".repeat(100_000);
        check("\"abcd\"".to_owned(), 4);
        check("[1,2,3]".to_owned(), 12);
        check(format!("{{\"text\":\"{long}\"}}"), 100_000);
        check(format!("{{\"image\":\"{long}\"}}"), PICTURE);
        check(format!("{{\"image\":\"data:image/png;base64,{long}\"}}"), PICTURE);
        let address = "https://a.example/a.png";
        check(
            format!(
                "{{\"content\":[{{\"type\":\"text\",\"text\":\"{long}\"}},\
                 {{\"type\":\"image_url\",\"image_url\":{{\"url\":\"{address}\"}}}}]}}"
            ),
            100_000 + address.len(),
        );
        check(format!("{{\"text\":\"{long}"), long.len() + 9);
    }
}
