//! Which groups are asked, in which order, and what is said in the end.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::deployment::Deployment;
use crate::facts::Facts;
use crate::policy::RetryPolicy;

const MINUTE: Duration = Duration::from_secs(60);

fn group(name: &str, fallbacks: Fallbacks) -> Group<()> {
    let policy = RetryPolicy { retries: 0, ..RetryPolicy::default() };
    Group::new(name, policy, [Deployment::new(format!("{name}/1"), 0, ())]).with_fallbacks(fallbacks)
}

fn chains(context_window: &[&str], content_policy: &[&str], general: &[&str]) -> Fallbacks {
    let names = |list: &[&str]| list.iter().map(|name| (*name).into()).collect();
    Fallbacks {
        general: names(general),
        context_window: names(context_window),
        content_policy: names(content_policy),
        on_bad_request: false,
    }
}

/// Plays a request in which each group fails as told, if at all; gives the groups asked, with their stars.
fn play(plan: &mut Plan<'_, ()>, now: Instant, failures: &HashMap<&str, ErrorKind>) -> (Vec<String>, Step) {
    let mut asked = Vec::new();
    let mut step = plan.next(now, None);
    loop {
        let Step::Try(_) = step else {
            return (asked, step);
        };
        let name = plan.group().name.to_string();
        asked.push(plan.star().map_or(name.clone(), |star| name.replace('*', star)));
        let Some(kind) = failures.get(&*name) else {
            assert!(plan.answered(now).is_some());
            return (asked, step);
        };
        step = plan.next(now, Some(&ApiError::upstream(*kind, format!("{name} is down"))));
    }
}

