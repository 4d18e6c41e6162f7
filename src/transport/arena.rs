//! An arena: payloads of one direction, allocated by the side that sends them.
//!
//! ```text
//!   chunk  0 1 2 3 4 5 6 ...          a chunk is 64 KiB; all state below is private to the sender
//!   state  L S S S . . .              L lease: small payloads side by side   S span: a large payload, or room   . free
//!   refs   3 1                        slots published and not released, counted at the span's first chunk
//! ```
//!
//! Small payloads are put one behind the other into a leased chunk, by JavaScript, without a call; a large
//! one gets a span of whole chunks. The lowest free chunks are taken first, so a lane keeps coming back to
//! the few pages it has touched already. Pages are populated before they are used and punched out again by
//! [`Arena::trim`].

use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use super::layout::{CHUNK_BYTES, INITIAL_WINDOW_BYTES, PAYLOAD_ALIGN, SMALL_BYTES};
use super::segment::Segment;
use crate::sys::memory;

/// Why [`Arena::reserve`] gave nothing.
#[derive(Debug)]
pub enum Reserve {
    /// There is no room now. There will be as the other side releases what it holds.
    Full,
    /// More than the whole arena.
    TooLarge,
    /// The system has no memory for it.
    NoMemory(io::Error),
}

#[derive(Debug, Clone, Copy, Default)]
struct Chunk {
    /// Part of a span, or leased.
    used: bool,
    /// Its pages have been touched and are there.
    populated: bool,
    /// Chunks of the span that begins here.
    span: u32,
    /// Slots that refer to the span and are not released.
    refs: u32,
}

/// The sender's account of one arena.
#[derive(Debug)]
pub struct Arena {
    segment: Arc<Segment>,
    at: usize,
    chunks: Vec<Chunk>,
    /// Chunks that JavaScript can address now.
    window: usize,
    leased: Option<usize>,
    /// Former leases whose last payloads may be staged and not charged yet.
    retired: Vec<usize>,
}

impl Arena {
    /// The arena at byte `at` of the segment.
    pub fn new(segment: Arc<Segment>, at: usize) -> Self {
        let chunks = vec![Chunk::default(); segment.geometry().arena_bytes / CHUNK_BYTES];
        let window = chunks.len().min(INITIAL_WINDOW_BYTES / CHUNK_BYTES);
        Self { segment, at, chunks, window, leased: None, retired: Vec::new() }
    }

    /// Bytes, from the start of the arena, within which every reservation so far lies.
    pub fn window_bytes(&self) -> usize {
        self.window * CHUNK_BYTES
    }

    /// Where in its segment the arena begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Takes the memory of the first `bytes` from the system now. An error if the system has not so much; if
    /// that can be known beforehand, nothing is taken.
    pub fn prepare(&mut self, bytes: usize) -> io::Result<()> {
        let count = bytes.div_ceil(CHUNK_BYTES);
        if count > self.chunks.len() {
            return Err(io::Error::other(format!("the arena has {} bytes", self.chunks.len() * CHUNK_BYTES)));
        }
        if count > 0 {
            memory::refuse_too_much(count * CHUNK_BYTES)?;
        }
        self.populate(0, count)
    }

    /// Finds room for `bytes`. Returns its offset from the start of the arena. The caller charges it to a
    /// slot by [`Self::charge`]. A small payload also starts a new lease, of the rest of its chunk.
    pub fn reserve(&mut self, bytes: usize) -> Result<usize, Reserve> {
        let small = bytes <= SMALL_BYTES;
        let count = if small { 1 } else { bytes.div_ceil(CHUNK_BYTES) };
        if count > self.chunks.len() {
            return Err(Reserve::TooLarge);
        }
        let first = self.take(count)?;
        if small {
            self.retired.extend(self.leased.replace(first));
        }
        Ok(first * CHUNK_BYTES)
    }

