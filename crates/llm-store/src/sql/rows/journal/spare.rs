//! Files of the journal that are used again.
//!
//! The first touch of a page of a new file goes through the file system and takes some microseconds, as much as a dozen
//! rows. So a file whose rows are stored becomes the next one, under another name and emptied, its pages in place.

use std::fs;
use std::path::{Path, PathBuf};

use super::Done;
use super::disk::Disk;
use super::segment::Segment;

/// How many files are kept open for that at most: those whose rows are on their way to the database, and as many again.
pub(super) const MOST: usize = 6;
const ENDING: &str = "spare";

/// A file without rows.
#[derive(Debug)]
pub(in crate::sql::rows) struct Spare {
    path: PathBuf,
    segment: Segment<Disk>,
}

impl Spare {
    /// Out of a file whose rows are stored, which takes a while. `None`: it is not wanted or of no use, and removed.
    pub(in crate::sql::rows) fn of(done: Done, wanted: bool) -> Option<Self> {
        let Done { path, segment, .. } = done;
        let spare = path.with_extension(ENDING);
        // First the name: whoever reads the file by the old one knows from it that these are no longer its rows.
        match segment {
            Some(mut segment) if wanted && fs::rename(&path, &spare).is_ok() => match segment.empty() {
                Ok(()) => return Some(Self { path: spare, segment }),
                Err(_) => drop(fs::remove_file(spare)),
            },
            // One that stays is found at the next start, and its rows are known by then.
            _ => drop(fs::remove_file(path)),
        }
        None
    }
}

/// Files without rows.
#[derive(Debug)]
pub(super) struct Spares(Vec<Spare>);

impl Spares {
    /// None; those that an earlier process has left are removed.
    pub(super) fn new(folder: &Path) -> Self {
        let files = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        for path in files.filter(|path| path.extension().is_some_and(|ending| ending == ENDING)) {
            let _ = fs::remove_file(path);
        }
        Self(Vec::new())
    }

    /// Takes one, unless there are enough.
    pub(super) fn keep(&mut self, spare: Spare) {
        self.0.push(spare);
        if self.0.len() > MOST
            && let Some(spare) = self.0.pop()
        {
            let _ = fs::remove_file(spare.path);
        }
    }

    /// One with so much room, called `path` from now on.
    pub(super) fn take(&mut self, path: &Path, bytes: usize) -> Option<Segment<Disk>> {
        while let Some(spare) = self.0.pop() {
            if spare.segment.has_room(bytes) && fs::rename(&spare.path, path).is_ok() {
                return Some(spare.segment);
            }
            let _ = fs::remove_file(spare.path);
        }
        None
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for spare in self.0.drain(..) {
            let _ = fs::remove_file(spare.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn done(path: &Path, rows: &[u8]) -> Done {
        let mut segment = Segment::new(Disk::create(path, 10).unwrap());
        segment.append(rows).unwrap();
        Done { path: path.to_owned(), last: 1, length: segment.length(), segment: Some(segment) }
    }

    #[test]
    fn a_file_is_used_again_without_what_was_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("n.7.spare"), "of an earlier process").unwrap();
        let mut spares = Spares::new(folder);
        assert_eq!(names(folder), [""; 0]);
        assert!(spares.take(&folder.join("n.1.rows"), 10).is_none());
        spares.keep(Spare::of(done(&folder.join("n.1.rows"), b"rows"), true).unwrap());
        assert_eq!(names(folder), ["n.1.spare"]);
        let mut again = spares.take(&folder.join("n.2.rows"), 10).unwrap();
        assert_eq!((names(folder), again.length()), (vec!["n.2.rows".to_owned()], 0));
        again.append(b"x").unwrap();
        let bytes = fs::read(folder.join("n.2.rows")).unwrap();
        assert!(bytes.starts_with(b"x\0\0\0\0"), "{:?}", bytes.get(..8));
        // One that is closed has no pages to offer.
        let closed = Done { path: folder.join("n.2.rows"), last: 2, length: 1, segment: None };
        assert!(Spare::of(closed, true).is_none());
        assert!(Spare::of(done(&folder.join("n.3.rows"), b"rows"), false).is_none());
        assert_eq!(names(folder), [""; 0]);
    }

    #[test]
    fn no_more_are_kept_than_are_needed_and_none_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut spares = Spares::new(folder);
        for nth in 0..MOST + 2 {
            spares.keep(Spare::of(done(&folder.join(format!("{nth}.rows")), b"r"), true).unwrap());
        }
        assert_eq!(names(folder).len(), MOST);
        // Too small ones are of no use.
        assert!(spares.take(&folder.join("large.rows"), usize::MAX).is_none());
        assert_eq!(names(folder), [""; 0]);
        spares.keep(Spare::of(done(&folder.join("last.rows"), b"r"), true).unwrap());
        drop(spares);
        assert_eq!(names(folder), [""; 0]);
    }
}
