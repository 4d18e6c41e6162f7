//! A ring: slots in one direction, one producer, one consumer.
//!
//! ```text
//!   released <= started/taken <= tail        tail - released <= RING_SLOTS
//!   producer: write slots at tail.., then store tail (Release)
//!   consumer: load tail (Acquire), copy slots out, later store head (Release): those slots are free
//! ```
//!
//! Each side keeps its own cursor in private memory and reads the other's word once per look. A word outside
//! the range that an honest peer keeps to is a [`Violation`]. Slots are copied whole by atomic loads, and
//! only the copy is looked at.

use std::sync::Arc;

use super::layout::{SLOT_BYTES, Slot, Word};
use super::segment::{RingMemory, Segment};
use super::sync::{AtomicU32, Ordering};
use super::violation::Violation;

const SLOT_WORDS: usize = SLOT_BYTES / size_of::<u64>();

/// The slots of one ring.
#[derive(Debug)]
struct Slots(RingMemory);

impl Slots {
    fn write(&self, sequence: u32, slot: &Slot) {
        // SAFETY: a slot is plain integers without padding, 64 bytes of them.
        let words: [u64; SLOT_WORDS] = unsafe { std::mem::transmute(*slot) };
        for (to, word) in self.0.slot(sequence as usize).iter().zip(words) {
            to.store(word, Ordering::Relaxed);
        }
    }

    fn read(&self, sequence: u32) -> Slot {
        let from = self.0.slot(sequence as usize);
        let words: [u64; SLOT_WORDS] = std::array::from_fn(|i| from[i].load(Ordering::Relaxed));
        // SAFETY: any 64 bytes are a slot: it is plain integers.
        unsafe { std::mem::transmute(words) }
    }

