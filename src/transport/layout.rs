//! The bytes that both sides agree on, written once, here. `js/native/layout.ts` is made from this file by
//! the test at its end, which fails when the two drift (`KNITTING_BLESS=1 cargo test layout` rewrites it).
//!
//! ```text
//!   0      header            magic, version, sizes, nonce: written by the host before the worker exists
//!   1024   words             one atomic u32 each, 128 bytes apart (a cache line and its prefetch neighbour)
//!   4096   abort bits        one for each call id
//!          submission ring   RING_SLOTS x 64 bytes, host to worker
//!          completion ring   RING_SLOTS x 64 bytes, worker to host
//!          submission arena  arena_bytes
//!          completion arena  arena_bytes
//! ```
//!
//! Cursors are u32 sequence numbers that wrap; a slot lies at `sequence % RING_SLOTS`.

use std::mem::{align_of, size_of};

/// First eight bytes of every segment.
pub const MAGIC: u64 = u64::from_le_bytes(*b"knitting");
/// Version of this layout and of the boot payload. A worker attaches to its own version only.
pub const VERSION: u32 = 1;

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 64;
/// Bytes of a value that travel inside the slot itself.
pub const INLINE_BYTES: usize = 40;
/// Slots of each ring, a power of two.
pub const RING_SLOTS: usize = 1024;
/// Calls that may be in flight on one lane (an async task holds its call until it settles).
pub const MAX_CALLS: usize = 65_536;

/// Bytes of an arena chunk: the unit of allocation and of what is given back to the system.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// A payload of at most this many bytes shares a chunk with others.
pub const SMALL_BYTES: usize = 16 * 1024;
/// Alignment of every payload in an arena, in bytes.
pub const PAYLOAD_ALIGN: usize = 8;
/// Bytes of an arena if the user asks for nothing else. They are reserved address space: memory is used as it
/// is touched.
pub const DEFAULT_ARENA_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of the largest arena: offsets are u32.
pub const MAX_ARENA_BYTES: usize = 2 * 1024 * 1024 * 1024;
/// Bytes of an arena that JavaScript can address at first; the window doubles as it is needed.
pub const INITIAL_WINDOW_BYTES: usize = 1024 * 1024;

const HEADER_WORDS_AT: usize = 1024;
const WORD_STRIDE: usize = 128;
/// Byte offset of the abort bits, one for each call id. The host writes them.
pub const ABORTS_AT: usize = 4096;
/// Byte offset of the rings.
pub const RINGS_AT: usize = ABORTS_AT + MAX_CALLS / 8;

/// The atomic words of a segment, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Word {
    /// Submissions published. Written by the host.
    SubmissionTail = 0,
    /// Submissions started. The worker stores this before it enters each task. Earlier slots and payloads are
    /// free.
    SubmissionHead = 1,
    /// Completions published. Written by the worker.
    CompletionTail = 2,
    /// Completions taken over. Written by the host.
    CompletionHead = 3,
    /// The word that the host sleeps on.
    HostDoorbell = 4,
    /// The word that the worker sleeps on.
    WorkerDoorbell = 5,
    /// 1 while the host waits for room, 0 otherwise.
    HostWantsRoom = 6,
    /// 1 while the worker waits for room, 0 otherwise.
    WorkerWantsRoom = 7,
    /// 0, or 1 + the milliseconds a worker has to end by itself.
    Stop = 8,
    /// Nanoseconds the worker may spin; the host lowers it to 0 when runnable lanes exceed cores.
    WorkerSpin = 9,
    /// How many abort bits the host has set so far.
    Aborts = 10,
    /// 1 while the worker runs one task after another, 0 while it is in its event loop. Written by the worker.
    Running = 11,
    /// 1 if the worker can ring a host that listens for its bell, before it reports that it has attached.
    Rings = 12,
    /// Until when strangers are taken to be on a core of this lane, in milliseconds of the monotonic clock,
    /// which wrap; 0 if there are none. Either side writes it when it finds one.
    Strangers = 13,
    /// 1 + the number of the core on which the host has last waited while there were strangers.
    HostCore = 14,
    /// The same of the worker.
    WorkerCore = 15,
}

impl Word {
    /// Byte offset of the word in its segment.
    pub const fn at(self) -> usize {
        HEADER_WORDS_AT + self as usize * WORD_STRIDE
    }
}

