//! A lane: the two ends of a segment.
//!
//! ```text
//!   exchange(staged, spin):
//!     1. hand back what the last exchange brought            (host: completion head)
//!     2. publish the staged slots, charge their payloads, ring the other side
//!     3. take note of what the other side has finished with  (room, arena chunks)
//!     4. bring what arrived into staging; with nothing there, spin for a while
//! ```
//!
//! The host end believes nothing: it copies a slot, then checks it against its own account of the calls in flight, then
//! copies its payload, and then asks whether what it has read was still the worker's (see [`super::guard`]). The worker
//! end trusts its host. What is published by one exchange is released by a later one, so payloads may be read until then.

use std::collections::HashSet;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::Violation;
use super::arena::{Arena, Reserve};
use super::blocks;
use super::doorbell::{self, Waiter};
use super::layout::{
    FLAG_ARENA, FLAG_FETCH, FLAG_REJECTED, FLAGS_ON_THE_WIRE, INBOX_BYTES, INBOX_PAYLOAD_BYTES, INLINE_BYTES,
    Kind, MAX_CALLS, NO_CALL, PAYLOAD_ALIGN, RING_SLOTS, Role, STREAM_WINDOW, Slot, StagingWord, Word,
};
use super::ring::{Consumer, Producer};
use super::segment::Segment;
use super::staging::Staging;

/// The longest that a worker may spin for its next task, whatever it is told, where its host allows any spinning.
pub const MAX_WORKER_SPIN: Duration = Duration::from_millis(1);

/// Checks of the ring between two looks at the clock, while spinning.
const SPINS_PER_CLOCK: u32 = 16;

/// How long a side spins before it lets other threads of its core run in between.
const SPIN_ALONE: Duration = Duration::from_nanos(500);

/// A turn of another thread that took longer than this was no peer's, and how long nobody gets one after it.
const LONG_YIELD: Duration = Duration::from_micros(500);
const CLOSED_AFTER_LONG_YIELD: Duration = Duration::from_millis(30);

/// Copies of the slots that were published, by sequence number: they tell what each has charged, and what it was.
type Sent = Box<[Slot; RING_SLOTS]>;

/// The words that differ between the two ends.
struct Side {
    out: (Word, Word),
    into: (Word, Word),
    own_doorbell: Word,
    other_doorbell: Word,
    own_wants_room: Word,
    other_wants_room: Word,
    /// Whether [`Word::Stop`] and [`Word::Aborts`] are meant for this side.
    obeys: bool,
}

const HOST: Side = Side {
    out: (Word::SubmissionTail, Word::SubmissionHead),
    into: (Word::CompletionTail, Word::CompletionHead),
    own_doorbell: Word::HostDoorbell,
    other_doorbell: Word::WorkerDoorbell,
    own_wants_room: Word::HostWantsRoom,
    other_wants_room: Word::WorkerWantsRoom,
    obeys: false,
};

const WORKER: Side = Side {
    out: HOST.into,
    into: HOST.out,
    own_doorbell: HOST.other_doorbell,
    other_doorbell: HOST.own_doorbell,
    own_wants_room: HOST.other_wants_room,
    other_wants_room: HOST.own_wants_room,
    obeys: true,
};

/// What the waiter thread goes by while its side sleeps.
#[derive(Default)]
struct Seen {
    /// Whether room is worth waking for.
    wants_room: AtomicBool,
    /// Next incoming sequence number.
    taken: AtomicU32,
    /// Outgoing sequence number that was last known to be released.
    released: AtomicU32,
    /// How many abort bits were known to be set.
    aborts: AtomicU32,
}

/// What both ends do alike.
struct End {
    segment: Arc<Segment>,
    side: &'static Side,
    out: Producer,
    into: Consumer,
    arena: Arena,
    sent: Sent,
    staging: Arc<Staging>,
    seen: Arc<Seen>,
    waiter: Option<Waiter>,
    armed: bool,
    /// The incoming head when the other side was last rung for room.
    told: u32,
    /// Until when no other thread is let onto this core.
    closed_until: Option<Instant>,
}

impl End {
    fn new(segment: Arc<Segment>, side: &'static Side, rings: (usize, usize), arena_at: usize) -> Self {
        let staging = Arc::new(Staging::new());
        let mut end = Self {
            out: Producer::new(segment.clone(), rings.0, side.out.0, side.out.1),
            into: Consumer::new(segment.clone(), rings.1, side.into.0, side.into.1),
            arena: Arena::new(segment.clone(), arena_at),
            sent: Box::new([Slot::default(); RING_SLOTS]),
            staging,
            seen: Arc::default(),
            waiter: None,
            armed: false,
            told: 0,
            closed_until: None,
            segment,
            side,
        };
        end.tell_staging();
        end
    }

    fn watch(&mut self, wake: impl Fn() + Send + 'static) -> io::Result<()> {
        let (segment, side, seen) = (self.segment.clone(), self.side, self.seen.clone());
        let ready = Arc::new(move || {
            let word = |word: Word| segment.word(word).load(Ordering::Acquire);
            word(side.into.0) != seen.taken.load(Ordering::Acquire)
                || (seen.wants_room.load(Ordering::Acquire)
                    && word(side.out.1) != seen.released.load(Ordering::Acquire))
                || (side.obeys
                    && (word(Word::Stop) != 0 || word(Word::Aborts) != seen.aborts.load(Ordering::Acquire)))
        });
        self.waiter = Some(Waiter::start(self.segment.clone(), side.own_doorbell, ready, wake)?);
        Ok(())
    }

    /// What came of working with the segment, unless the segment was lost meanwhile: then nothing did.
    fn unless_lost<T>(&self, done: Result<T, Violation>) -> Result<T, Violation> {
        if self.segment.lost() { Err(Violation::Lost) } else { done }
    }