    /// Finds whole chunks for `bytes` that JavaScript fills when it likes. Returns their offset. While no
    /// slot is charged with them they stay until [`Self::free`].
    pub fn allocate(&mut self, bytes: usize) -> Result<usize, Reserve> {
        let count = bytes.div_ceil(CHUNK_BYTES);
        if count > self.chunks.len() {
            return Err(Reserve::TooLarge);
        }
        Ok(self.take(count)? * CHUNK_BYTES)
    }

    /// Frees the chunks at `offset`, unless a slot is charged with them.
    pub fn free(&mut self, offset: usize) {
        self.free_if_unused(offset / CHUNK_BYTES);
    }

    /// Frees the former leases that no slot refers to. Call it when everything that was staged has been
    /// charged.
    pub fn settle(&mut self) {
        while let Some(chunk) = self.retired.pop() {
            self.free_if_unused(chunk);
        }
    }

    /// The offset at which the next small payload may go, and the offset at which the lease ends; both are 0
    /// without a lease. `position` is how far JavaScript has used the lease. A lease that no slot refers to
    /// starts again at its beginning. Call this after [`Self::settle`].
    pub fn lease(&self, position: usize) -> (usize, usize) {
        let Some(chunk) = self.leased else { return (0, 0) };
        let start = chunk * CHUNK_BYTES;
        let position = if self.chunks[chunk].refs == 0 { start } else { position };
        (position, start + CHUNK_BYTES)
    }

    /// Counts a slot that refers to the payload at `offset`, whose span stays until [`Self::release`].
    pub fn charge(&mut self, offset: usize) {
        self.chunks[offset / CHUNK_BYTES].refs += 1;
    }

    /// Counts one slot fewer that refers to the payload at `offset`.
    pub fn release(&mut self, offset: usize) {
        let chunk = offset / CHUNK_BYTES;
        self.chunks[chunk].refs -= 1;
        self.free_if_unused(chunk);
    }

    /// Gives up the lease if nothing is in it, because a large payload may need its chunk. True if there was
    /// such a lease. `position` as for [`Self::lease`].
    pub fn give_up_lease(&mut self, position: usize) -> bool {
        let Some(chunk) =
            self.leased.filter(|&chunk| self.chunks[chunk].refs == 0 && position == chunk * CHUNK_BYTES)
        else {
            return false;
        };
        self.leased = None;
        self.free_if_unused(chunk);
        true
    }

    /// The parts of the segment, in bytes and in their order, that JavaScript may hold: spans that no slot refers
    /// to.
    pub fn lent(&self) -> Vec<Range<usize>> {
        let mut lent = Vec::new();
        let mut index = 0;
        while index < self.chunks.len() {
            let chunk = self.chunks[index];
            let count = if chunk.used { chunk.span as usize } else { 1 };
            if chunk.used && chunk.refs == 0 && self.leased != Some(index) {
                let start = self.at + index * CHUNK_BYTES;
                lent.push(start..start + count * CHUNK_BYTES);
            }
            index += count;
        }
        lent
    }

    /// True while a published slot refers to anything here.
    pub fn in_use(&self) -> bool {
        self.chunks.iter().any(|chunk| chunk.refs > 0)
    }

    /// Gives free memory above the first `keep` bytes back to the system. Returns how many bytes.
    pub fn trim(&mut self, keep: usize) -> usize {
        let mut given = 0;
        for index in keep.div_ceil(CHUNK_BYTES)..self.chunks.len() {
            let chunk = self.chunks[index];
            if chunk.used || !chunk.populated {
                continue;
            }
            // SAFETY: a whole chunk of the live mapping; nothing refers to it.
            if unsafe { memory::punch_out(self.chunk(index), CHUNK_BYTES) }.is_ok() {
                self.chunks[index].populated = false;
                given += CHUNK_BYTES;
            }
        }
        given
    }

    /// The position after a payload of `bytes` at `position`.
    pub fn next_position(position: usize, bytes: usize) -> usize {
        (position + bytes).next_multiple_of(PAYLOAD_ALIGN)
    }

