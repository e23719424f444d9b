//! What must be true after a storm.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use llm_testkit::Received;

use super::client::{Answer, Answered};
use super::fault::{Fault, Moody, answer, marker};
use super::storm::{Aftermath, COOLDOWN, Change, DEADLINE, MODELS, Sighting};

/// What machines that build may add to a wait.
const SLACK: Duration = Duration::from_secs(2);

/// Asserts of a timetable that at every moment somebody has been well for longer than a cooldown.
pub(crate) fn somebody_is_well(changes: &[Change], time: Duration) {
    let unwell = |upstream: usize, at: Duration| {
        let mut own = changes.iter().filter(|change| change.upstream == upstream);
        own.any(|change| change.from <= at && at < change.to + COOLDOWN)
    };
    // Who is well changes only where something begins or ends.
    let moments = changes.iter().flat_map(|change| [change.from, change.to, change.to + COOLDOWN]);
    for at in moments.filter(|at| *at <= time) {
        assert!((0..MODELS.len()).any(|upstream| !unwell(upstream, at)), "nobody is well at {at:?}");
    }
}

/// Asserts that every client got what it should: as somebody was well all the time, everybody succeeds but those whose stream
/// was cut after content, and they got a proper error.
pub(crate) fn answers(aftermath: &Aftermath, upstreams: &[Moody; 3]) {
    answers_but(aftermath, upstreams, Duration::ZERO..Duration::ZERO);
}

/// The same, but that all were limited at once for a while: who asked then, or within the pauses that were asked for, may be
/// told so.
pub(crate) fn answers_but(aftermath: &Aftermath, upstreams: &[Moody; 3], limited: Range<Duration>) {
    let told = limited.start..limited.end + COOLDOWN + SLACK;
    let may_fail = |result: &Answered| {
        let began = result.began.saturating_duration_since(aftermath.start);
        let meanwhile = !limited.is_empty() && began < told.end && began + result.took > told.start;
        meanwhile && matches!(result.answer, Answer::Error(429, _))
    };
    let results = &aftermath.answered;
    let mut attempts: HashMap<String, Vec<(char, Received)>> = HashMap::new();
    for moody in upstreams {
        for request in moody.upstream.requests() {
            attempts.entry(marker(&request)).or_default().push((moody.name(), request));
        }
    }
    let wrong: Vec<_> = (results.iter().filter(|result| !may_fail(result)))
        .filter_map(|result| Some((result, wrong(result, upstreams, &attempts)?)))
        .collect();
    summary(results, &attempts);
    let shown: Vec<_> = wrong.iter().take(5).map(|(result, why)| format!("{why}: {result:?}")).collect();
    assert!(wrong.is_empty(), "{} of {} requests:\n{}", wrong.len(), results.len(), shown.join("\n"));
    // A gateway that answers nobody in time would pass otherwise.
    assert!(results.len() > 1000, "only {} requests", results.len());
}

fn wrong(
    result: &Answered,
    upstreams: &[Moody; 3],
    attempts: &HashMap<String, Vec<(char, Received)>>,
) -> Option<String> {
    let Answered { marker, took, first, answer: got, .. } = result;
    let full = upstreams.each_ref().map(|moody| answer(marker, moody.name()));
    match got {
        Answer::Improper(_) => return Some("neither an answer nor an error".to_owned()),
        Answer::Whole(text) if !full.contains(text) => {
            return Some("not what any upstream answered".to_owned());
        }
        Answer::Whole(_) if first.is_none() => return Some("content without a first moment".to_owned()),
        Answer::Whole(_) => {}
        Answer::Cut(text, _) => {
            if !full.iter().any(|full| full.starts_with(text.as_str())) {
                return Some("not the beginning of what any upstream answered".to_owned());
            }
            // One upstream was well all the time: only what is lost in the middle may be lost.
            if text.is_empty() || !upstreams.iter().any(|moody| moody.broke(marker)) {
                return Some("failed although somebody could have answered".to_owned());
            }
        }
        Answer::Error(..) => return Some("failed although somebody could have answered".to_owned()),
    }
    if *took > DEADLINE + SLACK {
        return Some("longer than the deadline".to_owned());
    }
    let seen = attempts.get(marker).map(Vec::as_slice).unwrap_or_default();
    let after_content = |(_, request): &&(char, Received)| first.is_some_and(|first| request.at > first);
    let content = |(name, _): &&(char, Received)| {
        let (Answer::Whole(text) | Answer::Cut(text, _)) = got else { return false };
        text.starts_with(&format!("{marker} from {name}"))
    };
    if seen.iter().any(|attempt| after_content(&attempt)) {
        return Some("sent again after content was sent".to_owned());
    }
    let last = seen.iter().max_by_key(|(_, request)| request.at);
    if !last.is_some_and(|attempt| content(&attempt)) {
        return Some(format!("answered by another than the last of {} that was asked", seen.len()));
    }
    None
}

