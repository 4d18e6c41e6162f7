//! A segment: the one block of memory that a host shares with one worker.
//!
//! The host creates it as a memfd and seals its size, so that no peer can truncate it while the host uses it.
//! Where the worker must open it by name it is a file in shared memory instead, which cannot be sealed. It is
//! reserved at its full size and stays sparse. The worker opens it by descriptor or by name, and accepts it
//! only if magic, version, sizes and nonce are those of its boot payload. A worker's death discards its
//! segment; it is never repaired and never reused.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapOptions, MmapRaw};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use serde::{Deserialize, Serialize};

use super::layout::{ABORTS_AT, Geometry, Header, MAGIC, MAX_CALLS, RING_SLOTS, SLOT_BYTES, VERSION, Word};
use super::sigbus::Guard;
use crate::sys::{memory, random};

/// What distinguishes one segment from any other. It is part of the boot payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Layout version of the side that wrote it.
    pub version: u32,
    /// Bytes of each arena.
    pub arena_bytes: u64,
    /// 128 random bits.
    pub nonce: [u8; 16],
}

/// Why a descriptor is not the segment it should be.
#[derive(Debug)]
pub enum OpenError {
    /// Too short, or its first bytes are something else.
    NotASegment(String),
    /// Our magic, but another version of the layout.
    Version {
        /// The version found.
        found: u32,
    },
    /// A segment, but not the one the boot payload names.
    Foreign,
    /// The system refused.
    Io(io::Error),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotASegment(what) => write!(f, "it is not a knitting segment ({what})"),
            Self::Version { found } => {
                write!(f, "it has layout version {found}, this worker's addon has {VERSION}")
            }
            Self::Foreign => f.write_str("it is a knitting segment, but not the one in the boot payload"),
            Self::Io(error) => write!(f, "it cannot be used: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A mapped segment. The mapping needs no descriptor.
#[derive(Debug)]
pub struct Segment {
    /// Declared before the mapping, so that it is dropped first.
    guard: Option<Guard>,
    map: MmapRaw,
    geometry: Geometry,
    identity: Identity,
    sealed: bool,
    /// The file, if this side has created it and a peer can truncate it: to ask how long it is.
    file: Mutex<Option<File>>,
}

impl Segment {
    /// Creates and seals a segment of the given geometry. The descriptor is for its worker.
    pub fn create(geometry: Geometry) -> io::Result<(Self, OwnedFd)> {
        let file = memory::anonymous_file("knitting")?;
        file.set_len(geometry.segment_bytes() as u64)?;
        fcntl(
            &file,
            FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL),
        )?;
        Ok((Self::fresh(&file, geometry)?, file.into()))
    }

    /// Creates a segment in an empty file that nobody else has yet. `same` is the same file, opened once more so
    /// that no lock is held by it.
    pub fn create_in(file: &File, same: File, geometry: Geometry) -> io::Result<Self> {
        file.set_len(geometry.segment_bytes() as u64)?;
        let segment = Self::fresh(file, geometry)?;
        Ok(Self { file: Mutex::new(Some(same)), ..segment })
    }

    /// A guarded segment over `file`, which is as long as it has to be and has never been used.
    fn fresh(file: &File, geometry: Geometry) -> io::Result<Self> {
        let nonce = random::bytes()?;
        let identity = Identity { version: VERSION, arena_bytes: geometry.arena_bytes as u64, nonce };
        let segment = Self::over(file, geometry, identity)?.guarded()?;
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            ring_slots: RING_SLOTS as u32,
            arena_bytes: geometry.arena_bytes as u64,
            segment_bytes: geometry.segment_bytes() as u64,
            nonce,
        };
        // SAFETY: header and rings lie in the mapping, page-aligned. A lack of memory is an error here, not a
        // SIGBUS later.
        unsafe { memory::populate(segment.at(0), geometry.submission_arena()) }?;
        // SAFETY: the mapping is longer than a header, page-aligned, and nobody else has it yet.
        unsafe { segment.at(0).cast::<Header>().write(header) };
        // A file system that is full already can't hold even the first page.
        if segment.lost() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(segment) }
    }

    /// Maps the segment behind `file` if it is the one that `expected` describes.
    pub fn open(file: File, expected: &Identity) -> Result<Self, OpenError> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(OpenError::NotASegment("it is not memory but a pipe, a terminal or a device".into()));
        }
        let mut bytes = [0; size_of::<Header>()];
        file.read_exact_at(&mut bytes, 0)
            .map_err(|_| OpenError::NotASegment(format!("it holds {} bytes", metadata.len())))?;
        // SAFETY: `Header` is plain integers without padding, so any bytes are one.
        let header = unsafe { bytes.as_ptr().cast::<Header>().read_unaligned() };
        if header.magic != MAGIC {
            return Err(OpenError::NotASegment("its first bytes are something else".into()));
        }
        if header.version != VERSION || expected.version != VERSION {
            let found = if header.version == VERSION { expected.version } else { header.version };
            return Err(OpenError::Version { found });
        }
        let geometry = usize::try_from(expected.arena_bytes).ok().and_then(Geometry::new);
        let Some(geometry) = geometry.filter(|geometry| {
            header.nonce == expected.nonce
                && header.arena_bytes == expected.arena_bytes
                && header.ring_slots == RING_SLOTS as u32
                && header.segment_bytes == geometry.segment_bytes() as u64
                && metadata.len() == header.segment_bytes
        }) else {
            return Err(OpenError::Foreign);
        };
        Ok(Self::over(&file, geometry, expected.clone())?)
    }

    fn over(file: &File, geometry: Geometry, identity: Identity) -> io::Result<Self> {
        // Not every file system knows seals.
        let seals =
            fcntl(file, FcntlArg::F_GET_SEALS).map_or(SealFlag::empty(), SealFlag::from_bits_truncate);
        let sealed = seals.contains(SealFlag::F_SEAL_SHRINK);
        let map = MmapOptions::new().len(geometry.segment_bytes()).no_reserve_swap().map_raw(file)?;
        Ok(Self { guard: None, map, geometry, identity, sealed, file: Mutex::new(None) })
    }

    /// The same segment under a guard, so that this process lives on when the memory goes away. It is for
    /// hosts, and for the threads that are their workers. A worker process is to die instead: there is no
    /// other way to tell its host.
    pub fn guarded(mut self) -> io::Result<Self> {
        self.guard = Some(Guard::over(self.at(0), self.geometry.segment_bytes())?);
        Ok(self)
    }

    /// True once something that this process has read here may be the guard's zeros. Ask after you have read
    /// and before you believe it.
    pub fn lost(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::lost)
    }

    /// True if somebody has truncated the memory, which is lost then. Ask when the system refuses memory: it says
    /// the same of memory that is used up and of memory that was taken away.
    pub fn is_truncated(&self) -> bool {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = file.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| metadata.len());
        let truncated = bytes.is_some_and(|bytes| bytes < self.geometry.segment_bytes() as u64);
        if truncated && let Some(guard) = &self.guard {
            guard.give_up();
        }
        truncated
    }

    /// Gives the memory back to the system as far as this side has it, also if buffers over it are not collected
    /// yet. They get private memory in its place: the same bytes in the ranges of `kept`, which are in order, and
    /// zeros elsewhere. No other thread may use the segment any more.
    pub fn let_go(&self, kept: &[Range<usize>]) {
        drop(self.file.lock().unwrap_or_else(PoisonError::into_inner).take());
        let end = self.geometry.segment_bytes();
        let mut from = 0;
        for range in kept.iter().cloned().chain(std::iter::once(end..end)) {
            if from < range.start {
                // SAFETY: whole pages of this mapping, of which nobody needs the bytes.
                let _ = unsafe { memory::replace(self.at(from), range.start - from) };
            }
            if !range.is_empty() {
                // SAFETY: whole pages of this mapping.
                let _ = unsafe { memory::make_private(self.at(range.start), range.len()) };
            }
            from = range.end;
        }
    }

    /// True if nobody can truncate the memory.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Sizes and places.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// What a worker must find in its header.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// One of the atomic words.
    pub fn word(&self, word: Word) -> &AtomicU32 {
        // SAFETY: the place is aligned and inside the mapping, which `&self` keeps alive; both sides use
        // atomics.
        unsafe { AtomicU32::from_ptr(self.map.as_mut_ptr().add(word.at()).cast()) }
    }

    /// The word with the abort bit of a call, and the bit.
    pub(super) fn abort_bit(&self, call: u32) -> (&AtomicU32, u32) {
        assert!((call as usize) < MAX_CALLS);
        // SAFETY: the place is aligned and inside the mapping, which `&self` keeps alive; both sides use
        // atomics.
        let word =
            unsafe { AtomicU32::from_ptr(self.at(ABORTS_AT + call as usize / 32 * 4).as_ptr().cast()) };
        (word, 1 << (call % 32))
    }

    /// The byte at offset `at`.
    ///
    /// # Panics
    /// When the segment is not so long.
    pub fn at(&self, at: usize) -> NonNull<u8> {
        assert!(at < self.geometry.segment_bytes());
        // SAFETY: inside the mapping, so not null.
        unsafe { NonNull::new_unchecked(self.map.as_mut_ptr().add(at)) }
    }
}