    /// Clears the kind of the slot, if it is still as it was written.
    fn claim(&self, sequence: u32, slot: &Slot) -> bool {
        const HEAD: usize = std::mem::offset_of!(Slot, kind) / size_of::<u64>();
        // SAFETY: as in `write`.
        let words: [u64; SLOT_WORDS] = unsafe { std::mem::transmute(*slot) };
        // SAFETY: as in `write`.
        let claimed: [u64; SLOT_WORDS] = unsafe { std::mem::transmute(Slot { kind: 0, ..*slot }) };
        self.0.slot(sequence as usize)[HEAD]
            .compare_exchange(words[HEAD], claimed[HEAD], Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    fn word(&self, word: Word) -> &AtomicU32 {
        self.0.segment().word(word)
    }
}

/// The end that fills a ring.
#[derive(Debug)]
pub struct Producer {
    slots: Slots,
    tail_word: Word,
    head_word: Word,
    tail: u32,
    released: u32,
}

impl Producer {
    /// The producer of the ring at byte `at`, with its words.
    pub fn new(segment: Arc<Segment>, at: usize, tail_word: Word, head_word: Word) -> Self {
        Self { slots: Slots(RingMemory::new(segment, at)), tail_word, head_word, tail: 0, released: 0 }
    }

    /// Sequence number of the next slot.
    pub fn tail(&self) -> u32 {
        self.tail
    }

    /// Slots that there is room for, as of the last [`Self::release`].
    pub fn room(&self) -> u32 {
        RingMemory::SLOTS as u32 - self.tail.wrapping_sub(self.released)
    }

    /// Writes one slot; it is not visible before [`Self::publish`].
    ///
    /// # Panics
    /// When there is no room: the caller counts.
    pub fn write(&mut self, slot: &Slot) {
        assert!(self.room() > 0, "staged more slots than the ring has room for");
        self.slots.write(self.tail, slot);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Claims a slot that was published with `FLAG_CLAIM` (see the layout), as it was `sent`. False if the consumer has
    /// claimed it.
    pub fn claim(&self, sequence: u32, sent: &Slot) -> bool {
        self.slots.claim(sequence, sent)
    }

    /// Makes what was written visible.
    pub fn publish(&self) {
        self.slots.word(self.tail_word).store(self.tail, Ordering::Release);
    }

    /// Reads how far the consumer has got. Returns the sequence numbers `[from, to)` that it has released
    /// since the last time.
    pub fn release(&mut self) -> Result<(u32, u32), Violation> {
        let head = self.slots.word(self.head_word).load(Ordering::Acquire);
        let from = self.released;
        if head.wrapping_sub(from) > self.tail.wrapping_sub(from) {
            return Err(Violation::Cursor);
        }
        self.released = head;
        Ok((from, head))
    }

    /// How far the consumer has got now. If it says something impossible, which the next [`Self::release`] finds again,
    /// then how far it had got.
    pub fn peek_released(&self) -> u32 {
        let head = self.slots.word(self.head_word).load(Ordering::Acquire);
        if head.wrapping_sub(self.released) > self.tail.wrapping_sub(self.released) {
            self.released
        } else {
            head
        }
    }

    /// Sequence number up to which the consumer has released slots, as of the last [`Self::release`].
    pub fn released(&self) -> u32 {
        self.released
    }
}

/// The end that empties a ring.
#[derive(Debug)]
pub struct Consumer {
    slots: Slots,
    tail_word: Word,
    head_word: Word,
    taken: u32,
    released: u32,
}

impl Consumer {
    /// The consumer of the ring at byte `at`, with its words.
    pub fn new(segment: Arc<Segment>, at: usize, tail_word: Word, head_word: Word) -> Self {
        Self { slots: Slots(RingMemory::new(segment, at)), tail_word, head_word, taken: 0, released: 0 }
    }

    /// Slots that wait to be taken.
    pub fn available(&self) -> Result<u32, Violation> {
        let tail = self.slots.word(self.tail_word).load(Ordering::Acquire);
        let available = tail.wrapping_sub(self.taken);
        if available > RingMemory::SLOTS as u32 { Err(Violation::Cursor) } else { Ok(available) }
    }

    /// A copy of the next slot, which stays where it is.
    pub fn peek(&self) -> Slot {
        self.slots.read(self.taken)
    }

    /// Claims a slot that has arrived and not been released, as the worker's JavaScript does.
    #[cfg(test)]
    pub fn claim(&self, sequence: u32, sent: &Slot) -> bool {
        self.slots.claim(sequence, sent)
    }

    /// Moves on to the slot after the one that [`Self::peek`] showed.
    pub fn advance(&mut self) {
        self.taken = self.taken.wrapping_add(1);
    }

    /// Sequence number of the next slot.
    pub fn taken(&self) -> u32 {
        self.taken
    }

    /// Tells the producer that everything taken is free. True if anything was taken since the last time.
    pub fn release(&mut self) -> bool {
        if self.released == self.taken {
            return false;
        }
        self.released = self.taken;
        self.slots.word(self.head_word).store(self.taken, Ordering::Release);
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::transport::layout::{Geometry, RING_SLOTS};

    fn ring() -> (Arc<Segment>, Producer, Consumer) {
        let segment = Arc::new(Segment::create(Geometry::new(1).unwrap()).unwrap().0);
        let at = segment.geometry().submission_ring();
        let words = (Word::SubmissionTail, Word::SubmissionHead);
        let producer = Producer::new(segment.clone(), at, words.0, words.1);
        let consumer = Consumer::new(segment.clone(), at, words.0, words.1);
        (segment, producer, consumer)
    }

    fn numbered(call: u32) -> Slot {
        Slot { call, generation: !call, length: call, ..Slot::default() }
    }

    #[test]
    fn slots_arrive_in_order_over_many_laps() {
        let (_segment, mut producer, mut consumer) = ring();
        let mut next = 0;
        for lap in 0..50 {
            producer.release().unwrap();
            let burst = (lap * 37) % producer.room() + 1;
            for _ in 0..burst.min(producer.room()) {
                producer.write(&numbered(producer.tail()));
            }
            producer.publish();
            while consumer.available().unwrap() > 0 {
                assert_eq!(consumer.peek(), numbered(next));
                consumer.advance();
                next += 1;
            }
            consumer.release();
        }
        assert_eq!(next, producer.tail());
    }

    #[test]
    fn cursors_may_wrap() {
        let (segment, mut producer, mut consumer) = ring();
        let start = u32::MAX - 3;
        (producer.tail, producer.released) = (start, start);
        (consumer.taken, consumer.released) = (start, start);
        segment.word(Word::SubmissionTail).store(start, Ordering::Relaxed);
        segment.word(Word::SubmissionHead).store(start, Ordering::Relaxed);
        for call in 0..8 {
            producer.write(&numbered(call));
        }
        producer.publish();
        for call in 0..8 {
            assert!(consumer.available().unwrap() > 0);
            assert_eq!(consumer.peek(), numbered(call));
            consumer.advance();
        }
        assert!(consumer.release());
        assert_eq!(producer.release().unwrap(), (start, start.wrapping_add(8)));
        assert_eq!(producer.room(), RING_SLOTS as u32);
    }

    #[test]
    fn an_unpublished_slot_is_invisible_and_a_full_ring_has_no_room() {
        let (_segment, mut producer, consumer) = ring();
        producer.write(&numbered(1));
        assert_eq!(consumer.available(), Ok(0));
        while producer.room() > 0 {
            producer.write(&numbered(2));
        }
        producer.publish();
        assert_eq!(consumer.available(), Ok(RING_SLOTS as u32));
        producer.release().unwrap();
        assert_eq!(producer.room(), 0);
    }

    #[test]
    fn a_cursor_out_of_range_is_a_violation() {
        let (segment, mut producer, consumer) = ring();
        segment.word(Word::SubmissionTail).store(RING_SLOTS as u32 + 1, Ordering::Relaxed);
        assert_eq!(consumer.available(), Err(Violation::Cursor));
        segment.word(Word::SubmissionTail).store(u32::MAX, Ordering::Relaxed);
        assert_eq!(consumer.available(), Err(Violation::Cursor));
        segment.word(Word::SubmissionHead).store(1, Ordering::Relaxed);
        assert_eq!(producer.release(), Err(Violation::Cursor));
        segment.word(Word::SubmissionHead).store(u32::MAX, Ordering::Relaxed);
        assert_eq!(producer.release(), Err(Violation::Cursor));
    }

    #[test]
    fn two_threads_agree_on_every_slot() {
        let (_segment, mut producer, mut consumer) = ring();
        const COUNT: u32 = 200_000;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while producer.tail() < COUNT {
                    producer.release().unwrap();
                    for _ in 0..producer.room().min(COUNT - producer.tail()) {
                        producer.write(&numbered(producer.tail()));
                    }
                    producer.publish();
                    std::thread::yield_now();
                }
            });
            let mut next = 0;
            while next < COUNT {
                for _ in 0..consumer.available().unwrap() {
                    assert_eq!(consumer.peek(), numbered(next));
                    consumer.advance();
                    next += 1;
                }
                consumer.release();
                std::thread::yield_now();
            }
        });
    }
}
