//! What both ends of a lane do alike.

use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::time::Duration;

use super::spin::{Place, Spinner, Strangers, strangers};
use crate::transport::arena::{Arena, Reserve};
use crate::transport::blocks;
use crate::transport::doorbell::{self, Listener, Ready, Times, Waiter};
use crate::transport::layout::{CHUNK_BYTES, FLAG_ARENA, RING_SLOTS, SMALL_BYTES, Slot, StagingWord, Word};
use crate::transport::ring::{Consumer, Producer};
use crate::transport::segment::Segment;
use crate::transport::staging::Staging;
use crate::transport::violation::Violation;

/// Copies of the slots that were published, by sequence number. They say which payload each slot has charged,
/// and what it was.
pub type Sent = Box<[Slot; RING_SLOTS]>;

/// An account without any slot, made on the heap.
fn no_slots() -> Sent {
    let slots = vec![Slot::default(); RING_SLOTS].into_boxed_slice();
    slots.try_into().unwrap_or_else(|_| unreachable!("as many as the type says"))
}

/// The words that differ between the two ends.
pub struct Side {
    out: (Word, Word),
    into: (Word, Word),
    own_doorbell: Word,
    other_doorbell: Word,
    own_wants_room: Word,
    other_wants_room: Word,
    place: Place,
    /// True for the side that [`Word::Stop`] and [`Word::Aborts`] are meant for.
    obeys: bool,
}

/// The words as the host uses them.
pub const HOST: Side = Side {
    out: (Word::SubmissionTail, Word::SubmissionHead),
    into: (Word::CompletionTail, Word::CompletionHead),
    own_doorbell: Word::HostDoorbell,
    other_doorbell: Word::WorkerDoorbell,
    own_wants_room: Word::HostWantsRoom,
    other_wants_room: Word::WorkerWantsRoom,
    place: Place { doorbell: Word::HostDoorbell, core: Word::HostCore, other_core: Word::WorkerCore },
    obeys: false,
};

/// The words as the worker uses them.
pub const WORKER: Side = Side {
    out: HOST.into,
    into: HOST.out,
    own_doorbell: HOST.other_doorbell,
    other_doorbell: HOST.own_doorbell,
    own_wants_room: HOST.other_wants_room,
    other_wants_room: HOST.own_wants_room,
    place: Place { doorbell: Word::WorkerDoorbell, core: Word::WorkerCore, other_core: Word::HostCore },
    obeys: true,
};

/// What the segment's words are compared with while the side sleeps.
#[derive(Default)]
pub struct Seen {
    /// True if the side is to be woken for room too.
    pub(super) wants_room: AtomicBool,
    /// Sequence number of the next slot to arrive.
    pub(super) taken: AtomicU32,
    /// Sequence number up to which the other side was last known to have released slots.
    pub(super) released: AtomicU32,
    /// The value of [`Word::Aborts`] at the last exchange.
    pub(super) aborts: AtomicU32,
    /// True if the worker ran a task at the last exchange. Its end counts as room.
    pub(super) running: AtomicBool,
}

/// How this end sleeps.
enum Sleeper {
    Waiter(Waiter),
    Listener(Listener),
}

/// What both ends do alike.
pub struct End {
    pub(super) segment: Arc<Segment>,
    pub(super) side: &'static Side,
    pub(super) out: Producer,
    pub(super) into: Consumer,
    pub(super) arena: Arena,
    pub(super) sent: Sent,
    pub(super) staging: Arc<Staging>,
    pub(super) seen: Arc<Seen>,
    sleeper: Option<Sleeper>,
    armed: bool,
    /// Wakes the other side, if it listens.
    bell: Option<Box<dyn Fn() + Send>>,
    /// The incoming head when the other side was last rung for room.
    told: u32,
    spinner: Spinner,
}

