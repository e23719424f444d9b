//! How memory is held.
//!
//! The allocator asks for huge pages, which would round every heap up to megabytes: an idle gateway would
//! hold 25 MB where it needs half of that. And what the start needs and nothing later, tables and files to read and
//! the code that reads them, stays where it is unless it is given back.

use std::ffi::c_long;

/// Keeps to ordinary pages. A kernel that does not know the switch leaves things as they are.
pub(crate) fn small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// The allocator's option of how long memory that was freed stays with the process, in milliseconds; the crate names it
/// only for an older version (`mi_option_purge_delay` of mimalloc's `mimalloc.h`).
const PURGE_DELAY: i32 = 15;
/// Long enough for the next request, in place of a second: a large one would leave its memory to nobody meanwhile.
const DELAY_MS: c_long = 20;

/// Lets the allocator give back soon what was freed, unless the environment says otherwise.
pub(crate) fn give_back_soon() {
    #[expect(unsafe_code, reason = "an option of the allocator's, by its number")]
    // SAFETY: options are numbers of the allocator's own, which may be set at any time before they are read.
    unsafe {
        libmimalloc_sys::mi_option_set_default(PURGE_DELAY, DELAY_MS);
    }
}

/// Gives back what the start has used: memory that this thread has freed, and pages of code. Code that is needed again
/// comes from the page cache.
pub(crate) fn give_back() {
    #[expect(unsafe_code, reason = "the allocator's own call, which has no conditions")]
    // SAFETY: `mi_collect` may be called at any time, from any thread.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
    #[cfg(target_os = "linux")]
    code::give_back();
}

#[cfg(target_os = "linux")]
mod code {
    use std::ffi::c_void;

    use rustix::mm::{Advice, madvise};

    /// Lets the kernel drop our own code from this process: what is called again is mapped again.
    pub(super) fn give_back() {
        let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
        let Ok(program) = std::env::current_exe() else { return };
        for (start, end) in maps.lines().filter_map(|line| range(line, program.to_str()?)) {
            #[expect(unsafe_code, reason = "the kernel is told about addresses")]
            // SAFETY: these are whole pages of a mapping of our own program that is executable and was never writable,
            // so each page is as it is in the file, and comes from there when it is touched again.
            let _ = unsafe { madvise(start as *mut c_void, end - start, Advice::LinuxDontNeed) };
        }
    }

    /// Where a line of `/proc/self/maps` maps the program's code.
    fn range(line: &str, program: &str) -> Option<(usize, usize)> {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let code = words.next()? == "r-xp" && line.ends_with(program);
        let address = |text| usize::from_str_radix(text, 16).ok();
        code.then_some((address(start)?, address(end)?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_the_programs_own_code_is_found() {
            let check = |line: &str, expect| assert_eq!(range(line, "/bin/gateway"), expect, "{line}");
            check("5000-9000 r-xp 00001000 08:01 42   /bin/gateway", Some((0x5000, 0x9000)));
            check("9000-a000 r--p 00005000 08:01 42   /bin/gateway", None);
            check("a000-b000 rw-p 00006000 08:01 42   /bin/gateway", None);
            check("5000-9000 r-xp 00001000 08:01 43   /lib/libc.so.6", None);
            check("b000-c000 rw-p 00000000 00:00 0", None);
        }

        #[test]
        fn the_option_is_the_one_that_is_meant() {
            #[expect(unsafe_code, reason = "an option of the allocator's, by its number")]
            let delay = || unsafe { libmimalloc_sys::mi_option_get(super::super::PURGE_DELAY) };
            // What the version that is built in begins with.
            assert_eq!(delay(), 1000);
            super::super::give_back_soon();
            assert_eq!(delay(), super::super::DELAY_MS);
        }

        #[test]
        fn the_program_goes_on() {
            super::give_back();
        }
    }
}