/// Asserts that who is well again is asked again within one cooldown, after every fault: the one that is stated when the fault is over, or
/// that what was under way by then has brought about. The next request after it is the probe, and no other cooldown
/// follows.
pub(crate) fn recoveries(changes: &[Change], aftermath: &Aftermath, upstreams: &[Moody; 3]) {
    for (change, over) in changes.iter().zip(&aftermath.over) {
        let Change { upstream, from, to, fault } = *change;
        let case = format!("{fault:?} of {}", upstreams[upstream].name());
        let next = changes.iter().filter(|next| next.upstream == upstream && next.from >= to);
        let well_until = next.map(|next| next.from).min().unwrap_or(aftermath.time);
        assert!(well_until >= to + COOLDOWN + SLACK, "{case}: nothing can be seen of how it recovers");
        let well = *over..aftermath.start + well_until;
        let of_fault = aftermath.start + from..well.end;
        let cools =
            |sighting: &&Sighting| sighting.left[upstream].is_some() && of_fault.contains(&sighting.asked);
        let cooled = aftermath.sightings.iter().any(|sighting| cools(&sighting));
        // Who is slow answers.
        assert!(cooled || fault == Fault::Slow, "{case}: it was never left alone");
        let cooldown = one_cooldown(&case, aftermath, upstream, &well);
        let probe = probe(&case, aftermath, &upstreams[upstream], (upstream, &cooldown));
        let since = |at: Instant| at.saturating_duration_since(*over);
        eprintln!("{case}: left alone until {:?}, asked again after {:?}", since(cooldown.end), since(probe));
        assert!(
            since(cooldown.start) <= COOLDOWN + SLACK,
            "{case}: left alone until {:?}",
            since(cooldown.start)
        );
        assert!(probe < well.end, "{case}: asked again after {:?}", since(probe));
    }
}

/// Asserts that each upstream is asked and answers again as soon as it is well and a pause is over.
pub(crate) fn all_are_back(aftermath: &Aftermath, upstreams: &[Moody; 3]) {
    for (moody, over) in upstreams.iter().zip(&aftermath.over) {
        let back =
            moody.upstream.requests().into_iter().find(|request| request.at > *over && request.finished());
        let after = back.map(|request| request.at - *over);
        eprintln!("{} answers again after {after:?}", moody.name());
        assert!(after.is_some_and(|after| after < COOLDOWN + SLACK), "{}: {after:?}", moody.name());
    }
}

/// Between which moments the cooldown ends that a deployment has while its upstream is well; there must be no other.
/// The moment at which it is well, where there is none.
fn one_cooldown(case: &str, aftermath: &Aftermath, upstream: usize, well: &Range<Instant>) -> Range<Instant> {
    let mut found: Option<Range<Instant>> = None;
    for Sighting { asked, told, left } in &aftermath.sightings {
        let Some(left) = left[upstream].filter(|_| *asked >= well.start && *told < well.end) else {
            continue;
        };
        // What is left was measured between the question and its answer, and is told in whole milliseconds.
        let end = *asked + left..*told + left + Duration::from_millis(1);
        let one = found.get_or_insert(end.clone());
        let same = one.start.max(end.start)..one.end.min(end.end);
        let since = |at: Instant| at.saturating_duration_since(well.start);
        assert!(
            same.start <= same.end,
            "{case}: one cooldown to {:?} after it was well, another one to {:?}",
            since(one.end),
            since(end.end)
        );
        *one = same;
    }
    found.unwrap_or(well.start..well.start)
}

