//! What the record of a sampled request says.

use super::*;
use crate::candidates::Candidate;
use crate::facts::Price;
use crate::needs::Needs;
use crate::picker::Strategy as Routing;
use crate::record::{Because, Decision, WaitedFor};
use crate::stats::{InFlight, Used};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The first decision on a request like this.
fn decided(group: &Arc<Group<()>>, needs: Needs, now: Instant) -> Decision {
    let mut attempts = begin(group, now, MINUTE).needing(Arc::new(needs)).sampled();
    attempts.next(now, None);
    attempts.answered(now);
    attempts.take_record().trace.unwrap().decisions.remove(0)
}

fn scores(decision: &Decision) -> Vec<Option<f32>> {
    decision.candidates.iter().map(|candidate| candidate.estimate.score).collect()
}

fn reasons(decision: &Decision) -> Vec<String> {
    let reason = |candidate: &Candidate| match candidate.verdict {
        Verdict::PassedOver(reason) => reason.to_string(),
        Verdict::NotPicked | Verdict::Tried => String::new(),
    };
    decision.candidates.iter().map(|candidate| reason(&candidate)).collect()
}

/// One answer of each deployment that took so many seconds.
fn answered_in(group: &Arc<Group<()>>, seconds: &[u32], now: Instant) {
    for (index, seconds) in seconds.iter().enumerate() {
        let mut attempts = begin(group, now, MINUTE);
        let id = Arc::clone(&group.deployments[index].id);
        attempts.pass_over(|deployment| (deployment.id != id).then_some("not its turn"));
        attempts.next(now, None);
        let end = now + *seconds * SECOND;
        attempts.answered(end).unwrap().finish(&Used::default(), end);
    }
}

fn priced(prices: &[u64], strategy: Routing) -> Arc<Group<()>> {
    let deployments = prices.iter().enumerate().map(|(nth, input_pico_usd)| {
        let price = Price { input_pico_usd: *input_pico_usd, output_pico_usd: 0, request_pico_usd: 0 };
        Deployment::new(format!("d{nth}"), 0, ()).with_facts(Facts { price: Some(price), ..Facts::default() })
    });
    Arc::new(Group::new("g", RetryPolicy::default(), deployments).with_strategy(strategy))
}

#[test]
fn a_sampled_request_tells_what_was_considered() {
    let now = Instant::now();
    let group = group(3, 2);
    group.deployments[2].stats.drain(true);
    let mut attempts = begin(&group, now, MINUTE).sampled();
    let failures = [failure(ErrorKind::Internal), after(ErrorKind::Internal, SECOND)];
    let (order, _) = play(&mut attempts, now, &failures);
    assert_eq!(order, [0, 1, 0], "its own pause is shorter than the one asked for");
    let record = attempts.take_record();
    let trace = record.trace.unwrap();
    assert_eq!(trace.decisions[0].chosen, Some((0, Because::Strategy)));
    let verdicts: Vec<_> = trace.decisions[1].candidates.iter().map(|candidate| candidate.verdict).collect();
    assert_eq!(verdicts, [Verdict::Tried, Verdict::NotPicked, Verdict::PassedOver(Reason::Drained)]);
    assert!(trace.decisions[0].candidates.get(0).unwrap().estimate.score.is_some());
    assert_eq!(record.waits.len(), 1);
    assert_eq!(record.waits[0].why, WaitedFor::Backoff(0));
    assert_eq!(trace.decisions.last().unwrap().chosen, Some((0, Because::Again)));
}

#[test]
fn scores_are_those_before_the_request_was_let_in() {
    let now = Instant::now();
    let allowance = Allowance { rpm: Some(10), ..Allowance::default() };
    for strategy in [Routing::LeastBusy, Routing::MostHeadroom] {
        let facts = Facts { allowance, ..Facts::default() };
        let deployments =
            (0..2).map(|nth| Deployment::new(format!("d{nth}"), 0, ()).with_facts(facts.clone()));
        let group = Group::new("g", RetryPolicy::default(), deployments).with_strategy(strategy);
        let decision = decided(&Arc::new(group), Needs::default(), now);
        assert_eq!(scores(&decision), [Some(0.0); 2], "{strategy:?}");
    }
}

#[test]
fn weighted_tells_how_far_each_is_ahead_of_its_share() {
    let now = Instant::now();
    let deployments = [3, 1].map(|weight| Deployment::new(format!("d{weight}"), 0, ()).weighing(weight));
    let group = Arc::new(Group::new("g", RetryPolicy::default(), deployments));
    let told: Vec<_> = (0..4)
        .map(|_| {
            let decision = decided(&group, Needs::default(), now);
            (decision.chosen.unwrap().0, scores(&decision))
        })
        .collect();
    let turn = |index, scores: [f32; 2]| (index, scores.map(Some).to_vec());
    assert_eq!(
        told,
        [turn(0, [-0.75, -0.25]), turn(0, [-0.5, -0.5]), turn(1, [-0.25, -0.75]), turn(0, [-1.0, 0.0])]
    );
}