impl End {
    /// An end of a fresh lane. `rings` are the byte offsets of its outgoing and its incoming ring, `arena_at` is that
    /// of its outgoing arena.
    pub fn new(segment: Arc<Segment>, side: &'static Side, rings: (usize, usize), arena_at: usize) -> Self {
        let staging = Arc::new(Staging::new());
        let mut end = Self {
            out: Producer::new(segment.clone(), rings.0, side.out.0, side.out.1),
            into: Consumer::new(segment.clone(), rings.1, side.into.0, side.into.1),
            arena: Arena::new(segment.clone(), arena_at),
            sent: no_slots(),
            staging,
            seen: Arc::default(),
            sleeper: None,
            armed: false,
            bell: None,
            told: 0,
            spinner: Spinner::default(),
            segment,
            side,
        };
        end.tell_staging();
        end
    }

    /// Whether there is anything to do for this end while it sleeps.
    fn ready(&self) -> Ready {
        let (segment, side, seen) = (self.segment.clone(), self.side, self.seen.clone());
        Arc::new(move || {
            let word = |word: Word| segment.word(word).load(Ordering::Acquire);
            word(side.into.0) != seen.taken.load(Ordering::Acquire)
                || (seen.wants_room.load(Ordering::Acquire)
                    && (word(side.out.1) != seen.released.load(Ordering::Acquire)
                        || (seen.running.load(Ordering::Acquire) && word(Word::Running) == 0)))
                || (side.obeys
                    && (word(Word::Stop) != 0 || word(Word::Aborts) != seen.aborts.load(Ordering::Acquire)))
        })
    }

    /// Starts the thread that calls `wake` when something arrives while this end sleeps.
    pub fn watch(&mut self, wake: impl Fn() + Send + 'static) -> io::Result<()> {
        let waiter = Waiter::start(self.segment.clone(), self.side.own_doorbell, self.ready(), wake)?;
        self.sleeper = Some(Sleeper::Waiter(waiter));
        Ok(())
    }

    /// From now on this end is woken by its bell. `times` counts how often the other side may ring it.
    pub fn listen(&mut self, times: Arc<Times>) {
        self.disarm();
        let listener = Listener::new(self.segment.clone(), self.side.own_doorbell, self.ready(), times);
        if let Some(Sleeper::Waiter(waiter)) = self.sleeper.replace(Sleeper::Listener(listener)) {
            waiter.retire();
        }
    }

    /// Has `bell` called to wake the other side while it listens.
    pub fn ring_by(&mut self, bell: impl Fn() + Send + 'static) {
        self.bell = Some(Box::new(bell));
    }

    /// The outcome of working with the segment, or [`Violation::Lost`] if the segment was lost meanwhile:
    /// then the outcome means nothing.
    pub fn unless_lost<T>(&self, done: Result<T, Violation>) -> Result<T, Violation> {
        if self.segment.lost() { Err(Violation::Lost) } else { done }
    }

    /// Publishes the first `staged` slots of staging. `on_slot` is called with each slot before it is
    /// published.
    pub fn publish(&mut self, staged: u32, mut on_slot: impl FnMut(&Slot)) {
        for index in 0..staged as usize {
            let slot = self.staging.outgoing(index);
            on_slot(&slot);
            if slot.flags & FLAG_ARENA != 0 {
                self.arena.charge(slot.offset as usize);
            }
            self.sent[self.out.tail() as usize % RING_SLOTS] = slot;
            self.out.write(&slot);
        }
        if staged > 0 {
            self.out.publish();
            if self.ring_other() {
                self.staging.set_word(StagingWord::Woke, 1);
            }
        }
    }

    /// Wakes the other side; true if it slept.
    pub fn ring_other(&self) -> bool {
        let bell = || self.bell.iter().for_each(|bell| bell());
        doorbell::ring(self.segment.word(self.side.other_doorbell), bell)
    }

    /// Rings the other side if it waits for room, after the incoming head has moved to `head`.
    pub fn tell_room(&mut self, head: u32) {
        // As with the doorbell: this side stores the head and then reads the wish, and the other side stores
        // the wish and then reads the head.
        fence(Ordering::SeqCst);
        if head != self.told && self.segment.word(self.side.other_wants_room).load(Ordering::Relaxed) != 0 {
            self.told = head;
            self.ring_other();
        }
    }

