//! Groups that were left for a while: everybody there was unwell or late, or its provider wanted a pause.

use std::time::Instant;

use super::{Plan, Target};
use crate::attempts::Attempts;
use crate::record::End;

impl<T> Plan<'_, T> {
    /// Goes on at the group that was left first without having said no: only if anybody there is well by now, or because
    /// nobody else is left.
    pub(super) fn go_back(&mut self, now: Instant, well: bool) -> bool {
        let left = |attempts: &Attempts<T>| attempts.record().end == Some(End::AllCooling);
        let may_go_on = |attempts: &Attempts<T>| left(attempts) && (!well || attempts.could_go_on(now));
        let at = self.past.iter().position(|(_, attempts)| may_go_on(attempts));
        let Some(at) = at.filter(|_| self.may_fall_back(now)) else {
            return false;
        };
        let (target, attempts) = self.past.remove(at);
        self.leave_for(target, attempts);
        self.returned = true;
        self.attempts.insist();
        true
    }

    pub(super) fn leave_for(&mut self, target: Target, attempts: Attempts<T>) {
        let target = std::mem::replace(&mut self.current, target);
        self.past.push((target, std::mem::replace(&mut self.attempts, attempts)));
        self.returned = false;
        self.share_time();
    }
}
