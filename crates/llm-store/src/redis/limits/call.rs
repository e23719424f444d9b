//! The scripts, the names in Redis, and the commands that are sent.

use llm_governance::Limits;
use llm_governance::limit::LimitAsk;
use redis::Cmd;

const TAKE: &str = concat!(include_str!("common.lua"), include_str!("take.lua"));
const END: &str = concat!(include_str!("common.lua"), include_str!("end.lua"));
const JOIN: &str = concat!(include_str!("common.lua"), include_str!("join.lua"));
const BEAT: &str = concat!(include_str!("common.lua"), include_str!("beat.lua"));

/// One of the scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Take,
    End,
    Join,
    Beat,
}

impl Script {
    /// All, in the order of [`Calls::hashes`].
    pub(super) const ALL: [Self; 4] = [Self::Take, Self::End, Self::Join, Self::Beat];

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Take => TAKE,
            Self::End => END,
            Self::Join => JOIN,
            Self::Beat => BEAT,
        }
    }
}

/// How a script is named: by the hash that the server gave it, or by its text, which the server then keeps.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    Hash(&'a str),
    Text(&'a str),
}

impl By<'_> {
    fn command(self, keys: usize) -> Cmd {
        let (name, script) = match self {
            Self::Hash(hash) => ("EVALSHA", hash),
            Self::Text(text) => ("EVAL", text),
        };
        let mut command = redis::cmd(name);
        command.arg(script).arg(keys);
        command
    }
}

/// Names in Redis. The braces keep all of them together where a server spreads names over several.
#[derive(Debug, Clone)]
pub(super) struct Names(String);

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self(format!("{prefix}{{limits}}:v1:"))
    }

    /// The gateways that live.
    pub(super) fn lives(&self) -> String {
        format!("{}lives", self.0)
    }

    /// What is counted under an owner's limits. Two owners never have one name, whatever they are called.
    pub(super) fn owner(&self, LimitAsk { scope, model, limits: _ }: &LimitAsk) -> String {
        match model {
            None => format!("{}all:{scope}", self.0),
            Some(model) => {
                let scope = scope.to_string();
                format!("{}model:{}:{scope}:{model}", self.0, scope.len())
            }
        }
    }
}

/// The commands, for a server that keeps the scripts under these hashes.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) names: Names,
    pub(super) hashes: [String; 4],
}

impl Calls {
    pub(super) fn by(&self, script: Script) -> By<'_> {
        let [take, end, join, beat] = &self.hashes;
        By::Hash(match script {
            Script::Take => take,
            Script::End => end,
            Script::Join => join,
            Script::Beat => beat,
        })
    }

    /// The request has ended with so many tokens; `None`: it did not happen.
    pub(super) fn end(&self, life: &str, asks: &[LimitAsk], reserved: u64, used: Option<u64>) -> Cmd {
        self.names.end(self.by(Script::End), life, asks, (reserved, used))
    }

    pub(super) fn beat(&self, life: &str, lasts_ms: u64) -> Cmd {
        let mut command = self.by(Script::Beat).command(1);
        command.arg(self.names.lives()).arg(life).arg(lasts_ms);
        command
    }

    /// A life begins, with so many requests under way for each of these names.
    pub(super) fn join<'a>(
        &self,
        (life, before): (&str, Option<&str>),
        lasts_ms: u64,
        under_way: impl ExactSizeIterator<Item = (&'a str, u32)> + Clone,
    ) -> Cmd {
        let mut command = self.by(Script::Join).command(1 + under_way.len());
        command.arg(self.names.lives());
        for (name, _) in under_way.clone() {
            command.arg(name);
        }
        command.arg(life).arg(before.unwrap_or_default()).arg(lasts_ms);
        for (_, count) in under_way {
            command.arg(count);
        }
        command
    }

    /// A life is over: what it had under way counts no longer.
    pub(super) fn leave(&self, life: &str) -> Cmd {
        let mut command = redis::cmd("ZREM");
        command.arg(self.names.lives()).arg(life);
        command
    }
}

impl Names {
    /// Takes a place in every limit, or in none.
    pub(super) fn take(&self, by: By<'_>, life: &str, asks: &[LimitAsk], tokens: u64) -> Cmd {
        let mut command = by.command(1 + asks.len());
        command.arg(self.lives());
        for ask in asks {
            command.arg(self.owner(ask));
        }
        command.arg(life).arg(tokens);
        limits(&mut command, asks);
        command
    }

    pub(super) fn end(
        &self,
        by: By<'_>,
        life: &str,
        asks: &[LimitAsk],
        (reserved, used): (u64, Option<u64>),
    ) -> Cmd {
        let mut command = by.command(asks.len());
        for ask in asks {
            command.arg(self.owner(ask));
        }
        command.arg(life).arg(u8::from(used.is_none())).arg(reserved).arg(used.unwrap_or_default());
        limits(&mut command, asks);
        command
    }
}

fn limits(command: &mut Cmd, asks: &[LimitAsk]) {
    let signed = |limit: Option<u64>| limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(-1);
    for LimitAsk { limits: Limits { rpm, tpm, parallel }, .. } in asks {
        command.arg(signed(*rpm)).arg(signed(*tpm)).arg(signed(parallel.map(u64::from)));
    }
}