    /// Frees the payloads of the slots that the other side has released.
    pub fn reap(&mut self) -> Result<(), Violation> {
        let (mut sequence, to) = self.out.release()?;
        while sequence != to {
            let slot = &self.sent[sequence as usize % RING_SLOTS];
            if slot.flags & FLAG_ARENA != 0 {
                self.arena.release(slot.offset as usize);
            }
            sequence = sequence.wrapping_add(1);
        }
        self.seen.released.store(to, Ordering::Release);
        Ok(())
    }

    /// Writes into staging how much room there is in the ring, and where the lease is.
    pub fn tell_staging(&mut self) {
        self.arena.settle();
        let position = self.staging.word(StagingWord::LeasePosition) as usize;
        let (position, end) = self.arena.lease(position);
        self.staging.set_word(StagingWord::Room, self.out.room());
        self.staging.set_word(StagingWord::LeasePosition, position as u32);
        self.staging.set_word(StagingWord::LeaseEnd, end as u32);
    }

    /// Finds room for an outgoing payload of `bytes`. Returns its offset in the outgoing arena.
    pub fn reserve(&mut self, bytes: usize) -> Result<usize, Reserve> {
        let offset = self.reserve_by(Arena::reserve, bytes)?;
        if bytes <= SMALL_BYTES {
            let position = Arena::next_position(offset, bytes);
            self.staging.set_word(StagingWord::LeasePosition, position as u32);
            self.staging.set_word(StagingWord::LeaseEnd, (offset + CHUNK_BYTES) as u32);
        }
        Ok(offset)
    }

    /// Finds room by `how`. If nothing but an empty lease is in the way, the lease is given up.
    pub fn reserve_by(
        &mut self,
        how: fn(&mut Arena, usize) -> Result<usize, Reserve>,
        bytes: usize,
    ) -> Result<usize, Reserve> {
        let mut reserved = how(&mut self.arena, bytes);
        let position = self.staging.word(StagingWord::LeasePosition) as usize;
        if matches!(reserved, Err(Reserve::Full)) && self.arena.give_up_lease(position) {
            self.staging.set_word(StagingWord::LeasePosition, 0);
            self.staging.set_word(StagingWord::LeaseEnd, 0);
            reserved = how(&mut self.arena, bytes);
        }
        if self.segment.lost()
            || (matches!(reserved, Err(Reserve::NoMemory(_))) && self.segment.is_truncated())
        {
            // No room until the next exchange, which says why.
            return Err(Reserve::Full);
        }
        self.staging.set_word(StagingWord::Window, self.arena.window_bytes() as u32);
        reserved
    }

    /// Says whether this end is rung and woken when the other side makes room.
    pub fn want_room(&self, wanted: bool) {
        self.seen.wants_room.store(wanted, Ordering::Release);
        self.segment.word(self.side.own_wants_room).store(u32::from(wanted), Ordering::SeqCst);
    }

    /// Goes to sleep. False if something has arrived already, or if nothing would wake this end.
    pub fn arm(&mut self) -> bool {
        self.armed = match &self.sleeper {
            Some(Sleeper::Waiter(waiter)) => waiter.arm(),
            Some(Sleeper::Listener(listener)) => listener.arm(),
            None => false,
        };
        self.armed
    }

    /// Says that this end is awake.
    pub fn disarm(&mut self) {
        if self.armed {
            self.armed = false;
            match &self.sleeper {
                Some(Sleeper::Waiter(waiter)) => waiter.disarm(),
                Some(Sleeper::Listener(listener)) => listener.disarm(),
                None => {}
            }
        }
    }

    /// Frees what the other side has released since the last exchange, and gives idle memory above the first
    /// `keep` bytes back to the system. True if the other side still holds payloads.
    pub fn trim(&mut self, keep: usize) -> Result<bool, Violation> {
        let released = self.reap();
        self.unless_lost(released)?;
        self.tell_staging();
        self.arena.trim(keep);
        Ok(self.arena.in_use())
    }

