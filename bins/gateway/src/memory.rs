//! How memory is held.
//!
//! The allocator asks for huge pages, which would round every heap up to megabytes: an idle gateway would
//! hold 25 MB where it needs half of that. And it keeps what was freed for the next allocation, which after the
//! start, with its tables and files to read, is a good deal more than any request needs.

/// Keeps to ordinary pages. A kernel that does not know the switch leaves things as they are.
pub(crate) fn small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Gives back what this thread has freed.
pub(crate) fn give_back() {
    #[expect(unsafe_code, reason = "the allocator's own call, which has no conditions")]
    // SAFETY: `mi_collect` may be called at any time, from any thread.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
