//! Many requests at once over groups whose deployments fail, hang and recover, on a made-up clock: whatever
//! happens, the rules hold.

mod rules;
mod script;
mod world;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::script::{LAST, Scene, any_scene};
use self::world::{Event, Request, World};
use crate::deployment::Deployment;
use crate::fallback::Fallbacks;
use crate::group::Group;
use crate::policy::RetryPolicy;
use crate::router::Router;
use crate::{Step, picker};

/// How long a request may take.
const DEADLINE: u64 = 30_000;

/// Lets everything happen that is to happen.
fn play(scene: &Scene, seed: u64) -> Result<BTreeSet<String>, TestCaseError> {
    let router = scene.router();
    let mut world = World::new(Instant::now(), &router, scene);
    let mut requests: Vec<Request<'_>> = Vec::new();
    for (id, arrival) in scene.arrivals.iter().enumerate() {
        let rng = SmallRng::seed_from_u64(seed ^ id as u64);
        requests.push(Request::new(arrival, rng));
    }
    let mut events: BinaryHeap<_> = (scene.arrivals.iter().enumerate())
        .map(|(id, arrival)| Reverse((arrival.at, id, Event::Turn)))
        .collect();
    while let Some(Reverse((millis, id, event))) = events.pop() {
        for (then, event) in world.happens(&mut requests[id], millis, event)? {
            events.push(Reverse((then, id, event)));
        }
    }
    for request in &requests {
        world.ended(request)?;
    }
    world.over(LAST + 2 * DEADLINE)?;
    Ok(world.reasons)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_rules_hold_under_load(scene in any_scene(), seed in any::<u64>()) {
        play(&scene, seed)?;
    }

    /// Whoever is well gets its share, whichever groups the requests came through.
    #[test]
    fn weights_are_kept(weights in prop::collection::vec(1_u32..9, 2..6), rounds in 2_u32..20, direct in any::<u8>()) {
        let strategy = picker::Strategy::Weighted;
        let members = weights.iter().enumerate().map(|(nth, weight)| Deployment::new(format!("d{nth}"), 0, ()).weighing(*weight));
        let group = Group::new("g", RetryPolicy::default(), members).with_strategy(strategy);
        let down = Group::new("down", RetryPolicy::default(), [Deployment::new("down/1", 0, ())]);
        down.deployments[0].stats.drain(true);
        let router = Router::builder().group(group).group(down.with_fallbacks(Fallbacks::to(["g"]))).build().unwrap();
        let now = Instant::now();
        let sum: u32 = weights.iter().sum();
        let mut turns = vec![0; weights.len()];
        for nth in 0..sum * rounds {
            let asked = if mix(nth) < u64::from(direct) { "g" } else { "down" };
            let mut plan = router.plan(router.find(asked).unwrap(), now, now + Duration::from_millis(DEADLINE));
            let Step::Try(index) = plan.next(now, None) else { return Err(TestCaseError::fail("nobody")) };
            prop_assert_eq!(&*plan.group().name, "g");
            prop_assert!(plan.answered(now).is_some());
            turns[index] += 1;
        }
        let shares: Vec<_> = weights.iter().map(|weight| weight * rounds).collect();
        prop_assert_eq!(turns, shares);
    }
}

/// A number below 256 that looks like chance.
fn mix(nth: u32) -> u64 {
    crate::pool::mix(u64::from(nth)) % 256
}

#[test]
fn the_worlds_are_not_idle() {
    let mut runner = TestRunner::deterministic();
    let scenes = (0..50).map(|_| any_scene().new_tree(&mut runner).unwrap().current());
    let seen: BTreeSet<_> = scenes.flat_map(|scene| play(&scene, 7).unwrap()).collect();
    let all = ["Again", "Fallback", "Hedge", "LastResort", "Prefix", "Probe", "Session", "Strategy"];
    assert_eq!(seen.iter().collect::<Vec<_>>(), all);
}