/// When the deployment was asked again and answered. Nobody who asked its model after its cooldown may have been answered
/// before that: the next request is the probe.
fn probe(case: &str, aftermath: &Aftermath, moody: &Moody, of: (usize, &Range<Instant>)) -> Instant {
    let (upstream, cooldown) = of;
    let requests = moody.upstream.requests();
    let mut after = requests.iter().filter(|request| request.at >= cooldown.start && request.finished());
    let probe = after.next().unwrap_or_else(|| panic!("{case}: never asked again")).at;
    let before = aftermath.answered.iter().find(|result| {
        let of_model = MODELS[upstream] == result.model;
        of_model && result.began > cooldown.end && result.began + result.took < probe
    });
    assert!(before.is_none(), "{case}: not asked by the first who could: {before:?}");
    probe
}

/// How many commands of Redis a request waits for: its places in all limits are one.
const COMMANDS: u32 = 1;

/// Asserts that no request that was under way while something was away waited longer in the gateway than the longest did at
/// other times, but for what it may wait for each command; that most of those that came after it was missed did not wait for
/// it at all; and that none took much longer on the whole, which upstreams and clients have their part in. How long a busy
/// machine lets everybody wait is seen by who looks at the deployments, which asks nobody else.
pub(crate) fn no_waiting(
    aftermath: &Aftermath,
    changes: &[Change],
    away: Range<Duration>,
    command: Duration,
) {
    let Aftermath { start, answered, sightings, .. } = aftermath;
    let look = sightings.iter().map(|sighting| sighting.told - sighting.asked).max().unwrap_or_default();
    let began = |result: &Answered| result.began.saturating_duration_since(*start);
    let during = |result: &Answered, of: &Range<Duration>| {
        began(result) < of.end && began(result) + result.took > of.start
    };
    let hangs: Vec<_> = changes
        .iter()
        .filter(|change| change.fault == Fault::Hang)
        .map(|change| change.from..change.to)
        .collect();
    let answered = answered.iter().filter(|result| !hangs.iter().any(|hang| during(result, hang)));
    let (then, usual): (Vec<_>, Vec<_>) = answered.partition(|result| during(result, &away));
    assert!(usual.len() > 100 && then.len() > 100, "{} and {} requests", usual.len(), then.len());
    let wait = |result: &Answered| result.overhead.unwrap_or_default();
    for (what, of, times) in
        [("wait", wait as fn(&Answered) -> Duration, 1), ("request", |result| result.took, 2)]
    {
        let longest =
            |results: &[&Answered]| results.iter().map(|result| of(result)).max().unwrap_or_default();
        let (usual, then) = (longest(&usual), longest(&then));
        let bound = usual * times + command * COMMANDS + SLACK + look;
        eprintln!(
            "the longest {what} was {usual:?}, {then:?} while it was away, a look {look:?}; {bound:?} were allowed"
        );
        assert!(then <= bound, "a {what} of {then:?} instead of {bound:?} at most");
    }
    let later = away.start + command * 2..away.end;
    let decile = |mut waits: Vec<Duration>| {
        waits.sort_unstable();
        waits.get(waits.len() * 9 / 10).copied().unwrap_or_default()
    };
    let usual = decile(usual.iter().map(|result| wait(result)).collect());
    let then = decile(
        then.iter().filter(|result| later.contains(&began(result))).map(|result| wait(result)).collect(),
    );
    eprintln!("nine of ten waited for {usual:?} at most, for {then:?} while it was away and known to be");
    assert!(then < usual + command, "a tenth waited for {then:?} or longer, {usual:?} at other times");
}

/// Says what happened, for whoever looks.
fn summary(results: &[Answered], attempts: &HashMap<String, Vec<(char, Received)>>) {
    let count = |wanted: fn(&Answered) -> bool| results.iter().filter(|result| wanted(result)).count();
    let longest = results.iter().map(|result| result.took).max();
    eprintln!(
        "{} requests, {} of them streams: {} answered, {} cut after content, {} errors; {} attempts; the \
         longest took {longest:?}",
        results.len(),
        count(|result| result.streamed),
        count(|result| result.answer.is_whole()),
        count(|result| matches!(result.answer, Answer::Cut(..))),
        count(|result| matches!(result.answer, Answer::Error(..))),
        attempts.values().map(Vec::len).sum::<usize>(),
    );
}