    /// Publishes the first `staged` slots of staging. `on_slot` sees each before it goes.
    fn publish(&mut self, staged: u32, mut on_slot: impl FnMut(&Slot)) {
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
    fn ring_other(&self) -> bool {
        doorbell::ring(self.segment.word(self.side.other_doorbell))
    }

    /// The incoming head moved to `head`: rings the other side if it waits for room.
    fn tell_room(&mut self, head: u32) {
        // As with the doorbell: the head is stored before the wish is read, and the other side does it the other way round.
        fence(Ordering::SeqCst);
        if head != self.told && self.segment.word(self.side.other_wants_room).load(Ordering::Relaxed) != 0 {
            self.told = head;
            self.ring_other();
        }
    }

    /// Frees what the other side has finished with.
    fn reap(&mut self) -> Result<(), Violation> {
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

    fn tell_staging(&mut self) {
        self.arena.settle();
        let position = self.staging.word(StagingWord::LeasePosition) as usize;
        let (position, end) = self.arena.lease(position);
        self.staging.set_word(StagingWord::Room, self.out.room());
        self.staging.set_word(StagingWord::LeasePosition, position as u32);
        self.staging.set_word(StagingWord::LeaseEnd, end as u32);
    }

    fn reserve(&mut self, bytes: usize) -> Result<usize, Reserve> {
        let offset = self.reserve_by(Arena::reserve, bytes)?;
        if bytes <= super::layout::SMALL_BYTES {
            let position = Arena::next_position(offset, bytes);
            self.staging.set_word(StagingWord::LeasePosition, position as u32);
            self.staging.set_word(StagingWord::LeaseEnd, (offset + super::layout::CHUNK_BYTES) as u32);
        }
        Ok(offset)
    }

    /// Has `how` find room, also where only an empty lease is in its way.
    fn reserve_by(
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
        if self.segment.lost() {
            return Err(Reserve::NoMemory(io::Error::other(Violation::Lost)));
        }
        self.staging.set_word(StagingWord::Window, self.arena.window_bytes() as u32);
        reserved
    }

    fn want_room(&self, wanted: bool) {
        self.seen.wants_room.store(wanted, Ordering::Release);
        self.segment.word(self.side.own_wants_room).store(u32::from(wanted), Ordering::SeqCst);
    }

    fn arm(&mut self) -> bool {
        self.armed = self.waiter.as_ref().is_some_and(Waiter::arm);
        self.armed
    }

    fn disarm(&mut self) {
        if self.armed {
            self.armed = false;
            if let Some(waiter) = &self.waiter {
                waiter.disarm();
            }
        }
    }

    /// Waits, busily and at most for `spin`, until something arrives. Whoever is to send it may want this very core: after
    /// the first moments others get a turn in between, and in any case before this side gives up.
    fn spin(&mut self, spin: Duration) -> Result<bool, Violation> {
        let start = Instant::now();
        loop {
            for _ in 0..SPINS_PER_CLOCK {
                if self.into.available()? > 0 {
                    return Ok(true);
                }
                std::hint::spin_loop();
            }
            let elapsed = start.elapsed();
            if elapsed >= SPIN_ALONE || elapsed >= spin {
                self.make_way();
            }
            if elapsed >= spin {
                return Ok(self.into.available()? > 0);
            }
        }
    }

    /// Lets another thread of this core run. If that turns out to be a stranger who keeps the core for a whole time slice,
    /// nobody is let in for a while: with a stranger on every core each call would wait for one slice after the other.
    fn make_way(&mut self) {
        let before = Instant::now();
        if self.closed_until.is_some_and(|until| before < until) {
            return;
        }
        std::thread::yield_now();
        let after = Instant::now();
        // With a single core whoever ran was most likely the peer, which has no other.
        let stranger = after - before > LONG_YIELD && *CORES > 1;
        self.closed_until = stranger.then(|| after + CLOSED_AFTER_LONG_YIELD);
    }

    /// Takes note of what was released since the last exchange, and punches out what is idle above the first `keep` bytes.
    /// True if the other side still holds some.
    fn trim(&mut self, keep: usize) -> Result<bool, Violation> {
        let released = self.reap();
        self.unless_lost(released)?;
        self.tell_staging();
        self.arena.trim(keep);
        Ok(self.arena.in_use())
    }

    /// A private copy of `bytes` at `offset` of the arena that begins at `arena_at`.
    fn copy_out(&self, arena_at: usize, offset: usize, bytes: usize) -> io::Result<Vec<u8>> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.segment.geometry().arena_bytes);
        if !inside || bytes == 0 {
            return Err(io::Error::other("the payload lies outside the arena"));
        }
        let mut block = blocks::take(bytes)?;
        let from = self.segment.at(arena_at + offset);
        // SAFETY: the source lies in the mapping, the block has room for it. The other side may write the source
        // meanwhile: then the copy holds some mixture, and it is only looked at once it is ours.
        unsafe {
            ptr::copy_nonoverlapping(from.as_ptr(), block.as_mut_ptr(), bytes);
            block.set_len(bytes);
        }
        self.unless_lost(Ok(block)).map_err(io::Error::other)
    }
}

/// Lanes of this process that have calls in flight: each stands for a worker that wants a core.
static BUSY_LANES: AtomicU32 = AtomicU32::new(0);

static CORES: LazyLock<u32> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32));

/// Spinning pays while each busy lane and this thread can have a core of its own.
fn cores_to_spare() -> bool {
    BUSY_LANES.load(Ordering::Relaxed) < *CORES
}

/// One call's account.
#[derive(Clone, Copy, Default)]
struct Account {
    /// The generation that is awaited, or 0.
    generation: u32,
    /// The units that the worker may still send of its result, if that is a stream.
    result: Option<i64>,
    /// The units that the worker has asked for of its argument and not been sent, if that is a stream.
    argument: Option<i64>,
}

/// Calls in flight, by call id. Private, so that no worker can touch it.
#[derive(Default)]
struct Calls {
    accounts: Vec<Account>,
    in_flight: u32,
    /// Those whose abort bit is set.
    aborted: HashSet<u32>,
}

impl Calls {
    /// Takes note of what is sent to the worker.
    fn sent(&mut self, slot: &Slot) {
        let role = slot.role();
        if matches!(role, Some(Role::Whole | Role::Stream)) {
            self.start(slot.call, slot.generation, (role == Some(Role::Stream)).then_some(0));
            return;
        }
        // It may be for a call that has just been answered.
        let Some(account) = self.account(slot.call, slot.generation) else { return };
        match (role, &mut account.result, &mut account.argument) {
            (Some(Role::Credit), Some(credit), _) => *credit += slot.credit().unwrap_or(0),
            (Some(Role::Item), _, Some(demand)) => *demand -= slot.units(),
            _ => {}
        }
    }

