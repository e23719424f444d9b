//! The scripts against a real server, with a clock of the test's own: they decide as limits of one process do.

use std::time::{Duration, Instant};

use llm_governance::Limits;
use llm_governance::limit::{LimitAsk, LimitDecision, LocalLimits};
use llm_testkit::Redis;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis::{Cmd, Connection, Value};

use super::answer;
use super::call::{By, Names, Script};

/// Beyond any moment that a real clock has told.
const START: u64 = 5_000_000_000_000;

/// A script that takes the time, in ms, from its last argument.
fn clocked(script: Script) -> String {
    let asked = "redis.call('TIME')";
    let text = script.text();
    assert_eq!(text.matches(asked).count(), 1);
    let told = "{ math.floor(ARGV[#ARGV] / 1000), (ARGV[#ARGV] % 1000) * 1000 }";
    text.replace(asked, told)
}

struct Far {
    connection: Connection,
    names: Names,
    take: String,
    end: String,
}

impl Far {
    fn new(redis: &Redis) -> Self {
        let connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        let (take, end) = (clocked(Script::Take), clocked(Script::End));
        Self { connection, names: Names::new("test:"), take, end }
    }

    fn run(&mut self, mut call: Cmd, now: u64) -> Value {
        call.arg(START + now).query(&mut self.connection).unwrap()
    }

    fn take(&mut self, life: &str, asks: &[LimitAsk], tokens: u64, now: u64) -> LimitDecision {
        let call = self.names.take(By::Text(&self.take), life, asks, tokens);
        answer::decision(&self.run(call, now), asks, tokens).unwrap()
    }

    fn end(&mut self, life: &str, asks: &[LimitAsk], tokens: (u64, Option<u64>), now: u64) {
        let call = self.names.end(By::Text(&self.end), life, asks, tokens);
        assert_eq!(self.run(call, now), Value::Int(1));
    }
}

/// What somebody does.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    /// Of these owners, so many tokens.
    Take(Vec<usize>, u64),
    /// One of those under way ends, with so many tokens or as if it had not been.
    End(usize, Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![0..50_u64, 0..5_000_u64, 0..200_000_u64];
    let step = prop_oneof![
        2 => wait.prop_map(Step::Wait),
        5 => (proptest::sample::subsequence(vec![0, 1, 2, 3], 1..=4), 0..3_000_u64)
            .prop_map(|(owners, tokens)| Step::Take(owners, tokens)),
        3 => (0..16_usize, proptest::option::weighted(0.8, 0..4_000_u64))
            .prop_map(|(nth, used)| Step::End(nth, used)),
    ];
    proptest::collection::vec(step, 1..60)
}

fn limits() -> impl Strategy<Value = Limits> {
    let option = |most: u64| proptest::option::weighted(0.7, 0..most);
    (option(20), option(6_000), option(5)).prop_map(|(rpm, tpm, parallel)| Limits {
        rpm,
        tpm,
        parallel: parallel.map(|most| u32::try_from(most).unwrap()),
    })
}

#[test]
fn they_decide_as_limits_of_one_process_do() {
    let redis = Redis::start().unwrap();
    let mut far = Far::new(&redis);
    let mut runner = TestRunner::new(Config { cases: 150, ..Config::default() });
    let all = (proptest::collection::vec(limits(), 4), steps());
    let far = std::cell::RefCell::new(&mut far);
    let done = runner.run(&all, |(limits, steps)| {
        let mut far = far.borrow_mut();
        redis.command(&[b"FLUSHDB"]).unwrap();
        let (near, began, mut now) = (LocalLimits::default(), Instant::now(), 0);
        let names = ["key:key_00000000000000000000000000000001", "team:t", "user:u", "global"];
        let asks: Vec<LimitAsk> = std::iter::zip(names, limits)
            .map(|(scope, limits)| LimitAsk {
                scope: scope.parse().unwrap(),
                model: (scope == "user:u").then(|| "gpt-*".into()),
                limits,
            })
            .collect();
        let mut under_way = Vec::new();
        for step in steps {
            let at = began + Duration::from_millis(now);
            match step {
                Step::Wait(ms) => now += ms,
                Step::Take(owners, tokens) => {
                    let asks: Vec<_> = owners.iter().map(|nth| asks[*nth].clone()).collect();
                    let decision = near.take_at(&asks, tokens, at);
                    prop_assert_eq!(&far.take("one", &asks, tokens, now), &decision, "at {}", now);
                    if matches!(decision, LimitDecision::Taken(_)) {
                        under_way.push((asks, tokens));
                    }
                }
                Step::End(nth, used) if !under_way.is_empty() => {
                    let (asks, reserved) = under_way.swap_remove(nth % under_way.len());
                    near.end_at(&asks, reserved, used, at);
                    far.end("one", &asks, (reserved, used), now);
                }
                Step::End(..) => {}
            }
        }
        Ok(())
    });
    done.unwrap();
}

