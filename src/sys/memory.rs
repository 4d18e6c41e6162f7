//! Advice to the kernel about mapped memory.

use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{Advice, madvise};

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
