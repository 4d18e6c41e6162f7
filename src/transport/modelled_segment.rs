//! A segment for loom: words and slots that are loom's, in no shared memory. It has what the ring and the
//! doorbell need of one.

use std::sync::Arc;

use super::layout::{SLOT_BYTES, Word};
use super::sync::{AtomicU32, AtomicU64};

/// A segment with one ring, of two slots so that a ring goes round within a model.
#[derive(Debug)]
pub struct Segment {
    words: Vec<AtomicU32>,
    slots: Vec<[AtomicU64; SLOT_BYTES / 8]>,
}

impl Segment {
    /// A segment as it is at the start.
    pub fn fresh() -> Self {
        let words = (0..=Word::WorkerCore as usize).map(|_| AtomicU32::new(0)).collect();
        let slots = (0..RingMemory::SLOTS).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect();
        Self { words, slots }
    }

    /// One of the atomic words.
    pub fn word(&self, word: Word) -> &AtomicU32 {
        &self.words[word as usize]
    }

    /// False: it can't be lost.
    pub fn lost(&self) -> bool {
        false
    }

    /// True: nobody truncates it.
    pub fn is_sealed(&self) -> bool {
        true
    }
}

/// The slots of the ring.
#[derive(Debug)]
pub struct RingMemory(Arc<Segment>);

impl RingMemory {
    /// Slots of a ring.
    pub const SLOTS: usize = 2;

    /// The one ring there is, wherever it lies.
    pub fn new(segment: Arc<Segment>, _: usize) -> Self {
        Self(segment)
    }

    /// The segment that it is part of.
    pub fn segment(&self) -> &Segment {
        &self.0
    }

    /// The words of a slot, of which there are [`Self::SLOTS`].
    pub fn slot(&self, index: usize) -> &[AtomicU64; SLOT_BYTES / 8] {
        &self.0.slots[index % Self::SLOTS]
    }
}
