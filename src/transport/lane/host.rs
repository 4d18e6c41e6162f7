//! The host's end of a lane. It believes nothing that the worker says.

use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::accounts::Calls;
use super::end::{End, HOST, LaneEnd};
use super::spin::{MAX_WORKER_SPIN, Strangers, cores_to_spare};
use crate::transport::arena::{Arena, Reserve};
use crate::transport::doorbell::{self, Times};
use crate::transport::layout::{
    FLAG_ARENA, FLAG_CLAIM, FLAG_FETCH, FLAG_NOT_RUN, FLAG_REJECTED, FLAGS_ON_THE_WIRE, HANDS_OVER,
    INBOX_BYTES, INBOX_PAYLOAD_BYTES, INLINE_BYTES, Kind, MAX_CALLS, NO_CALL, PAYLOAD_ALIGN, RING_SLOTS,
    Role, Slot, StagingWord, Word,
};
use crate::transport::segment::Segment;
use crate::transport::violation::Violation;

/// The host's end of a lane.
pub struct HostLane {
    pub(super) end: End,
    calls: Calls,
    attached: bool,
    booting: bool,
    /// The worker has said that it is about to end.
    fatal: bool,
    worker_spin: Option<bool>,
    /// There is a bell, and this counts how often the worker may ring it. It is used once the worker has said
    /// that it can ring.
    bell: Option<Arc<Times>>,
    /// Bytes of payloads that are received and not handed back. Payloads don't overlap, so an honest worker
    /// never gets above the arena's size.
    held: usize,
}

impl HostLane {
    /// The host's end of a fresh segment.
    pub fn new(segment: Arc<Segment>) -> Self {
        let geometry = segment.geometry();
        let rings = (geometry.submission_ring(), geometry.completion_ring());
        let end = End::new(segment, &HOST, rings, geometry.submission_arena());
        Self {
            end,
            calls: Calls::default(),
            attached: false,
            booting: true,
            fatal: false,
            worker_spin: None,
            bell: None,
            held: 0,
        }
    }

    fn try_exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation> {
        self.end.disarm();
        self.hand_back();
        let strangers = self.allow_spinning();
        self.publish_staged(staged);
        let mut count = self.receive()?;
        if count == 0
            && !spin.is_zero()
            && self.calls.any_in_flight()
            && cores_to_spare()
            && self.end.wait(strangers, spin)?
        {
            count = self.receive()?;
        }
        self.end.reap()?;
        self.end.tell_staging();
        self.tell_progress();
        Ok(count)
    }

    fn publish_staged(&mut self, staged: u32) {
        let calls = &mut self.calls;
        self.end.publish(staged, |slot| calls.sent(slot));
    }

    /// Writes into staging how far the worker has got. Whether it runs a task is looked up only if somebody wants to
    /// know: the word is the worker's, and it writes it often.
    fn tell_progress(&self) {
        let staging = &self.end.staging;
        staging.set_word(StagingWord::Started, self.end.out.released());
        let running = staging.word(StagingWord::Wanted) != 0 && self.is_running();
        staging.set_word(StagingWord::Running, u32::from(running));
        self.end.seen.running.store(running, Ordering::Release);
    }

    fn hand_back(&mut self) {
        self.held = 0;
        if self.end.into.release() {
            self.end.tell_room(self.end.into.taken());
        }
    }

    /// Tells the worker when there have come to be cores to spare for spinning, or no longer. Returns where
    /// strangers are. The worker can write what that rests on, so it is looked up once for an exchange, and
    /// JavaScript gets the same answer.
    fn allow_spinning(&mut self) -> Strangers {
        let spare = cores_to_spare();
        let strangers = self.end.strangers();
        let crowded = if strangers == Strangers::Between { HANDS_OVER } else { u32::from(!spare) };
        self.end.staging.set_word(StagingWord::Crowded, crowded);
        if self.worker_spin != Some(spare) {
            self.worker_spin = Some(spare);
            let nanos = if spare { MAX_WORKER_SPIN.as_nanos() as u32 } else { 0 };
            self.end.segment.word(Word::WorkerSpin).store(nanos, Ordering::Relaxed);
        }
        strangers
    }

