//! Many requests at once over few places, and many after each other over a deployment that fails and recovers.

use super::*;
use crate::cooldown::Effect;

proptest! {
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
