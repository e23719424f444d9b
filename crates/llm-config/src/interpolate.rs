//! `${NAME}`, `${file:/run/secrets/x}` and `$${` in strings.
//!
//! One pass, never recursive: a value that happens to hold `${…}` is taken as it is, so that nobody who
//! controls a variable can read another one.

use crate::env::Env;

/// A string after interpolation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The text to use.
    pub(crate) text: String,
    /// What came from outside: how it is written in the file, and its value.
    pub(crate) values: Vec<(String, String)>,
}

/// Why a string cannot be interpolated, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) help: String,
    /// The reference is well-formed, and what it names is not here.
    pub(crate) absent: bool,
}

/// Replaces every reference in `text`; `None`: there is none.
pub(crate) fn resolve(text: &str, env: &dyn Env) -> Result<Option<Resolved>, Problem> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut out = Resolved { text: String::with_capacity(text.len()), values: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.text.push_str(before);
            out.text.push_str("${");
            rest = after;
            continue;
        }
        out.text.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            return Err(Problem {
                message: "`${` is not closed".to_owned(),
                help: "write ${NAME}, or $${ for a literal ${".to_owned(),
                absent: false,
            });
        };
        let value = lookup(name, env)?;
        out.text.push_str(&value);
        out.values.push((format!("${{{name}}}"), value));
        rest = tail;
    }
    out.text.push_str(rest);
    Ok(Some(out))
}

/// `os.environ/NAME`, as LiteLLM writes it: the whole string names a variable; `None`: it does not.
pub(crate) fn resolve_environ(text: &str, env: &dyn Env) -> Result<Option<Resolved>, Problem> {
    let Some(name) = text.strip_prefix("os.environ/") else {
        return Ok(None);
    };
    let value = lookup(name, env)?;
    Ok(Some(Resolved { values: vec![(text.to_owned(), value.clone())], text: value }))
}

/// Whether the whole text is one reference, and so no secret itself.
pub(crate) fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| !name.contains(['$', '}'])) || text.starts_with("os.environ/")
}

fn lookup(name: &str, env: &dyn Env) -> Result<String, Problem> {
    if let Some(path) = name.strip_prefix("file:") {
        let text = env.file(path).map_err(|error| Problem {
            message: format!("cannot read the file `{path}`: {error}"),
            help: "create it, or correct the path; it must hold UTF-8 text".to_owned(),
            absent: error.kind() == std::io::ErrorKind::NotFound,
        })?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    let valid = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    if !valid {
        return Err(Problem {
            message: format!("`{name}` is not the name of an environment variable"),
            help: "write ${NAME} or ${file:/path}, or $${ for a literal ${".to_owned(),
            absent: false,
        });
    }
    env.var(name).ok_or_else(|| Problem {
        message: format!("the environment variable {name} is not set"),
        help: format!("set it, for example `export {name}=…`, before the start"),
        absent: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::FixedEnv;

    fn env() -> FixedEnv {
        let mut env = FixedEnv::new([("A", "one"), ("B_2", "${A}"), ("EMPTY", "")]);
        env.files.insert("/run/secrets/x".to_owned(), "s3cret\n".to_owned());
        env
    }

    #[test]
    fn references_are_replaced_once() {
        let check = |text, expect: Option<&str>| {
            let got = resolve(text, &env()).unwrap().map(|resolved| resolved.text);
            assert_eq!(got.as_deref(), expect, "{text}");
        };
        check("plain $5 {x}", None);
        check("${A}", Some("one"));
        check("<${A}-${B_2}>", Some("<one-${A}>"));
        check("${EMPTY}", Some(""));
        check("$${A}", Some("${A}"));
        check("a$${A}b${A}", Some("a${A}bone"));
        check("${file:/run/secrets/x}", Some("s3cret"));
    }

    #[test]
    fn problems_say_what_to_do() {
        let check = |text, part: &str| {
            let problem = resolve(text, &env()).unwrap_err();
            assert!(problem.message.contains(part), "{text}: {}", problem.message);
        };
        check("${NOPE}", "NOPE is not set");
        check("${A", "not closed");
        check("${}", "`` is not the name");
        check("${A:-x}", "`A:-x` is not the name");
        check("${1A}", "`1A` is not the name");
        check("${file:/nope}", "cannot read the file `/nope`");
    }

    #[test]
    fn a_reference_is_the_whole_text() {
        assert!(is_reference("${A}") && is_reference("${file:/x}") && is_reference("os.environ/A"));
        assert!(!is_reference("sk${A}") && !is_reference("${A}sk") && !is_reference("${A}x${B}"));
    }

    #[test]
    fn the_form_of_litellm_is_read() {
        assert_eq!(resolve_environ("os.environ/A", &env()).unwrap().unwrap().text, "one");
        assert_eq!(resolve_environ("sk-os.environ/A", &env()), Ok(None));
        assert!(resolve_environ("os.environ/NOPE", &env()).is_err());
    }
}
