//! Which crate may import which: down, never sideways.
//!
//! The levels are data, so that a new crate does not pass before somebody has decided where it stands.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata};

use super::Problem;

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Vocabulary,
    Layer,
    Store,
    Gateway,
    Program,
    /// May import anything and be imported by nothing but its like.
    Workshop,
}

const LEVELS: &[(&str, Level)] = &[
    ("llm-types", Level::Vocabulary),
    ("llm-providers", Level::Layer),
    ("llm-router", Level::Layer),
    ("llm-cost", Level::Layer),
    ("llm-cache", Level::Layer),
    ("llm-governance", Level::Layer),
    ("llm-guardrails", Level::Layer),
    ("llm-mcp", Level::Layer),
    ("llm-telemetry", Level::Layer),
    ("llm-config", Level::Layer),
    ("llm-store", Level::Store),
    ("llm-admin", Level::Store),
    ("llm-conform", Level::Store),
    ("llm-gateway", Level::Gateway),
    ("gateway", Level::Program),
    ("llmctl", Level::Program),
    ("llm-testkit", Level::Workshop),
    ("tests", Level::Workshop),
    ("xtask", Level::Workshop),
];

/// What a crate must not import although it stands lower, or comes from elsewhere.
const NEVER: &[(&str, &[&str])] = &[
    ("llm-types", &["tokio", "reqwest", "hyper"]),
    ("llm-router", &["tokio", "reqwest", "hyper"]),
    ("llm-governance", &["sqlx", "tokio", "reqwest", "hyper"]),
    ("llm-gateway", &["sqlx"]),
    ("llmctl", &["llm-gateway", "sqlx"]),
];

/// One line of `[dependencies]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    from: String,
    to: String,
    /// Only for tests, examples and benches.
    dev: bool,
}

/// Every dependency of every member.
pub(super) fn edges(metadata: &Metadata) -> BTreeSet<Edge> {
    let members = metadata.workspace_packages();
    let edges = members.iter().flat_map(|package| {
        package.dependencies.iter().map(|dependency| Edge {
            from: package.name.to_string(),
            to: dependency.name.clone(),
            dev: dependency.kind == DependencyKind::Development,
        })
    });
    let own = members.iter().map(|package| {
        let name = package.name.to_string();
        Edge { from: name.clone(), to: name, dev: true }
    });
    edges.chain(own).collect()
}

pub(super) fn check(edges: &BTreeSet<Edge>) -> Vec<Problem> {
    let members: BTreeSet<_> = edges.iter().map(|edge| &*edge.from).collect();
    edges.iter().filter_map(|edge| Some(Problem::new(&edge.from, 0, wrong(edge, &members)?))).collect()
}

fn level(name: &str) -> Option<Level> {
    LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
}

fn wrong(edge: &Edge, members: &BTreeSet<&str>) -> Option<String> {
    let Edge { from, to, dev } = edge;
    let Some(own) = level(from) else {
        return Some("has no level: give it one in xtask/src/tidy/edges.rs".to_owned());
    };
    let never = NEVER.iter().any(|(name, never)| name == from && never.contains(&&**to));
    if never && !dev {
        return Some(format!("must not import {to}"));
    }
    if from == to || !members.contains(&**to) {
        return None;
    }
    let other = level(to)?;
    match (own, other) {
        (Level::Workshop, _) => {
            (own == other && to != "llm-testkit").then(|| format!("must not import {to}"))
        }
        (_, Level::Workshop) if to != "llm-testkit" => Some(format!("must not import {to}")),
        (_, Level::Workshop) => {
            (!dev).then(|| format!("imports {to}, which is for tests: make it a dev-dependency"))
        }
        _ => (other >= own).then(|| format!("imports {to}, which is not below it: imports point down")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_point_down() {
        let check = |from: &str, to: &str, dev: bool, expect: Option<&str>| {
            let edge = Edge { from: from.to_owned(), to: to.to_owned(), dev };
            let members = LEVELS.iter().map(|(name, _)| *name).chain(["new"]).collect();
            let got = wrong(&edge, &members);
            assert_eq!(got.is_some(), expect.is_some(), "{from} -> {to}: {got:?}");
            assert!(got.unwrap_or_default().contains(expect.unwrap_or_default()), "{from} -> {to}");
        };
        check("llm-providers", "llm-types", false, None);
        check("llm-store", "llm-governance", false, None);
        check("llm-gateway", "llm-store", false, None);
        check("gateway", "llm-gateway", false, None);
        check("llm-gateway", "tokio", false, None);
        check("llm-router", "llm-providers", false, Some("imports point down"));
        check("llm-types", "llm-config", false, Some("imports point down"));
        check("llm-providers", "llm-gateway", true, Some("imports point down"));
        check("llmctl", "llm-gateway", false, Some("must not import"));
        check("llmctl", "gateway", false, Some("imports point down"));
        check("llm-types", "tokio", false, Some("must not import"));
        check("llm-types", "tokio", true, None);
        check("llm-governance", "tokio", false, Some("must not import"));
        check("llm-gateway", "sqlx", false, Some("must not import"));
        check("llm-gateway", "llm-testkit", true, None);
        check("llm-gateway", "llm-testkit", false, Some("dev-dependency"));
        check("llm-gateway", "xtask", true, Some("must not import"));
        check("xtask", "llm-testkit", false, None);
        check("tests", "llm-gateway", true, None);
        check("tests", "xtask", true, Some("must not import"));
        check("new", "llm-types", false, Some("has no level"));
        check("new", "new", true, Some("has no level"));
    }

    #[test]
    fn a_crate_without_imports_needs_a_level_too() {
        let own = Edge { from: "new".to_owned(), to: "new".to_owned(), dev: true };
        assert_eq!(check(&BTreeSet::from([own])).len(), 1);
    }
}
