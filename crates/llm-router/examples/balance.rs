//! Balancing plain async functions: no gateway, no provider, no HTTP.
//!
//! Two hundred callers ask one model. Of its three servers one is fast, one is slow, and one breaks half way and
//! comes back; a slow first word is hedged, and when all else fails another model answers.
//!
//! `cargo run -p llm-router --example balance`

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_router::{
    CooldownPolicy, Deployment, Fallbacks, Group, Limits, Needs, RetryPolicy, Router, Step, Strategy, Used,
};
use llm_types::{ApiError, ErrorKind};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

/// What is called: how long it takes, and when it is broken.
#[derive(Debug)]
struct Server {
    takes: Duration,
    broken: std::ops::Range<u128>,
}

async fn call(server: &Server, begun: Instant, limits: Limits) -> Result<&'static str, ApiError> {
    let answer = async {
        if server.broken.contains(&begun.elapsed().as_millis()) {
            return Err(ApiError::upstream(ErrorKind::Unavailable, "out of order"));
        }
        sleep(server.takes).await;
        Ok("hello")
    };
    let late = |_| ApiError::upstream(ErrorKind::Timeout, "too slow");
    timeout(limits.first_token, answer).await.map_err(late)?
}

/// One request, from the router's first word to the answer.
async fn ask(router: &Router<Server>, begun: Instant) -> Result<&'static str, ApiError> {
    let unknown = || ApiError::new(ErrorKind::NotFound, "no such model");
    let now = Instant::now();
    let found = router.find("smart").ok_or_else(unknown)?;
    let needs = Arc::new(Needs { stream: true, ..Needs::default() });
    let mut plan = router.plan(found, now, now + Duration::from_secs(5));
    plan.need(needs);
    let mut step = plan.next(now, None);
    loop {
        let first = match step {
            Step::Try(index) => index,
            Step::Wait(pause) => {
                sleep(pause).await;
                step = plan.next(Instant::now(), None);
                continue;
            }
            Step::Fail => return Err(plan.failure()),
        };
        let group = Arc::clone(plan.group());
        let run = async |index: usize, limits: Limits| match group.get(index) {
            Some(deployment) => (index, call(&deployment.target, begun, limits).await),
            None => (index, Err(unknown())),
        };
        let limits = |index: usize, plan: &mut llm_router::Plan<'_, Server>| {
            let deployment = group.get(index).ok_or_else(unknown)?;
            Ok::<_, ApiError>(plan.attempts().limits(deployment, Instant::now()))
        };
        let mut one = Box::pin(run(first, limits(first, &mut plan)?));
        let mut two = None;
        step = loop {
            let hedge_at = plan.attempts().hedge_at();
            let hedge = async {
                match hedge_at {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let second = async {
                match &mut two {
                    Some(second) => std::pin::Pin::as_mut(second).await,
                    None => std::future::pending().await,
                }
            };
            let (index, result) = tokio::select! {
                done = &mut one => done,
                done = second => done,
                () = hedge => {
                    if let Some(index) = plan.attempts().hedge(Instant::now()) {
                        two = Some(Box::pin(run(index, limits(index, &mut plan)?)));
                    }
                    continue;
                }
            };
            let now = Instant::now();
            match result {
                Ok(answer) => {
                    // The other one, if there is one, is dropped with its future.
                    if let Some(lease) = plan.attempts().answered_by(index, now) {
                        lease.finish(&Used::default(), now);
                    }
                    return Ok(answer);
                }
                Err(error) => match plan.failed(index, now, &error) {
                    Some(step) => break step,
                    // The other one is still at it; it takes this one's place.
                    None => {
                        if index == first {
                            one = two.take().ok_or_else(unknown)?;
                        }
                        two = None;
                    }
                },
            }
        };
    }
}

fn router() -> Result<Router<Server>, llm_router::BuildError> {
    let server = |millis, broken| Server { takes: Duration::from_millis(millis), broken };
    let policy = RetryPolicy { hedge: Some(Duration::from_millis(60)), ..RetryPolicy::default() };
    let cooldown = CooldownPolicy { duration: Duration::from_millis(200), ..CooldownPolicy::default() };
    let smart = Group::new(
        "smart",
        policy,
        [
            Deployment::new("fast", 0, server(10, 0..0)),
            Deployment::new("slow", 0, server(80, 0..0)),
            Deployment::new("moody", 0, server(10, 300..700)),
        ],
    );
    let smart = smart.with_strategy(Strategy::LowestLatency).with_cooldown(cooldown);
    let plain = Group::new("plain", RetryPolicy::default(), [Deployment::new("spare", 0, server(5, 0..0))]);
    Router::builder().group(smart.with_fallbacks(Fallbacks::to(["plain"]))).group(plain).build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let router = Arc::new(router()?);
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for nth in 0..200_u64 {
        let router = Arc::clone(&router);
        callers.spawn(async move {
            sleep(Duration::from_millis(nth * 5)).await;
            ask(&router, begun).await
        });
    }
    let answers = callers.join_all().await.into_iter().filter(Result::is_ok).count();

    let mut out = std::io::stdout().lock();
    writeln!(out, "{answers} of 200 answered")?;
    for deployment in router.groups().flat_map(|group| group.deployments.iter()) {
        let standing = deployment.stats.standing(Instant::now());
        writeln!(out, "{deployment}: {standing:?}, {:?}", deployment.stats.counts())?;
    }
    Ok(())
}