    fn start(&mut self, call: u32, generation: u32, argument: Option<i64>) {
        let index = call as usize;
        assert!(index < MAX_CALLS && generation != 0, "call {call} has no valid id");
        if index >= self.accounts.len() {
            self.accounts.resize(index + 1, Account::default());
        }
        self.accounts[index] = Account { generation, result: None, argument };
        self.in_flight += 1;
        if self.in_flight == 1 {
            BUSY_LANES.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn account(&mut self, call: u32, generation: u32) -> Option<&mut Account> {
        self.accounts
            .get_mut(call as usize)
            .filter(|account| generation != 0 && account.generation == generation)
    }

    fn is_in_flight(&self, call: u32) -> bool {
        self.accounts.get(call as usize).is_some_and(|account| account.generation != 0)
    }

    /// Takes note of what the worker has sent. A violation unless exactly this call is in flight and expects it.
    fn arrived(&mut self, slot: &Slot, role: Role) -> Result<(), Violation> {
        let account = self.account(slot.call, slot.generation).ok_or(Violation::UnknownCall)?;
        let credit = match (role, &mut account.result, &mut account.argument) {
            (Role::Whole, ..) => {
                account.generation = 0;
                self.in_flight -= 1;
                if self.in_flight == 0 {
                    BUSY_LANES.fetch_sub(1, Ordering::Relaxed);
                }
                return Ok(());
            }
            (Role::Progress, ..) | (Role::Cancel, _, Some(_)) => return Ok(()),
            (Role::Stream, result @ None, _) => {
                *result = Some(i64::from(STREAM_WINDOW));
                return Ok(());
            }
            (Role::Item, Some(credit), _) if *credit > 0 => Some((credit, -slot.units())),
            (Role::Item, Some(_), _) => None,
            (Role::Credit, _, Some(demand)) => slot
                .credit()
                .filter(|units| *demand + units <= i64::from(STREAM_WINDOW))
                .map(|units| (demand, units)),
            _ => return Err(Violation::Unexpected),
        };
        let (account, change) = credit.ok_or(Violation::Credit)?;
        *account += change;
        Ok(())
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            BUSY_LANES.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The host's end of a lane.
pub struct HostEnd {
    end: End,
    calls: Calls,
    attached: bool,
    booting: bool,
    worker_spin: Option<bool>,
    /// Bytes of the arena that are received and not handed back: payloads don't overlap, so no more than it has.
    held: usize,
}

impl HostEnd {
    /// The host's end of a fresh segment.
    pub fn new(segment: Arc<Segment>) -> Self {
        let geometry = segment.geometry();
        let rings = (geometry.submission_ring(), geometry.completion_ring());
        let end = End::new(segment, &HOST, rings, geometry.submission_arena());
        Self { end, calls: Calls::default(), attached: false, booting: true, worker_spin: None, held: 0 }
    }

    /// Starts the thread that calls `wake` when something arrives while this side sleeps.
    pub fn watch(&mut self, wake: impl Fn() + Send + 'static) -> io::Result<()> {
        self.end.watch(wake)
    }

    /// Publishes the first `staged` slots and brings completions into staging: their number. Payloads of up to
    /// INBOX_PAYLOAD_BYTES are in the inbox, larger ones (FLAG_FETCH) wait for [`Self::copy_out`] until the next exchange.
    pub fn exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation> {
        let count = self.try_exchange(staged, spin);
        self.end.unless_lost(count)
    }

    fn try_exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation> {
        self.end.disarm();
        self.hand_back();
        self.allow_spinning();
        let calls = &mut self.calls;
        self.end.publish(staged, |slot| calls.sent(slot));
        let mut count = self.receive()?;
        if count == 0
            && !spin.is_zero()
            && self.calls.in_flight > 0
            && cores_to_spare()
            && self.end.spin(spin)?
        {
            count = self.receive()?;
        }
        self.end.reap()?;
        self.end.tell_staging();
        Ok(count)
    }

    /// Goes to sleep: false if something has arrived already.
    pub fn arm(&mut self) -> bool {
        self.hand_back();
        self.end.arm()
    }

    fn hand_back(&mut self) {
        self.held = 0;
        if self.end.into.release() {
            self.end.tell_room(self.end.into.taken());
        }
    }

    /// Whether there are cores to spin on; tells the worker when that has changed.
    fn allow_spinning(&mut self) -> bool {
        let spare = cores_to_spare();
        if self.worker_spin != Some(spare) {
            self.worker_spin = Some(spare);
            self.end.staging.set_word(StagingWord::Crowded, u32::from(!spare));
            let nanos = if spare { MAX_WORKER_SPIN.as_nanos() as u32 } else { 0 };
            self.end.segment.word(Word::WorkerSpin).store(nanos, Ordering::Relaxed);
        }
        spare
    }

    fn receive(&mut self) -> Result<u32, Violation> {
        let available = self.end.into.available()?;
        let mut inbox = 0;
        let mut count = 0;
        while count < available {
            let mut slot = self.end.into.peek();
            self.check(&slot)?;
            if slot.flags & FLAG_ARENA != 0 {
                let bytes = slot.length as usize;
                if self.held + bytes > self.end.segment.geometry().arena_bytes {
                    return Err(Violation::OutOfRange);
                }
                if bytes > INBOX_PAYLOAD_BYTES {
                    slot.flags |= FLAG_FETCH;
                } else if inbox + bytes > INBOX_BYTES {
                    break;
                } else {
                    let from = self.end.segment.at(self.completion_arena() + slot.offset as usize);
                    let to = self.end.staging.inbox(inbox);
                    // SAFETY: `check` proved the source to lie in the arena; the inbox has room. The worker may write the
                    // source meanwhile: then the copy holds some mixture, which is decoded with care like anything else.
                    unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), bytes) };
                    slot.offset = inbox as u32;
                    inbox = (inbox + bytes).next_multiple_of(PAYLOAD_ALIGN);
                }
                self.held += bytes;
            }
            self.account(&slot)?;
            self.end.staging.set_incoming(count as usize, &slot);
            self.end.into.advance();
            count += 1;
        }
        self.end.seen.taken.store(self.end.into.taken(), Ordering::Release);
        self.end.staging.set_word(StagingWord::More, u32::from(count < available));
        Ok(count)
    }

    /// Everything about a private copy of a slot that does not depend on the calls in flight.
    fn check(&self, slot: &Slot) -> Result<(), Violation> {
        let kind = Kind::from_byte(slot.kind).ok_or(Violation::UnknownKind)?;
        let role = slot.role().ok_or(Violation::UnknownKind)?;
        let rejected = slot.flags & FLAG_REJECTED != 0;
        if slot.flags & !FLAGS_ON_THE_WIRE != 0 || (rejected && role != Role::Whole) {
            return Err(Violation::UnknownKind);
        }
        let in_arena = slot.flags & FLAG_ARENA != 0;
        let fits = match kind {
            Kind::Number => !in_arena,
            Kind::Inline => !in_arena && slot.length as usize <= INLINE_BYTES,
            Kind::Encoded | Kind::Binary | Kind::Envelope => in_arena,
            Kind::Ready | Kind::BootFailed | Kind::Attached => {
                in_arena || slot.length as usize <= INLINE_BYTES
            }
        };
        let end = u64::from(slot.offset) + u64::from(slot.length);
        if !fits || (in_arena && (slot.length == 0 || end > self.end.segment.geometry().arena_bytes as u64)) {
            return Err(Violation::OutOfRange);
        }
        Ok(())
    }

    /// What a private copy of a slot has to do with the calls in flight.
    fn account(&mut self, slot: &Slot) -> Result<(), Violation> {
        let role = slot.role().ok_or(Violation::UnknownKind)?;
        let expected = match Kind::from_byte(slot.kind) {
            Some(Kind::Attached | Kind::Ready | Kind::BootFailed)
                if slot.call != NO_CALL || role != Role::Whole =>
            {
                false
            }
            Some(Kind::Attached) => self.booting && !std::mem::replace(&mut self.attached, true),
            Some(Kind::Ready | Kind::BootFailed) => std::mem::replace(&mut self.booting, false),
            _ if self.booting => false,
            _ => return self.settle_call(slot, role),
        };
        if expected { Ok(()) } else { Err(Violation::UnknownCall) }
    }

    fn settle_call(&mut self, slot: &Slot, role: Role) -> Result<(), Violation> {
        self.calls.arrived(slot, role)?;
        if role == Role::Whole && self.calls.aborted.remove(&slot.call) {
            let (word, bit) = self.end.segment.abort_bit(slot.call);
            word.fetch_and(!bit, Ordering::Relaxed);
        }
        Ok(())
    }

    fn completion_arena(&self) -> usize {
        self.end.segment.geometry().completion_arena()
    }

    /// A private copy of a large payload that the last exchange brought.
    pub fn copy_out(&self, offset: usize, bytes: usize) -> io::Result<Vec<u8>> {
        self.end.copy_out(self.completion_arena(), offset, bytes)
    }

    /// What was submitted under a sequence number that the worker has not started: its slot, and its payload if it has one.
    /// The slot is from private memory. The payload is from the segment, where the worker it was meant for can reach it. An
    /// error if the segment is lost: with it went what the worker said of what it had started.
    pub fn recover(&self, sequence: u32) -> io::Result<(Slot, Vec<u8>)> {
        let out = &self.end.out;
        if sequence.wrapping_sub(out.released()) >= out.tail().wrapping_sub(out.released()) {
            return Err(io::Error::other("the call has been started or was never submitted"));
        }
        let slot = self.end.sent[sequence as usize % RING_SLOTS];
        let bytes = slot.length as usize;
        let payload = if slot.flags & FLAG_ARENA == 0 {
            slot.inline.0[..bytes.min(INLINE_BYTES)].to_vec()
        } else {
            self.end.copy_out(self.end.arena.at(), slot.offset as usize, bytes)?
        };
        self.end.unless_lost(Ok((slot, payload))).map_err(io::Error::other)
    }

    /// Sequence number of the first submission that the worker has not started, as far as it says so now.
    pub fn started(&mut self) -> u32 {
        // A lie is kept for the next exchange to meet.
        let _ = self.end.reap();
        self.end.out.released()
    }

    /// Takes the memory of the first `bytes` of the outgoing arena from the system now: see [`Arena::prepare`].
    pub fn prepare(&mut self, bytes: usize) -> io::Result<()> {
        let prepared = self.end.arena.prepare(bytes);
        self.end.unless_lost(Ok(())).map_err(io::Error::other)?;
        prepared
    }

    /// Room in the outgoing arena for `bytes` that JavaScript fills at its leisure: their offset. They stay until a slot that
    /// brings them to the worker is released, or until they are given back.
    pub fn lend(&mut self, bytes: usize) -> Result<usize, Reserve> {
        self.end.reserve_by(Arena::lend, bytes)
    }

    /// What was lent at `offset`, and has never been sent, is not wanted any more.
    pub fn give_back(&mut self, offset: usize) {
        self.end.arena.give_back(offset);
    }

    /// Tells the worker that nobody waits for a call any more. Nothing if the call is not in flight.
    pub fn abort(&mut self, call: u32) {
        if self.calls.is_in_flight(call) && self.calls.aborted.insert(call) {
            let (word, bit) = self.end.segment.abort_bit(call);
            word.fetch_or(bit, Ordering::Relaxed);
            self.end.segment.word(Word::Aborts).fetch_add(1, Ordering::Release);
            self.end.ring_other();
        }
    }

    /// Tells the worker to end, and that it has `grace` to do so.
    pub fn stop(&self, grace: Duration) {
        let millis = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX - 1);
        let word = self.end.segment.word(Word::Stop);
        word.store(millis.saturating_add(1), Ordering::Release);
        super::doorbell::wake_all(word);
        self.end.ring_other();
    }
}

