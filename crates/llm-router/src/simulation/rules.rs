//! What must hold of every attempt, of every request, and in the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_types::ErrorKind;
use proptest::prelude::*;

use super::DEADLINE;
use super::world::{Request, World};
use crate::affinity;
use crate::budget::Spent;
use crate::group::Group;
use crate::mask::Mask;
use crate::picker::PickCx;
use crate::pool::Pool;
use crate::record::{Because, End};
use crate::stats::Standing;

/// What is known of the moment at which somebody was chosen.
pub(super) struct Choice {
    /// How everybody stood, by group and position, before the failure that led to it was told.
    pub(super) before: Vec<Vec<Standing>>,
    /// Whose failure that was.
    pub(super) failed: Option<(usize, usize)>,
}

/// An attempt, and everything it is judged by.
struct Case<'a> {
    group: &'a Arc<Group<()>>,
    place: (usize, usize),
    because: Because,
    /// Those that this request may ask here, was not asked before, and are well and have room; the chosen one too.
    open: Mask,
    /// Of those, who is not waiting for a probe, where this attempt must not be one.
    fit: Mask,
    /// The chosen one was cooling down, resting, or just being probed by another request.
    unwell: bool,
}

/// Checks the attempt that has just begun.
pub(super) fn check(
    world: &World<'_>,
    request: &Request<'_>,
    place: (usize, usize),
    choice: &Choice,
    now: Instant,
) -> Result<(), TestCaseError> {
    let plan = request.plan.as_ref().unwrap();
    let (group, record) = plan.records().last().unwrap();
    let (attempt, earlier) = record.attempts.split_last().unwrap();
    let (at, index) = place;
    prop_assert_eq!(attempt.index, index);
    let script = &world.scene.teams[at].scripts[index];
    prop_assert!(script.eu || !request.arrival.eu, "it stands elsewhere");
    let seen = &world.seen[at][index];
    let most = script.allowance.max_parallel.unwrap_or(u32::MAX);
    prop_assert!(seen.under_way <= most, "{} of {most} at once", seen.under_way);
    let calls = record.attempts.iter().filter(|attempt| attempt.because != Because::Hedge).count();
    let retries = world.scene.teams[at].retries as usize;
    let moves = retries > 0 && !matches!(attempt.because, Because::Again | Because::LastResort);
    prop_assert!(calls <= 1 + retries || moves, "{calls} attempts, of {}", 1 + retries);

    let mut open = group.able(&request.needs);
    open.keep(|other| {
        let seat = &group.seats()[other];
        let fits = seat.stats.fits(&seat.allowance, request.needs.booked(&seat.allowance), now).is_ok();
        let untried = earlier.iter().all(|attempt| attempt.index != other);
        untried && (other == index || (seat.stats.standing(now).is_open() && fits))
    });
    let unwell = match group.seats()[index].stats.standing(now) {
        Standing::Cooling(_) | Standing::Resting(_) => true,
        Standing::Probing => choice.before[at][index] == Standing::Probing && choice.failed != Some(place),
        Standing::Ready | Standing::ProbeDue | Standing::Drained => false,
    };
    let mut fit = open.clone();
    let is_ready = |other: usize| choice.before[at][other] == Standing::Ready;
    let tier = |other: usize| world.scene.teams[at].scripts[other].tier();
    let somebody = open.iter().any(|other| tier(other) == tier(index) && is_ready(other));
    if !earlier.is_empty() && somebody {
        fit.keep(|other| is_ready(other) || group.seats()[other].stats.is_overdue(now));
    }
    let case = Case { group, place, because: attempt.because, open, fit, unwell };
    case.is_the_best(world, request, now)?;
    case.is_where_it_belongs(world, request, now)
}

/// An attempt that hangs leaves time for somebody who is well and was not asked yet, here or at another model.
pub(super) fn leaves_time(
    world: &World<'_>,
    request: &Request<'_>,
    (at, index): (usize, usize),
    until: u64,
) -> Result<(), TestCaseError> {
    let plan = request.plan.as_ref().unwrap();
    let (group, record) = plan.records().last().unwrap();
    let started = record.attempts.last().unwrap().started;
    let left = world.time(request.arrival.at + DEADLINE).saturating_duration_since(started);
    let mut others = group.able(&request.needs);
    others.keep(|other| {
        let seat = &group.seats()[other];
        let fits = seat.stats.fits(&seat.allowance, request.needs.booked(&seat.allowance), started).is_ok();
        let untried = record.attempts.iter().all(|attempt| attempt.index != other);
        untried && seat.stats.standing(started).is_open() && fits
    });
    let may_move = world.scene.teams[at].retries > 0 && !others.is_empty();
    let elsewhere = well_elsewhere(world, request, at, started);
    if (may_move || elsewhere.is_some()) && left > Duration::from_secs(3) {
        let end = request.arrival.at + DEADLINE;
        prop_assert!(
            until + 900 < end,
            "{index} may use up the time of {others:?} and g{elsewhere:?}: {until} of {end}"
        );
    }
    Ok(())
}

