//! Each strategy on made-up deployments and a made-up clock.

use llm_types::{ApiError, ErrorKind};
use proptest::prelude::*;

use super::{Strategy, *};
use crate::candidates::Candidate;
use crate::cooldown::CooldownPolicy;
use crate::deployment::Deployment;
use crate::facts::{Allowance, Facts, Price};
use crate::mask::Mask;
use crate::pool::mix;
use crate::record::Verdict;
use crate::stats::{Failure, InFlight, RateLimit, RateLimits, Seen, Used};

const MS: Duration = Duration::from_millis(1);
const USD_PER_MILLION: u64 = 1_000_000;

fn seats(facts: impl IntoIterator<Item = Facts>) -> Vec<Seat> {
    let deployments = facts.into_iter().enumerate();
    deployments
        .map(|(nth, facts)| Seat::new(&Deployment::new(format!("d{nth}"), 0, ()).with_facts(facts)))
        .collect()
}

fn plain(count: usize) -> Vec<Seat> {
    seats((0..count).map(|_| Facts::default()))
}

fn busy(seat: &Seat, requests: usize) -> Vec<InFlight> {
    (0..requests).map(|_| seat.stats.begin()).collect()
}

/// One answer that took so long and used so much.
fn answer(seat: &Seat, cx: &PickCx, took: Duration, used: &Used) {
    let seen = Seen { shape: cx.shape(), took };
    let grant = seat.stats.acquire(&seat.allowance, 0, false, cx.now).unwrap();
    seat.stats.answered(&grant, seen, &CooldownPolicy::default(), cx.now);
    seat.stats.settle(&grant, used, seen, cx.now);
    seat.stats.leave();
}

fn fail(seat: &Seat, cx: &PickCx) {
    let policy = CooldownPolicy { duration: Duration::ZERO, ..CooldownPolicy::default() };
    let error = ApiError::upstream(ErrorKind::Internal, "x");
    let failure =
        Failure { error: &error, seen: Seen { shape: cx.shape(), took: MS }, alone: false, excused: false };
    let grant = seat.stats.acquire(&seat.allowance, 0, false, cx.now).unwrap();
    seat.stats.failed(grant.pass, failure, &policy, cx.now);
    seat.stats.leave();
}

fn turns(picker: &dyn Picker, seats: &[Seat], cx: PickCx, times: u64) -> Vec<usize> {
    let open = Mask::all(seats.len());
    let pool = Pool::new(seats, &open);
    let mut turns = vec![0; seats.len()];
    for nth in 0..times {
        turns[picker.pick(&pool, &cx.with_random(mix(nth))).unwrap()] += 1;
    }
    turns
}

#[test]
fn names_lead_to_strategies() {
    for strategy in Strategy::ALL {
        assert_eq!(strategy.name().parse::<Strategy>().unwrap(), strategy);
    }
    let error = "fastest".parse::<Strategy>().unwrap_err().to_string();
    assert!(error.contains("lowest-latency"), "{error}");
}

proptest! {
    #[test]
    fn every_strategy_picks_from_the_pool(
        count in 1_usize..150,
        closed in prop::collection::vec(0_usize..150, 0..150),
        random in any::<u64>(),
        stream in any::<bool>(),
    ) {
        let seats = plain(count);
        let mut open = Mask::all(count);
        closed.iter().for_each(|index| open.clear(*index));
        let pool = Pool::new(&seats, &open);
        let mut cx = PickCx::new(Instant::now()).with_random(random);
        cx.stream = stream;
        for strategy in Strategy::ALL {
            match strategy.picker(count).pick(&pool, &cx) {
                Some(index) => prop_assert!(open.has(index), "{strategy:?}"),
                None => prop_assert!(open.is_empty(), "{strategy:?}"),
            }
        }
    }

    #[test]
    fn turns_go_round_whoever_is_open(count in 1_usize..20, closed in prop::collection::vec(0_usize..20, 0..10), rounds in 1_usize..5) {
        let seats = plain(count);
        let mut open = Mask::all(count);
        closed.iter().for_each(|index| open.clear(*index));
        prop_assume!(!open.is_empty());
        let pool = Pool::new(&seats, &open);
        let picker = RoundRobin::default();
        let picks: Vec<_> = (0..rounds * pool.len()).map(|_| picker.pick(&pool, &PickCx::new(Instant::now())).unwrap()).collect();
        let expect: Vec<_> = (0..rounds).flat_map(|_| open.iter()).collect();
        prop_assert_eq!(picks, expect);
    }

    #[test]
    fn nobody_is_less_busy_than_the_pick(loads in prop::collection::vec((0_usize..6, 1_u32..5), 1..12), turn in 0_usize..12) {
        let deployments = loads.iter().map(|(_, weight)| Deployment::new("d", 0, ()).weighing(*weight));
        let seats: Vec<_> = deployments.map(|deployment| Seat::new(&deployment)).collect();
        let _guards: Vec<_> = seats.iter().zip(&loads).map(|(seat, (load, _))| busy(seat, *load)).collect();
        let open = Mask::all(seats.len());
        let pool = Pool::new(&seats, &open);
        let (picker, cx) = (LeastBusy::default(), PickCx::new(Instant::now()));
        (0..turn).for_each(|_| assert!(picker.pick(&pool, &cx).is_some()));
        let pick = picker.pick(&pool, &cx).unwrap();
        let score = |seat: &Seat| picker.estimate(seat, &cx).score.unwrap();
        let least = seats.iter().map(score).fold(f32::MAX, f32::min);
        prop_assert!(score(&seats[pick]) <= least);
    }
}

