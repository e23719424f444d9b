//! Where a file of the journal is written: in memory that is a part of the file, where that can be had.
//!
//! To put a row into such memory takes a copy and no call of the kernel, and what is in it survives the end of the
//! process like anything that was written. Its room is taken from the disk beforehand, for memory that cannot be kept
//! would end the process; where there is no such room, or the file system has no notion of it, rows are written one by
//! one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use memmap2::MmapMut;

use super::segment::Medium;

/// How much room is taken at once at least, in bytes.
const ROOM: u64 = 1 << 20;

/// A file that is written to.
#[derive(Debug)]
pub(super) enum Disk {
    /// As memory.
    Mapped(Mapped),
    /// By calls.
    Plain(File),
}

/// A file as memory: its rows, and zeros behind them.
#[derive(Debug)]
pub(super) struct Mapped {
    file: File,
    map: MmapMut,
    length: usize,
}

impl Disk {
    /// Whether it is memory.
    pub(super) fn is_mapped(&self) -> bool {
        matches!(self, Self::Mapped(_))
    }

    /// A new file, for so many bytes at least.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn create(path: &Path, bytes: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(match Mapped::new(&file, bytes.max(ROOM)) {
            Ok(mapped) => Self::Mapped(mapped),
            Err(_) => {
                file.set_len(0)?;
                Self::Plain(file)
            }
        })
    }
}

impl Mapped {
    fn new(file: &File, bytes: u64) -> io::Result<Self> {
        take_room(file, bytes)?;
        let file = file.try_clone()?;
        #[expect(unsafe_code, reason = "the file is memory, which another process could change or cut")]
        // SAFETY: the folder is locked, so no other gateway uses its files; this process writes to the file through
        // this value alone, and makes it shorter only when this value ends. Its blocks are there: `take_room`.
        let map = unsafe { MmapMut::map_mut(&file)? };
        Ok(Self { file, map, length: 0 })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // The zeros behind the rows are nobody's; where they stay, a reader knows them.
        let _ = self.file.set_len(u64::try_from(self.length).unwrap_or(u64::MAX));
    }
}

/// Takes the room of a file from the disk.
#[cfg(target_os = "linux")]
fn take_room(file: &File, bytes: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes)?)
}

#[cfg(not(target_os = "linux"))]
fn take_room(_file: &File, _bytes: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Write for Mapped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let rest = self.map.get_mut(self.length..).unwrap_or_default();
        let Some(place) = rest.get_mut(..bytes.len()) else { return Err(io::ErrorKind::StorageFull.into()) };
        place.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Mapped(mapped) => mapped.write(bytes),
            Self::Plain(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Disk {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        match self {
            Self::Mapped(Mapped { map, length: was, .. }) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(*was);
                map.get_mut(length..*was).unwrap_or_default().fill(0);
                *was = length;
                Ok(())
            }
            Self::Plain(file) => file.cut(length),
        }
    }

    fn room(&self) -> usize {
        match self {
            Self::Mapped(Mapped { map, length, .. }) => map.len().saturating_sub(*length),
            Self::Plain(_) => usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_batch_has_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::create(&folder.path().join("large"), 3 * ROOM).unwrap();
        assert_eq!(disk.room() as u64, 3 * ROOM);
    }

    #[test]
    fn both_ways_leave_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        for nth in 0..2 {
            let path = folder.path().join(nth.to_string());
            let mut disk = match nth {
                0 => Disk::create(&path, 100).unwrap(),
                _ => Disk::Plain(File::create(&path).unwrap()),
            };
            assert_eq!(matches!(disk, Disk::Mapped(_)), nth == 0, "there is room for a few megabytes");
            disk.write_all(b"first").unwrap();
            disk.write_all(b"wrong").unwrap();
            disk.cut(5).unwrap();
            disk.write_all(b"2").unwrap();
            if nth == 0 {
                let now = std::fs::read(&path).unwrap();
                assert!(now.starts_with(b"first2") && now[6..].iter().all(|byte| *byte == 0));
                assert_eq!((now.len() as u64, disk.room()), (ROOM, now.len() - 6));
                assert_eq!(
                    disk.write_all(&vec![1; now.len()]).unwrap_err().kind(),
                    io::ErrorKind::StorageFull
                );
            }
            drop(disk);
            assert_eq!(std::fs::read(&path).unwrap(), b"first2", "{nth}");
        }
    }
}
