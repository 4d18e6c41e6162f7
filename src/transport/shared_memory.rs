//! Memory of the user's that several processes map: a sealed memfd, or a file in shared memory that has a
//! name.
//!
//! A size that the system has no memory for is refused. Memory with a name lies in a file system that is
//! often small, so it gets all of its pages at once, and a lack of room is an error of its creation. Memory
//! without a name gets its pages as they are touched. Whoever opens a name can truncate the memory, and holes
//! can be punched into either kind, so the mapping is guarded (see [`super::sigbus`]), here and in workers.
//! Nobody parses the memory, unlike a segment: it is bytes, and everybody knows that others write them.

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
    /// Declared before the mapping, so that it is dropped first.
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

    /// The memory that a host has sent with this size. If it has no name its size must be sealed, so that
    /// nobody has changed the size or can.
    pub fn received(descriptor: OwnedFd, bytes: u64) -> Result<Self, SharedMemoryError> {
        let file = File::from(descriptor);
        // A file that has or had a name has no seals at all, or has the seal of having none.
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

    /// True once the memory is gone and private zeros are mapped in its place.
    pub fn lost(&self) -> bool {
        self.guard.lost()
    }

    /// The file's inode, which distinguishes it from other memory of the same name, earlier or later.
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
