//! Nothing knows where it was written.
//!
//! A path of the machine that a file was written on works nowhere else, and tells readers nothing.

use std::path::Path;

use super::text::line_at;
use super::{Problem, Source};
use crate::workspace::Workspace;

/// Directories that every machine has, and that files may rightly name.
const EVERYWHERE: &[&str] = &[
    "/",
    "/bin/",
    "/etc/",
    "/home/",
    "/mnt/",
    "/opt/",
    "/root/",
    "/run/",
    "/srv/",
    "/tmp/",
    "/usr/",
    "/usr/local/",
    "/var/",
    "/var/lib/",
];

/// The clone, the directory around it and the user's own, as texts that must not occur.
pub(super) fn of_this_machine(workspace: &Workspace) -> Vec<String> {
    let home = std::env::var_os("HOME");
    let around = workspace.root.parent();
    let dirs = [Some(&*workspace.root), around, home.as_deref().map(Path::new)];
    forbidden(dirs.into_iter().flatten())
}

fn forbidden<'a>(dirs: impl Iterator<Item = &'a Path>) -> Vec<String> {
    let texts = dirs.filter_map(Path::to_str).map(|dir| format!("{}/", dir.trim_end_matches('/')));
    texts.filter(|dir| !EVERYWHERE.contains(&&**dir)).collect()
}

pub(super) fn check(source: &Source, forbidden: &[String]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for dir in forbidden {
        for (at, _) in source.text.match_indices(&**dir) {
            let before = source.text.get(..at).and_then(|text| text.chars().next_back());
            // In the middle of a longer path it is another directory of that name.
            if !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '}')) {
                let message = format!("names a path of this machine (`{dir}`)");
                problems.push(Problem::new(&source.path, line_at(&source.text, at), message));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn own_directories_are_forbidden_and_common_ones_are_not() {
        let dirs = ["/home/me/src/project", "/home/me/src", "/home/me", "/tmp", "/root"].map(Path::new);
        assert_eq!(forbidden(dirs.into_iter()), ["/home/me/src/project/", "/home/me/src/", "/home/me/"]);
    }

    #[test]
    fn a_path_is_found_where_it_begins() {
        let check = |text, expect| {
            let found = check(&source("README.md", text), &["/me/".to_owned()]);
            assert_eq!(found.len(), expect, "{text}");
        };
        check("see /me/notes", 1);
        check("\"/me/notes\" and `/me/x`", 2);
        check("https://example.com/me/notes", 0);
        check("../me/notes", 0);
        check("the me/notes", 0);
    }
}
