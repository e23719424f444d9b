//! A thousand requests over three deployments, one of which is down: who was asked, and how often.
//!
//! `cargo run -p llm-router --example failover`

use std::io::Write;
use std::time::{Duration, Instant};

use llm_router::{Deployment, Group, RetryPolicy, Router, Step};
use llm_types::{ApiError, ErrorKind};

/// What is called: here, a server that is up or down.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Server {
    Up,
    Down,
}

fn call(server: Server) -> Result<(), ApiError> {
    match server {
        Server::Up => Ok(()),
        Server::Down => Err(ApiError::upstream(ErrorKind::Unavailable, "down for maintenance")),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let group = Group::new(
        "smart",
        RetryPolicy::default(),
        [
            Deployment::new("eu", 0, Server::Up).weighing(3),
            Deployment::new("us", 0, Server::Down).weighing(2),
            Deployment::new("asia", 0, Server::Up).weighing(1),
        ],
    );
    let router = Router::builder().group(group).build()?;
    let found = router.find("smart").ok_or("no such model")?;

    for _ in 0..1000 {
        let now = Instant::now();
        let mut attempts = router.attempts(found.group, now, now + Duration::from_secs(10));
        let mut failure = None;
        loop {
            match attempts.next(Instant::now(), failure.take().as_ref()) {
                Step::Try(index) => {
                    let deployment = found.group.get(index).ok_or("no such deployment")?;
                    match call(deployment.target) {
                        Ok(()) => {
                            attempts.answered(Instant::now());
                            break;
                        }
                        Err(error) => failure = Some(error),
                    }
                }
                Step::Wait(pause) => std::thread::sleep(pause),
                Step::Fail => return Err(attempts.failure().into()),
            }
        }
    }

    let mut out = std::io::stdout().lock();
    for deployment in found.group.deployments.iter() {
        writeln!(out, "{deployment}: {:?}", deployment.stats.counts())?;
    }
    Ok(())
}
