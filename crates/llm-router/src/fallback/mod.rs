//! Where a request goes when its group does not answer.
//!
//! A plan is the attempts at one group after the other: the same steps, so a caller does the same with both.
//! Every target is asked once, however the chains refer to each other, and at most sixteen of them. A group that was
//! left because everybody there was unwell, or its provider wanted a pause, is gone back to when all else has failed:
//! it may be well by now.

mod bound;
mod chain;
mod followed;
mod left;
mod skipped;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use llm_types::{ApiError, ErrorKind};
use rand::rngs::SmallRng;
use smallvec::SmallVec;

pub use self::chain::{Fallback, Fallbacks};
pub use self::skipped::{Skip, Skipped};
use crate::attempts::{Attempts, Step, is_for_others};
use crate::deployment::Deployment;
use crate::group::Group;
use crate::lease::Lease;
use crate::mask::Mask;
use crate::needs::Needs;
use crate::record::{End, Record, Trace};
use crate::router::{Found, Router};

/// The most targets of one request.
const MOST: usize = 16;

/// What a caller has against a deployment of a group that was found with this `*`, if anything.
type Objection<T> = dyn Fn(&Deployment<T>, Option<&str>) -> Option<&'static str> + Send + Sync;

/// The attempts of one request over its group and whatever that falls back to.
pub struct Plan<'r, T> {
    router: &'r Router<T>,
    deadline: Instant,
    attempts: Attempts<T>,
    current: Target,
    /// To be asked next, last one first.
    queue: Vec<Target>,
    /// Given up on, or left for a while.
    past: Vec<(Target, Attempts<T>)>,
    /// The request's own list, which goes instead of the groups'.
    own: Option<Vec<Fallback>>,
    own_begun: bool,
    defaults_used: bool,
    /// A group gave up: how many had before, and when.
    considered: Option<(usize, Instant)>,
    /// The group that is asked now had been left.
    returned: bool,
    /// The caller named whom to ask now, and nobody else is to be asked.
    instead: bool,
    needs: Option<Arc<Needs>>,
    /// What it needs as entries of its own list have it.
    changed: Vec<(usize, Arc<Needs>)>,
    most: Option<u32>,
    /// The most retries in each group, as the request itself says.
    retries: Option<u32>,
    /// Where it goes when its prompt does not fit, as it says.
    too_long: Option<Vec<Arc<str>>>,
    rng: Option<Box<SmallRng>>,
    objection: Option<Box<Objection<T>>>,
}

/// A group, and under which name it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    group: usize,
    star: Option<Arc<str>>,
    /// Its position in the request's own list, if it changes the request.
    overrides: Option<usize>,
    /// Its position in the request's own list.
    entry: Option<usize>,
}

impl Target {
    /// Whether asking both would be asking the same thing twice.
    fn is_same(&self, other: &Self) -> bool {
        let Self { group, star, overrides, entry: _ } = self;
        (group, star, overrides) == (&other.group, &other.star, &other.overrides)
    }
}

impl<'r, T> Plan<'r, T> {
    pub(crate) fn new(router: &'r Router<T>, found: Found<'_, T>, now: Instant, deadline: Instant) -> Self {
        let position =
            router.groups().position(|group| Arc::ptr_eq(group, found.group)).unwrap_or(usize::MAX);
        let current =
            Target { group: position, star: found.star.map(Into::into), overrides: None, entry: None };
        let mut plan = Self {
            router,
            deadline,
            attempts: router.attempts(found.group, now, deadline),
            current,
            queue: Vec::new(),
            past: Vec::new(),
            own: None,
            own_begun: false,
            defaults_used: false,
            considered: None,
            returned: false,
            instead: false,
            needs: None,
            changed: Vec::new(),
            most: None,
            retries: None,
            too_long: None,
            rng: None,
            objection: None,
        };
        plan.prepare();
        plan
    }

    /// Says what the request needs; before the first step.
    pub fn need(&mut self, needs: Arc<Needs>) {
        self.attempts.need(Arc::clone(&needs));
        self.needs = Some(needs);
    }

    /// Says what it needs as an entry of its own list has it, where that changes the request; before the first step.
    pub fn need_at(&mut self, entry: usize, needs: Arc<Needs>) {
        self.changed.push((entry, needs));
    }