/// A model that the request would go to from this one, has not been at yet, and where somebody could be asked now.
fn well_elsewhere(world: &World<'_>, request: &Request<'_>, at: usize, now: Instant) -> Option<usize> {
    let plan = request.plan.as_ref().unwrap();
    let group = |nth: usize| world.router.groups().nth(nth).unwrap();
    let been = |nth: usize| plan.records().any(|(known, _)| Arc::ptr_eq(known, group(nth)));
    let is_well = |nth: usize| {
        group(nth).able(&request.needs).iter().any(|index| {
            let seat = &group(nth).seats()[index];
            let tokens = request.needs.booked(&seat.allowance);
            seat.stats.standing(now).is_open() && seat.stats.fits(&seat.allowance, tokens, now).is_ok()
        })
    };
    let mut chain = world.scene.teams[at].fallbacks.iter().chain(&world.scene.defaults).copied();
    chain.find(|nth| !been(*nth) && is_well(*nth))
}

/// Nobody goes back to a model that hung, or with too little time, while another one is well. Decided now, for then.
pub(super) fn returns(
    world: &World<'_>,
    request: &Request<'_>,
    now: Instant,
    then: u64,
) -> Result<(), TestCaseError> {
    let plan = request.plan.as_ref().unwrap();
    let (group, record) = plan.records().last().unwrap();
    let Some(last) = record.last_error() else { return Ok(()) };
    let at = world.router.groups().position(|known| Arc::ptr_eq(known, group)).unwrap();
    let end = request.arrival.at + DEADLINE;
    if let Some(other) = well_elsewhere(world, request, at, now) {
        prop_assert!(last.kind != ErrorKind::Timeout, "back to one that hung, and g{other} is well");
        prop_assert!(then + 3_990 < end, "back to one of g{at} at {then} of {end}, and g{other} is well");
    }
    Ok(())
}

/// Nobody is sent away because all have asked for a pause while the pause of one is over that it may still ask.
pub(super) fn fails(request: &Request<'_>, now: Instant) -> Result<(), TestCaseError> {
    let plan = request.plan.as_ref().unwrap();
    let (group, record) = plan.records().last().unwrap();
    let is_paused = match record.end {
        Some(End::AllPaused) => true,
        Some(End::NoCandidate) => plan.failure().message.contains("have asked for a pause"),
        _ => false,
    };
    for index in group.able(&request.needs).iter().filter(|_| is_paused) {
        let seat = &group.seats()[index];
        let last = record.attempts.iter().rfind(|attempt| attempt.index == index);
        let last = last.and_then(|attempt| attempt.error.as_ref());
        let may_be_asked =
            last.is_none_or(|error| error.kind.retry_same() && error.kind != ErrorKind::Conflict);
        let fits = seat.stats.fits(&seat.allowance, request.needs.booked(&seat.allowance), now).is_ok();
        let is_over = !matches!(seat.stats.standing(now), Standing::Cooling(_) | Standing::Drained);
        prop_assert!(!(may_be_asked && fits && is_over), "the pause of {index} is over: {record:?}");
    }
    Ok(())
}