#[test]
fn the_idle_share_their_turns() {
    let cx = PickCx::new(Instant::now());
    let got = turns(&LeastBusy::default(), &plain(4), cx, 100);
    assert!(got.iter().all(|count| (22..=28).contains(count)), "{got:?}");
    // Whatever the strategy goes by: where it finds all equal, weights say who is asked.
    let price = Price { input_pico_usd: 1, output_pico_usd: 1, request_pico_usd: 0 };
    let facts = Facts { price: Some(price), ..Facts::default() };
    let weights = [3, 1, 0];
    let members =
        weights.map(|weight| Deployment::new("d", 0, ()).weighing(weight).with_facts(facts.clone()));
    let seats = &members.map(|deployment| Seat::new(&deployment))[..2];
    for strategy in [Strategy::LeastBusy, Strategy::MostHeadroom, Strategy::LowestCost(None)] {
        let got = turns(&*strategy.picker(2), seats, cx, 40);
        assert!((29..=31).contains(&got[0]), "{strategy:?}: {got:?}");
    }
}

#[test]
fn the_fast_get_more_and_the_unknown_get_some() {
    let now = Instant::now();
    let seats = plain(3);
    let mut cx = PickCx::new(now);
    cx.stream = true;
    answer(&seats[0], &cx, 100 * MS, &Used::default());
    answer(&seats[1], &cx, 1000 * MS, &Used::default());
    let got = turns(&LowestLatency, &seats, cx, 9000);
    // Of two drawn by chance: 0 beats 1 always, 2 ties with whoever it meets.
    assert!(got[0] > 4_000 && got[1] < 2_000 && got[2] > 2_000, "{got:?}");

    let _load = busy(&seats[0], 20);
    let got = turns(&LowestLatency, &seats, cx, 9000);
    assert!(got[0] < got[1], "twenty under way make it slower than the slow one: {got:?}");

    let mut whole = cx;
    whole.stream = false;
    let got = turns(&LowestLatency, &plain(3), whole, 9000);
    assert!(got.iter().all(|count| (2_700..3_300).contains(count)), "nothing known: {got:?}");
}

#[test]
fn whole_answers_are_compared_per_token() {
    let now = Instant::now();
    let seats = plain(2);
    let mut cx = PickCx::new(now);
    cx.output_tokens = 100;
    answer(&seats[0], &cx, 10_000 * MS, &Used { output_tokens: 1000, ..Used::default() });
    answer(&seats[1], &cx, 5_000 * MS, &Used { output_tokens: 100, ..Used::default() });
    assert_eq!(turns(&LowestLatency, &seats, cx, 100), [100, 0], "10 ms a token, not 10 s");
    assert!((cx.expected(&seats[0]).unwrap() - 1.0).abs() < 0.01);
    cx.output_tokens = 0;
    assert_eq!(turns(&LowestLatency, &seats, cx, 100), [0, 100], "of unknown length");
}

