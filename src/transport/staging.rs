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

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::NonNull;

use memmap2::{MmapMut, MmapRaw};

use super::layout::{
    RING_SLOTS, STAGING_BYTES, STAGING_IN_AT, STAGING_INBOX_AT, STAGING_OUT_AT, Slot, StagingWord,
};

/// One side's staging memory. It does not move, so JavaScript may hold it as an external ArrayBuffer. Only this
/// module's siblings read and write it, they do so through one end of a lane, and an end belongs to one thread.
#[derive(Debug)]
pub struct Staging(MmapRaw);

impl Staging {
    /// Zeroed staging. It comes from the system and not from the allocator, which would write the zeros: few lanes
    /// ever use all of it, and a page costs memory once it is touched.
    #[expect(clippy::new_without_default, reason = "it maps more than half a MiB: not a default")]
    pub fn new() -> Self {
        let map = MmapMut::map_anon(STAGING_BYTES);
        Self(map.unwrap_or_else(|_| handle_alloc_error(Layout::new::<[u8; STAGING_BYTES]>())).into())
    }

    /// Its first byte, of STAGING_BYTES.
    pub fn memory(&self) -> NonNull<u8> {
        self.at(0)
    }

    fn at<T>(&self, byte: usize) -> NonNull<T> {
        debug_assert!(byte + size_of::<T>() <= STAGING_BYTES && byte.is_multiple_of(align_of::<T>()));
        // SAFETY: a mapping has no null; inside it; every caller's place is aligned for its type.
        unsafe { NonNull::new_unchecked(self.0.as_mut_ptr()).add(byte).cast() }
    }

    /// Reads a word.
    pub(super) fn word(&self, word: StagingWord) -> u32 {
        // SAFETY: aligned and inside; nobody else uses staging now.
        unsafe { self.at::<u32>(word as usize * 4).read() }
    }

    /// Writes a word.
    pub fn set_word(&self, word: StagingWord, value: u32) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory;

    #[test]
    fn only_what_is_used_takes_memory() {
        let staging = Staging::new();
        assert_eq!(memory::present(staging.memory(), STAGING_BYTES).unwrap(), 0);
        staging.set_word(StagingWord::Room, 1);
        assert_eq!(memory::present(staging.memory(), STAGING_BYTES).unwrap(), 1);
    }
}
