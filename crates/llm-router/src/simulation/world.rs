//! A world in which requests happen, as told by a script.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_types::{ApiError, ErrorKind};
use proptest::prelude::*;
use rand::rngs::SmallRng;

use super::DEADLINE;
use super::rules::{self, Choice};
use super::script::{Arrival, Phase, Scene, name};
use crate::attempts::Step;
use crate::budget::Spent;
use crate::fallback::Plan;
use crate::group::Group;
use crate::lease::Lease;
use crate::needs::Needs;
use crate::record::Because;
use crate::router::Router;
use crate::stats::{Standing, Used};

/// Something that happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// It comes, or has waited.
    Turn,
    /// The attempt with this number answers or fails.
    Ends(usize),
    /// The attempt with this number takes long.
    Hedge(usize),
    /// The rest of its answer is there.
    Over,
}

pub(super) type Then = Vec<(u64, Event)>;

/// One request in the world.
pub(super) struct Request<'r> {
    pub(super) arrival: Arrival,
    pub(super) needs: Arc<Needs>,
    rng: Option<SmallRng>,
    /// From its first turn on.
    pub(super) plan: Option<Plan<'r, ()>>,
    flights: Vec<Flight>,
    /// The rest of an answer.
    stream: Option<(Lease<()>, Flight)>,
    steps: usize,
    /// Those it has come to.
    groups: BTreeSet<usize>,
}

/// An attempt under way.
#[derive(Debug, Clone, Copy)]
struct Flight {
    number: usize,
    group: usize,
    index: usize,
    /// Where it stands among those that the deployment was asked.
    nth: usize,
    phase: Phase,
}

/// One attempt at a deployment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) at: u64,
    pub(super) tokens: u64,
}

/// What has become of one deployment.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) asked: Vec<Asked>,
    pub(super) under_way: u32,
}

/// All of it.
pub(super) struct World<'r> {
    start: Instant,
    pub(super) router: &'r Router<()>,
    pub(super) scene: &'r Scene,
    /// By group and position.
    pub(super) seen: Vec<Vec<Seen>>,
    /// Where prompts were answered last, by group.
    pub(super) homes: HashMap<(usize, u8), usize>,
    /// When retry budgets were charged, as far as that can be seen: of which group, for what.
    pub(super) charged: Vec<(usize, Spent, u64)>,
    /// When requests came to which group.
    pub(super) came: Vec<(usize, u64)>,
    /// Why anybody was asked.
    pub(super) reasons: BTreeSet<String>,
    numbers: usize,
}

impl<'r> Request<'r> {
    pub(super) fn new(arrival: &Arrival, rng: SmallRng) -> Self {
        Self {
            arrival: arrival.clone(),
            needs: Arc::new(arrival.needs()),
            rng: Some(rng),
            plan: None,
            flights: Vec::new(),
            stream: None,
            steps: 0,
            groups: BTreeSet::new(),
        }
    }

    fn plan(&mut self) -> &mut Plan<'r, ()> {
        self.plan.as_mut().unwrap()
    }

    /// Takes the attempt with this number off, if it is still under way.
    fn land(&mut self, number: usize) -> Option<Flight> {
        let at = self.flights.iter().position(|flight| flight.number == number)?;
        Some(self.flights.remove(at))
    }
}

impl<'r> World<'r> {
    pub(super) fn new(start: Instant, router: &'r Router<()>, scene: &'r Scene) -> Self {
        let seen = scene.teams.iter().map(|team| vec![Seen::default(); team.scripts.len()]).collect();
        Self {
            start,
            router,
            scene,
            seen,
            homes: HashMap::new(),
            charged: Vec::new(),
            came: Vec::new(),
            reasons: BTreeSet::new(),
            numbers: 0,
        }
    }