#[test]
fn the_cheapest_depends_on_the_request() {
    let price = |input, output| {
        let (input_pico_usd, output_pico_usd) = (input * USD_PER_MILLION, output * USD_PER_MILLION);
        Facts {
            price: Some(Price { input_pico_usd, output_pico_usd, request_pico_usd: 0 }),
            ..Facts::default()
        }
    };
    let seats = seats([Facts::default(), price(1, 10), price(3, 5)]);
    let now = Instant::now();
    let cx = |input, output| {
        let mut cx = PickCx::new(now);
        (cx.input_tokens, cx.output_tokens) = (input, output);
        cx
    };
    let check =
        |picker: &LowestCost, cx, expect: [usize; 3]| assert_eq!(turns(picker, &seats, cx, 10), expect);
    let cheapest = LowestCost::new(None);
    check(&cheapest, cx(100_000, 100), [0, 10, 0]);
    check(&cheapest, cx(1_000, 4_000), [0, 0, 10]);
    check(&cheapest, cx(0, 0), [0, 0, 10]);
    let usd = cheapest.estimate(&seats[1], &cx(1_000_000, 0)).usd.unwrap();
    assert!((usd - 1.01).abs() < 1e-6, "a thousand tokens of answer are assumed: {usd}");
    assert_eq!(cheapest.estimate(&seats[0], &cx(1, 1)).usd, None, "unknown is not free");

    let bounded = LowestCost::new(Some(Duration::from_millis(500)));
    let long = cx(100_000, 100);
    check(&bounded, long, [0, 10, 0]);
    answer(&seats[1], &long, 800 * MS, &Used::default());
    check(&bounded, long, [0, 0, 10]);
    answer(&seats[2], &long, 700 * MS, &Used::default());
    check(&bounded, long, [10, 0, 0]);
    answer(&seats[0], &long, 900 * MS, &Used::default());
    check(&bounded, long, [0, 0, 10]);
}

#[test]
fn the_cheapest_of_many_is_found_whatever_their_order() {
    let now = Instant::now();
    let mut cx = PickCx::new(now);
    (cx.input_tokens, cx.output_tokens) = (1_000, 1_000);
    let many = |price: &dyn Fn(u64) -> u64| {
        let facts = (0..600).map(|nth| {
            let price = Price { input_pico_usd: price(nth), output_pico_usd: 0, request_pico_usd: 0 };
            Facts { price: Some(price), ..Facts::default() }
        });
        seats(facts)
    };
    let picked = |within, seats: &[Seat]| {
        let turns = turns(&LowestCost::new(within), seats, cx, 50);
        turns.iter().enumerate().filter(|(_, turns)| **turns > 0).map(|(nth, _)| nth).collect::<Vec<_>>()
    };
    let bound = Some(500 * MS);
    let falling = many(&|nth| 1_000 - nth);
    assert_eq!(picked(None, &falling), [599]);
    assert_eq!(picked(bound, &falling), [599]);
    let two = many(&|nth| if nth < 300 { 1 } else { 3 });
    two[..300].iter().for_each(|seat| answer(seat, &cx, 800 * MS, &Used::default()));
    let nths = picked(bound, &two);
    assert!(nths.iter().all(|nth| *nth >= 300), "the cheap half is too slow, all of it: {nths:?}");
    two[300..].iter().for_each(|seat| answer(seat, &cx, 700 * MS, &Used::default()));
    let nths = picked(bound, &two);
    assert!(nths.iter().all(|nth| *nth >= 300), "of those that are all too slow the faster half: {nths:?}");
}

#[test]
fn the_few_that_are_in_time_are_found() {
    let mut cx = PickCx::new(Instant::now());
    (cx.input_tokens, cx.output_tokens) = (1_000, 1_000);
    let price = |nth| Price { input_pico_usd: nth, output_pico_usd: 0, request_pico_usd: 0 };
    let facts = |count: u64| (0..count).map(move |nth| Facts { price: Some(price(nth)), ..Facts::default() });
    let picker = LowestCost::new(Some(500 * MS));
    let in_time = |count: u64, slow: usize| {
        let seats = seats(facts(count));
        let (cheap, dear) = seats.split_at(slow);
        cheap.iter().for_each(|seat| answer(seat, &cx, 800 * MS, &Used::default()));
        dear.iter().for_each(|seat| answer(seat, &cx, 300 * MS, &Used::default()));
        let turns = turns(&picker, &seats, cx, 200);
        (turns[slow], turns[slow..].iter().sum::<usize>())
    };
    assert_eq!(in_time(70, 64), (200, 200), "always, and the cheapest of them");
    let (_, found) = in_time(1_000, 990);
    assert!(found > 20, "of a thousand some of the time: {found}");

    // Whoever was too slow is tried by one request at a time once that is nearly forgotten; so is who is unknown.
    let seats = seats(facts(3));
    answer(&seats[0], &cx, 5_000 * MS, &Used::default());
    answer(&seats[2], &cx, 300 * MS, &Used::default());
    cx.now += Duration::from_secs(120);
    assert_eq!(turns(&picker, &seats, cx, 5), [5, 0, 0]);
    let _first = busy(&seats[0], 1);
    assert_eq!(turns(&picker, &seats, cx, 5), [0, 5, 0]);
    let _second = busy(&seats[1], 1);
    assert_eq!(turns(&picker, &seats, cx, 5), [0, 0, 5], "known to be in time");
}

