//! What happens in a simulated world: who stands there, how each behaves at what time, and who comes.

use std::sync::Arc;
use std::time::Duration;

use llm_types::ErrorKind;
use proptest::prelude::*;

use crate::affinity::Prefixes;
use crate::deployment::Deployment;
use crate::facts::{Allowance, Facts, Price};
use crate::fallback::Fallbacks;
use crate::group::Group;
use crate::needs::Needs;
use crate::picker;
use crate::policy::RetryPolicy;
use crate::router::Router;

/// Each phase lasts so many milliseconds; the last one for ever.
const PHASE: u64 = 7_000;
/// As good as for ever.
const HANG: u64 = 10_000_000;
/// When the last request may come.
pub(super) const LAST: u64 = 60_000;

/// What a deployment does with a request that comes at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    /// How it fails; `None`: it answers.
    pub(super) kind: Option<ErrorKind>,
    /// To the failure or the first content.
    pub(super) takes: u64,
    pub(super) retry_after: Option<u64>,
    /// An answer breaks off after its first content.
    pub(super) breaks: bool,
}

/// One deployment.
#[derive(Debug, Clone)]
pub(super) struct Script {
    phases: Vec<Phase>,
    pub(super) order: u32,
    pub(super) weight: u32,
    pub(super) eu: bool,
    price: u64,
    pub(super) allowance: Allowance,
}

impl Script {
    pub(super) fn at(&self, millis: u64) -> Phase {
        let nth = usize::try_from(millis / PHASE).unwrap();
        *self.phases.get(nth).or(self.phases.last()).unwrap()
    }

    /// Lower ones are asked first.
    pub(super) fn tier(&self) -> (bool, u32) {
        (self.weight == 0, self.order)
    }
}

/// One group.
#[derive(Debug, Clone)]
pub(super) struct Team {
    pub(super) scripts: Vec<Script>,
    pub(super) retries: u32,
    strategy: picker::Strategy,
    hedge: Option<u64>,
    /// Where to go from here; may lead round in circles.
    pub(super) fallbacks: Vec<usize>,
}

/// All that is asked.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) teams: Vec<Team>,
    /// Where all fall back to in the end.
    pub(super) defaults: Vec<usize>,
    pub(super) arrivals: Vec<Arrival>,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) at: u64,
    pub(super) group: usize,
    pub(super) session: Option<u64>,
    pub(super) prompt: Option<u8>,
    pub(super) eu: bool,
    stream: bool,
    pub(super) tokens: (u64, u64),
    /// The share of its tokens that is used, of 256.
    pub(super) used: u8,
}

impl Arrival {
    pub(super) fn needs(&self) -> Needs {
        Needs {
            session: self.session,
            prefixes: self.prompt.map(|prompt| Prefixes::of(&[prompt; 9_000])).unwrap_or_default(),
            region: self.eu.then(|| "eu".into()),
            stream: self.stream,
            input_tokens: self.tokens.0,
            output_tokens: self.tokens.1,
            ..Needs::default()
        }
    }
}

pub(super) fn name(group: usize) -> Arc<str> {
    format!("g{group}").into()
}

impl Scene {
    pub(super) fn router(&self) -> Router<()> {
        let groups = self.teams.iter().enumerate().map(|(at, team)| team.group(at));
        let builder = groups.fold(Router::builder(), |builder, group| builder.group(group));
        builder.default_fallbacks(self.defaults.iter().map(|to| name(*to))).build().unwrap()
    }
}

impl Team {
    fn group(&self, at: usize) -> Group<()> {
        let deployments = self.scripts.iter().enumerate().map(|(nth, script)| {
            let price =
                Price { input_pico_usd: script.price, output_pico_usd: script.price, request_pico_usd: 0 };
            let facts = Facts {
                order: script.order,
                allowance: script.allowance,
                region: script.eu.then(|| "eu".into()),
                price: Some(price),
                ..Facts::default()
            };
            Deployment::new(format!("g{at}/{nth}"), 0, ()).weighing(script.weight).with_facts(facts)
        });
        let hedge = self.hedge.map(Duration::from_millis);
        let policy = RetryPolicy { retries: self.retries, hedge, ..RetryPolicy::default() };
        Group::new(name(at), policy, deployments)
            .with_strategy(self.strategy)
            .with_fallbacks(Fallbacks::to(self.fallbacks.iter().map(|to| name(*to))))
    }
}