#[test]
fn those_beyond_the_bound_are_told_why() {
    let now = Instant::now();
    let group = priced(&[1, 2, 3], Routing::LowestCost(Some(SECOND)));
    answered_in(&group, &[3, 0, 0], now);
    let decision = decided(&group, Needs::default(), now + 3 * SECOND);
    assert_eq!(decision.chosen, Some((1, Because::Strategy)));
    let slow = "is expected to take 3.000 s, the bound is 1.000 s";
    assert_eq!(reasons(&decision), [slow, "", ""]);
    let Candidate { estimate: cheapest, .. } = decision.candidates.get(0).unwrap();
    assert!(cheapest.score.is_none() && cheapest.usd.is_some(), "{cheapest:?}");

    // When nobody is within it they are compared by how late they are.
    let group = priced(&[1, 2, 3], Routing::LowestCost(Some(SECOND)));
    answered_in(&group, &[4, 3, 5], now);
    let decision = decided(&group, Needs::default(), now + 5 * SECOND);
    assert_eq!(decision.chosen, Some((1, Because::Strategy)));
    assert_eq!(reasons(&decision), ["", "", ""]);
    let late: Vec<_> = scores(&decision).into_iter().map(|score| score.unwrap().round()).collect();
    assert_eq!(late, [3.0, 2.0, 4.0]);
}

#[test]
fn the_bound_is_told_as_it_was_taken() {
    let now = Instant::now();
    let group = priced(&[1, 2], Routing::LowestCost(Some(SECOND)));
    let busy = group.deployments[0].begin();
    let decision = decided(&group, Needs::default(), now);
    let untested = "is being tried by another request, and nothing is known of it yet";
    assert_eq!(reasons(&decision), [untested, ""]);
    drop(busy);

    answered_in(&group, &[5, 0], now);
    let _busy = group.deployments[0].begin();
    let decision = decided(&group, Needs::default(), now + MINUTE);
    let slow = "is expected to take 5.000 s, the bound is 1.000 s";
    assert_eq!(
        reasons(&decision),
        [slow, ""],
        "it is not tried by a second request, however long ago that was"
    );
}

#[test]
fn who_has_no_price_is_told_so() {
    let now = Instant::now();
    let price = Price { input_pico_usd: 1, output_pico_usd: 0, request_pico_usd: 0 };
    let deployments = [Some(price), None].map(|price| {
        Deployment::new(format!("{price:?}"), 0, ()).with_facts(Facts { price, ..Facts::default() })
    });
    let group = Group::new("g", RetryPolicy::default(), deployments).with_strategy(Routing::LowestCost(None));
    let decision = decided(&Arc::new(group), Needs::default(), now);
    assert_eq!(reasons(&decision), ["", "has no price, and another one has"]);
}

#[test]
fn the_only_one_has_a_score() {
    let now = Instant::now();
    for strategy in Routing::ALL.into_iter().chain([Routing::LowestCost(Some(SECOND))]) {
        let decision = decided(&priced(&[0], strategy), Needs::default(), now);
        assert!(scores(&decision).iter().all(Option::is_some), "{strategy:?}: {decision:?}");
        let tags = ["eu", "us"];
        let deployments = tags.map(|tags| Deployment::new(tags, 0, ()).tagged(tags));
        let group = Group::new("g", RetryPolicy::default(), deployments).with_strategy(strategy);
        let needs = Needs { tags: ["eu".into()].into_iter().collect(), ..Needs::default() };
        let decision = decided(&Arc::new(group), needs, now);
        assert_eq!(reasons(&decision), ["", "lacks a tag that the request asks for"]);
        assert!(scores(&decision)[0].is_some(), "{strategy:?}: {decision:?}");
    }
}