    /// Takes deployments out of every group that is asked: `why` says for each, and for what the `*` of its
    /// group's name stands for, what stands against it. Before the first step.
    pub fn pass_over(
        &mut self,
        why: impl Fn(&Deployment<T>, Option<&str>) -> Option<&'static str> + Send + Sync + 'static,
    ) {
        self.objection = Some(Box::new(why));
        self.object();
    }

    /// Goes by the request's own list instead of the groups' and the default one.
    pub fn fall_back_to(&mut self, own: Vec<Fallback>) {
        self.own = Some(own);
        self.prepare();
    }

    /// Allows at most this many retries in each group; with 0 there is no fallback after an attempt either.
    pub fn limit_retries(&mut self, retries: u32) {
        self.most = Some(retries);
        self.attempts.limit_retries(retries);
        if retries == 0 {
            self.share_time();
        }
    }

    /// Names models to ask when this group gives up, whatever the failure: the best first. Those that were asked, or
    /// are to be asked anyway, are passed over.
    pub fn instead(&mut self, models: &[Arc<str>]) {
        let found = self.fresh(models.iter().map(|model| self.resolve(model, None)));
        self.instead |= !found.is_empty();
        self.queue.extend(found.into_iter().rev());
    }

    /// Keeps what is considered, for the decision's record.
    pub fn trace(&mut self) {
        self.attempts.trace();
    }

    /// As [`Plan::trace`], in the place of one that nobody needs any more.
    pub fn trace_in(&mut self, place: Box<Trace>) {
        self.attempts.trace_in(place);
    }

    /// Draws all chance from this generator, not from the thread's.
    pub fn draw_from(&mut self, rng: SmallRng) {
        self.attempts.draw_from(rng.clone());
        self.rng = Some(Box::new(rng));
    }

    /// What to do now; as [`Attempts::next`], with positions in [`Plan::group`].
    pub fn next(&mut self, now: Instant, last: Option<&ApiError>) -> Step {
        let step = self.attempts.next(now, last);
        self.share_time_after(last);
        self.go_on(step, now)
    }

    /// As [`Attempts::failed`].
    pub fn failed(&mut self, index: usize, now: Instant, error: &ApiError) -> Option<Step> {
        let step = self.attempts.failed(index, now, error)?;
        self.share_time_after(Some(error));
        Some(self.go_on(step, now))
    }

    /// As [`Attempts::answered`].
    pub fn answered(&mut self, now: Instant) -> Option<Lease<T>> {
        self.attempts.answered(now)
    }

    /// The attempts at the group that is asked now, for its limits and hedges.
    pub fn attempts(&mut self) -> &mut Attempts<T> {
        &mut self.attempts
    }

    /// The group that is asked now.
    #[must_use]
    pub fn group(&self) -> &Arc<Group<T>> {
        self.attempts.group()
    }

    /// What the `*` of that group's name stands for.
    #[must_use]
    pub fn star(&self) -> Option<&str> {
        self.current.star.as_deref()
    }

    /// Which entry of the request's own list that group was.
    #[must_use]
    pub fn entry(&self) -> Option<usize> {
        self.current.entry
    }