/// The immutable head of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// [`RING_SLOTS`].
    pub ring_slots: u32,
    /// Bytes of each arena.
    pub arena_bytes: u64,
    /// Bytes of the whole segment.
    pub segment_bytes: u64,
    /// 128 random bits; the boot payload carries the same.
    pub nonce: [u8; 16],
}

/// One record of a ring, and of staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C, align(8))]
pub struct Slot {
    /// Index of the call among those in flight.
    pub call: u32,
    /// Number of this use of that index, which tells it from earlier uses.
    pub generation: u32,
    /// Index of the task in the pool's task table.
    pub task: u32,
    /// What the value is: one of [`Kind`].
    pub kind: u8,
    /// The lower half has flags such as [`FLAG_REJECTED`]. The upper half is what the slot does for its call:
    /// one of [`Role`].
    pub flags: u8,
    /// The class of a [`Kind::Binary`] payload, as JavaScript numbers them. Rust passes it on.
    pub view: u16,
    /// Bytes of the value, inline or in the arena.
    pub length: u32,
    /// Where an arena payload begins, in bytes from the start of its arena. In the host's staging: from the
    /// start of the inbox.
    pub offset: u32,
    /// The value itself if it is short.
    pub inline: Inline,
}

/// The inline bytes of a slot. A type of its own because `Default` stops at 32 elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(8))]
pub struct Inline(pub [u8; INLINE_BYTES]);

impl Default for Inline {
    fn default() -> Self {
        Self([0; INLINE_BYTES])
    }
}

/// What a slot carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A float64 in the inline bytes.
    Number = 1,
    /// An encoded value in the inline bytes.
    Inline = 2,
    /// An encoded value in the arena.
    Encoded = 3,
    /// Raw bytes in the arena. `view` says of which class.
    Binary = 4,
    /// Worker to host, once: boot is over. An encoded value, inline or, with [`FLAG_ARENA`], in the arena.
    Ready = 5,
    /// Worker to host, once: boot failed. An encoded value as for [`Self::Ready`].
    BootFailed = 6,
    /// Worker to host, once and before the other two: it has its memory and its owner lock, and imports its
    /// tasks next.
    Attached = 7,
    /// Worker to host, once: an error outside of any call is about to end the worker. An encoded value as for
    /// [`Self::Ready`].
    Fatal = 8,
    /// A value for which its sender had no memory. The inline bytes are a float64: how many bytes it has. The
    /// value is the error that says so, and that error needs no memory either.
    NoMemory = 9,
    /// An envelope in the arena: its payload, whose class is `view`, then the encoded header, then the
    /// payload's length. JavaScript alone reads it, see `js/lane/envelope-layout.ts`.
    Envelope = 16,
}

impl Kind {
    /// The kind with this number.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Number,
            2 => Self::Inline,
            3 => Self::Encoded,
            4 => Self::Binary,
            5 => Self::Ready,
            6 => Self::BootFailed,
            7 => Self::Attached,
            8 => Self::Fatal,
            9 => Self::NoMemory,
            16 => Self::Envelope,
            _ => return None,
        })
    }
}

/// The call rejects with the value.
pub const FLAG_REJECTED: u8 = 1;
/// The value lies in the arena (set on [`Kind::Encoded`], [`Kind::Binary`] and, if need be, on boot reports).
pub const FLAG_ARENA: u8 = 2;
/// In the host's staging: the payload is still in the arena, and `copyOut` fetches it.
pub const FLAG_FETCH: u8 = 4;
/// Of a submission: the call has to be claimed. Whoever changes the slot's kind in the ring into 0 by compare-and-swap
/// has the call. The worker does that before it looks at the argument, the host to take the call back for another worker.
/// The bit is that of [`FLAG_FETCH`], which is never in a ring.
pub const FLAG_CLAIM: u8 = 4;
/// The call's task was not entered: nobody waited for it any more, there is no such task, or the argument could
/// not be made.
pub const FLAG_NOT_RUN: u8 = 8;
/// The bits of a slot's flags that may be set in a ring.
pub const FLAGS_ON_THE_WIRE: u8 = FLAG_REJECTED | FLAG_ARENA | FLAG_NOT_RUN | ROLE_MASK;