fn any_phase() -> impl Strategy<Value = Phase> {
    use ErrorKind as K;
    let kinds = vec![
        K::Internal,
        K::Unavailable,
        K::Overloaded,
        K::RateLimit,
        K::Quota,
        K::Timeout,
        K::Auth,
        K::Connection,
        K::Conflict,
        K::ContextWindow,
        K::BadRequest,
    ];
    let kind = prop::option::weighted(0.5, prop::sample::select(kinds));
    let retry_after = prop::option::weighted(0.3, 1_u64..20_000);
    let takes = prop_oneof![9 => 1_u64..4_000, 1 => Just(HANG)];
    (kind, takes, retry_after, prop::bool::weighted(0.1))
        .prop_map(|(kind, takes, retry_after, breaks)| Phase { kind, takes, retry_after, breaks })
}

fn any_script() -> impl Strategy<Value = Script> {
    let limits = (
        prop::option::weighted(0.3, 1_u32..30),
        prop::option::weighted(0.3, 2_000_u32..40_000),
        prop::option::weighted(0.3, 1_u32..5),
    );
    let phases = prop::collection::vec(any_phase(), 1..6);
    (phases, 0_u32..2, 0_u32..4, any::<bool>(), 0_u64..3, limits).prop_map(
        |(phases, order, weight, eu, price, (rpm, tpm, max_parallel))| Script {
            phases,
            order,
            weight,
            eu,
            price,
            allowance: Allowance { rpm, tpm, max_parallel },
        },
    )
}

fn any_team() -> impl Strategy<Value = Team> {
    let scripts = prop::collection::vec(any_script(), 1..6);
    let strategies = picker::Strategy::ALL.into_iter();
    let bounded = picker::Strategy::LowestCost(Some(Duration::from_secs(1)));
    let strategy = prop::sample::select(strategies.chain([bounded]).collect::<Vec<_>>());
    let fallbacks = prop::collection::vec(0_usize..3, 0..3);
    (scripts, 0_u32..5, strategy, prop::option::of(1_u64..3_000), fallbacks).prop_map(
        |(scripts, retries, strategy, hedge, fallbacks)| Team {
            scripts,
            retries,
            strategy,
            hedge,
            fallbacks,
        },
    )
}

fn any_arrival() -> impl Strategy<Value = Arrival> {
    let wishes = (prop::option::weighted(0.3, 0_u64..5), prop::option::weighted(0.3, 0_u8..4));
    let kind = (prop::bool::weighted(0.2), prop::bool::weighted(0.8));
    let size = ((0_u64..2_000, 0_u64..2_000), any::<u8>());
    (0..LAST, 0_usize..3, wishes, kind, size).prop_map(
        |(at, group, (session, prompt), (eu, stream), (tokens, used))| Arrival {
            at,
            group,
            session,
            prompt,
            eu,
            stream,
            tokens,
            used,
        },
    )
}

pub(super) fn any_scene() -> impl Strategy<Value = Scene> {
    let teams = prop::collection::vec(any_team(), 1..4);
    let arrivals = prop::collection::vec(any_arrival(), 1..120);
    let defaults = prop::collection::vec(0_usize..3, 0..2);
    (teams, defaults, arrivals).prop_map(|(mut teams, mut defaults, mut arrivals)| {
        let count = teams.len();
        let fallbacks = teams.iter_mut().flat_map(|team| &mut team.fallbacks);
        let groups = arrivals.iter_mut().map(|arrival| &mut arrival.group);
        fallbacks.chain(&mut defaults).chain(groups).for_each(|group| *group %= count);
        Scene { teams, defaults, arrivals }
    })
}
