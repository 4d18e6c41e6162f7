//! Memory of the user's that several processes map: a sealed memfd, or a file in shared memory that has a name.
//!
//! More than the system has is refused. The file system of the names is often small, so what gets one has all of its pages at
//! once: no room is an error of the one who creates it. What has no name gets them as they are touched. What has a name can be
//! truncated by whoever opens it, and holes can be punched into either: the mapping is guarded (see [`super::sigbus`]), here and
//! in workers. Unlike a segment nobody parses what is in it: it is bytes, and everybody knows that others write them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::ptr::NonNull;

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use super::sigbus::Guard;
use crate::sys::memory::{anonymous_file, refuse_too_much};

/// Why something is not the memory it should be.
#[derive(Debug)]
pub enum SharedMemoryError {
    /// The name is somebody else's already.
    Exists,
    /// There is nothing of that name.
    Missing,
    /// It is shorter than it should be.
    TooShort {
        /// Bytes that it has.
        found: u64,
    },
    /// It is not memory, or not the memory that was meant.
    Foreign(&'static str),
    /// The system refused.
    Io(io::Error),
}

impl std::fmt::Display for SharedMemoryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exists => f.write_str("the name exists already"),
            Self::Missing => f.write_str("there is no shared memory of that name"),
            Self::TooShort { found } => write!(f, "it has {found} bytes"),
            Self::Foreign(what) => f.write_str(what),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SharedMemoryError {}

impl From<io::Error> for SharedMemoryError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

impl From<Errno> for SharedMemoryError {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

/// Mapped memory, and the descriptor by which others can have it.
#[derive(Debug)]
pub struct SharedMemory {
    /// Before the mapping: it is to be dropped first.
    guard: Guard,
    map: MmapRaw,
    bytes: usize,
    file: File,
    inode: u64,
}

impl SharedMemory {
    /// Memory without a name, whose size nobody can change.
    pub fn anonymous(bytes: usize) -> Result<Self, SharedMemoryError> {
        let file = anonymous_file("knitting-shared")?;
        refuse_too_much(bytes)?;
        file.set_len(bytes as u64)?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(sealed() | SealFlag::F_SEAL_SEAL))?;
        Self::over(file, Some(bytes))
    }

    /// The first `bytes` of what is in `file`, or all of it.
    pub fn over(file: File, bytes: Option<usize>) -> Result<Self, SharedMemoryError> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(SharedMemoryError::Foreign("it is not memory but a folder, a pipe or a device"));
        }
        let found = metadata.len();
        let bytes = bytes.map_or(found, |bytes| bytes as u64);
        if bytes == 0 || bytes > found {
            return Err(SharedMemoryError::TooShort { found });
        }
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        let map = MmapOptions::new().len(bytes).map_raw(&file)?;
        let start = NonNull::new(map.as_mut_ptr()).ok_or(Errno::ENOMEM)?;
        let guard = Guard::over(start, bytes)?;
        Ok(Self { guard, map, bytes, inode: metadata.ino(), file })
    }

    /// What a host has sent as memory of this size. Of an anonymous one the size is sealed: nobody has changed it, or will.
    pub fn received(descriptor: OwnedFd, bytes: u64) -> Result<Self, SharedMemoryError> {
        let file = File::from(descriptor);
        // Files that have a name, or had one, know no seals or have one that says so.
        let seals =
            fcntl(&file, FcntlArg::F_GET_SEALS).map_or(SealFlag::F_SEAL_SEAL, SealFlag::from_bits_truncate);
        if !seals.contains(SealFlag::F_SEAL_SEAL) {
            return Err(SharedMemoryError::Foreign("its size is not sealed"));
        }
        Self::over(file, Some(usize::try_from(bytes).map_err(io::Error::other)?))
    }

    /// Bytes that are mapped.
    pub fn byte_length(&self) -> usize {
        self.bytes
    }

    /// True once what was mapped is gone, and private zeros are in its place.
    pub fn lost(&self) -> bool {
        self.guard.lost()
    }

    /// What tells it from other memory that had or will have its name.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// The byte at offset `at`.
    ///
    /// # Panics
    /// When the memory is not so long.
    pub fn at(&self, at: usize) -> NonNull<u8> {
        assert!(at < self.bytes);
        // SAFETY: inside the mapping, so not null.
        unsafe { NonNull::new_unchecked(self.map.as_mut_ptr().add(at)) }
    }
}

#[cfg(test)]
impl SharedMemory {
    /// What is at offset `at` now.
    pub(crate) fn read_byte(&self, at: usize) -> u8 {
        // SAFETY: inside the mapping.
        unsafe { self.at(at).read_volatile() }
    }
}

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What keeps a size as it is.
fn sealed() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(memory: &SharedMemory, at: usize, byte: u8) {
        // SAFETY: inside the mapping, of which nobody has a reference.
        unsafe { memory.at(at).write_volatile(byte) }
    }

    #[test]
    fn what_is_received_is_the_same_memory_of_the_same_size() {
        let one = SharedMemory::anonymous(5000).unwrap();
        let descriptor = one.as_fd().try_clone_to_owned().unwrap();
        let other = SharedMemory::received(descriptor, 5000).unwrap();
        write(&one, 4999, 7);
        assert_eq!((other.read_byte(4999), other.byte_length(), other.inode()), (7, 5000, one.inode()));
    }

    #[test]
    fn the_size_of_what_has_no_name_is_sealed() {
        let memory = SharedMemory::anonymous(4096).unwrap();
        let file = File::from(memory.as_fd().try_clone_to_owned().unwrap());
        assert!(file.set_len(0).is_err() && file.set_len(8192).is_err());
    }

    #[test]
    fn what_is_shorter_or_open_to_change_is_refused() {
        let memory = SharedMemory::anonymous(4096).unwrap();
        let descriptor = memory.as_fd().try_clone_to_owned().unwrap();
        let error = SharedMemory::received(descriptor, 4097).unwrap_err();
        assert!(matches!(error, SharedMemoryError::TooShort { found: 4096 }));
        let open = anonymous_file("open").unwrap();
        open.set_len(4096).unwrap();
        let error = SharedMemory::received(open.into(), 4096).unwrap_err();
        assert!(matches!(error, SharedMemoryError::Foreign(_)));
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        assert!(matches!(SharedMemory::over(null, Some(1)), Err(SharedMemoryError::Foreign(_))));
    }
}