/// What a slot does for its call. Streams go in both directions alike: the argument's from host to worker,
/// the result's from worker to host. The sender sends items, the receiver gives credit and may cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// The call with its argument, or the call's result. A result ends the call, and with it a stream of
    /// results.
    Whole = 0x00,
    /// Of a submission: the call, whose argument is a stream. Of a completion: the result is going to be a
    /// stream.
    Stream = 0x10,
    /// The stream's next value.
    Item = 0x20,
    /// Host to worker: the argument's stream has ended; with [`FLAG_REJECTED`], by an error. (A result's
    /// stream ends with its call.)
    End = 0x30,
    /// Receiver to sender: items of so many more units may be sent. The value is a [`Kind::Number`]. See
    /// [`Slot::units`].
    Credit = 0x40,
    /// Receiver to sender: no more items are wanted. The value is what the iterator's `return` gets.
    Cancel = 0x50,
    /// Worker to host: a value that the task emits while it runs.
    Progress = 0x60,
}

/// The bits of a slot's flags that are its [`Role`].
pub const ROLE_MASK: u8 = 0xf0;

/// Units of credit that a stream's receiver gives at most. So many units may be on the way, and one item
/// more, however long that is.
pub const STREAM_WINDOW: u32 = 256;
/// Bytes of an item in the arena that count as one unit. A shorter item counts as one too.
pub const STREAM_UNIT_BYTES: u32 = 16 * 1024;

impl Slot {
    /// What the slot does for its call. `None` if there is no such role.
    pub const fn role(&self) -> Option<Role> {
        Some(match self.flags & ROLE_MASK {
            0x00 => Role::Whole,
            0x10 => Role::Stream,
            0x20 => Role::Item,
            0x30 => Role::End,
            0x40 => Role::Credit,
            0x50 => Role::Cancel,
            0x60 => Role::Progress,
            _ => return None,
        })
    }

    /// The units that the slot takes of its stream's credit.
    pub fn units(&self) -> i64 {
        if self.flags & FLAG_ARENA == 0 { 1 } else { self.length.div_ceil(STREAM_UNIT_BYTES).max(1).into() }
    }

    /// The units that a [`Role::Credit`] slot gives. `None` if it holds no valid number of units.
    pub fn credit(&self) -> Option<i64> {
        let number = f64::from_le_bytes(*self.inline.0.first_chunk()?);
        let valid = self.kind == Kind::Number as u8 && number.fract() == 0.0;
        (valid && (1.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as i64)
    }
}

/// `call` of a boot report, which belongs to no call.
pub const NO_CALL: u32 = u32::MAX;

/// Sizes and places in a segment with arenas of a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of each arena, a multiple of [`CHUNK_BYTES`].
    pub arena_bytes: usize,
}

impl Geometry {
    /// The geometry with arenas of `arena_bytes` rounded up to whole chunks, or `None` when that is more than
    /// [`MAX_ARENA_BYTES`] or nothing.
    pub fn new(arena_bytes: usize) -> Option<Self> {
        let arena_bytes = arena_bytes.checked_next_multiple_of(CHUNK_BYTES)?;
        (CHUNK_BYTES..=MAX_ARENA_BYTES).contains(&arena_bytes).then_some(Self { arena_bytes })
    }

    /// Byte offset of the submission ring.
    pub const fn submission_ring(self) -> usize {
        RINGS_AT
    }

    /// Byte offset of the completion ring.
    pub const fn completion_ring(self) -> usize {
        RINGS_AT + RING_SLOTS * SLOT_BYTES
    }

    /// True of the byte offset of either ring.
    pub const fn is_ring(self, at: usize) -> bool {
        at == self.submission_ring() || at == self.completion_ring()
    }

    /// Byte offset of the submission arena.
    pub const fn submission_arena(self) -> usize {
        RINGS_AT + 2 * RING_SLOTS * SLOT_BYTES
    }

    /// Byte offset of the completion arena.
    pub const fn completion_arena(self) -> usize {
        self.submission_arena() + self.arena_bytes
    }

    /// Bytes of the whole segment.
    pub const fn segment_bytes(self) -> usize {
        self.completion_arena() + self.arena_bytes
    }
}