#[test]
fn headroom_is_what_we_counted_and_what_the_provider_says() {
    let allow = |rpm| Facts { allowance: Allowance { rpm, ..Allowance::default() }, ..Facts::default() };
    let seats = seats([allow(Some(10)), allow(Some(100)), allow(None)]);
    let cx = PickCx::new(Instant::now());
    let check = |expect| assert_eq!(turns(&MostHeadroom::default(), &seats, cx, 1), expect);
    (0..2).for_each(|_| answer(&seats[0], &cx, MS, &Used::default()));
    (0..30).for_each(|_| answer(&seats[1], &cx, MS, &Used::default()));
    check([0, 0, 1]);
    let word = |left| RateLimit { limit: Some(100), left: Some(left), reset: Some(Duration::from_secs(30)) };
    seats[2].stats.note_rate_limits(&RateLimits { requests: word(90), tokens: word(40) }, cx.now);
    check([1, 0, 0]);
    (0..3).for_each(|_| answer(&seats[0], &cx, MS, &Used::default()));
    check([0, 1, 0]);
    let mut later = cx;
    later.now += Duration::from_secs(30);
    assert_eq!(
        turns(&MostHeadroom::default(), &seats, later, 1),
        [0, 0, 1],
        "the provider's word has run out"
    );
    let _load = busy(&seats[2], 1);
    later.now += Duration::from_secs(60);
    assert_eq!(turns(&MostHeadroom::default(), &seats, later, 1), [1, 0, 0], "all are whole: the idle one");
}

#[test]
fn of_many_the_record_scores_those_that_were_compared() {
    let seats = plain(100);
    let open = Mask::all(100);
    let pool = Pool::new(&seats, &open);
    for (nth, picker) in [
        &MostHeadroom::default() as &dyn Picker,
        &Adaptive::new(Weighing { explore: 0.0, ..Weighing::DEFAULT }),
    ]
    .into_iter()
    .enumerate()
    {
        let cx = PickCx::new(Instant::now()).with_random(mix(7));
        let mut candidates = Candidates::new(100);
        picker.weigh(&pool, &cx, &mut candidates);
        let scored = candidates.iter().filter(|candidate| candidate.estimate.score.is_some()).count();
        let undrawn = |candidate: &Candidate| candidate.verdict == Verdict::PassedOver(Reason::NotDrawn);
        let left = candidates.iter().filter(undrawn).count();
        assert_eq!((scored, left), (COMPARED, 100 - COMPARED), "{nth}");
        let picked = picker.pick(&pool, &cx).unwrap();
        assert!(candidates.estimate(picked).score.is_some(), "{nth}");
    }
}

fn learning(count: usize) -> Vec<Seat> {
    let seats = plain(count);
    seats.iter().for_each(|seat| seat.stats.start_learning());
    seats
}

#[test]
fn what_was_learned_decides_by_size_and_hour() {
    let seats = learning(2);
    let picker = Adaptive::new(Weighing { explore: 0.0, ..Weighing::default() });
    let cx = |tokens, hour| {
        let mut cx = PickCx::new(Instant::now());
        (cx.input_tokens, cx.hour, cx.stream) = (tokens, hour, true);
        cx
    };
    for _ in 0..20 {
        // The first is fast with short prompts, the second with long ones; at night all is different.
        answer(&seats[0], &cx(100, 12), 200 * MS, &Used::default());
        answer(&seats[1], &cx(100, 12), 900 * MS, &Used::default());
        answer(&seats[0], &cx(50_000, 12), 5000 * MS, &Used::default());
        answer(&seats[1], &cx(50_000, 12), 2000 * MS, &Used::default());
        answer(&seats[0], &cx(100, 3), 3000 * MS, &Used::default());
        answer(&seats[1], &cx(100, 3), 900 * MS, &Used::default());
    }
    let check = |cx, expect: [usize; 2]| assert_eq!(turns(&picker, &seats, cx, 50), expect, "{cx:?}");
    check(cx(100, 12), [50, 0]);
    check(cx(50_000, 12), [0, 50]);
    check(cx(100, 3), [0, 50]);

    let told = picker.estimate(&seats[0], &cx(100, 12));
    assert_eq!(told.samples, Some(20));
    assert!(told.score.unwrap() >= told.seconds.unwrap() && told.errors.is_some(), "{told:?}");
}

