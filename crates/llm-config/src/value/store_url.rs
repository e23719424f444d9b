//! Addresses of databases: `"sqlite:gateway.db"`, `"postgres://user:password@host:5432/gateway"`.

use llm_types::Secret;
use serde::Serializer;

use super::redis_url;

/// Checks an address.
///
/// # Errors
/// A fragment that says what is wrong with it, without any part of it.
pub fn check(text: &str) -> Result<(), &'static str> {
    if let Some(file) = text.strip_prefix("sqlite:") {
        return if file.is_empty() { Err("must name a file behind sqlite:") } else { Ok(()) };
    }
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err("must begin with sqlite: or postgres://");
    }
    match text.parse::<http::Uri>() {
        Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        _ => Err("not a URL with a host, in a password write / as %2F, @ as %40 and : as %3A"),
    }
}

/// The file, where it is one.
#[must_use]
pub fn file(text: &str) -> Option<&str> {
    let file = text.strip_prefix("sqlite:")?;
    let file = file.strip_prefix("//").unwrap_or(file);
    let file = file.split('?').next().unwrap_or(file);
    (!file.starts_with(':')).then_some(file)
}

pub(crate) fn serialize<S: Serializer>(url: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    let text = url.expose();
    if text.starts_with("sqlite:") {
        return serializer.serialize_str(text);
    }
    serializer.serialize_str(&redis_url::hide(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let checked = |text, expect: Result<(), &str>| match (check(text), expect) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (got, expect) => panic!("{text}: {got:?}, not {expect:?}"),
        };
        checked("sqlite:gateway.db", Ok(()));
        checked("sqlite:///var/lib/gateway.db", Ok(()));
        checked("sqlite::memory:", Ok(()));
        checked("postgres://me:secret@db.internal:5432/gateway", Ok(()));
        checked("postgresql://db/gateway", Ok(()));
        checked("sqlite:", Err("must name a file"));
        checked("mysql://db/gateway", Err("must begin with sqlite: or postgres://"));
        checked("postgres://a/b@c d/x", Err("not a URL"));
    }

    #[test]
    fn files_are_told_from_servers_and_memory() {
        assert_eq!(file("sqlite:data/gateway.db"), Some("data/gateway.db"));
        assert_eq!(file("sqlite:///var/lib/g.db?mode=rwc"), Some("/var/lib/g.db"));
        assert_eq!(file("sqlite::memory:"), None);
        assert_eq!(file("postgres://db/gateway"), None);
    }
}
