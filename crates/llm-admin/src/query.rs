//! Parameters in the query of a URL.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// All parameters, names and values decoded; one without a value has an empty one.
pub fn pairs(query: Option<&str>) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// As forms write it: `+` is a space.
fn decoded(text: &str) -> Cow<'_, str> {
    match text.contains('+') {
        true => Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()),
        false => percent_decode_str(text).decode_utf8_lossy(),
    }
}

/// The value of the first parameter of this name, decoded; one without a value has an empty one.
pub fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    pairs(query).find_map(|(key, value)| (key == name).then_some(value))
}

/// Whether a parameter is there and does not say no.
pub fn is_on(query: Option<&str>, name: &str) -> bool {
    parameter(query, name).is_some_and(|value| !matches!(&*value, "0" | "false" | "no"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_decoded() {
        let get = |query, name| parameter(Some(query), name).map(Cow::into_owned);
        assert_eq!(get("a=1&model=openai%2Fgpt-4o", "model").as_deref(), Some("openai/gpt-4o"));
        assert_eq!(get("models=1", "model"), None);
        assert_eq!(get("n%61me=my+own%2Bkey", "name").as_deref(), Some("my own+key"));
        assert_eq!(parameter(None, "model"), None);
        let check = |query, expect| assert_eq!(is_on(Some(query), "check"), expect, "{query}");
        check("check", true);
        check("check=true", true);
        check("check=1&x", true);
        check("check=false", false);
        check("x=check", false);
    }
}
