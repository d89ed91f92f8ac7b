//! How the process takes memory from the system: which allocator it has, and in what pages.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Has the system give memory in pages of the usual size from now on, not of 2 MiB. What oncue keeps in memory is small and lies scattered over
/// the heaps of its threads: in large pages 23 of 58 MiB were there for nothing (docs/performance.md). Where the system refuses, everything works
/// as well, in more memory.
pub(crate) fn take_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