impl Case<'_> {
    /// No attempt on an unwell deployment, on one that was tried, or on one of a higher tier while another one
    /// is untried, able, well and has room.
    fn is_the_best(
        &self,
        world: &World<'_>,
        request: &Request<'_>,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        let (at, index) = self.place;
        let scripts = &world.scene.teams[at].scripts;
        let tried = matches!(self.because, Because::Again | Because::LastResort);
        for other in self.open.iter().filter(|other| *other != index) {
            prop_assert!(
                !self.unwell,
                "{index} was asked though unwell, and {other} is not: {:?}",
                self.because
            );
            prop_assert!(!tried, "{index} was asked again, and {other} never was: {:?}", self.because);
            let (tier, lower) = (scripts[index].tier(), scripts[other].tier());
            prop_assert!(tier <= lower, "{index} was asked before {other}, which is of a lower tier");
        }
        prop_assert!(tried || !self.unwell, "{index} was chosen though unwell: {:?}", self.because);
        let mut peers = self.fit.clone();
        peers.keep(|other| scripts[other].tier() == scripts[index].tier());
        prop_assert!(
            peers.is_empty() || peers.has(index),
            "{index} waits for a probe, and this is none: {:?}",
            self.because
        );
        if !self.unwell {
            return Ok(());
        }
        // Not while everybody's provider has asked to be left alone.
        let candidates = self.group.able(&request.needs);
        let is_asked = |other: usize| self.group.seats()[other].stats.is_left_alone(now);
        let left_alone = candidates.count() > 1 && candidates.iter().all(is_asked);
        prop_assert!(!left_alone, "{index} was asked though all are to be left alone: {:?}", self.because);
        // No other model either that the request has not been at yet.
        let well = well_elsewhere(world, request, at, now);
        prop_assert!(
            well.is_none(),
            "{index} was asked though unwell, and g{well:?} is not: {:?}",
            self.because
        );
        Ok(())
    }

    /// A session stays where it belongs as long as that one can be asked, a prompt where it was answered last.
    fn is_where_it_belongs(
        &self,
        world: &World<'_>,
        request: &Request<'_>,
        now: Instant,
    ) -> Result<(), TestCaseError> {
        if !matches!(self.because, Because::Strategy | Because::Session | Because::Prefix) {
            return Ok(());
        }
        let (at, index) = self.place;
        let scripts = &world.scene.teams[at].scripts;
        let mut ready = self.fit.clone();
        ready.keep(|other| scripts[other].tier() == scripts[index].tier());
        if ready.is_empty() {
            ready = self.open.clone();
            ready.keep(|other| scripts[other].tier() == scripts[index].tier());
        }
        let pool = Pool::new(self.group.seats(), &ready);
        if let Some(session) = request.needs.session {
            prop_assert_eq!(self.because, Because::Session);
            prop_assert_eq!(affinity::of_session(session, &pool), Some(index));
            return Ok(());
        }
        let home = request.arrival.prompt.and_then(|prompt| world.homes.get(&(at, prompt)).copied());
        let Some(home) = home.filter(|home| ready.has(*home)) else {
            prop_assert_eq!(self.because, Because::Strategy);
            return Ok(());
        };
        let cx = PickCx::new(now).needing(&request.needs);
        if !self.group.picker.keeps(home, &pool, &cx) {
            prop_assert_eq!(self.because, Because::Strategy);
            return Ok(());
        }
        let overrun = world.seen[at][home].under_way > 8;
        prop_assert!(overrun || self.because == Because::Prefix, "it was answered at {home}, not at {index}");
        prop_assert!(self.because != Because::Prefix || home == index, "it was answered at {home}");
        Ok(())
    }
}

impl World<'_> {
    /// Checks a request to which nothing more will happen.
    pub(super) fn ended(&self, request: &Request<'_>) -> Result<(), TestCaseError> {
        let plan = request.plan.as_ref().unwrap();
        let mut asked = Vec::new();
        for (group, record) in plan.records() {
            prop_assert!(record.end.is_some(), "{record:?}");
            if !record.attempts.is_empty() {
                prop_assert!(!asked.contains(&&group.name), "{} was asked twice", group.name);
                asked.push(&group.name);
            }
            for attempt in &record.attempts {
                prop_assert!(attempt.took.is_some(), "{attempt:?}");
            }
        }
        let (_, last) = plan.records().last().unwrap();
        if last.end != Some(End::Answered) {
            let failure = plan.failure();
            prop_assert!(!failure.message.is_empty());
            prop_assert_eq!(
                plan.attempt_count() > 0,
                plan.records().any(|(_, record)| record.last_error().is_some())
            );
        }
        Ok(())
    }

    /// Checks what there was in all, when everything is over.
    pub(super) fn over(&self, millis: u64) -> Result<(), TestCaseError> {
        for (group, (team, seen)) in self.router.groups().zip(self.scene.teams.iter().zip(&self.seen)) {
            for ((script, seen), seat) in team.scripts.iter().zip(seen).zip(group.seats()) {
                prop_assert_eq!(
                    (seat.stats.in_flight(), seen.under_way),
                    (0, 0),
                    "something was not given back"
                );
                prop_assert!(
                    seat.stats.standing(self.time(millis)) != Standing::Probing,
                    "a probe without an end"
                );
                for first in &seen.asked {
                    let minute = first.at..first.at + 60_000;
                    let asked = seen.asked.iter().filter(|asked| minute.contains(&asked.at));
                    let (count, tokens) =
                        asked.fold((0, 0), |(count, tokens), asked| (count + 1, tokens + asked.tokens));
                    prop_assert!(count <= script.allowance.rpm.unwrap_or(u32::MAX), "{count} in a minute");
                    let tpm = script.allowance.tpm.map_or(u64::MAX, u64::from);
                    prop_assert!(tokens <= tpm, "{tokens} tokens in a minute, of {tpm}");
                }
            }
        }
        // The budget's minute ends at the turn of five seconds.
        for (group, what, at) in &self.charged {
            let within = |time: u64, millis: u64| time <= *at && time + millis > *at;
            let alike = |(other, spent, time): &&(usize, Spent, u64)| {
                (other, spent) == (group, what) && within(*time, 55_000)
            };
            let charged = self.charged.iter().filter(alike).count();
            let came = |(other, time): &&(usize, u64)| other == group && within(*time, 60_000);
            let requests = self.came.iter().filter(came).count();
            prop_assert!(charged <= 10 + requests / 10, "{what:?}: {charged} for {requests} requests");
        }
        Ok(())
    }
}
