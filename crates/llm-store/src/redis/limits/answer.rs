//! What the server says to a request, which may be anything.

use llm_governance::limit::{Bucket, LimitAsk, LimitCount, LimitDecision};
use redis::{RedisError, RedisResult, Value};

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server does not know the script: it was started anew, or told to forget.
    #[error("the server has lost a script")]
    NoScript,
    /// The server refuses to count for this owner; others are as well as before.
    #[error("the server refuses: {0}")]
    Refused(RedisError),
    /// No answer that a script of ours gives.
    #[error("the server's answer makes no sense")]
    Garbage,
    /// The server cannot do its work, or cannot be reached.
    #[error("{}", if .0.is_timeout() { "no answer in time".to_owned() } else { .0.to_string() })]
    Away(RedisError),
    /// The server is slower than a request may wait (`redis.timeout`).
    #[error("no answer in time (redis.timeout)")]
    Late,
    /// It is known that the server cannot be asked.
    #[error("Redis is away")]
    Known,
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        match error.code() {
            Some("NOSCRIPT") => Self::NoScript,
            // Of one key, or of a script that stumbled over what somebody else wrote.
            Some("WRONGTYPE" | "ERR") => Self::Refused(error),
            _ => Self::Away(error),
        }
    }
}

/// The one answer of a call.
pub(super) fn only(answer: RedisResult<Vec<Value>>) -> Result<Value, Failure> {
    let mut answers = answer?;
    match (answers.pop(), answers.is_empty()) {
        (Some(Value::ServerError(error)), true) => Err(RedisError::from(error).into()),
        (Some(value), true) => Ok(value),
        _ => Err(Failure::Garbage),
    }
}

/// A decision.
pub(super) fn decision(value: &Value, asks: &[LimitAsk], tokens: u64) -> Result<LimitDecision, Failure> {
    read(value, asks, tokens).ok_or(Failure::Garbage)
}

fn read(value: &Value, asks: &[LimitAsk], tokens: u64) -> Option<LimitDecision> {
    let Value::Array(values) = value else { return None };
    let (first, rest) = values.split_first()?;
    let taken = match first {
        Value::Int(0) => false,
        Value::Int(1) => true,
        _ => return None,
    };
    let counts: Option<Vec<LimitCount>> = rest.chunks(3).map(counted).collect();
    LimitDecision::of(taken, asks, &counts?, tokens)
}

fn counted(values: &[Value]) -> Option<LimitCount> {
    let [Value::Int(requests), Value::Int(tokens), Value::Int(under_way)] = values else { return None };
    let level = |level: &i64| u64::try_from(*level).ok().map(Bucket::holding);
    Some(LimitCount {
        requests: level(requests)?,
        tokens: level(tokens)?,
        under_way: u32::try_from(*under_way).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_governance::Limits;

    #[test]
    fn only_what_a_script_says_is_believed() {
        let limits = Limits { rpm: Some(60), tpm: None, parallel: Some(2) };
        let asks = [LimitAsk { scope: "team:a".parse().unwrap(), model: None, limits }];
        let ints = |ints: &[i64]| Value::Array(ints.iter().map(|int| Value::Int(*int)).collect());
        let taken = decision(&ints(&[1, 60_000, 0, 1]), &asks, 5).unwrap();
        assert!(matches!(taken, LimitDecision::Taken(left) if left.requests.left == Some(59)));
        let refused = decision(&ints(&[0, 0, 0, 2]), &asks, 5).unwrap();
        assert!(matches!(refused, LimitDecision::Refused { nth: 0, .. }), "{refused:?}");
        let garbage = [
            Value::Nil,
            Value::Okay,
            Value::Int(1),
            Value::BulkString(b"1".to_vec()),
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(1), Value::Nil, Value::Int(0), Value::Int(0)]),
            ints(&[1]),
            ints(&[2, 0, 0, 0]),
            ints(&[1, 0, 0]),
            ints(&[1, 0, 0, 0, 0]),
            ints(&[1, 0, 0, 0, 0, 0, 0]),
            ints(&[1, -1, 0, 0]),
            ints(&[1, 0, 0, i64::MAX]),
            // Refused, although there is room.
            ints(&[0, 0, 0, 1]),
        ];
        for value in garbage {
            assert!(matches!(decision(&value, &asks, 5), Err(Failure::Garbage)), "{value:?}");
        }
    }
}