/// The worker's end of a lane.
pub struct WorkerEnd {
    end: End,
}

impl WorkerEnd {
    /// The worker's end of a segment it has opened.
    pub fn new(segment: Arc<Segment>) -> Self {
        let geometry = segment.geometry();
        let rings = (geometry.completion_ring(), geometry.submission_ring());
        Self { end: End::new(segment, &WORKER, rings, geometry.completion_arena()) }
    }

    /// Starts the thread that calls `wake` when something arrives while this side sleeps, or the host says stop.
    pub fn watch(&mut self, wake: impl Fn() + Send + 'static) -> io::Result<()> {
        self.end.watch(wake)
    }

    /// Publishes the first `staged` slots and brings submissions into staging: their number. It spins for at most
    /// `spin`, less where the host says so. Payloads stay in the arena until the task is marked as started.
    pub fn exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation> {
        let count = self.try_exchange(staged, spin);
        self.end.unless_lost(count)
    }

    fn try_exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation> {
        self.end.disarm();
        self.end.publish(staged, |_| ());
        // JavaScript looks at the word after this.
        let aborts = self.end.segment.word(Word::Aborts).load(Ordering::Acquire);
        self.end.seen.aborts.store(aborts, Ordering::Release);
        let started = self.end.segment.word(Word::SubmissionHead).load(Ordering::Relaxed);
        self.end.tell_room(started);
        let mut count = self.receive()?;
        if count == 0 && !spin.is_zero() {
            // Without a core to spare: one look, and the host may have this one.
            let allowed = self.end.segment.word(Word::WorkerSpin).load(Ordering::Relaxed);
            if self.end.spin(spin.min(Duration::from_nanos(u64::from(allowed))))? {
                count = self.receive()?;
            }
        }
        self.end.reap()?;
        self.end.tell_staging();
        Ok(count)
    }

    /// Publishes the first `staged` slots and brings nothing: what the last exchange brought is still being worked on.
    pub fn publish(&mut self, staged: u32) -> Result<(), Violation> {
        self.end.publish(staged, |_| ());
        let released = self.end.reap();
        self.end.unless_lost(released)?;
        self.end.tell_staging();
        Ok(())
    }

    fn receive(&mut self) -> Result<u32, Violation> {
        let available = self.end.into.available()?;
        self.end.staging.set_word(StagingWord::FirstSequence, self.end.into.taken());
        for index in 0..available as usize {
            self.end.staging.set_incoming(index, &self.end.into.peek());
            self.end.into.advance();
        }
        self.end.seen.taken.store(self.end.into.taken(), Ordering::Release);
        Ok(available)
    }

    /// Goes to sleep: false if something has arrived already.
    pub fn arm(&mut self) -> bool {
        self.end.arm()
    }

    /// A private copy of a large payload that the last exchange brought.
    pub fn copy_out(&self, offset: usize, bytes: usize) -> io::Result<Vec<u8>> {
        self.end.copy_out(self.end.segment.geometry().submission_arena(), offset, bytes)
    }

    /// True once the host has said stop.
    pub fn stopped(&self) -> bool {
        self.end.segment.word(Word::Stop).load(Ordering::Acquire) != 0
    }
}

macro_rules! both_ends {
    ($($end:ty),*) => {$(
        impl $end {
            /// The segment between the two ends.
            pub fn segment(&self) -> &Arc<Segment> {
                &self.end.segment
            }

            /// This end's staging.
            pub fn staging(&self) -> &Arc<Staging> {
                &self.end.staging
            }

            /// Where the outgoing arena begins in the segment, and how many bytes of it may be in use.
            pub fn window(&self) -> (usize, usize) {
                (self.end.arena.at(), self.end.arena.window_bytes())
            }

            /// Room for an outgoing payload: its offset in the outgoing arena.
            pub fn reserve(&mut self, bytes: usize) -> Result<usize, Reserve> {
                self.end.reserve(bytes)
            }

            /// Asks to be woken, or no longer, when the other side makes room.
            pub fn want_room(&self, wanted: bool) {
                self.end.want_room(wanted);
            }

            /// Gives idle memory of the outgoing arena back to the system, all above the first `keep` bytes. True if the
            /// other side still holds some.
            pub fn trim(&mut self, keep: usize) -> Result<bool, Violation> {
                self.end.trim(keep)
            }
        }
    )*};
}