/// The words at the head of staging, by index of u32. The JavaScript and the Rust of one side take turns with
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum StagingWord {
    /// Slots that may be staged now.
    Room = 0,
    /// Where the next small payload goes, in bytes from the start of the outgoing arena.
    LeasePosition = 1,
    /// End of the leased chunk.
    LeaseEnd = 2,
    /// Bytes of the outgoing arena that may be in use.
    Window = 3,
    /// 1 if more has arrived than staging could take: `exchange` is to be called again.
    More = 4,
    /// Sequence number of the first slot that the last `exchange` brought.
    FirstSequence = 5,
    /// Set to 1 when an `exchange` has woken the other side. JavaScript sets it back.
    Woke = 6,
    /// 1 while there are more busy lanes than cores: it is better to sleep than to poll. Or [`HANDS_OVER`].
    Crowded = 7,
    /// Host only. 1 while calls wait in the pool, so that `Running` is of use. JavaScript sets it.
    Wanted = 8,
    /// Host only. Sequence number of the first submission that the worker has not started, as of the last `exchange`.
    Started = 9,
    /// Host only. [`Word::Running`] as of the last `exchange`, if `Wanted` was set.
    Running = 10,
    /// Host only. Set to 1 once the worker's end of the bell is closed, as when the worker ends.
    Deaf = 11,
}

/// Of [`StagingWord::Crowded`]: both sides hand their cores over.
pub const HANDS_OVER: u32 = 2;
/// Bytes of staging's head.
pub const STAGING_HEAD_BYTES: usize = 128;
/// Byte offset of the outgoing slots in staging.
pub const STAGING_OUT_AT: usize = STAGING_HEAD_BYTES;
/// Byte offset of the arrived slots in staging.
pub const STAGING_IN_AT: usize = STAGING_OUT_AT + RING_SLOTS * SLOT_BYTES;
/// Byte offset of the inbox in staging: private copies of the payloads that arrived.
pub const STAGING_INBOX_AT: usize = STAGING_IN_AT + RING_SLOTS * SLOT_BYTES;
/// Bytes of the inbox.
pub const INBOX_BYTES: usize = 512 * 1024;
/// A payload longer than this is not copied to the inbox: it is fetched into a block of its own.
pub const INBOX_PAYLOAD_BYTES: usize = 32 * 1024;
/// Bytes of staging.
pub const STAGING_BYTES: usize = STAGING_INBOX_AT + INBOX_BYTES;

const _: () = {
    assert!(size_of::<Slot>() == SLOT_BYTES && align_of::<Slot>() == 8);
    assert!(size_of::<Header>() <= HEADER_WORDS_AT);
    assert!(Word::WorkerCore.at() + WORD_STRIDE <= ABORTS_AT);
    assert!(RING_SLOTS.is_power_of_two() && MAX_CALLS > RING_SLOTS);
    assert!(RINGS_AT.is_multiple_of(4096) && (RING_SLOTS * SLOT_BYTES).is_multiple_of(4096));
    assert!(CHUNK_BYTES.is_multiple_of(4096) && SMALL_BYTES < CHUNK_BYTES);
    assert!(INBOX_PAYLOAD_BYTES <= INBOX_BYTES && STAGING_INBOX_AT.is_multiple_of(8));
};

