//! Checks of `[[keys]]`, `[[teams]]`, `[[users]]`, `[[organisations]]`, `[[budgets]]` and `[[limits]]`.
//!
//! Whether the team of a key exists is not checked: it may be one of the database's.

use std::collections::BTreeSet;

use super::Check;
use crate::diag::Code;
use crate::place::Path;
use crate::{Owner, OwnerBudget, OwnerLimits, OwnerTerms, ScopedBudget, ScopedLimits, VirtualKey};

/// The shortest key: what is shorter can be guessed.
const SHORTEST: usize = 16;
/// The longest name.
const LONGEST: usize = 256;

impl Check<'_> {
    pub(super) fn owners(&mut self) {
        let root = Path::default();
        let config = self.config;
        for (kind, owners) in
            [("organisations", &config.organisations), ("teams", &config.teams), ("users", &config.users)]
        {
            let mut seen = BTreeSet::new();
            for (nth, owner) in owners.iter().enumerate() {
                let path = root.key(kind).index(nth);
                self.owner(&path, owner);
                if kind != "teams" && owner.organisation.is_some() {
                    self.error(Code::BadValue, &path.key("organisation"), "is for teams and keys alone");
                }
                self.once(&path.key("id"), &owner.id, &mut seen);
            }
        }
        let mut seen = BTreeSet::new();
        for (nth, key) in config.keys.iter().enumerate() {
            let path = root.key("keys").index(nth);
            self.key(&path, key);
            self.once(&path.key("name"), &key.name, &mut seen);
        }
        self.scoped();
        self.scoped_limits();
        if !config.keys.is_empty()
            && config.auth.master_key.is_none()
            && self.places.is_written(&root.key("keys"))
        {
            let message =
                "without auth.master_key these keys are not needed: everybody on this machine may call";
            self.warning(Code::NoEffect, &root.key("keys"), message).help =
                Some("set auth.master_key".to_owned());
        }
    }

    fn scoped(&mut self) {
        let mut seen = BTreeSet::new();
        for (nth, ScopedBudget { scope, budget }) in self.config.budgets.iter().enumerate() {
            let path = Path::default().key("budgets").index(nth);
            let known = ["tag:", "model:", "provider:"];
            let named = known.iter().any(|kind| scope.strip_prefix(kind).is_some_and(|id| !id.is_empty()));
            if scope != "global" && !named {
                self.error(
                    Code::BadValue,
                    &path.key("scope"),
                    "must be global, tag:…, model:… or provider:…",
                )
                .help = Some("keys, teams, users and organisations have their own `budgets`".to_owned());
            }
            self.limit(&path, budget);
            let same = format!("{scope} {:?} {} {}", budget.window, budget.hard, budget.time_zone);
            if !seen.insert(same) {
                self.error(Code::Duplicate, &path.key("scope"), "there is such a budget already").help =
                    Some("one for each scope, window, mode and time zone".to_owned());
            }
        }
    }

    fn scoped_limits(&mut self) {
        let mut seen = BTreeSet::new();
        for (nth, ScopedLimits { scope, limits }) in self.config.limits.iter().enumerate() {
            let path = Path::default().key("limits").index(nth);
            let named = ["tag:", "model:"]
                .iter()
                .any(|kind| scope.strip_prefix(kind).is_some_and(|id| !id.is_empty()));
            if scope != "global" && !named {
                let message = "must be global, tag:… or model:…";
                self.error(Code::BadValue, &path.key("scope"), message).help = Some(
                    "keys, teams, users and organisations have their own `limits`, deployments `rpm`, `tpm` and \
                     `max_parallel`"
                        .to_owned(),
                );
            }
            self.once(&path.key("scope"), scope, &mut seen);
            self.some_limit(&path, limits);
        }
    }

    fn some_limit(&mut self, path: &Path, limits: &OwnerLimits) {
        if *limits == OwnerLimits::default() {
            let message = "limits nothing: set rpm, tpm or parallel";
            self.warning(Code::NoEffect, path, message);
        }
    }

    fn owner(&mut self, path: &Path, owner: &Owner) {
        self.name(&path.key("id"), &owner.id);
        if let Some(organisation) = &owner.organisation {
            self.name(&path.key("organisation"), organisation);
        }
        self.owner_terms(path, &owner.terms);
    }

    fn key(&mut self, path: &Path, key: &VirtualKey) {
        self.name(&path.key("name"), &key.name);
        self.not_empty_secret(&path.key("key"), key.key.as_ref());
        match (&key.key, &key.key_hash) {
            (None, None) => {
                self.error(Code::MissingKey, path, "a key needs `key` or `key_hash`").help =
                    Some("write key = \"${NAME_OF_A_VARIABLE}\"".to_owned());
            }
            (Some(_), Some(_)) => {
                self.error(Code::BadValue, &path.key("key_hash"), "stands beside `key`: keep one of them");
            }
            (Some(key), None) => {
                let text = key.expose();
                if !text.is_empty() && text.len() < SHORTEST && !self.is_open(text) {
                    let message =
                        format!("must be {SHORTEST} characters or longer: a shorter one can be guessed");
                    self.error(Code::BadValue, &path.key("key"), message);
                }
            }
            (None, Some(hash)) => {
                let digits = hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if hash.len() != 64 || !digits {
                    let message = "must be 64 hexadecimal digits in lower case";
                    self.error(Code::BadValue, &path.key("key_hash"), message).help =
                        Some("printf %s \"$KEY\" | sha256sum".to_owned());
                }
            }
        }
        if key.expires_at.as_ref().is_some_and(|at| at.parse::<jiff::Timestamp>().is_err()) {
            self.error(Code::BadValue, &path.key("expires_at"), "is no moment as RFC 3339 writes it").help =
                Some("write for example \"2027-01-01T00:00:00Z\"".to_owned());
        }
        for (member, text) in [("team", &key.team), ("user", &key.user), ("organisation", &key.organisation)]
        {
            if let Some(text) = text {
                self.name(&path.key(member), text);
            }
        }
        for (nth, tag) in key.tags.iter().enumerate() {
            self.name(&path.key("tags").index(nth), tag);
        }
        self.owner_terms(path, &key.terms);
    }

    pub(super) fn owner_terms(&mut self, path: &Path, terms: &OwnerTerms) {
        let mut seen = BTreeSet::new();
        for (nth, budget) in terms.budgets.iter().enumerate() {
            let path = path.key("budgets").index(nth);
            self.limit(&path, budget);
            if !seen.insert(format!("{:?} {} {}", budget.window, budget.hard, budget.time_zone)) {
                self.error(Code::Duplicate, &path.key("window"), "there is such a budget already").help =
                    Some("one for each window, mode and time zone".to_owned());
            }
        }
        let mut seen = BTreeSet::new();
        for (nth, one) in terms.model_limits.iter().enumerate() {
            let path = path.key("model_limits").index(nth);
            self.name(&path.key("model"), &one.model);
            self.once(&path.key("model"), &one.model, &mut seen);
            self.some_limit(&path, &one.limits);
        }
        for (member, globs) in [("models", &terms.models), ("routes", &terms.routes)] {
            for (nth, glob) in globs.iter().enumerate() {
                self.name(&path.key(member).index(nth), glob);
            }
        }
        for (nth, range) in terms.ip_ranges.iter().enumerate() {
            if !is_range(range) {
                let message = "is no range of IP addresses";
                self.error(Code::BadValue, &path.key("ip_ranges").index(nth), message).help =
                    Some("write an address or a range such as 10.0.0.0/8".to_owned());
            }
        }
    }

    fn limit(&mut self, path: &Path, budget: &OwnerBudget) {
        if jiff::tz::TimeZone::get(&budget.time_zone).is_err() {
            self.error(Code::BadValue, &path.key("time_zone"), "no time zone is called so").help =
                Some("use a name of the IANA database, such as Europe/Berlin".to_owned());
        }
        for (nth, model) in budget.fallbacks.iter().enumerate() {
            self.name(&path.key("fallbacks").index(nth), model);
        }
    }

    pub(super) fn name(&mut self, path: &Path, name: &str) {
        let wrong = if name.trim().is_empty() {
            "must not be empty"
        } else if name.trim() != name {
            "must not begin or end with a space"
        } else if name.chars().any(char::is_control) {
            "must not hold control characters"
        } else if name.chars().count() > LONGEST {
            "is too long"
        } else {
            return;
        };
        self.error(Code::BadValue, path, wrong);
    }

    fn once<'n>(&mut self, path: &Path, name: &'n str, seen: &mut BTreeSet<&'n str>) {
        if !seen.insert(name) {
            self.error(Code::Duplicate, path, format!("`{name}` is there already"));
        }
    }
}

/// Whether this is an address, or an address and how many of its bits count.
fn is_range(text: &str) -> bool {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
}
