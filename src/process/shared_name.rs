//! Names of shared memory that the user gives and takes away: as shm_open(3) has them, files in /dev/shm.
//!
//! Memory gets its name when it is complete, so that nobody opens it half made. A name is the user's and
//! stays until somebody unlinks it. The sweep must not take it for a segment's name (see
//! [`super::shm_name`]).

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, fallocate};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK, O_TMPFILE};
use nix::unistd::linkat;

use super::shm_name::{FOLDER, OWNER_ONLY};
use crate::sys::memory::refuse_too_much;
use crate::transport::shared_memory::{SharedMemory, SharedMemoryError};

/// Creates memory of `bytes` under a new name. An error if the name exists.
pub fn create(name: &str, bytes: usize) -> Result<SharedMemory, SharedMemoryError> {
    refuse_too_much(bytes)?;
    let file =
        File::options().read(true).write(true).mode(OWNER_ONLY).custom_flags(O_TMPFILE).open(FOLDER)?;
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    fallocate(&file, FallocateFlags::empty(), 0, length)?;
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(AT_FDCWD, unnamed.as_str(), AT_FDCWD, &path(name), AtFlags::AT_SYMLINK_FOLLOW)?;
    let memory = SharedMemory::over(file, Some(bytes));
    if memory.is_err() {
        let _ = unlink(name);
    }
    memory
}

/// Opens the memory that has this name: its first `bytes`, or all of it; with `inode` only if it is that very
/// memory.
pub fn open(name: &str, bytes: Option<usize>, inode: Option<u64>) -> Result<SharedMemory, SharedMemoryError> {
    // If the name is a pipe's, opening it must not wait.
    let flags = O_NOFOLLOW | O_NONBLOCK;
    let file = File::options().read(true).write(true).custom_flags(flags).open(path(name))?;
    let memory = SharedMemory::over(file, bytes)?;
    if inode.is_some_and(|inode| inode != memory.inode()) {
        return Err(SharedMemoryError::Foreign("its name is another memory's by now"));
    }
    Ok(memory)
}

/// Unlinks the name. The memory stays for those who have it open. False if there was no such name.
pub fn unlink(name: &str) -> io::Result<bool> {
    match fs::remove_file(path(name)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The file of a name, which JavaScript has checked: no slash is in it.
fn path(name: &str) -> PathBuf {
    assert!(!name.contains(['/', '\0']) && !matches!(name, "" | "." | ".."), "{name:?} is no name");
    PathBuf::from(FOLDER).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    fn name(of: &str) -> String {
        format!("knitting-test-{of}-{}", std::process::id())
    }

    #[test]
    fn a_name_leads_to_its_memory_until_it_is_unlinked() {
        let name = name("leads");
        let one = create(&name, 100).unwrap();
        assert!(matches!(create(&name, 100), Err(SharedMemoryError::Exists)));
        assert_eq!(fs::metadata(path(&name)).unwrap().mode() & 0o777, OWNER_ONLY);
        assert_eq!(open(&name, None, Some(one.inode())).unwrap().byte_length(), 100);
        assert_eq!(open(&name, Some(50), None).unwrap().byte_length(), 50);
        assert!(matches!(open(&name, Some(101), None), Err(SharedMemoryError::TooShort { found: 100 })));
        assert!(unlink(&name).unwrap() && !unlink(&name).unwrap());
        assert!(matches!(open(&name, None, None), Err(SharedMemoryError::Missing)));
        let other = create(&name, 100).unwrap();
        assert!(matches!(open(&name, None, Some(one.inode())), Err(SharedMemoryError::Foreign(_))));
        drop(other);
        unlink(&name).unwrap();
    }

    #[test]
    fn memory_that_is_truncated_by_others_reads_as_zeros() {
        let name = name("truncated");
        let memory = create(&name, 8192).unwrap();
        unlink(&name).unwrap();
        let file = File::from(memory.as_fd().try_clone_to_owned().unwrap());
        assert!(!memory.lost());
        file.set_len(0).unwrap();
        assert_eq!(memory.read_byte(5000), 0);
        assert!(memory.lost());
    }
}