    /// A private copy of `bytes` at `offset` of the arena that begins at `arena_at`.
    pub fn copy_out(&self, arena_at: usize, offset: usize, bytes: usize) -> io::Result<Vec<u8>> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.segment.geometry().arena_bytes);
        if !inside || bytes == 0 {
            return Err(io::Error::other("the payload lies outside the arena"));
        }
        let mut block = blocks::take(bytes)?;
        let from = self.segment.at(arena_at + offset);
        // SAFETY: the source lies in the mapping, the block has room for it. The other side may write the
        // source meanwhile. Then the copy is some mixture, and nobody has looked at it before it is private.
        unsafe {
            ptr::copy_nonoverlapping(from.as_ptr(), block.as_mut_ptr(), bytes);
            block.set_len(bytes);
        }
        self.unless_lost(Ok(block)).map_err(io::Error::other)
    }

    /// Where strangers are, as far as both sides know.
    pub fn strangers(&self) -> Strangers {
        strangers(&self.segment, self.side.place)
    }

    /// Waits until something has arrived, for about `spin` at most. True if something has.
    pub fn wait(&mut self, strangers: Strangers, spin: Duration) -> Result<bool, Violation> {
        self.spinner.wait(&self.into, &self.segment, self.side.place, strangers, spin)
    }
}

/// What the two ends of a lane have in common.
pub trait LaneEnd {
    /// The part that both ends share.
    fn end(&self) -> &End;

    /// The same, to change it.
    fn end_mut(&mut self) -> &mut End;

    /// Byte offset in the segment of the arena that this end receives from.
    fn incoming_arena(&self) -> usize;

    /// Publishes the first `staged` slots of staging and copies the slots that have arrived into staging.
    /// Returns their number. If none has arrived, it spins for at most `spin`. The error says what the other
    /// side did wrong, or that the memory is gone.
    fn exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation>;

    /// Publishes the first `staged` slots of staging and copies nothing into it: the slots that the last
    /// exchange brought stay.
    fn publish(&mut self, staged: u32) -> Result<(), Violation>;

    /// Goes to sleep. False if something has arrived already.
    fn arm(&mut self) -> bool {
        self.end_mut().arm()
    }

    /// Starts the thread that calls `wake` when something arrives while this end sleeps.
    fn watch(&mut self, wake: impl Fn() + Send + 'static) -> io::Result<()>
    where
        Self: Sized,
    {
        self.end_mut().watch(wake)
    }

    /// From now on this end is woken by its bell. `times` is raised each time that the other side becomes
    /// entitled to ring it once.
    fn listen(&mut self, times: Arc<Times>) {
        self.end_mut().listen(times);
    }

    /// Has `bell` called to wake the other side while it listens.
    fn ring_by(&mut self, bell: impl Fn() + Send + 'static)
    where
        Self: Sized,
    {
        self.end_mut().ring_by(bell);
    }

    /// A private copy of a large payload that the last exchange has brought: `bytes` bytes from byte `offset`
    /// of the incoming arena. An error if they are not inside the arena, or if the memory is gone.
    fn copy_out(&self, offset: usize, bytes: usize) -> io::Result<Vec<u8>> {
        self.end().copy_out(self.incoming_arena(), offset, bytes)
    }

    /// The segment between the two ends.
    fn segment(&self) -> &Arc<Segment> {
        &self.end().segment
    }

    /// This end's staging.
    fn staging(&self) -> &Arc<Staging> {
        &self.end().staging
    }

    /// Where the outgoing arena begins in the segment, and how many bytes of it may be in use.
    fn window(&self) -> (usize, usize) {
        let arena = &self.end().arena;
        (arena.at(), arena.window_bytes())
    }

    /// Finds room for an outgoing payload of `bytes`. Returns its offset in the outgoing arena.
    fn reserve(&mut self, bytes: usize) -> Result<usize, Reserve> {
        self.end_mut().reserve(bytes)
    }

    /// Asks to be woken, or no longer, when the other side makes room.
    fn want_room(&self, wanted: bool) {
        self.end().want_room(wanted);
    }

    /// Gives idle memory of the outgoing arena back to the system, all above the first `keep` bytes. True if
    /// the other side still holds some.
    fn trim(&mut self, keep: usize) -> Result<bool, Violation> {
        self.end_mut().trim(keep)
    }
}
