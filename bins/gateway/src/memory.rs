//! How memory is held.
//!
//! The allocator asks for huge pages, which would round every heap up to megabytes: an idle gateway would
//! hold 25 MB where it needs half of that.

/// Keeps to ordinary pages. A kernel that does not know the switch leaves things as they are.
pub(crate) fn small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