#[test]
fn who_was_not_compared_is_told_why() {
    let now = Instant::now();
    let orders = [0, 1, 0].map(|order| Facts { order, ..Facts::default() });
    let deployments = orders
        .into_iter()
        .enumerate()
        .map(|(nth, facts)| Deployment::new(format!("d{nth}"), 0, ()).with_facts(facts));
    let group = Arc::new(Group::new("g", RetryPolicy::default(), deployments));
    let behind = "comes after the others: its order is higher, or its weight is 0";
    let decision = decided(&group, Needs::default(), now);
    assert_eq!(reasons(&decision), ["", behind, ""]);
    assert_eq!(scores(&decision).iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    let decision = decided(&group, Needs { session: Some(5), ..Needs::default() }, now);
    let session = "the session's requests go to another one";
    let chosen = decision.chosen.unwrap().0;
    let expect = [0, 1, 2].map(|nth| match nth {
        1 => behind,
        nth if nth == chosen => "",
        _ => session,
    });
    assert_eq!(reasons(&decision), expect);

    let group = priced(&[0; 4], Routing::LowestLatency);
    let decision = decided(&group, Needs::default(), now);
    let undrawn = reasons(&decision).iter().filter(|reason| reason.contains("drawn")).count();
    assert_eq!((undrawn, scores(&decision).iter().flatten().count()), (2, 2));
    let decision = decided(&group, Needs { session: Some(5), ..Needs::default() }, now);
    let elsewhere = reasons(&decision).iter().filter(|reason| *reason == session).count();
    assert_eq!(elsewhere, 3, "nobody was drawn");
}

#[test]
fn a_hedge_that_is_not_afforded_is_nobodys() {
    let now = Instant::now();
    let policy = RetryPolicy { hedge: Some(MS), ..RetryPolicy::default() };
    let deployments = (0..2).map(|nth| Deployment::new(format!("d{nth}"), 0, ()));
    let group = Arc::new(Group::new("g", policy, deployments));
    for spent in [false, true] {
        let budget = Arc::new(RetryBudget::new(now));
        while spent && budget.take(crate::Spent::Hedge, now) {}
        let needs = Arc::new(Needs { stream: true, ..Needs::default() });
        let mut attempts = Attempts::new(Arc::clone(&group), budget, now + MINUTE).needing(needs).sampled();
        assert!(matches!(attempts.next(now, None), Step::Try(_)));
        let hedge = attempts.hedge(now + MS).map(|index| (index, Because::Hedge));
        assert_eq!(hedge.is_none(), spent);
        let decisions = attempts.take_record().trace.unwrap().decisions;
        assert_eq!(decisions.last().unwrap().chosen, hedge);
    }
}

proptest! {
    /// Everybody has a score no better than that of the one that was chosen, or is told why it was not.
    #[test]
    fn the_chosen_one_has_the_best_score(
        few in prop::collection::vec(
            (0_u32..5, prop::option::weighted(0.9, 0_u64..9), 0_usize..4, prop::option::of(0_u32..5)),
            1..7,
        ),
        copies in prop::sample::select(vec![1, 1, 1, 50]),
        before in 0_usize..9,
        nth in 0..Routing::ALL.len() + 1,
        seed in any::<u64>(),
    ) {
        let candidates: Vec<_> = few.iter().cycle().take(few.len() * copies).collect();
        let now = Instant::now();
        let strategy = Routing::ALL.get(nth).copied().unwrap_or(Routing::LowestCost(Some(SECOND)));
        let deployments = candidates.iter().enumerate().map(|(nth, (weight, price_of, ..))| {
            let price = |each| Price { input_pico_usd: each, output_pico_usd: 1, request_pico_usd: 0 };
            let facts = Facts { price: price_of.map(price), ..Facts::default() };
            Deployment::new(format!("d{nth}"), 0, ()).weighing(*weight).with_facts(facts)
        });
        let group = Arc::new(Group::new("g", RetryPolicy::default(), deployments).with_strategy(strategy));
        let took: Vec<_> = candidates.iter().map(|(.., took)| took.unwrap_or_default()).collect();
        answered_in(&group, &took, now);
        let now = now + 5 * SECOND;
        let _busy: Vec<InFlight> = (group.deployments.iter().zip(&candidates))
            .flat_map(|(deployment, (.., busy, _))| (0..*busy).map(|_| deployment.begin()))
            .collect();
        for nth in 0..=before as u64 {
            let budget = Arc::new(RetryBudget::new(now));
            let rng = SmallRng::seed_from_u64(seed.wrapping_add(nth));
            let mut attempts = Attempts::new(Arc::clone(&group), budget, now + MINUTE).with_rng(rng).sampled();
            attempts.next(now, None);
            attempts.answered(now);
            let decision = attempts.take_record().trace.unwrap().decisions.remove(0);
            let chosen = decision.chosen.unwrap().0;
            let score = decision.candidates.get(chosen).unwrap().estimate.score;
            for (index, Candidate { verdict, estimate }) in decision.candidates.iter().enumerate() {
                if index == chosen || verdict != Verdict::NotPicked {
                    continue;
                }
                let worse = estimate.score.zip(score).is_some_and(|(other, score)| other >= score - 1e-6);
                prop_assert!(worse, "{strategy:?}: {index} was better than {chosen}: {decision:?}");
            }
        }
    }
}