    /// Makes a span of the lowest `count` free chunks in a row. Returns the first.
    fn take(&mut self, count: usize) -> Result<usize, Reserve> {
        let first = self.find(count).ok_or(Reserve::Full)?;
        self.populate(first, count).map_err(Reserve::NoMemory)?;
        for chunk in &mut self.chunks[first..first + count] {
            chunk.used = true;
        }
        self.chunks[first].span = count as u32;
        self.chunks[first].refs = 0;
        Ok(first)
    }

    /// Finds the lowest `count` free chunks in a row, and widens the window if they lie beyond it.
    fn find(&mut self, count: usize) -> Option<usize> {
        let mut run = 0;
        for (index, chunk) in self.chunks.iter().enumerate() {
            run = if chunk.used { 0 } else { run + 1 };
            if run == count {
                while index >= self.window {
                    self.window = (self.window * 2).min(self.chunks.len());
                }
                return Some(index + 1 - count);
            }
        }
        None
    }

    /// Populates those of the chunks that are not populated yet, with one call for each gap. A failed attempt
    /// gives back to the system what it has touched.
    fn populate(&mut self, first: usize, count: usize) -> io::Result<()> {
        let gaps = self.gaps(first, count);
        for gap in &gaps {
            // SAFETY: whole chunks of the live mapping.
            let populated = unsafe { memory::populate(self.chunk(gap.start), gap.len() * CHUNK_BYTES) };
            if let Err(error) = populated {
                for gap in &gaps {
                    // SAFETY: whole chunks of the live mapping; nothing has been written there. If it fails, they
                    // are as if somebody else had populated them.
                    let _ = unsafe { memory::punch_out(self.chunk(gap.start), gap.len() * CHUNK_BYTES) };
                }
                return Err(error);
            }
        }
        for gap in gaps {
            self.chunks[gap].iter_mut().for_each(|chunk| chunk.populated = true);
        }
        Ok(())
    }

    /// Those of the chunks that are not populated, each run of them as one range.
    fn gaps(&self, first: usize, count: usize) -> Vec<Range<usize>> {
        let mut gaps: Vec<Range<usize>> = Vec::new();
        for index in (first..first + count).filter(|&index| !self.chunks[index].populated) {
            match gaps.last_mut() {
                Some(gap) if gap.end == index => gap.end += 1,
                _ => gaps.push(index..index + 1),
            }
        }
        gaps
    }

    /// Where a chunk begins.
    fn chunk(&self, index: usize) -> NonNull<u8> {
        self.segment.at(self.at + index * CHUNK_BYTES)
    }

