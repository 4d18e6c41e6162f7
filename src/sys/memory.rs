//! Memory: files of it without a name, how much the system has, advice to the kernel about what is mapped,
//! and other memory in its place.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::ptr::{self, NonNull};

use nix::errno::Errno;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MRemapFlags, MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, mremap, munmap};

/// An empty file in memory that can be sealed. It can't be executed, so a worker can't write a program into
/// it, which Landlock would let it run. (Before Linux 6.3 it can be executed.)
pub fn anonymous_file(name: &str) -> io::Result<File> {
    let no_exec = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    let file = match memfd_create(name, MFdFlags::MFD_CLOEXEC | no_exec) {
        Err(Errno::EINVAL) => memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?,
        created => created?,
    };
    Ok(file.into())
}

/// Makes the pages of `[start, start + bytes)` present and writable, so that a lack of memory is an error
/// here and never a SIGBUS later.
///
/// # Safety
/// The range is page-aligned and lies in one live mapping that is shared and writable.
pub unsafe fn populate(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: the caller vouches for the range; populating changes no byte that is already there.
    unsafe { madvise(start.cast(), bytes, MmapAdvise::MADV_POPULATE_WRITE) }.map_err(|errno| {
        // Touching it would be a SIGBUS: the file system of the memory is full.
        if errno == Errno::EFAULT { io::ErrorKind::StorageFull.into() } else { errno.into() }
    })
}

/// Gives the pages of `[start, start + bytes)` back to the system; they read as zeros afterwards.
///
/// # Safety
/// As for [`populate`], and nobody needs the bytes any more.
pub unsafe fn punch_out(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    // SAFETY: the caller vouches for the range and for the bytes' being dead.
    unsafe { madvise(start.cast(), bytes, MmapAdvise::MADV_REMOVE) }.map_err(Into::into)
}

/// Bytes of a page. Async-signal-safe.
pub fn page_bytes() -> usize {
    // SAFETY: takes and gives a number; every system knows this one.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Replaces whatever is mapped at `[start, start + bytes)` by private memory that reads as zeros. The range
/// is mapped for other threads at every moment. Async-signal-safe, but for `errno`.
///
/// # Safety
/// `start` is the beginning of a page, and the pages of the range are the caller's to replace.
pub unsafe fn replace(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    let length = NonZero::new(bytes).ok_or(Errno::EINVAL)?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED | MapFlags::MAP_NORESERVE;
    // SAFETY: the caller vouches for the range.
    unsafe { mmap_anonymous(Some(start.addr()), length, access, flags) }?;
    Ok(())
}

/// Puts private memory with the same bytes in the place of what is mapped at `[start, start + bytes)`, which
/// is mapped for other threads at every moment.
///
/// # Safety
/// As for [`replace`], and the bytes can be read.
pub unsafe fn make_private(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
    let length = NonZero::new(bytes).ok_or(Errno::EINVAL)?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
    // SAFETY: a new mapping, in nobody's place.
    let copy = unsafe { mmap_anonymous(None, length, access, flags) }?;
    let there = MRemapFlags::MREMAP_MAYMOVE | MRemapFlags::MREMAP_FIXED;
    // SAFETY: the caller vouches for the range, and the copy is as long. It moves to its place as a whole.
    let moved = unsafe {
        ptr::copy_nonoverlapping(start.as_ptr(), copy.cast().as_ptr(), bytes);
        mremap(copy, bytes, bytes, there, Some(start.cast()))
    };
    if moved.is_err() {
        // SAFETY: the mapping from above, which nobody has got.
        let _ = unsafe { munmap(copy, bytes) };
    }
    moved.map(drop).map_err(Into::into)
}

/// How many pages of `[start, start + bytes)` are in memory. Each of them is mapped, and `start` is the beginning of a
/// page.
#[cfg(test)]
pub fn present(start: NonNull<u8>, bytes: usize) -> io::Result<usize> {
    let mut pages = vec![0; bytes.div_ceil(page_bytes())];
    // SAFETY: it reads no memory, and writes a byte for each page.
    let done = unsafe { libc::mincore(start.as_ptr().cast(), bytes, pages.as_mut_ptr()) };
    Errno::result(done)?;
    Ok(pages.iter().filter(|&page| page & 1 != 0).count())
}

/// An error if the system has not `bytes` bytes of memory now: if they were taken, the kernel would kill
/// programs.
pub fn refuse_too_much(bytes: usize) -> io::Result<()> {
    match available()? {
        available if bytes as u64 > available => Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            format!("the system has {available} bytes of memory available"),
        )),
        _ => Ok(()),
    }
}

/// Bytes that the kernel estimates programs can get without others being swapped out.
fn available() -> io::Result<u64> {
    let information = std::fs::read_to_string("/proc/meminfo")?;
    let line = information.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1024).ok_or_else(|| io::Error::other("/proc/meminfo says nothing"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_program_that_was_written_to_memory_does_not_run() {
        let mut file = anonymous_file("program").unwrap();
        io::copy(&mut File::open("/bin/true").unwrap(), &mut file).unwrap();
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        assert_eq!(file.set_permissions(all).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        let outcome = std::process::Command::new(path).status();
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn more_than_the_system_has_is_refused_before_any_of_it_is_taken() {
        // Nothing is reserved by what is asked here, whatever it answers.
        assert!(refuse_too_much(1).is_ok());
        assert_eq!(refuse_too_much(1 << 50).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    }
}
