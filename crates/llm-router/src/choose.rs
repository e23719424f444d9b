//! One choice among the deployments of a group.
//!
//! Lower tiers first; in a tier those that nothing stands against; of those the probe that is due, then whom
//! the request belongs to, then the strategy's pick. A choice is final only when the deployment has let the
//! request in: its limits are checked there, once, and if it is full the next one is chosen. Allocates nothing
//! up to 1,024 deployments.

use std::time::Instant;

use crate::affinity;
use crate::group::Group;
use crate::mask::Mask;
use crate::needs::Needs;
use crate::picker::PickCx;
use crate::pool::{Pool, Seat};
use crate::record::{Because, Reason};
use crate::stats::{Grant, Refused, Standing, Stats};

/// Of more candidates than this, only the one that is picked is looked at.
pub(crate) const MANY: usize = 64;

/// Who was chosen, and let the request in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) index: usize,
    pub(crate) grant: Grant,
    pub(crate) because: Because,
}

/// What a choice goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) cx: PickCx,
    pub(crate) needs: Option<&'a Needs>,
    /// A probe may be sent first: if it fails, somebody else can be asked.
    pub(crate) may_probe: bool,
}

/// Whom a choice compares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compared<'a> {
    /// The tier whose turn it is.
    pub(crate) tier: &'a Mask,
    /// Those of it that may be asked.
    pub(crate) open: &'a Mask,
    /// Nobody unwell or full is among them: each was looked at.
    pub(crate) looked: bool,
}

impl Ask<'_> {
    /// The tokens that a deployment counts for it.
    fn tokens(&self, seat: &Seat) -> u64 {
        self.needs.map_or(0, |needs| needs.booked(&seat.allowance))
    }
}

impl<T> Group<T> {
    /// Chooses among these who is well; takes out those that turn out to be full. Whom it compares it shows before it
    /// picks, the last time those among whom it found the choice; nobody (`None`) if there is none.
    pub(crate) fn choose(
        &self,
        open: &mut Mask,
        ask: &Ask<'_>,
        mut show: impl FnMut(Option<Compared<'_>>),
    ) -> Option<Choice> {
        'again: loop {
            for tier in &self.tiers {
                let mut ready = open.clone();
                ready.retain(tier);
                if self.seats.len() > MANY && ready.count() > MANY {
                    show(Some(Compared { tier, open: &ready, looked: false }));
                    if let Some(choice) = self.choose_unseen(&ready, ask) {
                        return Some(choice);
                    }
                }
                let probe = self.keep_ready(&mut ready, ask);
                if ready.is_empty() {
                    continue;
                }
                show(Some(Compared { tier, open: &ready, looked: true }));
                let (index, because) = match probe.filter(|_| ask.may_probe) {
                    Some(index) => (index, Because::Probe),
                    None => self.pick(&ready, ask)?,
                };
                match self.admit(index, ask, false) {
                    Ok(grant) => return Some(Choice { index, grant, because }),
                    // Somebody else took the last place since we looked.
                    Err(_) => open.clear(index),
                }
                continue 'again;
            }
            show(None);
            return None;
        }
    }

    /// Chooses among these whoever will be well first, though nobody is. Limits hold all the same.
    pub(crate) fn choose_unwell(&self, open: &mut Mask, ask: &Ask<'_>) -> Option<Choice> {
        let now = ask.cx.now;
        // One that is just being probed has enough to do, and one whose provider has asked for a pause is to have it. Those
        // that are probed may be asked by many at once.
        let order = |index: usize| {
            let stats = &self.seats.get(index)?.stats;
            let standing = stats.standing(now);
            let rank = match standing {
                Standing::Drained => return None,
                Standing::Cooling(_) if stats.is_asked_pause() => 2,
                Standing::Probing => 1,
                _ => 0,
            };
            Some((rank, standing.until(), stats.in_flight()))
        };
        loop {
            let unwell = open.iter().filter_map(|index| Some((order(index)?, index)));
            let (_, index) = unwell.min()?;
            match self.admit(index, ask, true) {
                Ok(grant) => return Some(Choice { index, grant, because: Because::LastResort }),
                Err(_) => open.clear(index),
            }
        }
    }

    /// Asks one deployment to let the request in.
    pub(crate) fn admit(&self, index: usize, ask: &Ask<'_>, last_resort: bool) -> Result<Grant, Refused> {
        let seat = self.seats.get(index).ok_or(Refused::Health)?;
        seat.stats.acquire(&seat.allowance, ask.tokens(seat), last_resort, ask.cx.now)
    }

