//! Where a prompt goes that did not fit.

use super::*;
use crate::Standing;

fn windowed(windows: &[Option<u64>]) -> Arc<Group<()>> {
    let policy = RetryPolicy { retries: 5, ..RetryPolicy::default() };
    let deployments = windows.iter().enumerate().map(|(nth, window)| {
        let order = u32::try_from(nth).unwrap();
        let facts = Facts { context_window: *window, order, ..Facts::default() };
        Deployment::new(format!("m/{}", nth + 1), 0, ()).with_facts(facts)
    });
    Arc::new(Group::new("m", policy, deployments))
}

fn check(windows: &[Option<u64>], failures: &[ErrorKind], tried: &[usize], end: End) {
    let start = Instant::now();
    let group = windowed(windows);
    let mut attempts = begin(&group, start, Duration::from_secs(60));
    let failures: Vec<_> = failures.iter().map(|kind| failure(*kind)).collect();
    assert_eq!(play(&mut attempts, start, &failures), (tried.to_vec(), Some(end)), "{windows:?}");
    for deployment in &*group.deployments {
        assert_eq!(deployment.stats.counts().failures, 0, "it is nobody's fault");
        assert_eq!(deployment.stats.standing(start), Standing::Ready);
    }
}

#[test]
fn a_prompt_that_did_not_fit_goes_to_larger_windows_only() {
    use ErrorKind::ContextWindow as K;
    let (small, large, unknown) = (Some(1_000), Some(9_000), None);
    check(&[small, small, large], &[K], &[0, 2], End::Answered);
    check(&[small, small, unknown], &[K], &[0, 2], End::Answered);
    check(&[small, unknown, unknown, large], &[K, K], &[0, 1, 3], End::Answered);
    check(&[large, small], &[K], &[0], End::NotRetryable);
    check(&[unknown, unknown], &[K], &[0], End::NotRetryable);
    check(&[small, large], &[K, K], &[0, 1], End::NotRetryable);
}
