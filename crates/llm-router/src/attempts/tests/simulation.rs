//! Many requests at once over deployments that fail, hang and recover, on a made-up clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::cooldown::Effect;
use crate::facts::{Allowance, Facts};
use crate::lease::Lease;
use crate::needs::Needs;
use crate::picker;
use crate::record::Because;
use crate::stats::Used;

/// What a deployment does with a request that comes at a time.
#[derive(Debug, Clone, Copy)]
struct Phase {
    kind: Option<ErrorKind>,
    takes: u64,
    retry_after: Option<u64>,
}

/// Each phase lasts so many milliseconds; the last one for ever.
const PHASE: u64 = 7_000;

#[derive(Debug, Clone)]
struct Script {
    phases: Vec<Phase>,
    order: u32,
    weight: u32,
    allowance: Allowance,
}

fn any_script() -> impl Strategy<Value = Script> {
    use ErrorKind as K;
    let kinds =
        vec![K::Internal, K::RateLimit, K::Timeout, K::Auth, K::Connection, K::Conflict, K::BadRequest];
    let kind = prop::option::weighted(0.5, prop::sample::select(kinds));
    let phase = (kind, 1_u64..4_000, prop::option::weighted(0.3, 1_u64..20_000));
    let phase = phase.prop_map(|(kind, takes, retry_after)| Phase { kind, takes, retry_after });
    let limits = (prop::option::weighted(0.3, 1_u32..30), prop::option::weighted(0.3, 1_u32..5));
    (prop::collection::vec(phase, 1..6), 0_u32..2, 0_u32..4, limits).prop_map(
        |(phases, order, weight, (rpm, max_parallel))| Script {
            phases,
            order,
            weight,
            allowance: Allowance { rpm, tpm: None, max_parallel },
        },
    )
}

impl Script {
    fn at(&self, millis: u64) -> Phase {
        let nth = usize::try_from(millis / PHASE).unwrap();
        *self.phases.get(nth).or(self.phases.last()).unwrap()
    }
}

/// One request in the simulation.
struct Request {
    attempts: Attempts<()>,
    steps: usize,
    under_way: Option<(usize, Phase)>,
    stream: Option<Lease<()>>,
}

struct World {
    start: Instant,
    group: Arc<Group<()>>,
    scripts: Vec<Script>,
    /// When each deployment was asked.
    asked: Vec<Vec<u64>>,
    again: usize,
}

