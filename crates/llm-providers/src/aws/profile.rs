//! The region that the user's AWS configuration names (docs.aws.amazon.com/sdkref/latest/guide/file-format.html).
//!
//! It is read where nothing else says one, once, when the deployment is: credentials of the same files are asked for beside
//! the calls, a region stands in their addresses.

use std::path::{Path, PathBuf};

use crate::credential::{Env, set};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// How many profiles are followed, each to the one whose credentials it takes.
const SOURCES: usize = 8;

/// The region of a profile, by default the environment's; where it names none, that of the profile whose credentials it
/// takes.
pub(super) fn region(profile: Option<&str>, env: Env<'_>) -> Option<String> {
    let named = || set("AWS_PROFILE", env).or_else(|| set("AWS_DEFAULT_PROFILE", env));
    let mut name = profile.map(str::to_owned).or_else(named).unwrap_or_else(|| "default".to_owned());
    let files = [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    let files: Vec<String> = files.iter().filter_map(|file| text(*file, env)).collect();
    for _ in 0..SOURCES {
        let find = |key: &str| files.iter().find_map(|text| member(text, &name, key));
        if let Some(region) = find("region") {
            return Some(region);
        }
        name = find("source_profile").filter(|source| *source != name)?;
    }
    None
}

fn text((variable, name): (&str, &str), env: Env<'_>) -> Option<String> {
    let given = set(variable, env).map(PathBuf::from);
    let path = given.or_else(|| {
        let home = set("HOME", env).or_else(|| set("USERPROFILE", env))?;
        Some(Path::new(&home).join(".aws").join(name))
    })?;
    let length = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?.len();
    if length > LIMIT {
        return None;
    }
    std::fs::read_to_string(path).ok()
}

/// A member of a profile's section. Lines that begin with a space belong to the member before them.
fn member(text: &str, profile: &str, key: &str) -> Option<String> {
    let mut within = false;
    let mut found = None;
    for line in text.lines() {
        if let Some(head) = line.trim().strip_prefix('[') {
            let name = head.split(']').next().unwrap_or_default().trim();
            let name =
                name.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(name);
            within = name.trim() == profile;
            continue;
        }
        if !within || line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = [" #", " ;", "\t#", "\t;"]
            .iter()
            .fold(value, |value, mark| value.split_once(mark).map_or(value, |(before, _)| before));
        if name.trim().eq_ignore_ascii_case(key) && !value.trim().is_empty() {
            found = Some(value.trim().to_owned());
        }
    }
    found
}