    fn receive(&mut self) -> Result<u32, Violation> {
        let available = self.end.into.available()?;
        let mut inbox = 0;
        let (mut count, mut looked) = (0, 0);
        while looked < available {
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
                    let from = self.end.segment.at(self.incoming_arena() + slot.offset as usize);
                    let to = self.end.staging.inbox(inbox);
                    // SAFETY: `check` proved the source to lie in the arena; the inbox has room. The worker
                    // may write the source meanwhile. Then the copy is some mixture, which is decoded with
                    // the same care as any other payload.
                    unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), bytes) };
                    slot.offset = inbox as u32;
                    inbox = (inbox + bytes).next_multiple_of(PAYLOAD_ALIGN);
                }
                self.held += bytes;
            }
            if self.account(&slot)? {
                self.end.staging.set_incoming(count as usize, &slot);
                count += 1;
            }
            self.end.into.advance();
            looked += 1;
        }
        self.end.seen.taken.store(self.end.into.taken(), Ordering::Release);
        self.end.staging.set_word(StagingWord::More, u32::from(looked < available));
        Ok(count)
    }

    /// Checks everything in a private copy of a slot that does not depend on the calls in flight.
    fn check(&self, slot: &Slot) -> Result<(), Violation> {
        let kind = Kind::from_byte(slot.kind).ok_or(Violation::UnknownKind)?;
        let role = slot.role().ok_or(Violation::UnknownKind)?;
        if slot.flags & !FLAGS_ON_THE_WIRE != 0
            || (slot.flags & (FLAG_REJECTED | FLAG_NOT_RUN) != 0 && role != Role::Whole)
        {
            return Err(Violation::UnknownKind);
        }
        let in_arena = slot.flags & FLAG_ARENA != 0;
        let fits = match kind {
            Kind::Number | Kind::NoMemory => !in_arena,
            Kind::Inline => !in_arena && slot.length as usize <= INLINE_BYTES,
            Kind::Encoded | Kind::Binary | Kind::Envelope => in_arena,
            Kind::Ready | Kind::BootFailed | Kind::Attached | Kind::Fatal => {
                in_arena || slot.length as usize <= INLINE_BYTES
            }
        };
        let end = u64::from(slot.offset) + u64::from(slot.length);
        if !fits || (in_arena && (slot.length == 0 || end > self.end.segment.geometry().arena_bytes as u64)) {
            return Err(Violation::OutOfRange);
        }
        Ok(())
    }

    /// Checks a private copy of a slot against the calls in flight, and enters it in their account. False if the slot
    /// is for a call that was taken back.
    fn account(&mut self, slot: &Slot) -> Result<bool, Violation> {
        let role = slot.role().ok_or(Violation::UnknownKind)?;
        let expected = match Kind::from_byte(slot.kind) {
            Some(Kind::Attached | Kind::Ready | Kind::BootFailed | Kind::Fatal)
                if slot.call != NO_CALL || role != Role::Whole =>
            {
                false
            }
            // The worker may have no memory because somebody has taken it away.
            Some(Kind::NoMemory) if self.end.segment.is_truncated() => return Err(Violation::Lost),
            Some(Kind::Attached) => self.booting && !std::mem::replace(&mut self.attached, true),
            Some(Kind::Ready | Kind::BootFailed) => std::mem::replace(&mut self.booting, false),
            Some(Kind::Fatal) => self.attached && !std::mem::replace(&mut self.fatal, true),
            _ if self.booting => false,
            _ => return self.settle_call(slot, role),
        };
        if expected { Ok(true) } else { Err(Violation::UnknownCall) }
    }

    fn settle_call(&mut self, slot: &Slot, role: Role) -> Result<bool, Violation> {
        let is_awaited = self.calls.arrived(slot, role)?;
        if is_awaited && role == Role::Whole {
            self.forget_abort(slot.call);
        }
        Ok(is_awaited)
    }

    fn forget_abort(&mut self, call: u32) {
        if self.calls.aborted.remove(&call) {
            let (word, bit) = self.end.segment.abort_bit(call);
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Takes back a submission that the worker has not claimed: its slot, and its payload as [`Self::recover`] has it.
    /// `None` if the worker has claimed it, or need not claim it. The worker skips what was taken back.
    pub fn take_back(&mut self, sequence: u32) -> io::Result<Option<(Slot, Vec<u8>)>> {
        let out = &self.end.out;
        let ahead = out.tail().wrapping_sub(out.released());
        if sequence.wrapping_sub(out.released()) >= ahead
            || self.end.sent[sequence as usize % RING_SLOTS].flags & FLAG_CLAIM == 0
        {
            return Ok(None);
        }
        // Copied before the claim: without memory for the copy the call stays where it is.
        let recovered = self.recover(sequence)?;
        if !self.end.out.claim(sequence, &recovered.0) {
            return Ok(None);
        }
        self.calls.withdraw(recovered.0.call);
        self.forget_abort(recovered.0.call);
        Ok(Some(recovered))
    }

    /// The submission with a sequence number that the worker has not started: its slot, and its payload if it
    /// has one. The slot comes from private memory. The payload comes from the segment, where the worker
    /// could have changed it. An error if the worker has started the call, and if the segment is lost: then
    /// it is not known what the worker has started.
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
    /// Nothing is released by that: a sleeping side is still woken for what it has learnt here.
    pub fn started(&self) -> u32 {
        self.end.out.peek_released()
    }

    /// True while the worker runs one task after another, as far as it says so.
    pub fn is_running(&self) -> bool {
        self.end.segment.word(Word::Running).load(Ordering::Acquire) != 0
    }

    /// Takes the memory of the first `bytes` of the outgoing arena from the system now: see
    /// [`Arena::prepare`].
    pub fn prepare(&mut self, bytes: usize) -> io::Result<()> {
        let prepared = self.end.arena.prepare(bytes);
        self.end.unless_lost(Ok(())).map_err(io::Error::other)?;
        prepared
    }

    /// Finds room in the outgoing arena for `bytes` that JavaScript fills when it likes. Returns the offset.
    /// The room stays until a slot that brings it to the worker is released, or until [`Self::free`].
    pub fn allocate(&mut self, bytes: usize) -> Result<usize, Reserve> {
        self.end.reserve_by(Arena::allocate, bytes)
    }

    /// Frees the room at `offset` that [`Self::allocate`] has found and that was never sent.
    pub fn free(&mut self, offset: usize) {
        self.end.arena.free(offset);
    }

    /// Lets go of the memory now, and not when the last buffer over it is collected. What was lent by
    /// [`Self::allocate`] stays where it is, as private memory.
    pub fn close(self) {
        let (segment, lent) = (self.end.segment.clone(), self.end.arena.lent());
        // With it goes the thread that sleeps on the memory.
        drop(self);
        segment.let_go(&lent);
    }

    /// True once the worker has said that it can ring. Where it could truncate the memory this end does not rely
    /// on its bell: the thread of a [`doorbell::Waiter`] looks after the memory while this end sleeps.
    pub fn hears_bell(&self) -> bool {
        let segment = &self.end.segment;
        segment.is_sealed() && segment.word(Word::Rings).load(Ordering::Acquire) != 0
    }

    /// Has this end listen for its bell as soon as the worker says that it can ring. `times` counts how often
    /// the worker may.
    pub fn listen_later(&mut self, times: Arc<Times>) {
        self.bell = Some(times);
    }

    /// Tells the worker that nobody waits for a call any more, which is in flight or staged. If it is staged, the
    /// worker does not enter its task.
    pub fn abort(&mut self, call: u32) {
        if (call as usize) < MAX_CALLS && self.calls.aborted.insert(call) {
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
        doorbell::wake_all(word);
        self.end.ring_other();
    }
}

impl LaneEnd for HostLane {
    fn end(&self) -> &End {
        &self.end
    }

    fn end_mut(&mut self) -> &mut End {
        &mut self.end
    }

    fn incoming_arena(&self) -> usize {
        self.end.segment.geometry().completion_arena()
    }

    /// Payloads of up to [`INBOX_PAYLOAD_BYTES`] are in the inbox. Larger ones, which have [`FLAG_FETCH`],
    /// wait for [`Self::copy_out`] until the next exchange.
    fn exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation> {
        let count = self.try_exchange(staged, spin);
        self.end.unless_lost(count)
    }

    fn publish(&mut self, staged: u32) -> Result<(), Violation> {
        // The exchange that follows takes the answer, so nobody has to be woken for it.
        self.end.disarm();
        self.publish_staged(staged);
        self.end.tell_staging();
        self.end.unless_lost(Ok(()))
    }

    fn arm(&mut self) -> bool {
        self.hand_back();
        if self.bell.is_some() && self.hears_bell() {
            self.bell.take().into_iter().for_each(|times| self.end.listen(times));
        }
        self.end.arm()
    }
}
