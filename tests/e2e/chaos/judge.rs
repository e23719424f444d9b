//! What must be true after a storm.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use llm_testkit::Received;

use super::client::{Answer, Answered};
use super::fault::{Moody, answer, marker};
use super::storm::{Aftermath, COOLDOWN, Change, DEADLINE};

/// What machines that build may add to a wait.
const SLACK: Duration = Duration::from_secs(2);

/// Asserts that every client got what it should.
pub(crate) fn answers(aftermath: &Aftermath, upstreams: &[Moody; 3]) {
    let results = &aftermath.answered;
    let mut attempts: HashMap<String, Vec<(char, Received)>> = HashMap::new();
    for moody in upstreams {
        for request in moody.upstream.requests() {
            attempts.entry(marker(&request)).or_default().push((moody.name(), request));
        }
    }
    let wrong: Vec<_> =
        results.iter().filter_map(|result| Some((result, wrong(result, upstreams, &attempts)?))).collect();
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

/// Asserts that who is well again is asked again, as soon as a cooldown that began before is over.
pub(crate) fn recoveries(changes: &[Change], aftermath: &Aftermath, upstreams: &[Moody; 3]) {
    let Aftermath { start, time, answered: _ } = *aftermath;
    let within = COOLDOWN + SLACK;
    let mut checked = 0;
    for change in changes {
        let next = changes.iter().filter(|next| next.upstream == change.upstream && next.from >= change.to);
        let well_until = next.map(|next| next.from).min().unwrap_or(time);
        // The third is asked only when the others fail.
        if change.upstream == 2 || well_until < change.to + within {
            continue;
        }
        let Some(moody) = upstreams.get(change.upstream) else { continue };
        let from = start + change.to;
        let requests = moody.upstream.requests();
        let mut after = requests.iter().filter(|request| request.at >= from && request.finished());
        let first = after.next().map(|request| request.at.saturating_duration_since(from));
        assert!(first.is_some_and(|first| first <= within), "{change:?}: asked again after {first:?}");
        eprintln!("{:?} of {}: asked again after {first:?}", change.fault, moody.name());
        checked += 1;
    }
    assert!(checked >= 2, "{checked} recoveries were looked at");
}

/// How many commands of Redis a request waits for: its places in all limits are one.
const COMMANDS: u32 = 1;

/// Asserts that no request that was under way while something was away took longer than the longest did at other times,
/// but for what it may wait for each command.
pub(crate) fn no_waiting(aftermath: &Aftermath, away: Range<Duration>, command: Duration) {
    let Aftermath { start, time: _, answered } = aftermath;
    let (mut usual, mut then) = (Vec::new(), Vec::new());
    for result in answered {
        let began = result.began.saturating_duration_since(*start);
        let was_away = began < away.end && began + result.took > away.start;
        if was_away { &mut then } else { &mut usual }.push(result.took);
    }
    assert!(usual.len() > 100 && then.len() > 100, "{} and {} requests", usual.len(), then.len());
    let longest = |times: &[Duration]| times.iter().max().copied().unwrap_or_default();
    let (usual, then) = (longest(&usual), longest(&then));
    let bound = usual + command * COMMANDS + SLACK;
    eprintln!("the longest request took {usual:?}, {then:?} while it was away; {bound:?} were allowed");
    assert!(then <= bound, "{then:?} instead of {bound:?} at most");
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
