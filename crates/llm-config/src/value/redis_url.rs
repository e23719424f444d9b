//! Addresses of Redis: `"redis://host:6379"`, `"rediss://user:password@host:6380/2"`.
//!
//! The password stands in the address, as everywhere else, so all of it is a secret where it is read, and shown
//! without the password.

use llm_types::Secret;
use serde::Serializer;

/// What stands for a password where an address is shown.
const HIDDEN: &str = "redacted";

/// What is wrong with most addresses that are none.
const ESCAPES: &str = "not a URL with a host, in a password write / as %2F, @ as %40 and : as %3A";

/// Checks an address.
///
/// # Errors
/// A fragment that says what is wrong with it, without any part of it.
pub fn check(text: &str) -> Result<(), &'static str> {
    if !text.starts_with("redis://") && !text.starts_with("rediss://") {
        return Err("must begin with redis:// or rediss://");
    }
    if text.contains(['?', '#']) {
        return Err("must not have a query or a fragment, and in a password write ? as %3F and # as %23");
    }
    let Ok(uri) = text.parse::<http::Uri>() else {
        return Err(ESCAPES);
    };
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err(ESCAPES);
    };
    // A port that is none is no port.
    let after_host = authority.as_str().rsplit_once(authority.host()).map_or("", |(_, rest)| rest);
    if !matches!(after_host, "" | ":") && authority.port_u16().is_none() {
        return Err("the port must be a number below 65536");
    }
    let database = uri.path().trim_start_matches('/');
    if !database.is_empty() && database.parse::<u16>().is_err() {
        return Err("only the number of a database can stand behind the host, such as /2");
    }
    Ok(())
}

/// The address without its password.
#[must_use]
pub fn hide(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return HIDDEN.to_owned() };
    match rest.rsplit_once('@') {
        None => text.to_owned(),
        Some((account, host)) => match account.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:{HIDDEN}@{host}"),
            // A user alone may be a password in the wrong place.
            None => format!("{scheme}://{HIDDEN}@{host}"),
        },
    }
}

pub(crate) fn serialize<S: Serializer>(url: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hide(url.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let checked = |text, expect: Result<(), &str>| match (check(text), expect) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (got, _) => panic!("{text}: {got:?}"),
        };
        checked("redis://127.0.0.1:6379", Ok(()));
        checked("redis://cache", Ok(()));
        checked("rediss://[::1]:6380/15", Ok(()));
        checked("redis://user:p%40ss%2Fword@cache.internal:6379/0", Ok(()));
        checked("rediss://:hunter2@cache.internal/", Ok(()));
        checked("127.0.0.1:6379", Err("must begin"));
        checked("http://127.0.0.1:6379", Err("must begin"));
        checked("REDIS://h", Err("must begin"));
        checked("redis://", Err("not a URL"));
        checked("redis:///0", Err("not a URL"));
        checked("redis://h:65536", Err("port"));
        checked("redis://h:x", Err("port"));
        checked("redis://h/cooldowns", Err("number of a database"));
        checked("redis://h/1/2", Err("number of a database"));
        checked("redis://:hun/ter2@h", Err("%2F"));
        checked("redis://:hun ter2@h", Err("not a URL"));
        checked("redis://h?protocol=resp3", Err("query"));
        checked("rediss://h/#insecure", Err("fragment"));
    }

    #[test]
    fn passwords_are_hidden() {
        let check = |text, expect: &str| {
            assert_eq!(hide(text), expect);
            assert!(!hide(text).contains("hunter2"));
        };
        check("redis://h:1/2", "redis://h:1/2");
        check("redis://:hunter2@h:1/2", "redis://:redacted@h:1/2");
        check("rediss://me:hunter2@h", "rediss://me:redacted@h");
        check("redis://hunter2@h", "redis://redacted@h");
        check("redis://me:hunter2/@hunter2@h", "redis://me:redacted@h");
        check("hunter2", "redacted");
    }
}
