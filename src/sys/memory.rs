//! Mapped memory: advice to the kernel about it, and other memory in its place.

use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// Makes the pages of `[start, start + bytes)` present and writable, so that a lack of memory is an error here
/// and never a SIGBUS later.
///
/// # Safety
/// The range is page-aligned and lies in one live mapping that is shared and writable.
pub unsafe fn populate(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: the caller vouches for the range; populating changes no byte that is already there.
    unsafe { madvise(start.as_ptr().cast::<c_void>(), bytes, Advice::LinuxPopulateWrite) }.map_err(Into::into)
}

/// Gives the pages of `[start, start + bytes)` back to the system; they read as zeros afterwards.
///
/// # Safety
/// As for [`populate`], and nobody needs the bytes any more.
pub unsafe fn punch_out(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: the caller vouches for the range and for the bytes' being dead.
    unsafe { madvise(start.as_ptr().cast::<c_void>(), bytes, Advice::LinuxRemove) }.map_err(Into::into)
}

/// Bytes of a page. Async-signal-safe.
pub fn page_bytes() -> usize {
    // SAFETY: takes and gives a number; every system knows this one.
    unsafe { nix::libc::sysconf(nix::libc::_SC_PAGESIZE) as usize }
}

/// Puts private memory that reads as zeros in the place of whatever is mapped at `[start, start + bytes)`. No other
/// thread sees the range without a mapping. Async-signal-safe, but for `errno`.
///
/// # Safety
/// `start` is the beginning of a page, and the pages of the range are the caller's to replace.
pub unsafe fn replace(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
    // SAFETY: the caller vouches for the range.
    unsafe { mmap_anonymous(start.as_ptr().cast(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags) }?;
    Ok(())
}