#[test]
fn failures_and_cost_count_as_seconds() {
    let seats = learning(3);
    let picker = Adaptive::new(Weighing { error_seconds: 20.0, usd_seconds: 100.0, explore: 0.0 });
    let cx = PickCx::new(Instant::now());
    for nth in 0..40 {
        if nth % 2 == 0 {
            fail(&seats[0], &cx);
        } else {
            answer(&seats[0], &cx, 100 * MS, &Used::default());
        }
        answer(&seats[1], &cx, 1000 * MS, &Used { usd: Some(0.0), ..Used::default() });
        answer(&seats[2], &cx, 500 * MS, &Used { usd: Some(0.1), ..Used::default() });
    }
    assert_eq!(turns(&picker, &seats, cx, 10), [0, 10, 0]);
    let errors = picker.estimate(&seats[0], &cx).errors.unwrap();
    assert!((0.4..0.6).contains(&errors), "{errors}");
}

#[test]
fn exploring_is_rare_and_goes_to_the_least_known() {
    let seats = learning(3);
    let cx = PickCx::new(Instant::now());
    (0..20).for_each(|_| answer(&seats[0], &cx, 100 * MS, &Used::default()));
    (0..20).for_each(|_| answer(&seats[1], &cx, 500 * MS, &Used::default()));
    (0..10).for_each(|_| answer(&seats[2], &cx, 900 * MS, &Used::default()));
    let picker = Adaptive::new(Weighing { explore: 0.05, ..Weighing::default() });
    let got = turns(&picker, &seats, cx, 10_000);
    assert!(got[1] == 0 && (400..600).contains(&got[2]), "{got:?}");
    let mut again = cx;
    again.attempt = 1;
    assert_eq!(turns(&picker, &seats, again, 1_000), [1_000, 0, 0], "never on a retry");
}

#[test]
fn a_newcomer_is_tried_but_not_flooded() {
    let seats = learning(2);
    let picker = Adaptive::new(Weighing { explore: 0.0, ..Weighing::default() });
    let cx = PickCx::new(Instant::now());
    (0..20).for_each(|_| answer(&seats[0], &cx, 1500 * MS, &Used::default()));
    assert_eq!(turns(&picker, &seats, cx, 1), [0, 1]);
    let _load = busy(&seats[1], 2);
    assert_eq!(turns(&picker, &seats, cx, 1), [1, 0]);
}

#[test]
fn a_blip_is_forgotten_within_minutes() {
    let start = Instant::now();
    let shares = |per_hour: u64, blip: &dyn Fn(&Seat, &PickCx)| {
        let (seats, open) = (plain(2), Mask::all(2));
        let pool = Pool::new(&seats, &open);
        let picker = Adaptive::new(Weighing::default());
        seats.iter().for_each(|seat| seat.stats.start_learning());
        let gap = Duration::from_secs(3600) / u32::try_from(per_hour).unwrap();
        let mut cx = PickCx::new(start);
        seats.iter().for_each(|seat| (0..40).for_each(|_| answer(seat, &cx, 1000 * MS, &Used::default())));
        (0..40).for_each(|_| blip(&seats[0], &cx));
        let (mut before, mut after) = ([0_u32; 2], [0_u32; 2]);
        for nth in 0.. {
            cx.now += gap;
            let index = picker.pick(&pool, &cx.with_random(mix(nth))).unwrap();
            answer(&seats[index], &cx, 1000 * MS, &Used::default());
            let passed = cx.now.saturating_duration_since(start).as_secs();
            match passed {
                0..=60 => before[index] += 1,
                61..=600 => {}
                601..=4200 => after[index] += 1,
                _ => break,
            }
        }
        (before, after)
    };
    let fails = |seat: &Seat, cx: &PickCx| fail(seat, cx);
    let slow = |seat: &Seat, cx: &PickCx| answer(seat, cx, 8000 * MS, &Used::default());
    for per_hour in [100, 36_000] {
        for blip in [&fails as &dyn Fn(&Seat, &PickCx), &slow] {
            let (before, after) = shares(per_hour, blip);
            assert!(before[0] * 10 <= before[1], "{per_hour} an hour: it is left alone first: {before:?}");
            assert!(after[0] * 3 >= after[0] + after[1], "{per_hour} an hour: {after:?}");
        }
    }
}
