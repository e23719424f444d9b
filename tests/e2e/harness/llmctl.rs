//! Runs the command-line tool.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::binary::{binary, foreign};

/// A run in the making: no keys but its own.
#[derive(Debug)]
pub(crate) struct Llmctl {
    command: Command,
    stdin: Vec<u8>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A run whose output is read while it goes on.
#[derive(Debug)]
pub(crate) struct Going(Child);

pub(crate) fn llmctl(args: &[&str]) -> Llmctl {
    let mut command = Command::new(binary("llmctl"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    foreign().for_each(|name| {
        command.env_remove(name);
    });
    Llmctl { command, stdin: Vec::new() }
}

impl Llmctl {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = text.as_bytes().to_vec();
        self
    }

    pub(crate) fn start(mut self) -> Going {
        let mut child = self.command.spawn().unwrap();
        // It may not read what it was not asked to read.
        let _ = child.stdin.take().unwrap().write_all(&self.stdin);
        Going(child)
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Ran {
        self.start().end()
    }
}

impl Going {
    /// Reads until `text` has come; what was read.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let out = self.0.stdout.as_mut().unwrap();
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(text) {
            let mut byte = [0];
            let count = out.read(&mut byte).unwrap();
            assert!(count > 0, "`{text}` must come, got: {}", String::from_utf8_lossy(&read));
            read.push(byte[0]);
        }
        String::from_utf8(read).unwrap()
    }

    /// Ends one that does not end by itself.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn end(self) -> Ran {
        let output = self.0.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// What it printed, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The exit code, which must come with these words on standard error.
    pub(crate) fn failed(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in says {
            assert!(self.err.contains(word), "no `{word}` in {self:?}");
        }
    }

    /// What it printed, which must have gone well.
    pub(crate) fn good(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.out
    }
}
