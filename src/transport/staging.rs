//! Staging: private memory in which JavaScript and Rust of one side hand each other slots.
//!
//! ```text
//!   0     words of `StagingWord`
//!   128   slots to publish, from the first on     (JavaScript writes, `exchange` reads)
//!         slots that arrived, from the first on   (`exchange` writes, JavaScript reads)
//!         inbox: copies of their payloads         (host only)
//! ```
//!
//! It is never shared with another thread or process: one JavaScript thread and its native calls take turns
//! with it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::layout::{
    RING_SLOTS, STAGING_BYTES, STAGING_IN_AT, STAGING_INBOX_AT, STAGING_OUT_AT, Slot, StagingWord,
};

/// One side's staging memory. It does not move, so JavaScript may hold it as an external ArrayBuffer.
#[derive(Debug)]
pub struct Staging(NonNull<u8>);

// SAFETY: it is plain memory. Only this module's siblings can read or write it, they do so through one end of
// a lane, and an end belongs to one thread.
unsafe impl Send for Staging {}
// SAFETY: as above.
unsafe impl Sync for Staging {}

impl Staging {
    const LAYOUT: Layout = match Layout::from_size_align(STAGING_BYTES, 64) {
        Ok(layout) => layout,
        Err(_) => panic!("staging has a valid layout"),
    };

    /// Zeroed staging.
    #[expect(clippy::new_without_default, reason = "it allocates more than half a MiB: not a default")]
    pub fn new() -> Self {
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc_zeroed(Self::LAYOUT) };
        Self(NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(Self::LAYOUT)))
    }

    /// Its first byte, of STAGING_BYTES.
    pub fn memory(&self) -> NonNull<u8> {
        self.0
    }

    fn at<T>(&self, byte: usize) -> NonNull<T> {
        debug_assert!(byte + size_of::<T>() <= STAGING_BYTES && byte.is_multiple_of(align_of::<T>()));
        // SAFETY: inside the allocation; every caller's place is aligned for its type.
        unsafe { self.0.add(byte).cast() }
    }

    /// Reads a word.
    pub(super) fn word(&self, word: StagingWord) -> u32 {
        // SAFETY: aligned and inside; nobody else uses staging now.
        unsafe { self.at::<u32>(word as usize * 4).read() }
    }

    /// Writes a word.
    pub(super) fn set_word(&self, word: StagingWord, value: u32) {
        // SAFETY: as for `word`.
        unsafe { self.at::<u32>(word as usize * 4).write(value) }
    }

    /// The slot that JavaScript staged at `index`.
    pub(super) fn outgoing(&self, index: usize) -> Slot {
        assert!(index < RING_SLOTS);
        // SAFETY: aligned and inside; any bytes are a slot.
        unsafe { self.at::<Slot>(STAGING_OUT_AT + index * size_of::<Slot>()).read() }
    }

    /// Puts a slot that arrived at `index`.
    pub(super) fn set_incoming(&self, index: usize, slot: &Slot) {
        assert!(index < RING_SLOTS);
        // SAFETY: aligned and inside.
        unsafe { self.at::<Slot>(STAGING_IN_AT + index * size_of::<Slot>()).write(*slot) }
    }

    /// Byte `offset` of the inbox.
    pub(super) fn inbox(&self, offset: usize) -> NonNull<u8> {
        self.at(STAGING_INBOX_AT + offset)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.0.as_ptr(), Self::LAYOUT) }
    }
}
