//! Sizes in bytes: `"512KiB"`, `"32MiB"`, `"1GB"`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

pub(crate) const FORMAT: &str = "gateway-size";
const UNITS: [(&str, usize); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

/// Reads a size: a whole number and a unit of `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`, in any case.
///
/// # Errors
/// A fragment that says what is wrong with it.
pub fn parse(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    if number.is_empty() {
        return Err("not a size, write a whole number and a unit, for example \"32MiB\"".to_owned());
    }
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Err("a size needs a unit: B, kB, MB, GB, KiB, MiB or GiB".to_owned());
    }
    let Some((_, bytes)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        return Err(format!("`{unit}` is not a unit of size, use B, kB, MB, GB, KiB, MiB or GiB"));
    };
    let size = number.parse::<usize>().ok().and_then(|n| n.checked_mul(*bytes));
    size.ok_or_else(|| "larger than this machine can address".to_owned())
}

/// Writes a size in its largest unit that divides it.
#[must_use]
pub fn write(size: usize) -> String {
    let unit = UNITS.iter().find(|(_, bytes)| size != 0 && size.is_multiple_of(*bytes));
    let (unit, bytes) = unit.unwrap_or(&("B", 1));
    format!("{}{unit}", size / bytes)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's `with` hands a reference to the field")]
pub(crate) fn serialize<S: Serializer>(size: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write(*size))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Stands for a size in the JSON Schema.
#[derive(Debug)]
pub struct Text;

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::text_schema(FORMAT, Some(r"^\s*[0-9]+\s*([kKmMgG][iI]?)?[bB]\s*$"), "32MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        let check = |text, bytes, back: &str| {
            assert_eq!(parse(text), Ok(bytes), "{text}");
            assert_eq!(write(bytes), back);
        };
        check("32MiB", 32 << 20, "32MiB");
        check("1 gb", 1_000_000_000, "1GB");
        check("1024B", 1024, "1KiB");
        check("1000kb", 1_000_000, "1MB");
        check("17b", 17, "17B");
        check("0B", 0, "0B");
    }

    #[test]
    fn what_is_no_size_says_why() {
        let check = |text, part: &str| {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("", "not a size");
        check("MiB", "not a size");
        check("-1MiB", "not a size");
        check("100", "needs a unit");
        check("1.5MiB", "`.5MiB` is not a unit");
        check("99999999999999999999B", "larger than");
        check("18446744073709551615GiB", "larger than");
    }
}