/// The TypeScript that `js/native/layout.ts` must hold.
#[cfg(all(test, not(loom)))]
fn typescript() -> String {
    use std::fmt::Write;
    use std::mem::offset_of;

    let mut out = String::from(
        "// Generated from src/transport/layout.rs. Do not edit: `KNITTING_BLESS=1 cargo test layout` writes it.\n",
    );
    let mut constant = |name: &str, value: usize| {
        writeln!(out, "export const {name} = {value};").unwrap();
    };
    constant("VERSION", VERSION as usize);
    constant("SLOT_BYTES", SLOT_BYTES);
    constant("INLINE_BYTES", INLINE_BYTES);
    constant("RING_SLOTS", RING_SLOTS);
    constant("MAX_CALLS", MAX_CALLS);
    constant("SMALL_BYTES", SMALL_BYTES);
    constant("PAYLOAD_ALIGN", PAYLOAD_ALIGN);
    constant("DEFAULT_ARENA_BYTES", DEFAULT_ARENA_BYTES);
    constant("SLOT_CALL", offset_of!(Slot, call));
    constant("SLOT_GENERATION", offset_of!(Slot, generation));
    constant("SLOT_TASK", offset_of!(Slot, task));
    constant("SLOT_KIND", offset_of!(Slot, kind));
    constant("SLOT_FLAGS", offset_of!(Slot, flags));
    constant("SLOT_VIEW", offset_of!(Slot, view));
    constant("SLOT_LENGTH", offset_of!(Slot, length));
    constant("SLOT_OFFSET", offset_of!(Slot, offset));
    constant("SLOT_INLINE", offset_of!(Slot, inline));
    constant("KIND_NUMBER", Kind::Number as usize);
    constant("KIND_INLINE", Kind::Inline as usize);
    constant("KIND_ENCODED", Kind::Encoded as usize);
    constant("KIND_BINARY", Kind::Binary as usize);
    constant("KIND_READY", Kind::Ready as usize);
    constant("KIND_BOOT_FAILED", Kind::BootFailed as usize);
    constant("KIND_ATTACHED", Kind::Attached as usize);
    constant("KIND_FATAL", Kind::Fatal as usize);
    constant("KIND_NO_MEMORY", Kind::NoMemory as usize);
    constant("KIND_ENVELOPE", Kind::Envelope as usize);
    constant("FLAG_REJECTED", FLAG_REJECTED as usize);
    constant("FLAG_ARENA", FLAG_ARENA as usize);
    constant("FLAG_FETCH", FLAG_FETCH as usize);
    constant("FLAG_NOT_RUN", FLAG_NOT_RUN as usize);
    constant("FLAG_CLAIM", FLAG_CLAIM as usize);
    constant("ROLE_STREAM", Role::Stream as usize);
    constant("ROLE_ITEM", Role::Item as usize);
    constant("ROLE_END", Role::End as usize);
    constant("ROLE_CREDIT", Role::Credit as usize);
    constant("ROLE_CANCEL", Role::Cancel as usize);
    constant("ROLE_PROGRESS", Role::Progress as usize);
    constant("ROLE_MASK", ROLE_MASK as usize);
    constant("STREAM_WINDOW", STREAM_WINDOW as usize);
    constant("STREAM_UNIT_BYTES", STREAM_UNIT_BYTES as usize);
    constant("NO_CALL", NO_CALL as usize);
    constant("WORD_SUBMISSION_HEAD", Word::SubmissionHead.at());
    constant("WORD_STOP", Word::Stop.at());
    constant("WORD_ABORTS", Word::Aborts.at());
    constant("WORD_RUNNING", Word::Running.at());
    constant("ABORTS_AT", ABORTS_AT);
    constant("RINGS_AT", RINGS_AT);
    constant("STAGING_ROOM", StagingWord::Room as usize);
    constant("STAGING_LEASE_POSITION", StagingWord::LeasePosition as usize);
    constant("STAGING_LEASE_END", StagingWord::LeaseEnd as usize);
    constant("STAGING_WINDOW", StagingWord::Window as usize);
    constant("STAGING_MORE", StagingWord::More as usize);
    constant("STAGING_FIRST_SEQUENCE", StagingWord::FirstSequence as usize);
    constant("STAGING_WOKE", StagingWord::Woke as usize);
    constant("STAGING_CROWDED", StagingWord::Crowded as usize);
    constant("STAGING_WANTED", StagingWord::Wanted as usize);
    constant("STAGING_STARTED", StagingWord::Started as usize);
    constant("STAGING_RUNNING", StagingWord::Running as usize);
    constant("HANDS_OVER", HANDS_OVER as usize);
    constant("STAGING_DEAF", StagingWord::Deaf as usize);
    constant("STAGING_OUT_AT", STAGING_OUT_AT);
    constant("STAGING_IN_AT", STAGING_IN_AT);
    constant("STAGING_INBOX_AT", STAGING_INBOX_AT);
    constant("STAGING_BYTES", STAGING_BYTES);
    out
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn typescript_constants_are_those_of_this_file() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/js/native/layout.ts");
        if std::env::var_os("KNITTING_BLESS").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/js/native")).unwrap();
            std::fs::write(path, typescript()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(committed, typescript(), "run `KNITTING_BLESS=1 cargo test layout`");
    }

    #[test]
    fn sections_do_not_overlap() {
        let geometry = Geometry::new(DEFAULT_ARENA_BYTES).unwrap();
        assert!(geometry.submission_ring() < geometry.completion_ring());
        assert!(geometry.completion_ring() < geometry.submission_arena());
        assert_eq!(geometry.completion_arena() - geometry.submission_arena(), DEFAULT_ARENA_BYTES);
        assert_eq!(geometry.segment_bytes() - geometry.completion_arena(), DEFAULT_ARENA_BYTES);
    }

    #[test]
    fn geometry_refuses_what_offsets_cannot_address() {
        assert_eq!(Geometry::new(0), None);
        assert_eq!(Geometry::new(MAX_ARENA_BYTES + 1), None);
        assert_eq!(Geometry::new(usize::MAX), None);
        assert_eq!(Geometry::new(1).unwrap().arena_bytes, CHUNK_BYTES);
    }
}