impl World {
    fn time(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn is_open(&self, index: usize, now: Instant) -> bool {
        let seat = &self.group.seats[index];
        seat.stats.standing(now).is_open() && seat.stats.fits(&seat.allowance, 0, now).is_ok()
    }

    /// One turn of a request; when to come back, if at all.
    fn turn(&mut self, request: &mut Request, millis: u64) -> Result<Option<u64>, TestCaseError> {
        let now = self.time(millis);
        if let Some(lease) = request.stream.take() {
            lease.finish(&Used { output_tokens: 10, ..Used::default() }, now);
            return Ok(None);
        }
        let error = match request.under_way.take() {
            Some((_, Phase { kind: None, takes, .. })) => {
                request.stream = request.attempts.answered(now);
                prop_assert!(request.stream.is_some());
                return Ok(Some(millis + takes));
            }
            Some((_, Phase { kind: Some(kind), retry_after, .. })) => {
                let mut error = failure(kind);
                error.retry_after = retry_after.map(Duration::from_millis);
                Some(error)
            }
            None => None,
        };
        let count = self.scripts.len();
        let failed_on = request.attempts.flights.last().map(Lease::index);
        request.steps += 1;
        prop_assert!(request.steps < 40, "a request without an end");
        let open_before: Vec<_> = (0..count).map(|index| self.is_open(index, now)).collect();
        match request.attempts.next(now, error.as_ref()) {
            Step::Try(index) => {
                let attempt = request.attempts.record().attempts.last().unwrap();
                let again = attempt.because == Because::Again;
                self.again +=
                    usize::from(again || attempt.because == Because::LastResort && request.steps > 1);
                if attempt.because == Because::LastResort
                    || (again && !open_before[index] && failed_on != Some(index))
                {
                    let tried = &request.attempts.record().attempts;
                    let better = (0..count).find(|other| {
                        *other != index
                            && open_before[*other]
                            && tried.iter().all(|attempt| attempt.index != *other)
                    });
                    prop_assert_eq!(better, None, "{} was asked though unwell", index);
                }
                self.asked[index].push(millis);
                let phase = self.scripts[index].at(millis);
                request.under_way = Some((index, phase));
                Ok(Some(millis + phase.takes))
            }
            Step::Wait(pause) => Ok(Some(millis + u64::try_from(pause.as_millis()).unwrap() + 1)),
            Step::Fail => {
                prop_assert!(request.attempts.record().end.is_some());
                Ok(None)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_rules_hold_under_load(
        scripts in prop::collection::vec(any_script(), 1..6),
        arrivals in prop::collection::vec(0_u64..60_000, 1..120),
        strategy in prop::sample::select(picker::Strategy::ALL.to_vec()),
        seed in any::<u64>(),
    ) {
        let start = Instant::now();
        let deployments = scripts.iter().enumerate().map(|(nth, script)| {
            let facts = Facts { order: script.order, allowance: script.allowance, ..Facts::default() };
            Deployment::new(format!("d{nth}"), 0, ()).weighing(script.weight).with_facts(facts)
        });
        let group = Group::new("g", RetryPolicy { retries: 4, ..RetryPolicy::default() }, deployments);
        let group = Arc::new(group.with_strategy(strategy));
        let budget = Arc::new(RetryBudget::new(start));
        let asked = vec![Vec::new(); scripts.len()];
        let mut world = World { start, group, scripts, asked, again: 0 };
        let mut events: BinaryHeap<_> = arrivals.iter().enumerate().map(|(id, at)| Reverse((*at, id))).collect();
        let mut requests: Vec<Option<Request>> = arrivals.iter().map(|_| None).collect();
        while let Some(Reverse((millis, id))) = events.pop() {
            let request = requests[id].get_or_insert_with(|| {
                budget.deposit(world.time(millis));
                let deadline = world.time(millis + 30_000);
                let attempts = Attempts::new(Arc::clone(&world.group), Arc::clone(&budget), deadline);
                let attempts = attempts.needing(Arc::new(Needs { stream: true, ..Needs::default() }));
                let attempts = attempts.with_rng(SmallRng::seed_from_u64(seed ^ id as u64));
                Request { attempts, steps: 0, under_way: None, stream: None }
            });
            if let Some(then) = world.turn(request, millis)? {
                events.push(Reverse((then, id)));
            }
        }
        for (index, script) in world.scripts.iter().enumerate() {
            let asked = &world.asked[index];
            if let Some(rpm) = script.allowance.rpm {
                for first in asked {
                    let minute = asked.iter().filter(|at| *at >= first && **at < first + 60_000).count();
                    prop_assert!(minute <= rpm as usize, "{minute} of {rpm} in a minute");
                }
            }
            prop_assert_eq!(world.group.deployments[index].stats.in_flight(), 0, "something was not given back");
        }
        for request in requests.iter().flatten() {
            let record = request.attempts.record();
            prop_assert!(record.end.is_some());
            let untouched = record.end == Some(End::NoCandidate);
            prop_assert!(untouched == record.attempts.is_empty(), "{:?}", record);
        }
        // Ten a minute and a tenth of the traffic, over the one to two minutes this takes.
        prop_assert!(world.again <= 3 * 10 + arrivals.len() / 10, "{} returns", world.again);
    }

    #[test]
    fn places_are_never_oversold(most in 1_u32..4, requests in 1_usize..30, seed in any::<u64>()) {
        let now = Instant::now();
        let allowance = Allowance { max_parallel: Some(most), ..Allowance::default() };
        let deployments = (0..3).map(|nth| {
            Deployment::new(format!("d{nth}"), 0, ()).with_facts(Facts { allowance, ..Facts::default() })
        });
        let group = Arc::new(Group::new("g", RetryPolicy::default(), deployments));
        let mut open = Vec::new();
        for id in 0..requests {
            let rng = SmallRng::seed_from_u64(seed ^ id as u64);
            let budget = Arc::new(RetryBudget::new(now));
            let mut attempts = Attempts::new(Arc::clone(&group), budget, now + Duration::from_secs(7)).with_rng(rng);
            let step = attempts.next(now, None);
            prop_assert_eq!(matches!(step, Step::Try(_)), id < 3 * most as usize);
            open.push(attempts);
        }
        prop_assert!(group.deployments.iter().all(|deployment| deployment.stats.in_flight() <= most));
    }
}

#[test]
fn traffic_comes_back_within_one_cooldown() {
    let start = Instant::now();
    let group = group(2, 2);
    let broken = 20_000..50_000;
    let mut failed = 0;
    let mut back = None;
    for millis in (0..120_000).step_by(50) {
        let now = start + Duration::from_millis(millis);
        let mut attempts = begin(&group, now, Duration::from_secs(10));
        let mut step = attempts.next(now, None);
        while let Step::Try(index) = step {
            if index == 0 && broken.contains(&millis) {
                failed += 1;
                step = attempts.next(now, Some(&failure(ErrorKind::Internal)));
            } else {
                back = back.or((index == 0 && millis >= broken.end).then_some(millis));
                assert!(attempts.answered(now).is_some());
                break;
            }
        }
        assert_eq!(attempts.record().end, Some(End::Answered), "nobody notices");
    }
    let longest = group.cooldown.length(2);
    let took = Duration::from_millis(back.unwrap() - broken.end);
    assert!(took <= longest, "{took:?}, the cooldown was at most {longest:?}");
    assert!((3..8).contains(&failed), "three to open it, then probes: {failed}");
    assert_eq!(Effect::of(&failure(ErrorKind::Internal)), Effect::Counts);
}