    /// How many groups were given up on.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.past.len()
    }

    /// What was done, group by group; one that was gone back to is the last.
    pub fn records(&self) -> impl Iterator<Item = (&Arc<Group<T>>, &Record)> {
        let all = self.past.iter().map(|(_, attempts)| attempts).chain([&self.attempts]);
        all.map(|attempts| (attempts.group(), attempts.record()))
    }

    /// What was done, group by group; nothing more will be. What is under way is given up.
    #[must_use]
    pub fn take_records(&mut self) -> SmallVec<[(Arc<Group<T>>, Record); 1]> {
        let all = self.past.iter_mut().map(|(_, attempts)| attempts).chain([&mut self.attempts]);
        let records = all.map(|attempts| (Arc::clone(attempts.group()), attempts.take_record())).collect();
        self.past.clear();
        records
    }

    /// Takes note, for the records of a request that nobody has answered, of what stands against each deployment now.
    pub fn trace_end(&mut self, now: Instant) {
        let all = self.past.iter_mut().map(|(_, attempts)| attempts).chain([&mut self.attempts]);
        all.for_each(|attempts| attempts.trace_end(now));
    }

    /// The caller stops asking: what is under way ends with that.
    pub fn abandon(&mut self, now: Instant) {
        self.attempts.abandon(now);
    }

    /// How many attempts there were.
    #[must_use]
    pub fn attempt_count(&self) -> usize {
        self.records().map(|(_, record)| record.attempts.len()).sum()
    }

    /// The failure to tell the client after [`Step::Fail`]: the last one, in words that name every attempt and
    /// every group that could not be asked.
    #[must_use]
    pub fn failure(&self) -> ApiError {
        let own = self.attempts.failure();
        if self.past.is_empty() {
            return own;
        }
        let last = self.records().filter_map(|(_, record)| record.last_error()).last();
        let mut error = last.cloned().unwrap_or_else(|| own.clone());
        let mut text = String::new();
        for (group, record) in self.records() {
            record.causes(group, &mut text);
        }
        let all = self.past.iter().map(|(_, attempts)| attempts).chain([&self.attempts]);
        for refused in all.filter(|attempts| attempts.record().attempts.is_empty()) {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{}{}", if text.is_empty() { "" } else { "; " }, refused.failure().message);
        }
        let (groups, attempts) = (self.past.len() + 1, self.attempt_count());
        error.message = format!("{attempts} attempts at {groups} models failed: {text}");
        error.provider = None;
        error
    }

    fn object(&mut self) {
        if let Some(why) = &self.objection {
            let star = self.current.star.as_deref();
            self.attempts.pass_over(|deployment| why(deployment, star));
        }
    }

    fn prepare(&mut self) {
        let chained = match &self.own {
            Some(own) => !own.is_empty(),
            None => {
                self.attempts.group().fallbacks.names().next().is_some() || !self.router.defaults().is_empty()
            }
        };
        self.attempts.set_elsewhere(chained);
        self.share_time();
    }

    /// Tells the group that is asked now whether others could be asked after it.
    fn share_time(&mut self) {
        let others = self.could_be_followed();
        self.attempts.set_others(others);
    }

    /// Moves on to the next group as long as one gives up.
    fn go_on(&mut self, mut step: Step, now: Instant) -> Step {
        while step == Step::Fail {
            self.considered = Some((self.past.len(), now));
            let unwell = self.attempts.record().end == Some(End::AllCooling);
            let mut moved = self.advance(now, unwell.then_some(now)) || (unwell && self.go_back(now, true));
            if !moved && unwell {
                // Nobody elsewhere is better off now.
                self.insist(now);
                step = self.attempts.next(now, None);
                if step != Step::Fail {
                    return step;
                }
                moved = self.advance(now, None);
            }
            if !moved {
                moved = self.go_back(now, false);
            }
            if !moved {
                return Step::Fail;
            }
            step = self.attempts.next(now, None);
        }
        step
    }

    /// Begins with the next group. With a time: only if anybody in the queue is well then.
    fn advance(&mut self, now: Instant, well_at: Option<Instant>) -> bool {
        self.may_fall_back(now) && self.find_targets(well_at) && self.move_on(now)
    }

    fn may_fall_back(&self, now: Instant) -> bool {
        // A pause that would take too long here is not the end of the request's time.
        let ended = matches!(self.attempts.record().end, Some(End::Answered | End::Abandoned) | None);
        !ended && self.hindrance(now).is_none()
    }

    /// Whether this failure leads to other groups at all.
    fn leads_on(&self) -> bool {
        use ErrorKind as K;
        let record = self.attempts.record();
        match self.attempts.failure_kind() {
            K::Budget => self.instead,
            K::ClientCancelled | K::Guardrail | K::MethodNotAllowed => false,
            K::BadRequest | K::UnsupportedParam | K::Unprocessable | K::TooLarge => {
                // Nobody was asked: another model may have what it asks for.
                record.attempts.is_empty()
                    || record.last_error().is_some_and(is_for_others)
                    || self.attempts.group().fallbacks.on_bad_request
            }
            _ => true,
        }
    }

    /// Queues what this failure leads to; whether there is anything. With a time: anybody who is well then.
    fn find_targets(&mut self, well_at: Option<Instant>) -> bool {
        let kind = self.attempts.chain_kind();
        if kind == ErrorKind::Budget {
            return !self.queue.is_empty();
        }
        let is_own_chain = self.own_chain(kind).is_some();
        // Its own list comes once, and after whomever it named for a prompt that is too long.
        let begins = !self.own_begun && !is_own_chain && !self.instead && self.queue.is_empty();
        let found = match &self.own {
            _ if is_own_chain => self.own_targets().unwrap_or_default(),
            Some(_) if !begins => Vec::new(),
            Some(own) => {
                let own = own.iter().enumerate();
                self.fresh(
                    own.map(|(entry, fallback)| self.resolve(&fallback.model, Some((entry, fallback)))),
                )
            }
            None => {
                let chain = self.attempts.group().fallbacks.chain(kind);
                self.fresh(chain.iter().map(|model| self.resolve(model, None)))
            }
        };
        self.own_begun |= begins;
        // What a group refers to goes before what was queued earlier.
        self.queue.extend(found.into_iter().rev());
        if self.own.is_none() && !self.defaults_used {
            let defaults = self.fresh(self.router.defaults().iter().map(|model| self.resolve(model, None)));
            self.queue.splice(0..0, defaults.into_iter().rev());
            self.defaults_used = true;
        }
        match well_at {
            None => !self.queue.is_empty(),
            Some(now) => self.queue.iter().any(|target| self.may_answer(target, now)),
        }
    }

    /// What the request needs of a target.
    fn needs_of(&self, target: &Target) -> Option<&Arc<Needs>> {
        let changed = self.changed.iter().find(|(entry, _)| Some(*entry) == target.entry);
        changed.map(|(_, needs)| needs).or(self.needs.as_ref())
    }

    /// Whether somebody there can take the request, and at once.
    fn may_answer(&self, target: &Target, now: Instant) -> bool {
        let Some(group) = self.router.groups().nth(target.group) else { return false };
        let needs = self.needs_of(target).map(|needs| &**needs);
        let able = needs.map_or_else(|| Mask::all(group.deployments.len()), |needs| group.able(needs));
        let objects = |index: usize| {
            let (why, deployment) = (self.objection.as_ref()?, group.get(index)?);
            why(deployment, target.star.as_deref())
        };
        let mut able = able.iter();
        able.any(|index| group.obstacle(index, needs, now).is_none() && objects(index).is_none())
    }

    /// Those of the targets that nothing was heard of yet, each once.
    fn fresh(&self, targets: impl Iterator<Item = Option<Target>>) -> Vec<Target> {
        let mut fresh: Vec<Target> = Vec::new();
        for target in targets.flatten() {
            let past = self.past.iter().map(|(target, _)| target);
            let heard_of = past.chain(&self.queue).chain([&self.current]);
            if !heard_of.chain(&fresh).any(|known| known.is_same(&target)) {
                fresh.push(target);
            }
        }
        fresh
    }

    fn resolve(&self, model: &str, own: Option<(usize, &Fallback)>) -> Option<Target> {
        let found = self.router.find(model)?;
        let group = self.router.groups().position(|group| Arc::ptr_eq(group, found.group))?;
        let entry = own.map(|(entry, _)| entry);
        let overrides = own.filter(|(_, fallback)| fallback.overrides).map(|(entry, _)| entry);
        Some(Target { group, star: found.star.map(Into::into), overrides, entry })
    }

    /// Begins with the next target.
    fn move_on(&mut self, now: Instant) -> bool {
        let Some(target) = self.queue.pop() else {
            return false;
        };
        let Some(group) = self.router.groups().nth(target.group) else {
            return false;
        };
        let sampled = self.attempts.record().trace.is_some();
        let mut next = self.router.attempts(group, now, self.deadline);
        if let Some(needs) = self.needs_of(&target) {
            next.need(Arc::clone(needs));
        }
        if let Some(most) = self.most_retries() {
            next.limit_retries(most);
        }
        if let Some(rng) = &self.rng {
            next.draw_from(SmallRng::clone(rng));
        }
        if sampled {
            next.trace();
        }
        next.set_elsewhere(true);
        self.leave_for(target, next);
        self.object();
        true
    }
}

impl<T: fmt::Debug> fmt::Debug for Plan<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, current, queue, past, .. } = self;
        f.debug_struct("Plan")
            .field("attempts", attempts)
            .field("current", current)
            .field("queue", queue)
            .field("past", past)
            .finish_non_exhaustive()
    }
}
