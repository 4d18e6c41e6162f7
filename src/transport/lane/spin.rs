//! Spinning: waiting busily for a moment, where there are cores to spare for that.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::transport::ring::Consumer;
use crate::transport::violation::Violation;

/// The longest that a worker may spin for its next task, whatever JavaScript asks for, if its host allows any
/// spinning.
pub const MAX_WORKER_SPIN: Duration = Duration::from_millis(1);

/// Checks of the ring between two looks at the clock, while spinning.
const SPINS_PER_CLOCK: u32 = 16;

/// How long a side spins before it lets other threads of its core run in between.
const SPIN_ALONE: Duration = Duration::from_nanos(500);

/// If another thread ran for longer than this, it was not the peer. Then no other thread is let in for the
/// second duration.
const LONG_YIELD: Duration = Duration::from_micros(500);
const CLOSED_AFTER_LONG_YIELD: Duration = Duration::from_millis(30);

/// Waits busily for one end of a lane.
#[derive(Debug, Default)]
pub struct Spinner {
    /// No other thread is let onto this core before this time.
    closed_until: Option<Instant>,
}

impl Spinner {
    /// Spins until a slot arrives, at most for `spin`. The peer may need this very core to send the slot. So
    /// after the first moments other threads get a turn in between, and in any case before this side gives
    /// up.
    pub fn spin(&mut self, into: &Consumer, spin: Duration) -> Result<bool, Violation> {
        let start = Instant::now();
        loop {
            for _ in 0..SPINS_PER_CLOCK {
                if into.available()? > 0 {
                    return Ok(true);
                }
                std::hint::spin_loop();
            }
            let elapsed = start.elapsed();
            if elapsed >= SPIN_ALONE || elapsed >= spin {
                self.make_way();
            }
            if elapsed >= spin {
                return Ok(into.available()? > 0);
            }
        }
    }

    /// Lets another thread run on this core. If a stranger took a whole time slice, no thread is let in for a
    /// while: with a stranger on every core each call would wait for one slice after the other.
    fn make_way(&mut self) {
        let before = Instant::now();
        if self.closed_until.is_some_and(|until| before < until) {
            return;
        }
        std::thread::yield_now();
        let after = Instant::now();
        // With a single core the thread that ran was most likely the peer, which has no other core.
        let stranger = after - before > LONG_YIELD && *CORES > 1;
        self.closed_until = stranger.then(|| after + CLOSED_AFTER_LONG_YIELD);
    }
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