    pub(super) fn time(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// Who is asked now, by group and position.
    pub(super) fn standings(&self, now: Instant) -> Vec<Vec<Standing>> {
        let standing =
            |group: &Arc<Group<()>>| group.seats().iter().map(|seat| seat.stats.standing(now)).collect();
        self.router.groups().map(standing).collect()
    }

    /// Something happens; what will happen because of it.
    pub(super) fn happens(
        &mut self,
        request: &mut Request<'r>,
        millis: u64,
        event: Event,
    ) -> Result<Then, TestCaseError> {
        match event {
            Event::Turn => self.turn(request, millis),
            Event::Ends(number) => match request.land(number) {
                None => Ok(Then::new()),
                Some(flight) if flight.phase.kind.is_none() => self.answers(request, millis, flight),
                Some(flight) => self.fails(request, millis, flight),
            },
            Event::Hedge(number) => self.hedges(request, millis, number),
            Event::Over => {
                let (lease, flight) = request.stream.take().unwrap();
                self.leave(flight);
                let now = self.time(millis);
                if flight.phase.breaks {
                    lease.fail(&ApiError::upstream(ErrorKind::Connection, "broke off"), now);
                    return Ok(Then::new());
                }
                let (input, output) = request.arrival.tokens;
                let share = |tokens: u64| tokens * u64::from(request.arrival.used) / 256;
                let used = Used { input_tokens: share(input), output_tokens: share(output), usd: None };
                lease.finish(&used, now);
                self.seen[flight.group][flight.index].asked[flight.nth].tokens = share(input) + share(output);
                Ok(Then::new())
            }
        }
    }

    fn turn(&mut self, request: &mut Request<'r>, millis: u64) -> Result<Then, TestCaseError> {
        let now = self.time(millis);
        if let Some(rng) = request.rng.take() {
            let name = name(request.arrival.group);
            let found = self.router.find(&name).unwrap();
            let mut plan = self.router.plan(found, now, self.time(millis + DEADLINE));
            plan.need(Arc::clone(&request.needs));
            plan.draw_from(rng);
            request.plan = Some(plan);
        }
        let before = self.standings(now);
        let step = request.plan().next(now, None);
        self.follow(request, millis, step, &Choice { before, failed: None })
    }

    fn answers(
        &mut self,
        request: &mut Request<'r>,
        millis: u64,
        flight: Flight,
    ) -> Result<Then, TestCaseError> {
        let now = self.time(millis);
        let lease = request.plan().attempts().answered_by(flight.index, now);
        prop_assert!(lease.is_some(), "an answer that nobody waited for");
        std::mem::take(&mut request.flights).into_iter().for_each(|lost| self.leave(lost));
        if let Some(prompt) = request.arrival.prompt {
            self.homes.insert((flight.group, prompt), flight.index);
        }
        request.stream = lease.map(|lease| (lease, flight));
        Ok(vec![(millis + flight.phase.takes, Event::Over)])
    }

    fn fails(
        &mut self,
        request: &mut Request<'r>,
        millis: u64,
        flight: Flight,
    ) -> Result<Then, TestCaseError> {
        let now = self.time(millis);
        self.leave(flight);
        let Phase { kind, retry_after, .. } = flight.phase;
        let mut error = ApiError::upstream(kind.unwrap(), "went wrong");
        error.retry_after = retry_after.map(Duration::from_millis);
        let before = self.standings(now);
        let hedged = request
            .plan()
            .attempts()
            .record()
            .attempts
            .iter()
            .any(|attempt| attempt.because == Because::Hedge);
        let step = match hedged {
            true => request.plan().failed(flight.index, now, &error),
            false => Some(request.plan().next(now, Some(&error))),
        };
        match step {
            None => {
                prop_assert!(!request.flights.is_empty(), "nobody is waited for");
                Ok(Then::new())
            }
            Some(step) => {
                prop_assert!(request.flights.is_empty(), "another one is under way");
                let failed = Some((flight.group, flight.index));
                self.follow(request, millis, step, &Choice { before, failed })
            }
        }
    }

    fn hedges(
        &mut self,
        request: &mut Request<'r>,
        millis: u64,
        number: usize,
    ) -> Result<Then, TestCaseError> {
        if !matches!(&*request.flights, [flight] if flight.number == number) {
            return Ok(Then::new());
        }
        let now = self.time(millis);
        let before = self.standings(now);
        match request.plan().attempts().hedge(now) {
            None => Ok(Then::new()),
            Some(index) => self.begins(request, millis, index, &Choice { before, failed: None }),
        }
    }

    /// Does what a plan says.
    fn follow(
        &mut self,
        request: &mut Request<'r>,
        millis: u64,
        step: Step,
        choice: &Choice,
    ) -> Result<Then, TestCaseError> {
        request.steps += 1;
        self.note_groups(request, millis);
        let now = self.time(millis);
        prop_assert!(request.steps < 100, "a request without an end");
        match step {
            Step::Try(index) => self.begins(request, millis, index, choice),
            Step::Wait(pause) => {
                let millis = millis + u64::try_from(pause.as_millis()).unwrap() + 1;
                prop_assert!(millis <= request.arrival.at + DEADLINE, "a wait past the deadline");
                rules::returns(self, request, now, millis)?;
                Ok(vec![(millis, Event::Turn)])
            }
            Step::Fail => {
                rules::fails(request, now)?;
                Ok(Then::new())
            }
        }
    }

    fn begins(
        &mut self,
        request: &mut Request<'r>,
        millis: u64,
        index: usize,
        choice: &Choice,
    ) -> Result<Then, TestCaseError> {
        let now = self.time(millis);
        let plan = request.plan.as_ref().unwrap();
        let group = self.place(plan.group());
        let tokens = request.arrival.tokens.0 + request.arrival.tokens.1;
        let seen = &mut self.seen[group][index];
        seen.under_way += 1;
        seen.asked.push(Asked { at: millis, tokens });
        let nth = seen.asked.len() - 1;
        prop_assert!(millis < request.arrival.at + DEADLINE, "an attempt past the deadline");
        rules::check(self, request, (group, index), choice, now)?;
        let record = request.plan.as_ref().unwrap().records().last().unwrap().1;
        if record
            .attempts
            .last()
            .is_some_and(|attempt| attempt.because == Because::Again && attempt.waited.is_zero())
        {
            rules::returns(self, request, now, millis)?;
        }
        self.note_charge(request, millis);
        let number = self.numbers;
        self.numbers += 1;
        let mut phase = self.scene.teams[group].scripts[index].at(millis);
        let bound = self.bound(request, index, now);
        rules::leaves_time(self, request, (group, index), millis + bound)?;
        if phase.takes > bound {
            phase = Phase { kind: Some(ErrorKind::Timeout), takes: bound, retry_after: None, breaks: false };
        }
        request.flights.push(Flight { number, group, index, nth, phase });
        let mut then = vec![(millis + phase.takes, Event::Ends(number))];
        if let Some(at) = request.plan().attempts().hedge_at() {
            let after = u64::try_from((at - self.start).as_millis()).unwrap();
            then.push((after, Event::Hedge(number)));
        }
        Ok(then)
    }

    /// How long the attempt that has begun may take until its first content.
    fn bound(&self, request: &mut Request<'r>, index: usize, now: Instant) -> u64 {
        let streams = request.needs.stream;
        let attempts = request.plan().attempts();
        let deployment = Arc::clone(&attempts.group().deployments[index]);
        let limits = attempts.limits(&deployment, now);
        let bound = if streams { limits.first_token } else { limits.total };
        u64::try_from(bound.as_millis()).unwrap().max(1)
    }

    /// Takes note of what the attempt that has begun was charged to the retry budget, as far as that can be seen.
    fn note_charge(&mut self, request: &Request<'r>, millis: u64) {
        let plan = request.plan.as_ref().unwrap();
        let record = plan.records().last().unwrap().1;
        let attempt = record.attempts.last().unwrap();
        let reason = if plan.depth() > 0 { "Fallback".to_owned() } else { format!("{:?}", attempt.because) };
        self.reasons.insert(reason);
        let what = if attempt.because == Because::Hedge { Spent::Hedge } else { Spent::Retry };
        let charged = match attempt.because {
            Because::Again | Because::Hedge => true,
            Because::LastResort => record.attempts.len() > 1,
            _ => !attempt.waited.is_zero(),
        };
        if charged {
            let waited = u64::try_from(attempt.waited.as_millis()).unwrap();
            let group = self.place(plan.group());
            self.charged.push((group, what, millis.saturating_sub(waited)));
        }
    }

    /// Takes note of the groups that the request has come to.
    fn note_groups(&mut self, request: &mut Request<'r>, millis: u64) {
        let plan = request.plan.as_ref().unwrap();
        let groups: Vec<_> = plan.records().map(|(group, _)| self.place(group)).collect();
        let new = groups.into_iter().filter(|group| request.groups.insert(*group));
        self.came.extend(new.map(|group| (group, millis)));
    }

    fn place(&self, group: &Arc<Group<()>>) -> usize {
        self.router.groups().position(|known| Arc::ptr_eq(known, group)).unwrap()
    }

    fn leave(&mut self, flight: Flight) {
        self.seen[flight.group][flight.index].under_way -= 1;
    }
}
