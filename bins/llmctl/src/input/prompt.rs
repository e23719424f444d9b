//! The prompt: an argument, standard input, or one behind the other.

use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

/// The prompt of a call. `-`, or no argument with something piped in, reads standard input.
pub(crate) fn of_process(argument: Option<&str>) -> anyhow::Result<String> {
    let stdin = io::stdin();
    let piped = !stdin.is_terminal();
    read(argument, piped.then(|| stdin.lock()), io::stdin)
}

/// What is piped in, where anything is.
pub(crate) fn piped() -> anyhow::Result<String> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Ok(String::new());
    }
    let bytes = super::bounded(stdin, "standard input")?;
    let text = String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("the prompt is not UTF-8 text"))?;
    Ok(if text.trim().is_empty() { String::new() } else { text })
}

/// A prompt in a file; `-` reads standard input.
pub(crate) fn of_file(path: &Path) -> anyhow::Result<String> {
    let bytes = match path.as_os_str() == "-" {
        true => super::bounded(io::stdin(), "standard input")?,
        false => super::file(path)?,
    };
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{} is not UTF-8 text", path.display()))
}

fn read<P: Read, S: Read>(
    argument: Option<&str>,
    piped: Option<P>,
    stdin: impl FnOnce() -> S,
) -> anyhow::Result<String> {
    let bytes = match (argument, piped) {
        (Some("-"), None) => super::bounded(stdin(), "standard input")?,
        (Some("-") | None, Some(piped)) => super::bounded(piped, "standard input")?,
        (Some(text), _) => return Ok(text.to_owned()),
        (None, None) => anyhow::bail!("no prompt: give one as an argument, or `-` to read standard input"),
    };
    let text = String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("the prompt is not UTF-8 text"))?;
    if text.trim().is_empty() {
        anyhow::bail!("the prompt on standard input is empty");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_prompt_comes_from() {
        let check = |argument, piped: Option<&str>, terminal: &str, expect: Result<&str, &str>| {
            let got = read(argument, piped.map(str::as_bytes), || terminal.as_bytes());
            match (got, expect) {
                (Ok(text), Ok(expect)) => assert_eq!(text, expect),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, _) => panic!("{argument:?} {piped:?}: {got:?}"),
            }
        };
        check(Some("hi"), None, "", Ok("hi"));
        check(Some("hi"), Some("ignored"), "", Ok("hi"));
        check(Some("-"), None, "typed\n", Ok("typed\n"));
        check(Some("-"), Some("piped"), "", Ok("piped"));
        check(None, Some("piped"), "", Ok("piped"));
        check(None, None, "typed", Err("no prompt"));
        check(None, Some(" \n"), "", Err("empty"));
        let got = read(None, Some(&[0xff_u8][..]), io::empty);
        assert!(got.unwrap_err().to_string().contains("not UTF-8"));
    }
}