fn check(
    router: &Router<()>,
    own: Option<Vec<Fallback>>,
    failures: &[(&'static str, ErrorKind)],
    expect: &[&str],
) {
    let now = Instant::now();
    let failures = failures.iter().copied().collect();
    let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
    if let Some(own) = own.clone() {
        plan.fall_back_to(own);
    }
    let (asked, step) = play(&mut plan, now, &failures);
    assert_eq!(asked, expect, "{failures:?} {own:?} {step:?}");
    assert_eq!(plan.attempt_count(), expect.len());
}

fn fresh(groups: impl IntoIterator<Item = Group<()>>, defaults: &[&str]) -> Router<()> {
    let builder = groups.into_iter().fold(Router::builder(), |builder, group| builder.group(group));
    builder.default_fallbacks(defaults.iter().copied()).build().unwrap()
}

#[test]
fn the_kind_of_failure_chooses_the_chain() {
    use ErrorKind as K;
    let router = || {
        let a = group("a", chains(&["long"], &["mild"], &["b", "c"]));
        let others = ["b", "c", "long", "mild", "last"].map(|name| group(name, Fallbacks::default()));
        fresh([a].into_iter().chain(others), &["last"])
    };
    let go = |failures: &[_], expect: &[&str]| check(&router(), None, failures, expect);
    go(&[], &["a"]);
    go(&[("a", K::Unavailable)], &["a", "b"]);
    go(&[("a", K::Auth), ("b", K::RateLimit)], &["a", "b", "c"]);
    go(&[("a", K::Internal), ("b", K::Internal), ("c", K::Internal)], &["a", "b", "c", "last"]);
    go(&[("a", K::ContextWindow)], &["a", "long"]);
    go(&[("a", K::ContextWindow), ("long", K::Internal)], &["a", "long", "last"]);
    go(&[("a", K::ContentPolicy)], &["a", "mild"]);
    go(&[("a", K::BadRequest)], &["a"]);
    go(&[("a", K::ClientCancelled)], &["a"]);
    go(&[("a", K::Internal), ("b", K::Unprocessable)], &["a", "b"]);
    go(&[("a", K::Guardrail)], &["a"]);
}

#[test]
fn without_a_special_chain_the_general_one_does() {
    let router = fresh([group("a", chains(&[], &[], &["b"])), group("b", Fallbacks::default())], &[]);
    check(&router, None, &[("a", ErrorKind::ContextWindow)], &["a", "b"]);
    check(&router, None, &[("a", ErrorKind::ContentPolicy)], &["a", "b"]);
    let on_bad = Fallbacks { on_bad_request: true, ..chains(&[], &[], &["b"]) };
    let router = fresh([group("a", on_bad), group("b", Fallbacks::default())], &[]);
    check(&router, None, &[("a", ErrorKind::BadRequest)], &["a", "b"]);
}

#[test]
fn chains_lead_on_and_never_round() {
    use ErrorKind::Internal;
    let router = || {
        fresh(
            [
                group("a", Fallbacks::to(["b", "d"])),
                group("b", Fallbacks::to(["c", "a"])),
                group("c", Fallbacks::to(["b", "c", "a"])),
                group("d", Fallbacks::default()),
            ],
            &["a", "d"],
        )
    };
    check(&router(), None, &[("a", Internal), ("b", Internal)], &["a", "b", "c"]);
    let all = [("a", Internal), ("b", Internal), ("c", Internal), ("d", Internal)];
    check(&router(), None, &all, &["a", "b", "c", "d"]);
}

#[test]
fn sixteen_models_are_enough() {
    let names: Vec<_> = ["a".to_owned()].into_iter().chain((0..20).map(|nth| format!("g{nth}"))).collect();
    let groups = names.iter().map(|name| group(name, Fallbacks::default()));
    let defaults: Vec<_> = names.iter().map(|name| &**name).collect();
    let router = fresh(groups, &defaults);
    let failures = names.iter().map(|name| (&**name, ErrorKind::Internal)).collect();
    let now = Instant::now();
    let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
    assert_eq!(play(&mut plan, now, &failures).0, names[..MOST]);
}

#[test]
fn a_request_may_bring_its_own_list() {
    use ErrorKind::Internal;
    let router = || {
        fresh(
            [
                group("a", Fallbacks::to(["b"])),
                group("b", Fallbacks::to(["c"])),
                group("c", Fallbacks::default()),
                group("x/*", Fallbacks::default()),
            ],
            &["c"],
        )
    };
    let to = |model: &str, overrides| Fallback { model: model.into(), overrides };
    let all = [("a", Internal), ("b", Internal), ("c", Internal), ("x/*", Internal)];
    check(&router(), Some(vec![to("c", false)]), &all, &["a", "c"]);
    check(&router(), Some(vec![]), &all, &["a"]);
    check(&router(), Some(vec![to("nobody", false), to("b", false), to("b", false)]), &all, &["a", "b"]);
    check(&router(), Some(vec![to("a", false), to("a", true)]), &all, &["a", "a"]);
    check(
        &router(),
        Some(vec![to("x/1", false), to("x/2", false), to("x/1", false)]),
        &all,
        &["a", "x/1", "x/2"],
    );

    let now = Instant::now();
    let router = router();
    let own = vec![to("nobody", false), to("a", true)];
    let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
    plan.fall_back_to(own);
    assert_eq!((plan.next(now, None), plan.entry(), plan.depth()), (Step::Try(0), None, 0));
    let down = ApiError::upstream(Internal, "x");
    assert_eq!((plan.next(now, Some(&down)), plan.entry(), plan.depth()), (Step::Try(0), Some(1), 1));
}

#[test]
fn the_error_names_every_attempt_at_every_model() {
    let now = Instant::now();
    let full =
        Deployment::new("full", 0, ()).with_facts(Facts { context_window: Some(10), ..Facts::default() });
    let tiny = Group::new("tiny", RetryPolicy::default(), [full]);
    let router =
        fresh([group("a", Fallbacks::to(["tiny", "b"])), tiny, group("b", Fallbacks::default())], &[]);
    let needs = Arc::new(Needs { input_tokens: 11, ..Needs::default() });
    let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
    plan.need(needs);
    let failures = [("a", ErrorKind::Internal), ("b", ErrorKind::RateLimit)].into();
    let (asked, step) = play(&mut plan, now, &failures);
    assert_eq!((asked.len(), step), (2, Step::Fail));
    let error = plan.failure();
    assert_eq!(error.kind, ErrorKind::RateLimit);
    assert_eq!(
        error.message,
        "2 attempts at 3 models failed: a/1: 500 server_error: a is down; \
         b/1: 429 rate_limit_exceeded: b is down; no deployment of `tiny` can take this request: \
         full: has a context window of 10 tokens, the request needs about 11"
    );
    let single = fresh([group("a", Fallbacks::default())], &[]);
    let mut plan = single.plan(single.find("a").unwrap(), now, now + MINUTE);
    play(&mut plan, now, &failures);
    assert_eq!(plan.failure().message, "a is down", "nothing to add");
}

#[test]
fn an_unwell_group_is_left_for_a_well_one() {
    let now = Instant::now();
    let router = fresh([group("a", Fallbacks::to(["b"])), group("b", Fallbacks::default())], &[]);
    let cool = |name: &str| {
        let group = router.find(name).unwrap().group;
        group.deployments[0].stats.learn_cooldown(MINUTE, 1, now);
    };
    let ask = || {
        let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
        play(&mut plan, now, &HashMap::from([("a", ErrorKind::Internal), ("b", ErrorKind::Internal)])).0
    };
    cool("a");
    assert_eq!(ask(), ["b", "a"], "nobody waits for the unwell one, as long as the well one answers");
    cool("b");
    assert_eq!(ask(), ["a", "b"], "all are unwell: as if none were");
}

#[test]
fn a_group_that_was_passed_by_is_asked_before_the_request_fails() {
    use ErrorKind::{BadRequest, Internal};
    let now = Instant::now();
    let check = |failures: &[(&'static str, ErrorKind)], most: u32, expect: &[&str], message: &str| {
        let others = ["b", "c"].map(|name| group(name, Fallbacks::to(["a"])));
        let groups = [group("a", Fallbacks::to(["b", "c"]))].into_iter().chain(others);
        let router = fresh(groups, &[]);
        for name in ["a", "b"] {
            router.find(name).unwrap().group.deployments[0].stats.learn_cooldown(MINUTE, 1, now);
        }
        let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
        plan.limit_retries(most);
        let (asked, step) = play(&mut plan, now, &failures.iter().copied().collect());
        assert_eq!(asked, expect, "{failures:?}");
        assert_eq!(step == Step::Fail, !message.is_empty(), "{failures:?}");
        if step == Step::Fail {
            assert_eq!(plan.failure().message, message);
        }
    };
    // Of two that were passed by, first the one that was meant.
    check(&[("b", Internal), ("c", Internal)], 9, &["c", "a"], "");
    let all = "3 attempts at 3 models failed: c/1: 500 server_error: c is down; \
               a/1: 500 server_error: a is down; b/1: 500 server_error: b is down";
    check(&[("a", Internal), ("b", Internal), ("c", Internal)], 9, &["c", "a", "b"], all);
    // What would fail anywhere is not tried anywhere else, nor is what cannot be sent twice.
    let refused = "no deployment of `a` can take this request: a/1: cools down for another 60.0 s; \
                   no deployment of `b` can take this request: b/1: cools down for another 60.0 s";
    let bad = format!("1 attempts at 3 models failed: c/1: 400 invalid_request_error: c is down; {refused}");
    check(&[("c", BadRequest)], 9, &["c"], &bad);
    let once = format!("1 attempts at 3 models failed: c/1: 500 server_error: c is down; {refused}");
    check(&[("c", Internal)], 0, &["c"], &once);
}

#[test]
fn time_and_single_bodies_end_it() {
    let now = Instant::now();
    let router = fresh([group("a", Fallbacks::to(["b"])), group("b", Fallbacks::default())], &[]);
    let down = ApiError::upstream(ErrorKind::Internal, "x");
    let mut late = router.plan(router.find("a").unwrap(), now, now + MINUTE);
    assert_eq!(late.next(now, None), Step::Try(0));
    assert_eq!(late.next(now + MINUTE, Some(&down)), Step::Fail);
    let mut single = router.plan(router.find("a").unwrap(), now, now + MINUTE);
    single.limit_retries(0);
    assert_eq!(single.next(now, None), Step::Try(0));
    assert_eq!(single.next(now, Some(&down)), Step::Fail);
    assert_eq!(single.next(now, None), Step::Fail);
}

#[test]
fn a_fallback_must_exist() {
    let error = |builder: crate::RouterBuilder<()>| builder.build().unwrap_err().to_string();
    assert_eq!(
        error(Router::builder().group(group("a", chains(&["b"], &[], &[])))),
        "the model `a` falls back to the model `b`, which does not exist: add it or drop the fallback"
    );
    assert_eq!(
        error(Router::builder().group(group("a", Fallbacks::default())).default_fallbacks(["b"])),
        "the list of defaults falls back to the model `b`, which does not exist: add it or drop the fallback"
    );
}

proptest! {
    #[test]
    fn every_plan_ends_and_asks_each_target_once(
        links in prop::collection::vec(prop::collection::vec(0_usize..8, 0..5), 8),
        defaults in prop::collection::vec(0_usize..8, 0..4),
        cooling in prop::collection::vec(any::<bool>(), 8),
        well in prop::option::of(0_usize..8),
    ) {
        let now = Instant::now();
        let name = |nth: &usize| format!("g{nth}");
        let groups = links.iter().enumerate().map(|(nth, links)| group(&name(&nth), Fallbacks::to(links.iter().map(name))));
        let builder = groups.fold(Router::builder(), |builder, group| builder.group(group));
        let router = builder.default_fallbacks(defaults.iter().map(name)).build().unwrap();
        for (group, cooling) in router.groups().zip(&cooling) {
            if *cooling {
                group.deployments[0].stats.learn_cooldown(MINUTE, 1, now);
            }
        }
        let mut plan = router.plan(router.find("g0").unwrap(), now, now + MINUTE);
        let mut step = plan.next(now, None);
        let mut asked = Vec::new();
        while let Step::Try(_) = step {
            let group = Arc::clone(plan.group());
            prop_assert!(!asked.contains(&group.name), "{} twice", group.name);
            asked.push(Arc::clone(&group.name));
            if Some(&*group.name) == well.as_ref().map(name).as_deref() {
                prop_assert!(plan.answered(now).is_some());
                break;
            }
            step = plan.next(now, Some(&ApiError::upstream(ErrorKind::Internal, "x")));
        }
        prop_assert!(!asked.is_empty(), "somebody is always asked");
        let reached = |nth: usize| nth == 0 || links[0].contains(&nth) || defaults.contains(&nth);
        if let Some(well) = well.filter(|well| reached(*well)) {
            prop_assert!(step != Step::Fail, "g{well} was within reach, cooling or not: {asked:?}");
        }
    }
}

#[test]
fn a_provider_that_wants_a_pause_is_not_waited_for_while_another_model_is_well() {
    let router = || {
        let one = |name: &str| Deployment::new(format!("{name}/1"), 0, ());
        let a = Group::new("a", RetryPolicy::default(), [one("a")]).with_fallbacks(Fallbacks::to(["b"]));
        let b = Group::new("b", RetryPolicy::default(), [one("b")]);
        fresh([a, b], &[])
    };
    let pause = 30 * Duration::from_secs(1);
    let mut busy = ApiError::upstream(ErrorKind::RateLimit, "slow down");
    busy.retry_after = Some(pause);
    let now = Instant::now();
    let begin = |router: &Router<()>| {
        let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
        assert_eq!((plan.next(now, None), &*plan.group().name), (Step::Try(0), "a"));
        (plan.next(now, Some(&busy)), plan.group().name.to_string())
    };
    assert_eq!(begin(&router()), (Step::Try(0), "b".to_owned()));
    // Where nobody else is well it is waited for, and asked again.
    let unwell = router();
    let b = unwell.groups().nth(1).unwrap();
    b.deployments[0].stats.learn_cooldown(MINUTE, 1, now);
    assert_eq!(begin(&unwell), (Step::Wait(pause), "a".to_owned()));
    let mut plan = unwell.plan(unwell.find("a").unwrap(), now, now + MINUTE);
    plan.next(now, None);
    plan.next(now, Some(&busy));
    assert_eq!(plan.next(now + pause, None), Step::Try(0));
    assert!(plan.answered(now + pause).is_some());
}

#[test]
fn a_provider_that_wanted_a_pause_is_gone_back_to_before_the_request_fails() {
    let second = Duration::from_secs(1);
    let mut busy = ApiError::upstream(ErrorKind::RateLimit, "slow down");
    busy.retry_after = Some(2 * second);
    let down = ApiError::upstream(ErrorKind::Internal, "down");
    let policy = |retries| RetryPolicy { retries, ..RetryPolicy::default() };
    let check = |elsewhere: Duration, retries: u32, expect: Step| {
        let one = |name: &str| Deployment::new(format!("{name}/1"), 0, ());
        let a = Group::new("a", policy(retries), [one("a")]).with_fallbacks(Fallbacks::to(["b"]));
        let router = fresh([a, Group::new("b", policy(0), [one("b")])], &[]);
        let mut now = Instant::now();
        let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
        assert_eq!((plan.next(now, None), &*plan.group().name), (Step::Try(0), "a"));
        assert_eq!((plan.next(now, Some(&busy)), &*plan.group().name), (Step::Try(0), "b"));
        now += elsewhere;
        let step = plan.next(now, Some(&down));
        assert_eq!(step, expect);
        if step == Step::Fail {
            return plan.failure().message.clone();
        }
        assert_eq!((&*plan.group().name, plan.depth()), ("a", 1));
        if let Step::Wait(pause) = step {
            now += pause;
            assert_eq!(plan.next(now, None), Step::Try(0), "the pause is over");
        }
        // Both attempts there are of one record, and count as one model's.
        let names: Vec<_> =
            plan.records().map(|(group, record)| (&*group.name, record.attempts.len())).collect();
        assert_eq!(names, [("b", 1), ("a", 2)]);
        assert_eq!(plan.next(now, Some(&down)), Step::Fail, "it has been asked as often as it may");
        plan.failure().message.clone()
    };
    let twice = "3 attempts at 2 models failed: b/1: 500 server_error: down; a/1: 429 rate_limit_exceeded: slow down; \
                 a/1: 500 server_error: down";
    assert_eq!(check(second, 1, Step::Wait(second)), twice);
    assert_eq!(check(5 * second, 1, Step::Try(0)), twice, "it took longer elsewhere than the pause");
    let never =
        "2 attempts at 2 models failed: a/1: 429 rate_limit_exceeded: slow down; b/1: 500 server_error: down";
    assert_eq!(check(second, 0, Step::Fail), never, "it may not be asked again");
}

#[test]
fn whoever_is_well_again_goes_before_a_long_pause() {
    let second = Duration::from_secs(1);
    let one = |name: &str| Deployment::new(format!("{name}/1"), 0, ());
    let a = Group::new("a", RetryPolicy::default(), [one("a")]).with_fallbacks(Fallbacks::to(["b"]));
    let router = fresh([a, Group::new("b", RetryPolicy::default(), [one("b")])], &[]);
    let now = Instant::now();
    let unwell = router.find("a").unwrap().group;
    unwell.deployments[0].stats.learn_cooldown(second, 1, now);
    let mut busy = ApiError::upstream(ErrorKind::RateLimit, "slow down");
    let mut begin = |now: Instant, left: Duration, after: Duration| {
        let mut plan = router.plan(router.find("a").unwrap(), now, now + left);
        assert_eq!((plan.next(now, None), &*plan.group().name), (Step::Try(0), "b"));
        busy.retry_after = Some(30 * second);
        (plan.next(now + after, Some(&busy)), plan.group().name.to_string())
    };
    // One has become well while the other one was asked, which wants a pause.
    assert_eq!(begin(now, MINUTE, 3 * second), (Step::Try(0), "a".to_owned()));
    let now = now + 3 * second;
    unwell.deployments[0].stats.learn_cooldown(MINUTE, 1, now);
    // There is no time for the pause, but for somebody who is unwell.
    assert_eq!(begin(now, 20 * second, second), (Step::Try(0), "a".to_owned()));
}

#[test]
fn a_model_that_is_well_by_now_goes_before_whoever_is_unwell_here() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let down = ApiError::upstream(ErrorKind::Internal, "down");
    let group = |name, fallbacks| {
        let policy = RetryPolicy { retries: 4, ..RetryPolicy::default() };
        Group::new(name, policy, [Deployment::new(format!("{name}/1"), 0, ())]).with_fallbacks(fallbacks)
    };
    let router = || fresh([group("a", Fallbacks::to(["b"])), group("b", Fallbacks::default())], &[]);
    let cool = |router: &Router<()>, name, left| {
        router.find(name).unwrap().group.deployments[0].stats.learn_cooldown(left, 1, now);
    };

    // Nobody was well when the first one was asked; the other one is when it has failed.
    let both = router();
    cool(&both, "a", 30 * second);
    cool(&both, "b", second);
    let mut plan = both.plan(both.find("a").unwrap(), now, now + MINUTE);
    assert_eq!((plan.next(now, None), &*plan.group().name), (Step::Try(0), "a"));
    assert_eq!((plan.next(now + 2 * second, Some(&down)), &*plan.group().name), (Step::Try(0), "b"));

    // The first one has become unwell in a pause.
    let pause = router();
    let mut plan = pause.plan(pause.find("a").unwrap(), now, now + MINUTE);
    assert_eq!(plan.next(now, None), Step::Try(0));
    let Step::Wait(wait) = plan.next(now, Some(&down)) else { panic!("no pause") };
    cool(&pause, "a", 30 * second);
    assert_eq!((plan.next(now + wait, None), &*plan.group().name), (Step::Try(0), "b"));

    // The same, and there is nobody to go to: the pause is charged once, and told.
    let alone = router();
    let budget = &alone.groups().next().unwrap().budget;
    while budget.withdraw(now) {}
    (0..10).for_each(|_| budget.deposit(now));
    let mut plan = alone.plan(alone.find("a").unwrap(), now, now + MINUTE);
    assert_eq!(plan.next(now, None), Step::Try(0));
    let Step::Wait(wait) = plan.next(now, Some(&down)) else { panic!("no pause") };
    cool(&alone, "a", 30 * second);
    cool(&alone, "b", 30 * second);
    assert_eq!((plan.next(now + wait, None), &*plan.group().name), (Step::Try(0), "a"));
    assert_eq!(plan.attempts().record().attempts[1].waited, wait);
}

#[test]
fn nobody_gives_up_for_a_model_that_cannot_take_the_request() {
    let deployment = |id: &str, region: &str| {
        let facts = Facts { region: Some(region.into()), ..Facts::default() };
        Deployment::new(id, 0, ()).with_facts(facts)
    };
    let (here, there) = (deployment("a/1", "eu"), deployment("b/1", "us"));
    let a = Group::new("a", RetryPolicy::default(), [here]).with_fallbacks(Fallbacks::to(["b"]));
    let router = fresh([a, Group::new("b", RetryPolicy::default(), [there])], &[]);
    let play = |needs: Needs| {
        let now = Instant::now();
        let mut plan = router.plan(router.find("a").unwrap(), now, now + MINUTE);
        plan.need(Arc::new(needs));
        assert_eq!(plan.next(now, None), Step::Try(0));
        let mut error = ApiError::upstream(ErrorKind::RateLimit, "too many");
        error.retry_after = Some(Duration::from_secs(1));
        plan.next(now, Some(&error))
    };
    let bound = play(Needs { region: Some("eu".into()), ..Needs::default() });
    assert_eq!(bound, Step::Wait(Duration::from_secs(1)), "the other may not answer");
    let free = play(Needs::default());
    assert_eq!(free, Step::Try(0), "the other answers at once");
}
