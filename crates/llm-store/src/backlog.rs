//! What is still to be told: the newest change of each deployment.
//!
//! While nobody can be told, changes pile up. Of two about one deployment the older one says nothing any
//! more, and one that is over need not be told at all, so what waits is bounded by the deployments.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_router::Cooldown;

/// How many deployments can have something waiting; further ones are not told about.
const MOST: usize = 1024;
/// A recovery is only news for so long: what was found out since then may be worse.
const RECOVERY_LIFE: Duration = Duration::from_secs(2);

/// Whom a change is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub(crate) group: Arc<str>,
    pub(crate) id: Arc<str>,
    pub(crate) fingerprint: u64,
    /// A rest and a cooldown say nothing about each other.
    rests: bool,
}

/// A change, as it was when it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) subject: Subject,
    left: Duration,
    trips: u32,
    at: Instant,
}

impl News {
    /// Takes note of a change that was told just now.
    pub(crate) fn new(cooldown: &Cooldown<'_>, at: Instant) -> Self {
        let Cooldown { group, id, fingerprint, left, trips } = *cooldown;
        let rests = cooldown.is_rest();
        Self { subject: Subject { group: group.into(), id: id.into(), fingerprint, rests }, left, trips, at }
    }

    /// The change as it is now; `None`: it is over.
    pub(crate) fn now(&self, now: Instant) -> Option<Cooldown<'_>> {
        let Self { subject: Subject { group, id, fingerprint, rests: _ }, left, trips, at } = self;
        let age = now.saturating_duration_since(*at);
        let rest = left.saturating_sub(age);
        let over = if left.is_zero() { age > RECOVERY_LIFE } else { rest.is_zero() };
        (!over).then_some(Cooldown { group, id, fingerprint: *fingerprint, left: rest, trips: *trips })
    }
}

/// Changes that wait.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    news: HashMap<Subject, News>,
}

impl Backlog {
    /// Adds a change. False: there is no room for it.
    pub(crate) fn add(&mut self, news: News, now: Instant) -> bool {
        if self.news.len() >= MOST && !self.news.contains_key(&news.subject) {
            self.news.retain(|_, waiting| waiting.now(now).is_some());
        }
        if self.news.len() >= MOST && !self.news.contains_key(&news.subject) {
            return false;
        }
        self.news.insert(news.subject.clone(), news);
        true
    }

    /// Puts back what could not be told, unless something newer is there.
    pub(crate) fn put_back(&mut self, news: News) {
        self.news.entry(news.subject.clone()).or_insert(news);
    }

    /// Takes one that is not over; the others are forgotten.
    pub(crate) fn take(&mut self, now: Instant) -> Option<News> {
        while let Some(subject) = self.news.keys().next().cloned() {
            let news = self.news.remove(&subject);
            if let Some(news) = news.filter(|news| news.now(now).is_some()) {
                return Some(news);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn news(id: &str, left: Duration, at: Instant) -> News {
        News::new(&Cooldown { group: "g", id, fingerprint: 1, left, trips: 1 }, at)
    }

    #[test]
    fn the_newest_change_of_a_deployment_counts() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        assert!(backlog.add(news("a", 5 * SECOND, now), now));
        assert!(backlog.add(news("a", 9 * SECOND, now), now));
        let told = backlog.take(now).unwrap();
        assert_eq!(told.now(now).unwrap().left, 9 * SECOND);
        assert_eq!(backlog.take(now), None);
        // What came in while it was tried to tell the other one.
        backlog.add(news("a", Duration::ZERO, now), now);
        backlog.put_back(told);
        assert_eq!(backlog.take(now).unwrap().now(now).unwrap().left, Duration::ZERO);
    }

    #[test]
    fn what_is_over_is_not_told() {
        let now = Instant::now();
        let check = |left, after, expect| {
            let mut backlog = Backlog::default();
            backlog.add(news("a", left, now), now);
            let told = backlog.take(now + after);
            let left = told.as_ref().and_then(|news| news.now(now + after)).map(|cooldown| cooldown.left);
            assert_eq!(left, expect, "{left:?} after {after:?}");
        };
        check(5 * SECOND, 2 * SECOND, Some(3 * SECOND));
        check(5 * SECOND, 5 * SECOND, None);
        check(Duration::ZERO, SECOND, Some(Duration::ZERO));
        check(Duration::ZERO, 3 * SECOND, None);
    }

    #[test]
    fn it_is_bounded_by_what_is_not_over() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        for nth in 0..MOST {
            assert!(backlog.add(news(&format!("d{nth}"), SECOND, now), now));
        }
        assert!(!backlog.add(news("one more", SECOND, now), now));
        assert!(backlog.add(news("d7", 2 * SECOND, now), now), "known already");
        let later = now + SECOND;
        assert!(backlog.add(news("one more", SECOND, later), later));
        assert_eq!(backlog.news.len(), 2);
    }
}