/// The slots of one ring, in memory the other side can write.
#[derive(Debug)]
pub struct RingMemory {
    first: NonNull<[AtomicU64; SLOT_BYTES / 8]>,
    segment: Arc<Segment>,
}

// SAFETY: the memory belongs to the segment, which is kept alive here and reached by atomics alone.
unsafe impl Send for RingMemory {}

impl RingMemory {
    /// Slots of a ring.
    pub const SLOTS: usize = RING_SLOTS;

    /// The ring at byte `at` of the segment.
    ///
    /// # Panics
    /// When there is no ring.
    pub fn new(segment: Arc<Segment>, at: usize) -> Self {
        assert!(segment.geometry().is_ring(at));
        Self { first: segment.at(at).cast(), segment }
    }

    /// The segment that it is part of.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The words of a slot, of which there are [`Self::SLOTS`].
    pub fn slot(&self, index: usize) -> &[AtomicU64; SLOT_BYTES / 8] {
        // SAFETY: a ring has that many aligned slots; every access is atomic.
        unsafe { self.first.add(index % Self::SLOTS).as_ref() }
    }
}

#[cfg(test)]
impl Segment {
    /// A segment that its peer can truncate, as one with a name, and its memory.
    pub(super) fn create_unsealed(geometry: Geometry) -> (Self, File) {
        let file = memory::anonymous_file("unsealed").unwrap();
        let segment = Self::create_in(&file, file.try_clone().unwrap(), geometry).unwrap();
        assert!(!segment.is_sealed());
        (segment, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    fn small() -> (Segment, File) {
        let (segment, descriptor) = Segment::create(Geometry::new(1).unwrap()).unwrap();
        (segment, descriptor.into())
    }

    #[test]
    fn a_second_mapping_sees_the_same_words() {
        let (host, file) = small();
        let worker = Segment::open(file, host.identity()).unwrap();
        host.word(Word::SubmissionTail).store(7, Ordering::Release);
        assert_eq!(worker.word(Word::SubmissionTail).load(Ordering::Acquire), 7);
    }

    #[test]
    fn its_size_is_sealed() {
        let (segment, file) = small();
        assert!(segment.is_sealed());
        assert!(file.set_len(0).is_err());
        assert!(file.set_len(1 << 40).is_err());
    }

    #[test]
    fn what_is_let_go_is_given_back_although_it_stays_mapped_and_what_is_kept_keeps_its_bytes() {
        let (segment, file) = small();
        let (start, end) = (segment.geometry().submission_arena(), segment.geometry().completion_arena());
        let whole = start..segment.geometry().segment_bytes();
        // SAFETY: inside the mapping; nobody else has it.
        unsafe { segment.at(whole.start).write_bytes(7, whole.len()) };
        segment.let_go(std::slice::from_ref(&(start..end)));
        // SAFETY: inside the mapping.
        let read = |at: usize| unsafe { segment.at(at).read_volatile() };
        assert_eq!((read(0), read(start), read(end - 1), read(end)), (0, 7, 7, 0));
        // SAFETY: inside the mapping.
        unsafe { segment.at(start).write(8) };
        let mut byte = [0];
        file.read_exact_at(&mut byte, start as u64).unwrap();
        assert_eq!((read(start), byte), (8, [7]), "the memory is still shared");
        let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
        let here = |line: &&str| {
            let (from, _) = line.split_once('-').unwrap();
            let from = usize::from_str_radix(from, 16).unwrap();
            (segment.at(0).addr().get()..segment.at(0).addr().get() + whole.end).contains(&from)
        };
        let mut lines = mapped.lines().filter(here).peekable();
        assert!(lines.peek().is_some());
        assert!(lines.all(|line| !line.contains("memfd")), "{mapped}");
    }

    #[test]
    fn truncated_memory_is_known_before_anybody_touches_it() {
        let (segment, file) = Segment::create_unsealed(Geometry::new(1).unwrap());
        assert!(!segment.is_truncated() && !segment.lost());
        file.set_len(segment.geometry().segment_bytes() as u64 - 1).unwrap();
        assert!(segment.is_truncated() && segment.lost());
        assert!(!small().0.is_truncated());
    }

    #[test]
    fn another_segment_is_refused() {
        let ((one, file), (other, _)) = (small(), small());
        let error = Segment::open(file.try_clone().unwrap(), other.identity()).unwrap_err();
        assert!(matches!(error, OpenError::Foreign));
        let older = Identity { version: VERSION + 1, ..one.identity().clone() };
        let error = Segment::open(file, &older).unwrap_err();
        assert!(matches!(error, OpenError::Version { found } if found == VERSION + 1));
    }

    #[test]
    fn what_is_not_a_segment_is_refused() {
        let (segment, _) = small();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        assert!(matches!(Segment::open(null, segment.identity()), Err(OpenError::NotASegment(_))));
        let text = memory::anonymous_file("text").unwrap();
        assert!(matches!(
            Segment::open(text.try_clone().unwrap(), segment.identity()),
            Err(OpenError::NotASegment(_))
        ));
        text.set_len(1 << 20).unwrap();
        assert!(matches!(Segment::open(text, segment.identity()), Err(OpenError::NotASegment(_))));
    }
}
