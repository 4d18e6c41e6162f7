//! Waiting for the other side for a moment, by spinning or by handing the core over.
//!
//! ```text
//!   no strangers       spin, and let other threads of this core run in between, of which one may be the peer
//!   strangers, peer    spin, and let nobody run: the stranger would run for its whole time slice, a thousand times as
//!   on another core    long as a call takes
//!   strangers, peer    sleep on the doorbell: the peer runs at once and wakes this side on this core
//!   on this core
//! ```
//!
//! A stranger is a thread that computes on a core of the lane. Where it shares the core with both sides, a
//! side that spins keeps the peer from running, uses its share of the core up, and then waits for the
//! stranger. A side that sleeps keeps its claim: the kernel lets it run soon after it is woken. A side that
//! finds a stranger says so in the segment, for a time that doubles as long as one is found again.
//! `docs/decisions/performance.md` has the figures.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::sched_getcpu;
use rustix::time::{ClockId, clock_gettime};

use crate::transport::doorbell;
use crate::transport::layout::Word;
use crate::transport::ring::Consumer;
use crate::transport::segment::Segment;
use crate::transport::violation::Violation;

/// The longest that a worker may spin for its next task, whatever JavaScript asks for, if its host allows any
/// spinning.
pub const MAX_WORKER_SPIN: Duration = Duration::from_millis(1);

/// Checks of the ring between two looks at the clock, while spinning.
const SPINS_PER_CLOCK: u32 = 16;

/// How long a side spins before it lets other threads of its core run in between.
const SPIN_ALONE: Duration = Duration::from_nanos(500);

/// If this thread did not run for longer than this while it spun or let others run, it was not the peer that
/// ran, which does something in a few microseconds.
const STRANGER: Duration = Duration::from_micros(500);

/// How long a stranger is taken to be there after one was found, in milliseconds, and how long at most after
/// one was found again and again.
const STRANGER_MILLIS: u32 = 32;
const STRANGER_MOST_MILLIS: u32 = 512;

/// A wait that may take at least this long sleeps where the core is handed over. A shorter one only looks.
const DOZE_FROM: Duration = Duration::from_micros(1);
/// How long it sleeps at most, because the event loop stands still meanwhile.
const DOZE: Duration = Duration::from_micros(200);

/// Where a side waits.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The doorbell of this side.
    pub doorbell: Word,
    /// On which core this side has waited last.
    pub core: Word,
    /// On which the other side has.
    pub other_core: Word,
}

/// Waits for one end of a lane.
#[derive(Debug, Default)]
pub struct Spinner {
    /// For how long a stranger was taken to be there when this side found one last, and until when, in
    /// milliseconds.
    last_millis: u32,
    until: u32,
}

impl Spinner {
    /// Waits until a slot arrives, at most for `spin`, or for a little longer if it is better to sleep. The
    /// peer may need this very core to send the slot. So after the first moments other threads get a turn in
    /// between, and in any case before this side gives up. `strangers` is what [`strangers`] has said.
    pub fn wait(
        &mut self,
        into: &Consumer,
        segment: &Segment,
        place: Place,
        strangers: Strangers,
        spin: Duration,
    ) -> Result<bool, Violation> {
        let yields = match strangers {
            Strangers::None => true,
            Strangers::Elsewhere => false,
            Strangers::Between => {
                if spin >= DOZE_FROM {
                    // What is a violation is found below.
                    doorbell::doze(segment.word(place.doorbell), || into.available() != Ok(0), DOZE);
                }
                return Ok(into.available()? > 0);
            }
        };
        let start = now();
        let mut last = start;
        loop {
            for _ in 0..SPINS_PER_CLOCK {
                if into.available()? > 0 {
                    return Ok(true);
                }
                std::hint::spin_loop();
            }
            let mut time = now();
            let elapsed = time.saturating_sub(start);
            if yields && (elapsed >= SPIN_ALONE || elapsed >= spin) {
                std::thread::yield_now();
                time = now();
            }
            // With a single core the thread that ran was most likely the peer, which has no other core.
            if time.saturating_sub(last) > STRANGER && *CORES > 1 {
                self.found_stranger(segment, time);
                return Ok(into.available()? > 0);
            }
            if elapsed >= spin {
                return Ok(into.available()? > 0);
            }
            last = time;
        }
    }