    fn free_if_unused(&mut self, first: usize) {
        if self.chunks[first].refs > 0 || self.leased == Some(first) {
            return;
        }
        let count = self.chunks[first].span as usize;
        for chunk in &mut self.chunks[first..first + count] {
            chunk.used = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::layout::Geometry;
    use std::os::unix::fs::MetadataExt;

    const CHUNKS: usize = 64;

    fn arena() -> Arena {
        let segment = Arc::new(Segment::create(Geometry::new(CHUNKS * CHUNK_BYTES).unwrap()).unwrap().0);
        let at = segment.geometry().submission_arena();
        Arena::new(segment, at)
    }

    fn used(arena: &Arena) -> usize {
        arena.chunks.iter().filter(|chunk| chunk.used).count()
    }

    #[test]
    fn a_large_payload_gets_the_lowest_free_span_and_gives_it_back() {
        let mut arena = arena();
        let first = arena.reserve(3 * CHUNK_BYTES).unwrap();
        let second = arena.reserve(SMALL_BYTES + 1).unwrap();
        assert_eq!((first, second), (0, 3 * CHUNK_BYTES));
        arena.charge(first);
        assert_eq!(used(&arena), 4);
        arena.release(first);
        assert_eq!(used(&arena), 1);
        assert_eq!(arena.reserve(2 * CHUNK_BYTES).unwrap(), 0);
    }

    #[test]
    fn small_payloads_share_a_lease_that_begins_again_when_all_are_released() {
        let mut arena = arena();
        let offset = arena.reserve(100).unwrap();
        let position = Arena::next_position(offset, 100);
        arena.charge(offset);
        arena.charge(position);
        assert_eq!(arena.lease(position), (position, offset + CHUNK_BYTES));
        arena.release(offset);
        assert_eq!(arena.lease(position).0, position);
        arena.release(position);
        assert_eq!(arena.lease(position).0, offset);
        assert_eq!(used(&arena), 1);
    }

    #[test]
    fn a_retired_lease_is_freed_with_its_last_payload() {
        let mut arena = arena();
        let offset = arena.reserve(10).unwrap();
        arena.charge(offset);
        let renewed = arena.reserve(10).unwrap();
        assert_ne!(offset, renewed);
        arena.settle();
        assert_eq!(used(&arena), 2);
        arena.release(offset);
        assert_eq!(used(&arena), 1);
    }

    #[test]
    fn a_retired_lease_waits_for_payloads_that_are_staged_and_not_charged() {
        let mut arena = arena();
        let staged = arena.reserve(10).unwrap();
        let renewed = arena.reserve(SMALL_BYTES).unwrap();
        let another = arena.reserve(SMALL_BYTES).unwrap();
        assert!(staged != renewed && renewed != another && staged != another);
        arena.charge(staged);
        arena.settle();
        assert_eq!(used(&arena), 2);
        arena.release(staged);
        assert_eq!(used(&arena), 1);
    }

    #[test]
    fn full_and_too_large_are_told_apart() {
        let mut arena = arena();
        let all = arena.reserve(CHUNKS * CHUNK_BYTES).unwrap();
        assert!(matches!(arena.reserve(1), Err(Reserve::Full)));
        assert!(matches!(arena.reserve(CHUNKS * CHUNK_BYTES + 1), Err(Reserve::TooLarge)));
        arena.charge(all);
        arena.release(all);
        assert_eq!(used(&arena), 0);
        assert!(arena.reserve(1).is_ok());
    }

    #[test]
    fn an_empty_lease_makes_way_for_a_payload_as_large_as_the_arena() {
        let mut arena = arena();
        let offset = arena.reserve(100).unwrap();
        let position = Arena::next_position(offset, 100);
        arena.charge(offset);
        assert!(matches!(arena.reserve(CHUNKS * CHUNK_BYTES), Err(Reserve::Full)));
        assert!(!arena.give_up_lease(position));
        arena.release(offset);
        let (position, _) = arena.lease(position);
        assert!(arena.give_up_lease(position));
        assert_eq!(arena.reserve(CHUNKS * CHUNK_BYTES).unwrap(), 0);
        assert!(!arena.give_up_lease(position));
    }

    #[test]
    fn the_window_covers_every_reservation() {
        let mut arena = arena();
        let initial = arena.window_bytes();
        let offset = arena.reserve(initial + 1).unwrap();
        assert!(arena.window_bytes() > offset + initial);
    }

    #[test]
    fn trimming_gives_back_free_memory_and_it_can_be_used_again() {
        let mut arena = arena();
        let offset = arena.reserve(8 * CHUNK_BYTES).unwrap();
        let start = arena.segment.at(arena.at + offset);
        // SAFETY: reserved, so inside the mapping.
        unsafe { start.write_bytes(0xaa, 8 * CHUNK_BYTES) };
        arena.charge(offset);
        assert_eq!(arena.trim(0), 0);
        arena.release(offset);
        assert_eq!(arena.trim(2 * CHUNK_BYTES), 6 * CHUNK_BYTES);
        assert_eq!(arena.reserve(8 * CHUNK_BYTES).unwrap(), offset);
        // SAFETY: as above.
        let (kept, fresh) = unsafe { (start.read(), start.add(2 * CHUNK_BYTES).read()) };
        assert_eq!((kept, fresh), (0xaa, 0));
    }

    #[test]
    fn a_failed_attempt_gives_back_what_it_has_touched() {
        let (segment, file) = Segment::create_unsealed(Geometry::new(CHUNKS * CHUNK_BYTES).unwrap());
        let (at, whole) = (segment.geometry().submission_arena(), segment.geometry().segment_bytes());
        let mut arena = Arena::new(Arc::new(segment), at);
        let taken = || file.metadata().unwrap().blocks();
        let kept = arena.reserve(2 * CHUNK_BYTES).unwrap();
        let before = taken();
        // The system can give the first chunks, and then no more.
        file.set_len((at + 6 * CHUNK_BYTES) as u64).unwrap();
        assert!(matches!(arena.reserve(8 * CHUNK_BYTES), Err(Reserve::NoMemory(_))));
        arena.charge(kept);
        arena.release(kept);
        assert!(arena.prepare(8 * CHUNK_BYTES).is_err());
        assert_eq!((taken(), used(&arena)), (before, 0));
        file.set_len(whole as u64).unwrap();
        assert_eq!(arena.reserve(8 * CHUNK_BYTES).unwrap(), 0);
        assert!(taken() > before);
    }

    #[test]
    fn what_is_lent_is_known_by_its_place() {
        let mut arena = arena();
        let (small, lent) = (arena.reserve(10).unwrap(), arena.allocate(3 * CHUNK_BYTES).unwrap());
        let sent = arena.reserve(2 * CHUNK_BYTES).unwrap();
        arena.charge(small);
        arena.charge(sent);
        let at = arena.at + lent;
        assert_eq!(arena.lent(), vec![at..at + 3 * CHUNK_BYTES; 1]);
        arena.free(lent);
        assert_eq!(arena.lent(), []);
    }

    #[test]
    fn what_is_prepared_is_there_before_it_is_used_and_no_more_of_it_than_the_arena_has() {
        let mut arena = arena();
        let populated = |arena: &Arena| arena.chunks.iter().take_while(|chunk| chunk.populated).count();
        arena.prepare(0).unwrap();
        assert_eq!(populated(&arena), 0);
        arena.prepare(2 * CHUNK_BYTES + 1).unwrap();
        assert_eq!((populated(&arena), used(&arena)), (3, 0));
        assert_eq!(arena.trim(3 * CHUNK_BYTES), 0);
        assert_eq!(arena.trim(CHUNK_BYTES), 2 * CHUNK_BYTES);
        assert!(arena.prepare(CHUNKS * CHUNK_BYTES + 1).is_err());
        arena.prepare(CHUNKS * CHUNK_BYTES).unwrap();
        assert_eq!(arena.trim(0), CHUNKS * CHUNK_BYTES);
    }

    #[test]
    fn what_is_lent_stays_until_it_is_given_back_or_sent_and_released() {
        let mut arena = arena();
        let (kept, sent) = (arena.allocate(10).unwrap(), arena.allocate(2 * CHUNK_BYTES).unwrap());
        assert_eq!(used(&arena), 3);
        arena.settle();
        assert_eq!((arena.trim(0), used(&arena)), (0, 3));
        arena.free(kept);
        assert_eq!(used(&arena), 2);
        arena.charge(sent);
        arena.free(sent);
        assert_eq!(used(&arena), 2);
        arena.release(sent);
        assert_eq!(used(&arena), 0);
        assert!(matches!(arena.allocate(CHUNKS * CHUNK_BYTES + 1), Err(Reserve::TooLarge)));
    }

    #[test]
    fn random_traffic_never_overlaps_and_ends_empty() {
        let mut arena = arena();
        let mut live: Vec<(usize, usize)> = Vec::new();
        let mut state = 0x9e37_79b9_u32;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as usize % below
        };
        for _ in 0..20_000 {
            if random(2) == 0 || live.is_empty() {
                let bytes = SMALL_BYTES + 1 + random(6 * CHUNK_BYTES);
                if let Ok(offset) = arena.reserve(bytes) {
                    assert!(live.iter().all(|&(o, b)| offset + bytes <= o || o + b <= offset));
                    arena.charge(offset);
                    live.push((offset, bytes));
                }
            } else {
                let (offset, _) = live.swap_remove(random(live.len()));
                arena.release(offset);
            }
        }
        live.drain(..).for_each(|(offset, _)| arena.release(offset));
        assert_eq!(used(&arena), 0);
    }
}