both_ends!(HostEnd, WorkerEnd);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::layout::{Geometry, Inline, STREAM_UNIT_BYTES};
    use std::fs::File;
    use std::sync::mpsc;

    const CHUNKS: usize = 64;

    fn lane() -> (HostEnd, WorkerEnd) {
        let (mut host, mut worker) = booting_lane();
        worker.send(&[Slot { call: NO_CALL, kind: Kind::Ready as u8, ..Slot::default() }]);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
        (host, worker)
    }

    fn booting_lane() -> (HostEnd, WorkerEnd) {
        let (segment, descriptor) = Segment::create(Geometry::new(CHUNKS * 64 * 1024).unwrap()).unwrap();
        let again = Segment::open(descriptor.into(), segment.identity()).unwrap();
        (HostEnd::new(Arc::new(segment)), WorkerEnd::new(Arc::new(again)))
    }

    fn number(call: u32, generation: u32, value: f64) -> Slot {
        let mut inline = Inline::default();
        inline.0[..8].copy_from_slice(&value.to_le_bytes());
        Slot { call, generation, kind: Kind::Number as u8, length: 8, inline, ..Slot::default() }
    }

    fn stage(staging: &Staging, slots: &[Slot]) -> u32 {
        for (index, slot) in slots.iter().enumerate() {
            let at = super::super::layout::STAGING_OUT_AT + index * size_of::<Slot>();
            // SAFETY: inside staging; this is what JavaScript does.
            unsafe { staging.memory().add(at).cast::<Slot>().write(*slot) };
        }
        slots.len() as u32
    }

    fn arrived(staging: &Staging, index: usize) -> Slot {
        let at = super::super::layout::STAGING_IN_AT + index * size_of::<Slot>();
        // SAFETY: inside staging.
        unsafe { staging.memory().add(at).cast::<Slot>().read() }
    }

    impl WorkerEnd {
        fn send(&mut self, slots: &[Slot]) -> u32 {
            let staged = stage(&self.end.staging, slots);
            self.exchange(staged, Duration::ZERO).unwrap()
        }

        /// What the worker's JavaScript does before it enters a task.
        fn mark_started(&self, sequence: u32) {
            self.segment().word(Word::SubmissionHead).store(sequence, Ordering::Release);
        }
    }

    impl HostEnd {
        fn send(&mut self, slots: &[Slot]) -> Result<u32, Violation> {
            let staged = stage(&self.end.staging, slots);
            self.exchange(staged, Duration::ZERO)
        }
    }

    #[test]
    fn a_call_goes_there_and_comes_back() {
        let (mut host, mut worker) = lane();
        host.send(&[number(3, 1, 20.5)]).unwrap();
        assert_eq!(worker.exchange(0, Duration::ZERO), Ok(1));
        let call = arrived(worker.staging(), 0);
        assert_eq!(call, number(3, 1, 20.5));
        worker.mark_started(1);
        worker.send(&[number(3, 1, 41.0)]);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
        assert_eq!(arrived(host.staging(), 0), number(3, 1, 41.0));
        assert_eq!(host.started(), 1);
        assert_eq!(host.end.staging.word(StagingWord::Room), RING_SLOTS as u32);
    }

    #[test]
    fn a_payload_is_copied_to_the_inbox_and_its_chunk_freed_by_the_other_side() {
        let (mut host, mut worker) = lane();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.mark_started(1);
        let offset = worker.reserve(1000).unwrap();
        let (at, _) = worker.window();
        // SAFETY: reserved above.
        unsafe { worker.segment().at(at + offset).write_bytes(0x5a, 1000) };
        let slot = Slot {
            call: 0,
            generation: 1,
            kind: Kind::Encoded as u8,
            flags: FLAG_ARENA | FLAG_REJECTED,
            length: 1000,
            offset: offset as u32,
            ..Slot::default()
        };
        worker.send(&[slot]);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
        let arrived = arrived(host.staging(), 0);
        assert_eq!((arrived.flags, arrived.length), (FLAG_ARENA | FLAG_REJECTED, 1000));
        // SAFETY: the inbox holds what the slot says.
        let copy = unsafe {
            std::slice::from_raw_parts(host.end.staging.inbox(arrived.offset as usize).as_ptr(), 1000)
        };
        assert!(copy.iter().all(|&byte| byte == 0x5a));
        let end = worker.end.staging.word(StagingWord::LeaseEnd);
        assert_ne!(worker.end.staging.word(StagingWord::LeasePosition), end - 64 * 1024);
        host.exchange(0, Duration::ZERO).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        assert_eq!(worker.end.staging.word(StagingWord::LeasePosition), end - 64 * 1024);
    }

    #[test]
    fn a_large_payload_waits_for_copy_out() {
        let (mut host, mut worker) = lane();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        let bytes = 300_000;
        let offset = worker.reserve(bytes).unwrap();
        let (at, window) = worker.window();
        assert!(offset + bytes <= window);
        // SAFETY: reserved above.
        unsafe { worker.segment().at(at + offset).write_bytes(7, bytes) };
        let (length, offset) = (bytes as u32, offset as u32);
        let slot = Slot {
            call: 0,
            generation: 1,
            kind: Kind::Binary as u8,
            flags: FLAG_ARENA,
            length,
            offset,
            ..Slot::default()
        };
        worker.send(&[slot]);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
        let arrived = arrived(host.staging(), 0);
        assert_eq!(arrived.flags, FLAG_ARENA | FLAG_FETCH);
        let block = host.copy_out(arrived.offset as usize, arrived.length as usize).unwrap();
        assert!(block.len() == bytes && block.iter().all(|&byte| byte == 7));
        assert!(host.copy_out(CHUNKS * 64 * 1024 - 10, 11).is_err());
        assert!(host.copy_out(usize::MAX, 11).is_err());
    }

    #[test]
    fn a_payload_as_large_as_the_arena_fits_after_small_ones() {
        let (mut host, mut worker) = lane();
        let offset = host.reserve(100).unwrap() as u32;
        let (kind, flags, length) = (Kind::Encoded as u8, FLAG_ARENA, 100);
        host.send(&[Slot { call: 0, generation: 1, kind, flags, length, offset, ..Slot::default() }])
            .unwrap();
        assert!(matches!(host.reserve(CHUNKS * 64 * 1024), Err(Reserve::Full)));
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.mark_started(1);
        host.exchange(0, Duration::ZERO).unwrap();
        assert_eq!(host.reserve(CHUNKS * 64 * 1024).unwrap(), 0);
    }

    #[test]
    fn what_was_not_started_can_be_recovered() {
        let (mut host, mut worker) = lane();
        let offset = host.reserve(100).unwrap();
        let (at, _) = host.window();
        // SAFETY: reserved above.
        unsafe { host.segment().at(at + offset).write_bytes(0x77, 100) };
        let (kind, flags, length) = (Kind::Binary as u8, FLAG_ARENA, 100);
        let payload =
            Slot { call: 2, generation: 1, kind, flags, length, offset: offset as u32, ..Slot::default() };
        host.send(&[number(0, 1, 0.5), number(1, 1, 1.5), payload]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.mark_started(1);
        host.exchange(0, Duration::ZERO).unwrap();
        assert!(host.recover(0).is_err());
        assert_eq!(host.recover(1).unwrap(), (number(1, 1, 1.5), 1.5_f64.to_le_bytes().to_vec()));
        assert_eq!(host.recover(2).unwrap(), (payload, vec![0x77; 100]));
        assert!(host.recover(3).is_err());
    }

    #[test]
    fn trimming_takes_note_of_what_the_other_side_has_handed_back() {
        let (mut host, mut worker) = lane();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.mark_started(1);
        let bytes = 2 * 1024 * 1024;
        let (length, offset) = (bytes as u32, worker.reserve(bytes).unwrap() as u32);
        let (kind, flags) = (Kind::Binary as u8, FLAG_ARENA);
        worker.send(&[Slot { call: 0, generation: 1, kind, flags, length, offset, ..Slot::default() }]);
        assert_eq!(worker.trim(0), Ok(true));
        host.exchange(0, Duration::ZERO).unwrap();
        host.exchange(0, Duration::ZERO).unwrap();
        assert_eq!(worker.trim(0), Ok(false));
    }

    #[test]
    fn payloads_that_overlap_are_a_violation() {
        let (mut host, mut worker) = lane();
        let calls: Vec<_> = (0..3).map(|call| number(call, 1, 0.0)).collect();
        host.send(&calls).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        let (kind, flags, length) = (Kind::Binary as u8, FLAG_ARENA, (CHUNKS * 64 * 1024) as u32);
        for call in 0..2 {
            worker.end.out.write(&Slot { call, generation: 1, kind, flags, length, ..Slot::default() });
        }
        worker.end.out.publish();
        assert_eq!(host.exchange(0, Duration::ZERO), Err(Violation::OutOfRange));
    }

    #[test]
    fn a_worker_that_writes_the_host_s_wishes_does_not_keep_it_awake() {
        let (mut host, mut worker) = lane();
        host.watch(|| ()).unwrap();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.segment().word(Word::Stop).store(1, Ordering::Release);
        worker.segment().word(Word::HostWantsRoom).store(1, Ordering::Release);
        worker.mark_started(1);
        assert!(host.arm());
    }

    #[test]
    fn more_payloads_than_the_inbox_holds_arrive_in_parts() {
        let (mut host, mut worker) = lane();
        let calls: Vec<_> = (0..40).map(|call| number(call, 1, 0.0)).collect();
        host.send(&calls).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        let slots: Vec<_> = (0..40)
            .map(|call| {
                let offset = worker.reserve(INBOX_PAYLOAD_BYTES).unwrap() as u32;
                let length = INBOX_PAYLOAD_BYTES as u32;
                let kind = Kind::Encoded as u8;
                Slot { call, generation: 1, kind, flags: FLAG_ARENA, length, offset, ..Slot::default() }
            })
            .collect::<Vec<_>>();
        worker.send(&slots);
        let (mut total, mut rounds) = (0, 0);
        while total < 40 {
            total += host.exchange(0, Duration::ZERO).unwrap();
            rounds += 1;
            assert_eq!(host.end.staging.word(StagingWord::More), u32::from(total < 40));
        }
        assert!(rounds > 1);
    }

    #[test]
    fn every_kind_of_lie_is_a_violation() {
        let honest = number(0, 1, 0.0);
        let arena = Slot { kind: Kind::Encoded as u8, flags: FLAG_ARENA, length: 8, ..honest };
        let lies = [
            (Slot { call: 1, ..honest }, Violation::UnknownCall),
            (Slot { call: NO_CALL, ..honest }, Violation::UnknownCall),
            (Slot { generation: 0, ..honest }, Violation::UnknownCall),
            (Slot { generation: 2, ..honest }, Violation::UnknownCall),
            (Slot { call: NO_CALL, kind: Kind::Ready as u8, ..honest }, Violation::UnknownCall),
            (Slot { call: NO_CALL, kind: Kind::Attached as u8, ..honest }, Violation::UnknownCall),
            (Slot { kind: 0, ..honest }, Violation::UnknownKind),
            (Slot { kind: 200, ..honest }, Violation::UnknownKind),
            (Slot { flags: FLAG_FETCH, ..honest }, Violation::UnknownKind),
            (Slot { flags: FLAG_ARENA, ..honest }, Violation::OutOfRange),
            (
                Slot { kind: Kind::Inline as u8, length: INLINE_BYTES as u32 + 1, ..honest },
                Violation::OutOfRange,
            ),
            (Slot { flags: 0, ..arena }, Violation::OutOfRange),
            (Slot { length: 0, ..arena }, Violation::OutOfRange),
            (Slot { length: u32::MAX, ..arena }, Violation::OutOfRange),
            (Slot { offset: u32::MAX, length: u32::MAX, ..arena }, Violation::OutOfRange),
            (Slot { offset: (CHUNKS * 64 * 1024 - 7) as u32, ..arena }, Violation::OutOfRange),
        ];
        for (lie, violation) in lies {
            let (mut host, mut worker) = lane();
            host.send(&[honest]).unwrap();
            worker.end.out.write(&lie);
            worker.end.out.publish();
            assert_eq!(host.exchange(0, Duration::ZERO), Err(violation), "{lie:?}");
        }
    }

    /// A slot that does `role` for the first call.
    fn acting(role: Role, value: f64) -> Slot {
        Slot { flags: role as u8, ..number(0, 1, value) }
    }

    /// A lane whose first call has been sent with an argument in that role, and what the host makes of what the worker sends.
    fn after(argument: Role, slots: &[Slot]) -> Result<u32, Violation> {
        let (mut host, mut worker) = lane();
        host.send(&[acting(argument, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        // More than a ring has slots arrives in parts.
        let mut total = 0;
        for part in slots.chunks(RING_SLOTS) {
            for slot in part {
                worker.end.out.write(slot);
            }
            worker.end.out.publish();
            total += host.exchange(0, Duration::ZERO)?;
            host.exchange(0, Duration::ZERO)?;
            worker.exchange(0, Duration::ZERO).unwrap();
        }
        Ok(total)
    }

    #[test]
    fn a_stream_takes_no_more_than_its_credit() {
        let window = f64::from(STREAM_WINDOW);
        let mut stream = vec![acting(Role::Item, 0.0); STREAM_WINDOW as usize + 1];
        stream[0] = acting(Role::Stream, 0.0);
        assert_eq!(after(Role::Whole, &stream), Ok(STREAM_WINDOW + 1));
        stream.push(acting(Role::Item, 0.0));
        assert_eq!(after(Role::Whole, &stream), Err(Violation::Credit));

        // A long item passes with the last unit, and the next has to wait for all that it took.
        let long = Slot {
            kind: Kind::Binary as u8,
            flags: FLAG_ARENA | Role::Item as u8,
            length: 10 * STREAM_UNIT_BYTES,
            ..number(0, 1, 0.0)
        };
        let (mut host, mut worker) = lane();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        stream[STREAM_WINDOW as usize] = long;
        for slot in &stream[..=STREAM_WINDOW as usize] {
            worker.end.out.write(slot);
        }
        worker.end.out.publish();
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(STREAM_WINDOW + 1));
        host.send(&[acting(Role::Credit, 10.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.send(&[acting(Role::Item, 0.0)]);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
        worker.send(&[acting(Role::Item, 0.0)]);
        assert_eq!(host.exchange(0, Duration::ZERO), Err(Violation::Credit));

        // What the worker asks for of an argument is bounded alike.
        assert_eq!(after(Role::Stream, &[acting(Role::Credit, window)]), Ok(1));
        for asked in [window + 1.0, 0.0, -1.0, 0.5, f64::NAN, f64::INFINITY] {
            assert_eq!(
                after(Role::Stream, &[acting(Role::Credit, asked)]),
                Err(Violation::Credit),
                "{asked}"
            );
        }
        let twice = [acting(Role::Credit, window), acting(Role::Credit, 1.0)];
        assert_eq!(after(Role::Stream, &twice), Err(Violation::Credit));
    }

    #[test]
    fn what_has_been_sent_of_an_argument_can_be_asked_for_again() {
        let (mut host, mut worker) = lane();
        host.send(&[acting(Role::Stream, 0.0)]).unwrap();
        worker.send(&[acting(Role::Credit, f64::from(STREAM_WINDOW))]);
        host.send(&[]).unwrap();
        host.send(&[acting(Role::Item, 1.0), acting(Role::Item, 2.0)]).unwrap();
        worker.send(&[acting(Role::Credit, 2.0)]);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
        worker.send(&[acting(Role::Credit, 1.0)]);
        assert_eq!(host.exchange(0, Duration::ZERO), Err(Violation::Credit));
    }

    #[test]
    fn what_a_call_does_not_expect_is_a_violation() {
        use Role::{Cancel, Credit, End, Item, Progress, Stream, Whole};
        let lies: [(Role, &[Role], Violation); 12] = [
            (Whole, &[Item], Violation::Unexpected),
            (Whole, &[Credit], Violation::Unexpected),
            (Whole, &[Cancel], Violation::Unexpected),
            (Whole, &[End], Violation::Unexpected),
            (Whole, &[Stream, Stream], Violation::Unexpected),
            (Whole, &[Stream, End], Violation::Unexpected),
            (Stream, &[Item], Violation::Unexpected),
            (Stream, &[End], Violation::Unexpected),
            (Whole, &[Stream, Whole, Item], Violation::UnknownCall),
            (Whole, &[Whole, Progress], Violation::UnknownCall),
            (Stream, &[Whole, Credit], Violation::UnknownCall),
            (Stream, &[Whole, Cancel], Violation::UnknownCall),
        ];
        for (argument, roles, violation) in lies {
            let slots: Vec<_> = roles.iter().map(|&role| acting(role, 1.0)).collect();
            assert_eq!(after(argument, &slots), Err(violation), "{argument:?} {roles:?}");
        }
        let honest: [(Role, &[Role]); 3] = [
            (Whole, &[Progress, Stream, Progress, Item, Whole]),
            (Stream, &[Credit, Cancel, Cancel, Whole]),
            (Stream, &[Credit, Stream, Item, Cancel, Item, Whole]),
        ];
        for (argument, roles) in honest {
            let slots: Vec<_> = roles.iter().map(|&role| acting(role, 1.0)).collect();
            assert_eq!(after(argument, &slots), Ok(roles.len() as u32), "{roles:?}");
        }
    }

    #[test]
    fn a_role_has_its_limits() {
        let lies = [
            (Slot { flags: 0x70, ..number(0, 1, 0.0) }, Violation::UnknownKind),
            (Slot { flags: 0xf0, ..number(0, 1, 0.0) }, Violation::UnknownKind),
            (Slot { flags: FLAG_REJECTED | Role::Stream as u8, ..number(0, 1, 0.0) }, Violation::UnknownKind),
            (
                Slot { flags: FLAG_REJECTED | Role::Progress as u8, ..number(0, 1, 0.0) },
                Violation::UnknownKind,
            ),
            (Slot { generation: 2, ..acting(Role::Progress, 0.0) }, Violation::UnknownCall),
            (Slot { call: 1, ..acting(Role::Stream, 0.0) }, Violation::UnknownCall),
            (Slot { call: NO_CALL, ..acting(Role::Progress, 0.0) }, Violation::UnknownCall),
            (
                Slot { call: NO_CALL, kind: Kind::Ready as u8, ..acting(Role::Item, 0.0) },
                Violation::UnknownCall,
            ),
        ];
        for (lie, violation) in lies {
            assert_eq!(after(Role::Whole, &[lie]), Err(violation), "{lie:?}");
        }
    }

    #[test]
    fn a_call_s_account_begins_anew_with_its_number() {
        let (mut host, mut worker) = lane();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.send(&[acting(Role::Stream, 0.0), acting(Role::Item, 0.0), number(0, 1, 0.0)]);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(3));
        // Credit for the call before it, on its way when that ended, gives this one none.
        host.send(&[number(0, 2, 0.0), acting(Role::Credit, 5.0)]).unwrap();
        worker.send(&[Slot { generation: 2, ..acting(Role::Item, 0.0) }]);
        assert_eq!(host.exchange(0, Duration::ZERO), Err(Violation::Unexpected));
    }

    #[test]
    fn an_aborted_call_has_its_bit_until_it_completes() {
        let (mut host, mut worker) = lane();
        let bit_of = |end: &End, call| {
            let (word, bit) = end.segment.abort_bit(call);
            word.load(Ordering::Acquire) & bit != 0
        };
        host.abort(33);
        assert!(!bit_of(&worker.end, 33), "it is not in flight");
        host.send(&[number(33, 1, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        host.abort(33);
        host.abort(33);
        assert!(bit_of(&worker.end, 33) && !bit_of(&worker.end, 32) && !bit_of(&worker.end, 34));
        assert_eq!(worker.end.segment.word(Word::Aborts).load(Ordering::Acquire), 1);
        worker.send(&[number(33, 1, 1.0)]);
        host.exchange(0, Duration::ZERO).unwrap();
        assert!(!bit_of(&worker.end, 33));
    }

    #[test]
    fn an_abort_wakes_a_sleeping_worker() {
        let (mut host, mut worker) = lane();
        let (tell, woken) = mpsc::channel();
        worker.watch(move || tell.send(()).unwrap()).unwrap();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.end.segment.word(Word::SubmissionHead).store(1, Ordering::Release);
        assert!(worker.arm());
        host.abort(0);
        woken.recv_timeout(Duration::from_secs(10)).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        assert!(worker.arm(), "one abort wakes once");
    }

    #[test]
    fn a_call_completes_once() {
        let (mut host, mut worker) = lane();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.send(&[number(0, 1, 1.0), number(0, 1, 2.0)]);
        assert_eq!(host.exchange(0, Duration::ZERO), Err(Violation::UnknownCall));
    }

    #[test]
    fn nothing_completes_before_the_worker_is_ready() {
        let (mut host, mut worker) = booting_lane();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.send(&[number(0, 1, 0.0)]);
        assert_eq!(host.exchange(0, Duration::ZERO), Err(Violation::UnknownCall));
    }

    #[test]
    fn a_started_cursor_ahead_of_what_was_sent_is_a_violation() {
        let (mut host, worker) = lane();
        host.send(&[number(0, 1, 0.0)]).unwrap();
        worker.mark_started(2);
        assert_eq!(host.exchange(0, Duration::ZERO), Err(Violation::Cursor));
    }

    #[test]
    fn a_sleeping_host_is_woken_by_a_completion_and_by_room() {
        let (mut host, mut worker) = lane();
        let (tell, woken) = mpsc::channel();
        host.watch(move || tell.send(()).unwrap()).unwrap();
        host.send(&[number(0, 1, 0.0), number(1, 1, 0.0)]).unwrap();
        assert!(host.arm());
        worker.exchange(0, Duration::ZERO).unwrap();
        worker.mark_started(1);
        worker.send(&[number(0, 1, 0.0)]);
        woken.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));

        host.want_room(true);
        assert!(host.arm());
        worker.mark_started(2);
        worker.exchange(0, Duration::ZERO).unwrap();
        woken.recv_timeout(Duration::from_secs(10)).unwrap();
        host.want_room(false);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(0));
        assert_eq!(host.started(), 2);
        assert!(host.arm());
    }

    #[test]
    fn stop_wakes_a_sleeping_worker() {
        let (host, mut worker) = lane();
        let (tell, woken) = mpsc::channel();
        worker.watch(move || tell.send(()).unwrap()).unwrap();
        assert!(worker.arm());
        assert!(!worker.stopped());
        host.stop(Duration::from_millis(10));
        woken.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(worker.stopped());
    }

    const ROLE: &str = "KNITTING_TEST_TRUNCATED";

    /// A lane whose peer has its memory as a file, with a call in flight that the worker has not started.
    fn truncatable_lane() -> (HostEnd, WorkerEnd, File) {
        let (segment, file) = Segment::create_unsealed(Geometry::new(CHUNKS * 64 * 1024).unwrap());
        let again = Segment::open(file.try_clone().unwrap(), segment.identity()).unwrap();
        let (mut host, mut worker) = (HostEnd::new(Arc::new(segment)), WorkerEnd::new(Arc::new(again)));
        worker.send(&[Slot { call: NO_CALL, kind: Kind::Ready as u8, ..Slot::default() }]);
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
        let offset = host.reserve(100_000).unwrap();
        let submitted = [number(0, 1, 0.0), binary(1, offset, 100_000)];
        host.send(&submitted).unwrap();
        assert_eq!(worker.exchange(0, Duration::ZERO), Ok(2));
        (host, worker, file)
    }

    fn binary(call: u32, offset: usize, length: u32) -> Slot {
        let (kind, flags, offset) = (Kind::Binary as u8, FLAG_ARENA, offset as u32);
        Slot { call, generation: 1, kind, flags, length, offset, ..Slot::default() }
    }

    /// The worker answers the first call with `bytes` in the arena.
    fn answer(worker: &mut WorkerEnd, bytes: usize) -> u32 {
        worker.mark_started(1);
        let offset = worker.reserve(bytes).unwrap();
        worker.send(&[binary(0, offset, bytes as u32)]);
        offset as u32
    }

    fn truncated() {
        const LOST: Result<u32, Violation> = Err(Violation::Lost);
        const SPIN: Duration = Duration::from_micros(100);

        // Everything is gone.
        let (mut host, _worker, file) = truncatable_lane();
        file.set_len(0).unwrap();
        assert_eq!(host.send(&[number(2, 1, 0.0)]), LOST);
        assert_eq!(host.exchange(0, SPIN), LOST);
        assert!(!host.arm());
        host.want_room(true);
        host.stop(Duration::ZERO);
        assert_eq!(host.trim(0), Err(Violation::Lost));
        assert!(matches!(host.reserve(10), Err(Reserve::NoMemory(_))));
        assert!(host.copy_out(0, 10).is_err());
        assert!(host.recover(0).is_err() && host.recover(1).is_err());

        // It goes while the host waits.
        let (mut host, _worker, file) = truncatable_lane();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                file.set_len(0).unwrap();
            });
            let ended = (0..).find_map(|_| host.exchange(0, Duration::from_secs(10)).err());
            assert_eq!(ended, Some(Violation::Lost));
        });

        // The rings are there and say that something has come; the payloads are not.
        for bytes in [1000, 200_000] {
            let (mut host, mut worker, file) = truncatable_lane();
            let offset = answer(&mut worker, bytes);
            let completions = host.segment().geometry().completion_arena();
            file.set_len(completions as u64).unwrap();
            if bytes <= INBOX_PAYLOAD_BYTES {
                assert_eq!(host.exchange(0, SPIN), LOST, "zeros were delivered");
            } else {
                assert_eq!(host.exchange(0, SPIN), Ok(1));
                let error = host.copy_out(offset as usize, bytes).unwrap_err();
                assert_eq!(error.to_string(), Violation::Lost.to_string());
                assert_eq!(host.exchange(0, Duration::ZERO), LOST);
            }
        }

        // The arguments are not there when they are read back.
        let (mut host, _worker, file) = truncatable_lane();
        assert!(host.recover(1).is_ok());
        file.set_len(host.segment().geometry().submission_arena() as u64).unwrap();
        assert_eq!(host.exchange(0, Duration::ZERO), Ok(0));
        assert!(host.recover(1).is_err());

        // Nor the memory that an argument would be written to.
        assert!(matches!(host.reserve(1_000_000), Err(Reserve::NoMemory(_))));

        // A lane that is made later is as good as any.
        a_call_goes_there_and_comes_back();
    }

    #[test]
    fn a_lane_whose_memory_is_truncated_is_lost_and_the_host_lives() {
        if std::env::var_os(ROLE).is_some() {
            return truncated();
        }
        let name = "transport::lane::tests::a_lane_whose_memory_is_truncated_is_lost_and_the_host_lives";
        let mut this = std::process::Command::new(std::env::current_exe().unwrap());
        let output = this.args(["--exact", name, "--test-threads=1"]).env(ROLE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", output.status);
    }

    #[test]
    fn a_thread_that_works_on_lost_memory_is_told() {
        let (segment, file) = Segment::create_unsealed(Geometry::new(1).unwrap());
        let again = Segment::open(file.try_clone().unwrap(), segment.identity()).unwrap();
        let mut worker = WorkerEnd::new(Arc::new(again.guarded().unwrap()));
        assert_eq!(worker.exchange(0, Duration::ZERO), Ok(0));
        file.set_len(0).unwrap();
        assert_eq!(worker.publish(0), Err(Violation::Lost));
        assert_eq!(worker.exchange(0, Duration::ZERO), Err(Violation::Lost));
        assert!(!segment.lost(), "the host has not touched its own");
    }

    #[test]
    fn two_threads_exchange_a_hundred_thousand_calls() {
        let (mut host, mut worker) = lane();
        const CALLS: u32 = 100_000;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut replies = Vec::new();
                let mut served = 0;
                while served < CALLS {
                    // What exceeds the ring waits for room, as it does in JavaScript.
                    let room = worker.end.staging.word(StagingWord::Room) as usize;
                    let later = replies.split_off(room.min(replies.len()));
                    let staged = stage(worker.staging(), &replies);
                    let count = worker.exchange(staged, Duration::from_micros(5)).unwrap();
                    let first = worker.end.staging.word(StagingWord::FirstSequence);
                    replies = later;
                    for index in 0..count {
                        worker.mark_started(first.wrapping_add(index + 1));
                        replies.push(arrived(worker.staging(), index as usize));
                    }
                    served += staged;
                    std::thread::yield_now();
                }
            });
            let mut generations = vec![0; 256];
            let mut free: Vec<u32> = (0..256).collect();
            let (mut sent, mut done) = (0, 0);
            while done < CALLS {
                let room = host.end.staging.word(StagingWord::Room);
                let mut slots = Vec::new();
                while sent < CALLS && (slots.len() as u32) < room {
                    let Some(call) = free.pop() else { break };
                    generations[call as usize] += 1;
                    slots.push(number(call, generations[call as usize], f64::from(sent)));
                    sent += 1;
                }
                let count = host.send(&slots).unwrap();
                for index in 0..count as usize {
                    free.push(arrived(host.staging(), index).call);
                    done += 1;
                }
                std::thread::yield_now();
            }
        });
    }
}
