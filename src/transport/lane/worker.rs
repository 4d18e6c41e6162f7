//! The worker's end of a lane. It trusts its host.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::end::{End, LaneEnd, WORKER};
use crate::transport::layout::{StagingWord, Word};
use crate::transport::segment::Segment;
use crate::transport::violation::Violation;

/// The worker's end of a lane.
pub struct WorkerLane {
    pub(super) end: End,
}

impl WorkerLane {
    /// The worker's end of a segment it has opened.
    pub fn new(segment: Arc<Segment>) -> Self {
        let geometry = segment.geometry();
        let rings = (geometry.completion_ring(), geometry.submission_ring());
        Self { end: End::new(segment, &WORKER, rings, geometry.completion_arena()) }
    }

    fn try_exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation> {
        self.end.disarm();
        self.end.publish(staged, |_| ());
        // JavaScript looks at the abort bits after this.
        let aborts = self.end.segment.word(Word::Aborts).load(Ordering::Acquire);
        self.end.seen.aborts.store(aborts, Ordering::Release);
        let started = self.end.segment.word(Word::SubmissionHead).load(Ordering::Relaxed);
        self.end.tell_room(started);
        let mut count = self.receive()?;
        if count == 0 && !spin.is_zero() {
            // Without a core to spare this is one look, and then the host may have this core.
            let allowed = self.end.segment.word(Word::WorkerSpin).load(Ordering::Relaxed);
            if self.end.wait(self.end.strangers(), spin.min(Duration::from_nanos(u64::from(allowed))))? {
                count = self.receive()?;
            }
        }
        self.end.reap()?;
        self.end.tell_staging();
        Ok(count)
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

    /// Tells the host that this end can ring its bell, and has `bell` called for that.
    pub fn offer_bell(&mut self, bell: impl Fn() + Send + 'static) {
        self.end.ring_by(bell);
        self.end.segment.word(Word::Rings).store(1, Ordering::Release);
    }

    /// True once the host has said stop.
    pub fn stopped(&self) -> bool {
        self.end.segment.word(Word::Stop).load(Ordering::Acquire) != 0
    }
}

impl LaneEnd for WorkerLane {
    fn end(&self) -> &End {
        &self.end
    }

    fn end_mut(&mut self) -> &mut End {
        &mut self.end
    }

    fn incoming_arena(&self) -> usize {
        self.end.segment.geometry().submission_arena()
    }

    /// It spins for less than `spin` where the host says so. Payloads stay in the arena until the task is
    /// marked as started.
    fn exchange(&mut self, staged: u32, spin: Duration) -> Result<u32, Violation> {
        let count = self.try_exchange(staged, spin);
        self.end.unless_lost(count)
    }

    fn publish(&mut self, staged: u32) -> Result<(), Violation> {
        self.end.publish(staged, |_| ());
        let released = self.end.reap();
        self.end.unless_lost(released)?;
        self.end.tell_staging();
        Ok(())
    }
}
