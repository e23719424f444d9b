//! How long a prompt's beginning keeps a deployment.

use super::health::{MINUTE, SECOND};
use super::*;
use crate::affinity::Prefixes;
use crate::facts::{Facts, Price};
use crate::needs::Needs;
use crate::picker::Strategy;
use crate::record::Because;

fn group(strategy: Strategy, weights_and_prices: [(u32, u64); 2]) -> Arc<Group<()>> {
    let members = weights_and_prices.into_iter().enumerate().map(|(nth, (weight, price))| {
        let price = Price { input_pico_usd: price, output_pico_usd: price, request_pico_usd: 0 };
        let facts = Facts { price: Some(price), ..Facts::default() };
        Deployment::new(format!("d{nth}"), 0, ()).weighing(weight).with_facts(facts)
    });
    Arc::new(Group::new("g", RetryPolicy::default(), members).with_strategy(strategy))
}

/// Asks with one and the same long prompt; each answer takes as long as its deployment does. Who was asked, and why.
fn asks(group: &Arc<Group<()>>, now: Instant, takes: [Duration; 2]) -> (usize, Because) {
    let needs = Needs { stream: true, prefixes: Prefixes::of(&[b'x'; 9_000]), ..Needs::default() };
    let mut attempts = begin(group, now, MINUTE).needing(Arc::new(needs));
    let Step::Try(index) = attempts.next(now, None) else { panic!("nobody") };
    drop(attempts.answered(now + takes[index]).unwrap());
    (index, attempts.record().attempts[0].because)
}

#[test]
fn a_shared_beginning_follows_the_weights_in_the_long_run() {
    let mut now = Instant::now();
    let group = group(Strategy::Weighted, [(3, 1), (1, 1)]);
    let mut turns = [0_u32; 2];
    let mut kept = 0;
    for _ in 0..1_000 {
        let (index, because) = asks(&group, now, [MS; 2]);
        turns[index] += 1;
        kept += u32::from(because == Because::Prefix);
        now += SECOND;
    }
    assert!(turns[1] > 150 && turns[1] < 350, "a quarter is the second's: {turns:?}");
    assert!(kept > 900, "and the cache is kept nearly always: {kept}");
    now += 6 * MINUTE;
    assert_eq!(asks(&group, now, [MS; 2]).1, Because::Strategy, "nobody has it in its cache by now");
}

#[test]
fn whoever_is_several_times_worse_is_not_kept() {
    let second_first = |strategy, prices: [u64; 2], takes: [u64; 2]| {
        let mut now = Instant::now();
        let group = group(strategy, prices.map(|price| (1, price)));
        let takes = takes.map(Duration::from_millis);
        for drained in [1, 0] {
            group.deployments[drained].stats.drain(true);
            assert_eq!(asks(&group, now, takes).0, 1 - drained);
            group.deployments[drained].stats.drain(false);
            now += SECOND;
        }
        asks(&group, now, takes)
    };
    assert_eq!(second_first(Strategy::LowestCost(None), [1, 2], [9, 9]), (1, Because::Prefix));
    assert_eq!(second_first(Strategy::LowestCost(None), [1, 4], [9, 9]), (0, Because::Strategy));
    for strategy in [Strategy::LowestLatency, Strategy::LowestCost(Some(MINUTE))] {
        assert_eq!(second_first(strategy, [1, 1], [100, 250]), (1, Because::Prefix));
        assert_eq!(second_first(strategy, [1, 1], [100, 450]).1, Because::Strategy);
    }
    assert_eq!(
        second_first(Strategy::Weighted, [1, 4], [100, 450]),
        (1, Because::Prefix),
        "it goes by neither"
    );
}