    /// Tells both sides of a stranger.
    fn found_stranger(&mut self, segment: &Segment, time: Duration) {
        let time = millis(time);
        let is_again = time.wrapping_sub(self.until) < self.last_millis;
        let twice = (self.last_millis * 2).min(STRANGER_MOST_MILLIS);
        self.last_millis = if is_again { twice } else { STRANGER_MILLIS };
        self.until = time.wrapping_add(self.last_millis);
        segment.word(Word::Strangers).store(self.until.max(1), Ordering::Relaxed);
    }
}

/// Where strangers are, seen from a side of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strangers {
    /// Nobody knows of any.
    None,
    /// On a core that the two sides don't share.
    Elsewhere,
    /// The two sides are on one core, and strangers perhaps too.
    Between,
}

/// Where strangers are, as far as the two sides know. The times and the cores come from either side, so a time
/// is believed only if it is one that an honest side may name.
pub fn strangers(segment: &Segment, place: Place) -> Strangers {
    let word = segment.word(Word::Strangers);
    let until = word.load(Ordering::Relaxed);
    if until == 0 {
        return Strangers::None;
    }
    let left = until.wrapping_sub(millis(now()));
    if !(1..=STRANGER_MOST_MILLIS).contains(&left) {
        word.store(0, Ordering::Relaxed);
        return Strangers::None;
    }
    let core = sched_getcpu() as u32 + 1;
    segment.word(place.core).store(core, Ordering::Relaxed);
    if segment.word(place.other_core).load(Ordering::Relaxed) == core {
        Strangers::Between
    } else {
        Strangers::Elsewhere
    }
}

/// The system's monotonic clock, which both sides have.
fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// The milliseconds of a time, which wrap.
fn millis(time: Duration) -> u32 {
    time.as_millis() as u32
}

/// Lanes of this process that have calls in flight: each stands for a worker that wants a core.
static BUSY_LANES: AtomicU32 = AtomicU32::new(0);

static CORES: LazyLock<u32> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32));

/// One more lane of this process has calls in flight.
pub fn add_busy_lane() {
    BUSY_LANES.fetch_add(1, Ordering::Relaxed);
}

/// A lane that [`add_busy_lane`] counted has no calls in flight any more.
pub fn remove_busy_lane() {
    BUSY_LANES.fetch_sub(1, Ordering::Relaxed);
}

/// True while each busy lane and this thread can have a core of its own: only then does spinning pay.
pub fn cores_to_spare() -> bool {
    BUSY_LANES.load(Ordering::Relaxed) < *CORES
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::transport::layout::Geometry;

    const PLACE: Place =
        Place { doorbell: Word::HostDoorbell, core: Word::HostCore, other_core: Word::WorkerCore };

    /// What a host finds whose worker has written this time, counted from now, on every core.
    fn found(millis_ahead: u32) -> Strangers {
        let segment = Segment::create(Geometry::new(1).unwrap()).unwrap().0;
        let until = millis(now()).wrapping_add(millis_ahead).max(1);
        segment.word(Word::Strangers).store(until, Ordering::Relaxed);
        let mut seen = Strangers::None;
        // This thread may move to another core in between.
        for _ in 0..100 {
            if seen != Strangers::Between {
                let core = sched_getcpu() as u32 + 1;
                segment.word(Word::WorkerCore).store(core, Ordering::Relaxed);
                seen = strangers(&segment, PLACE);
            }
        }
        seen
    }

    #[test]
    fn a_time_that_no_honest_side_names_is_not_believed() {
        assert_eq!(found(STRANGER_MOST_MILLIS - 100), Strangers::Between);
        assert_eq!(found(STRANGER_MOST_MILLIS + 60_000), Strangers::None);
        assert_eq!(found(0_u32.wrapping_sub(60_000)), Strangers::None);
    }

    #[test]
    fn a_worker_that_never_answers_holds_its_host_up_for_one_sleep() {
        let segment = std::sync::Arc::new(Segment::create(Geometry::new(1).unwrap()).unwrap().0);
        let at = segment.geometry().completion_ring();
        let into = Consumer::new(segment.clone(), at, Word::CompletionTail, Word::CompletionHead);
        let spin = Duration::from_micros(5);
        let mut spinner = Spinner::default();
        assert_eq!(spinner.wait(&into, &segment, PLACE, Strangers::Between, spin), Ok(false));
        segment.word(Word::CompletionTail).store(1, Ordering::Release);
        assert_eq!(spinner.wait(&into, &segment, PLACE, Strangers::Between, spin), Ok(true));
    }
}