fn parallel(most: u32) -> [LimitAsk; 1] {
    let limits = Limits { parallel: Some(most), ..Limits::default() };
    [LimitAsk { scope: "team:t".parse().unwrap(), model: None, limits }]
}

#[test]
fn places_of_the_living_count_and_no_others() {
    let redis = Redis::start().unwrap();
    let mut far = Far::new(&redis);
    let taken = |decision| matches!(decision, LimitDecision::Taken(_));
    let lives = far.names.lives();
    let till = |ms: u64| (START + ms).to_string();
    let alive = |life: &str, ms: u64| {
        let score = till(ms);
        redis.command(&[b"ZADD", lives.as_bytes(), score.as_bytes(), life.as_bytes()]).unwrap();
    };
    alive("one", 10_000);
    assert!(taken(far.take("one", &parallel(2), 0, 0)));
    assert!(taken(far.take("two", &parallel(2), 0, 0)));
    // The second never said that it lives: it counts for itself alone.
    assert!(!taken(far.take("two", &parallel(2), 0, 1)));
    assert!(taken(far.take("one", &parallel(2), 0, 2)));
    assert!(!taken(far.take("one", &parallel(2), 0, 3)));
    // The first is silent for too long.
    assert!(!taken(far.take("three", &parallel(2), 0, 9_999)));
    assert!(taken(far.take("three", &parallel(2), 0, 10_000)));
    // It gives back what is nobody's any more, which takes nothing from others.
    far.end("one", &parallel(2), (0, Some(0)), 10_001);
    assert!(taken(far.take("three", &parallel(2), 0, 10_002)));
    assert!(!taken(far.take("three", &parallel(2), 0, 10_003)));
    let owner = far.names.owner(&parallel(2)[0]);
    far.end("three", &parallel(2), (0, Some(0)), 10_004);
    far.end("three", &parallel(2), (0, Some(0)), 10_005);
    // Nothing is left behind.
    assert_eq!(redis.command(&[b"EXISTS", owner.as_bytes()]).unwrap(), ":0");
}

#[test]
fn what_nobody_of_us_wrote_is_nothing() {
    let redis = Redis::start().unwrap();
    let mut far = Far::new(&redis);
    let limits = Limits { rpm: Some(2), tpm: Some(10), parallel: Some(2) };
    let asks = [LimitAsk { scope: "team:t".parse().unwrap(), model: None, limits }];
    let owner = far.names.owner(&asks[0]);
    for rubbish in
        ["", "x", "-5 7", "1e300 1", "99999999999999999999 1", "120000 99999999999999999", "nan nan", "inf"]
    {
        redis.command(&[b"DEL", owner.as_bytes()]).unwrap();
        for field in ["r", "t", "p:one", "p:", "p:two", "what"] {
            redis.command(&[b"HSET", owner.as_bytes(), field.as_bytes(), rubbish.as_bytes()]).unwrap();
        }
        let decision = far.take("one", &asks, 10, 0);
        let LimitDecision::Taken(left) = decision else { panic!("{rubbish}: {decision:?}") };
        assert_eq!((left.requests.left, left.tokens.left), (Some(1), Some(0)), "{rubbish}");
        far.end("one", &asks, (10, Some(4)), 0);
        assert!(matches!(far.take("one", &asks, 6, 0), LimitDecision::Taken(_)), "{rubbish}");
    }
    // A clock that was set back by more than a minute does not lock anybody out.
    redis.command(&[b"DEL", owner.as_bytes()]).unwrap();
    for _ in 0..2 {
        assert!(matches!(far.take("one", &asks, 0, 10_000_000), LimitDecision::Taken(_)));
        far.end("one", &asks, (0, Some(0)), 10_000_000);
    }
    let refused = far.take("one", &asks, 0, 0);
    let LimitDecision::Refused { wait, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(wait, Duration::from_secs(30));
    assert!(
        matches!(far.take("one", &asks, 0, 30_000), LimitDecision::Refused { .. }),
        "nothing was written"
    );
}