    /// What stands against a deployment now, its abilities aside.
    pub(crate) fn obstacle(&self, index: usize, needs: Option<&Needs>, now: Instant) -> Option<Reason> {
        let seat = self.seats.get(index)?;
        let left = |until: Instant| until.saturating_duration_since(now);
        match seat.stats.standing(now) {
            Standing::Drained => return Some(Reason::Drained),
            Standing::Cooling(until) => return Some(Reason::Cooling(left(until))),
            Standing::Resting(until) => return Some(Reason::Resting(left(until))),
            Standing::Probing => return Some(Reason::Probing),
            Standing::Ready | Standing::ProbeDue => {}
        }
        if !seat.bounded {
            return None;
        }
        let tokens = needs.map_or(0, |needs| needs.booked(&seat.allowance));
        match seat.stats.fits(&seat.allowance, tokens, now) {
            Ok(()) => None,
            Err(Refused::Minute) => Some(Reason::Minute(seat.stats.free_in(&seat.allowance, tokens, now))),
            Err(_) => Some(Reason::Parallel),
        }
    }

    /// Chooses among so many that looking at the health of each takes longer than choosing: pick first, look
    /// then. Whoever is unwell is noticed when it is picked; whose probe is due is written down.
    fn choose_unseen(&self, open: &Mask, ask: &Ask<'_>) -> Option<Choice> {
        let is = |index: usize, standing| self.is(index, standing, ask);
        let watch = self.watch.as_ref().filter(|_| ask.may_probe);
        let due = watch.and_then(|watch| watch.due(open, ask.cx.now, |index| is(index, Standing::ProbeDue)));
        let (index, because) = match due {
            Some(index) => (index, Because::Probe),
            None => self.pick(open, ask).filter(|(index, _)| is(*index, Standing::Ready))?,
        };
        let grant = self.admit(index, ask, false).ok()?;
        Some(Choice { index, grant, because })
    }

    fn is(&self, index: usize, standing: Standing, ask: &Ask<'_>) -> bool {
        let seat = self.seats.get(index);
        let fits = |seat: &Seat| seat.stats.fits(&seat.allowance, ask.tokens(seat), ask.cx.now).is_ok();
        seat.is_some_and(|seat| seat.stats.standing(ask.cx.now) == standing && fits(seat))
    }

    /// Takes out whoever is unwell or full; gives one whose probe is due. Where no probe may be sent, those that wait
    /// for theirs stay only if nobody is well, or they have waited for long.
    fn keep_ready(&self, open: &mut Mask, ask: &Ask<'_>) -> Option<usize> {
        let now = ask.cx.now;
        let (mut probe, mut anybody) = (None, false);
        open.keep(|index| {
            let Some(seat) = self.seats.get(index) else {
                return false;
            };
            let fits = |seat: &Seat| seat.stats.fits(&seat.allowance, ask.tokens(seat), now).is_ok();
            match seat.stats.standing(now) {
                Standing::Ready => {
                    let fits = !seat.bounded || fits(seat);
                    anybody |= fits;
                    fits
                }
                Standing::ProbeDue if fits(seat) => {
                    probe = Some(index);
                    true
                }
                _ => false,
            }
        });
        if probe.is_some() && anybody && !ask.may_probe {
            let stays = |stats: &Stats| stats.standing(now) == Standing::Ready || stats.is_overdue(now);
            open.keep(|index| self.seats.get(index).is_some_and(|seat| stays(&seat.stats)));
        }
        probe
    }

    fn pick(&self, ready: &Mask, ask: &Ask<'_>) -> Option<(usize, Because)> {
        let pool = Pool::new(&self.seats, ready);
        if let Some(needs) = ask.needs {
            if needs.pin.is_some() {
                return Some((pool.nth(0)?.0, Because::Pinned));
            }
            // The client's own word for the conversation goes before our guess at it.
            if let Some(session) = needs.session {
                return Some((affinity::of_session(session, &pool)?, Because::Session));
            }
            if !needs.prefixes.is_empty() {
                let found = affinity::of_prefix(&needs.prefixes, &self.prefixes, &pool, &ask.cx);
                if let Some(index) = found.filter(|index| self.picker.keeps(*index, &pool, &ask.cx)) {
                    return Some((index, Because::Prefix));
                }
            }
        }
        Some((self.picker.pick(&pool, &ask.cx)?, Because::Strategy))
    }
}
