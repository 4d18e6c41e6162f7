//! The doorbell: what a side sleeps on, and how it is woken.
//!
//! ```text
//!   sleeper: word = ASLEEP or LISTENING; fence; anything to do? -> no: sleep
//!   ringer:  publish; fence; word is not AWAKE? -> swap AWAKE; it was ASLEEP: futex_wake(word), LISTENING: the bell
//! ```
//!
//! The two fences make it certain that either the sleeper sees what was published or the ringer sees that it
//! sleeps. A ring may be late: before its swap, the sleeper may have found by itself what was published, and
//! have gone to sleep again.
//!
//! A JavaScript thread never sleeps here itself: its event loop has other things to do. There are two ways.
//! A [`Listener`] is woken directly: the ringer has a bell that wakes the event loop itself, see
//! [`crate::sys::uv`] and [`crate::process::bell`]. A late ring has it look, find nothing, and listen again.
//! Where there is no such bell, a [`Waiter`] has a thread that sleeps on the word in its place and calls it
//! back once. If the thread finds the word AWAKE and nothing to do while its side sleeps, it puts ASLEEP back
//! and looks again. Awake sides cost each other one load per exchange.
//!
//! The kernel knows a sleeper by its file and page. If the memory goes away, nobody can reach the sleeper any
//! more: the guard maps another page in its place. So nobody waits for a thread whose segment is lost. If a
//! peer can truncate the segment, the thread checks the segment from time to time.
//!
//! A ring may also fail to reach the thread although the memory stays: a hostile peer can have the kernel
//! move the sleepers of one word to another (`FUTEX_REQUEUE`). So the thread sleeps on a private word as
//! well, and that word tells it to end.

use std::sync::Arc;
use std::time::Duration;

use super::layout::Word;
use super::segment::Segment;
use super::sync::{AtomicBool, AtomicU32, Builder, JoinHandle, Ordering, fence, futex};

const AWAKE: u32 = 0;
/// A thread sleeps on the word.
const ASLEEP: u32 = 1;
/// The event loop is to be woken by its bell.
const LISTENING: u32 = 2;

/// Wakes the side that sleeps on `word`, by `bell` if it listens for that. True if it slept. Publish what it is
/// to find before you call this.
pub fn ring(word: &AtomicU32, bell: impl FnOnce()) -> bool {
    fence(Ordering::SeqCst);
    if word.load(Ordering::Relaxed) == AWAKE {
        return false;
    }
    match word.swap(AWAKE, Ordering::SeqCst) {
        ASLEEP => wake_all(word),
        LISTENING => bell(),
        // Somebody else has rung, or a hostile peer has written nonsense on its own doorbell.
        _ => return false,
    }
    true
}

/// Has this thread itself sleep on `word` until it is rung, at most for `limit`, unless `ready` is true at once.
pub fn doze(word: &AtomicU32, ready: impl Fn() -> bool, limit: Duration) {
    // A swap for the models' sake, as in `Waiter::arm`.
    word.swap(ASLEEP, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    if !ready() {
        futex::wait(word, ASLEEP, Some(limit));
    }
    word.store(AWAKE, Ordering::SeqCst);
}

/// Wakes every thread that waits for a change of `word`.
pub fn wake_all(word: &AtomicU32) {
    futex::wake_all(word);
}

/// Waits until `word` is rung or is no longer `value`. It may also return for no reason: every caller looks
/// again.
pub fn wait(word: &AtomicU32, value: u32) {
    futex::wait(word, value, None);
}

/// The longest that a thread sleeps if nothing but a ring could wake it: on memory that can be truncated, and
/// on kernels that can't sleep on two words.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Whether there is anything to do for a side that sleeps.
pub type Ready = Arc<dyn Fn() -> bool + Send + Sync>;

/// How often a side has begun to listen. Each time entitles the other side to one ring.
pub type Times = std::sync::atomic::AtomicU64;

/// A side whose event loop is woken by its bell.
pub struct Listener {
    segment: Arc<Segment>,
    doorbell: Word,
    ready: Ready,
    times: Arc<Times>,
}

impl Listener {
    /// `ready` says whether there is anything to do. `times` is raised before each time that the bell may ring.
    pub fn new(segment: Arc<Segment>, doorbell: Word, ready: Ready, times: Arc<Times>) -> Self {
        Self { segment, doorbell, ready, times }
    }

    /// Puts this side to sleep. True if it listens now, false if there is something to do already.
    pub fn arm(&self) -> bool {
        self.times.fetch_add(1, Ordering::Relaxed);
        // A swap for the models' sake, as in `Waiter::arm`.
        self.segment.word(self.doorbell).swap(LISTENING, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if (self.ready)() || self.segment.lost() {
            self.disarm();
            return false;
        }
        true
    }

    /// Says that this side is awake and that nobody needs to ring. At worst a late ring has it look once.
    pub fn disarm(&self) {
        let word = self.segment.word(self.doorbell);
        if word.load(Ordering::Relaxed) != AWAKE {
            word.store(AWAKE, Ordering::SeqCst);
        }
    }
}

const IDLE: u32 = 0;
const ARMED: u32 = 1;
const QUIT: u32 = 2;

/// A thread that sleeps on a doorbell for a side whose event loop cannot.
///
/// Once armed it calls `wake` once, as soon as `ready` is true or the segment is lost, and then rests until
/// it is armed again. On a sealed segment it wakes for nothing else: at rest it costs no cycles.
pub struct Waiter {
    segment: Arc<Segment>,
    doorbell: Word,
    state: Arc<AtomicU32>,
    asleep: Arc<AtomicBool>,
    ready: Ready,
    thread: Option<JoinHandle<()>>,
}

impl Waiter {
    /// Starts the thread. `ready` says whether there is anything to do; `wake` tells the event loop.
    pub fn start(
        segment: Arc<Segment>,
        doorbell: Word,
        ready: Ready,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let state = Arc::new(AtomicU32::new(IDLE));
        let asleep = Arc::new(AtomicBool::new(false));
        let watched = segment.clone();
        let ready: Ready = Arc::new(move || ready() || watched.lost());
        let sleeper = Sleeper {
            segment: segment.clone(),
            doorbell,
            state: state.clone(),
            asleep: asleep.clone(),
            ready: ready.clone(),
        };
        let thread = Builder::new()
            .name("knitting-wait".into())
            .stack_size(128 * 1024)
            .spawn(move || sleeper.run(wake))?;
        Ok(Self { segment, doorbell, state, asleep, ready, thread: Some(thread) })
    }

    /// Puts this side to sleep. True if the thread watches now, false if there is something to do already.
    pub fn arm(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        // A swap and not a store, for the models' sake: loom knows no other order between this and the swap
        // of a late ring.
        self.segment.word(self.doorbell).swap(ASLEEP, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if (self.ready)() {
            self.disarm();
            return false;
        }
        if self.state.compare_exchange(IDLE, ARMED, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            wake_all(&self.state);
        }
        true
    }

    /// Says that this side is awake and that nobody needs to ring. The thread may sleep on. At worst a late
    /// ring makes it call `wake` once.
    pub fn disarm(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        let word = self.segment.word(self.doorbell);
        if word.load(Ordering::Relaxed) != AWAKE {
            word.store(AWAKE, Ordering::SeqCst);
        }
    }
}

impl Waiter {
    /// Has the thread end by and by, without waiting for it. Once more it may call `wake`.
    pub fn retire(mut self) {
        self.thread = None;
        self.state.store(QUIT, Ordering::SeqCst);
        wake_all(&self.state);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.state.store(QUIT, Ordering::SeqCst);
        wake_all(&self.state);
        self.rouse(&thread);
        if !self.segment.lost() {
            let _ = thread.join();
        }
    }
}

impl Waiter {
    /// Wakes the thread until it has ended, or the segment is found to be lost.
    #[cfg(not(loom))]
    fn rouse(&self, thread: &JoinHandle<()>) {
        // A hostile peer may write ASLEEP again just before the thread looks, so one ring is not enough.
        while !thread.is_finished() {
            let word = self.segment.word(self.doorbell);
            word.store(AWAKE, Ordering::SeqCst);
            wake_all(word);
            // The thread may sleep on a page that is gone. It has been told to quit and ends by itself when
            // its wait has lasted LOOK_AFTER. (On a sealed segment it stays, in the one case that it was
            // asleep when memory ran out.)
            if self.segment.lost() {
                return;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// Models have honest peers only, so the private word reaches every sleeper.
    #[cfg(loom)]
    #[expect(clippy::unused_self, reason = "as the real one")]
    fn rouse(&self, _: &JoinHandle<()>) {}
}

struct Sleeper {
    segment: Arc<Segment>,
    doorbell: Word,
    state: Arc<AtomicU32>,
    asleep: Arc<AtomicBool>,
    ready: Ready,
}

impl Sleeper {
    fn run(self, wake: impl Fn()) {
        let word = self.segment.word(self.doorbell);
        loop {
            match self.state.load(Ordering::SeqCst) {
                QUIT => return,
                IDLE => wait(&self.state, IDLE),
                _ if (self.ready)() => {
                    // Idle before the call, because the call may lead to the next arming.
                    self.rest();
                    wake();
                }
                _ if word.load(Ordering::SeqCst) == ASLEEP => self.sleep(word),
                // A late ring, see the top of this file.
                _ if self.asleep.load(Ordering::SeqCst) => {
                    // Only from AWAKE: where this thread was retired its side may listen already.
                    let _ = word.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
                    fence(Ordering::SeqCst);
                }
                _ => {
                    self.rest();
                    // If the side went to sleep in between, it found this thread armed: go on watching.
                    if self.asleep.load(Ordering::SeqCst) {
                        let _ = self.state.compare_exchange(IDLE, ARMED, Ordering::SeqCst, Ordering::SeqCst);
                    }
                }
            }
        }
    }

    /// Sleeps until the word is rung or the thread is told to quit.
    fn sleep(&self, word: &AtomicU32) {
        let is_reachable =
            self.segment.is_sealed() && futex::wait_for_either([(word, ASLEEP), (&self.state, ARMED)]);
        if !is_reachable {
            futex::wait(word, ASLEEP, Some(LOOK_AFTER));
        }
    }

    /// Makes this thread idle, unless it was told to quit.
    fn rest(&self) {
        let _ = self.state.compare_exchange(ARMED, IDLE, Ordering::SeqCst, Ordering::SeqCst);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::transport::layout::Geometry;
    use std::sync::mpsc;
    use std::time::Instant;

    struct Fixture {
        segment: Arc<Segment>,
        waiter: Waiter,
        woken: mpsc::Receiver<()>,
    }

    fn fixture() -> Fixture {
        fixture_with(|segment| segment.word(Word::CompletionTail).load(Ordering::Acquire) != 0)
    }

    /// Its waiter is ready while the completion tail is ahead of the head.
    fn fixture_that_awaits_the_head() -> Fixture {
        fixture_with(|segment| {
            let word = |word| segment.word(word).load(Ordering::Acquire);
            word(Word::CompletionTail) != word(Word::CompletionHead)
        })
    }

    fn fixture_with(ready: impl Fn(&Segment) -> bool + Send + Sync + 'static) -> Fixture {
        fixture_on(Segment::create(Geometry::new(1).unwrap()).unwrap().0, ready)
    }

    fn fixture_on(segment: Segment, ready: impl Fn(&Segment) -> bool + Send + Sync + 'static) -> Fixture {
        let segment = Arc::new(segment);
        let (tell, woken) = mpsc::channel();
        let watched = segment.clone();
        let ready = Arc::new(move || ready(&watched));
        let waiter = Waiter::start(segment.clone(), Word::HostDoorbell, ready, move || {
            let _ = tell.send(());
        })
        .unwrap();
        Fixture { segment, waiter, woken }
    }

    const WATCHDOG: Duration = Duration::from_secs(10);

    #[test]
    fn a_ring_wakes_an_armed_waiter_once() {
        let Fixture { segment, waiter, woken } = fixture();
        for _ in 0..1000 {
            segment.word(Word::CompletionTail).store(0, Ordering::Release);
            assert!(waiter.arm());
            segment.word(Word::CompletionTail).store(1, Ordering::Release);
            ring(segment.word(Word::HostDoorbell), || ());
            woken.recv_timeout(WATCHDOG).unwrap();
            assert!(woken.try_recv().is_err());
        }
    }

    #[test]
    fn arming_with_something_to_do_does_not_sleep() {
        let Fixture { segment, waiter, woken } = fixture();
        segment.word(Word::CompletionTail).store(1, Ordering::Release);
        assert!(!waiter.arm());
        assert!(woken.recv_timeout(Duration::from_millis(20)).is_err());
    }

    #[test]
    fn no_ring_is_lost_between_disarming_and_arming_again() {
        let Fixture { segment, waiter, woken } = fixture();
        for round in 0..5_000 {
            segment.word(Word::CompletionTail).store(0, Ordering::Release);
            assert!(waiter.arm());
            if round % 3 == 0 {
                std::thread::yield_now();
            }
            waiter.disarm();
            assert!(waiter.arm());
            segment.word(Word::CompletionTail).store(1, Ordering::Release);
            ring(segment.word(Word::HostDoorbell), || ());
            woken.recv_timeout(WATCHDOG).expect("a ring was lost");
        }
    }

    #[test]
    fn a_late_ring_does_not_swallow_the_next_one() {
        let Fixture { segment, waiter, woken } = fixture_that_awaits_the_head();
        let (tail, head) = (segment.word(Word::CompletionTail), segment.word(Word::CompletionHead));
        let word = segment.word(Word::HostDoorbell);
        for round in 1..=100 {
            assert!(waiter.arm());
            // The ringer has published, has seen ASLEEP, and is held up before its swap; meanwhile the
            // sleeper finds what there is by itself and goes to sleep again.
            waiter.disarm();
            tail.store(2 * round - 1, Ordering::Release);
            head.store(2 * round - 1, Ordering::Release);
            assert!(waiter.arm());
            std::thread::sleep(Duration::from_millis(1));
            if word.swap(AWAKE, Ordering::SeqCst) == ASLEEP {
                wake_all(word);
            }
            std::thread::sleep(Duration::from_millis(1));
            tail.store(2 * round, Ordering::Release);
            ring(word, || ());
            woken.recv_timeout(WATCHDOG).expect("a ring was lost");
            head.store(2 * round, Ordering::Release);
        }
    }

    /// A waiter that sleeps on memory which is truncated meanwhile.
    fn asleep_on_nothing() -> Fixture {
        let (segment, file) = Segment::create_unsealed(Geometry::new(1).unwrap());
        let fixture =
            fixture_on(segment, |segment| segment.word(Word::CompletionTail).load(Ordering::Acquire) != 0);
        assert!(fixture.waiter.arm());
        std::thread::sleep(Duration::from_millis(50));
        file.set_len(0).unwrap();
        fixture
    }

    #[test]
    fn a_waiter_on_truncated_memory_can_be_dropped_at_once_and_its_thread_ends() {
        let Fixture { segment, waiter, woken } = asleep_on_nothing();
        let started = Instant::now();
        drop(waiter);
        assert!(started.elapsed() < Duration::from_millis(500), "it waited for the thread");
        assert!(segment.lost());
        // The thread has the other end of the channel.
        assert_eq!(woken.recv_timeout(WATCHDOG), Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_sleeping_waiter_notices_that_its_memory_was_truncated() {
        let Fixture { segment, waiter, woken } = asleep_on_nothing();
        woken.recv_timeout(WATCHDOG).expect("it sleeps on");
        assert!(segment.lost());
        assert!(!waiter.arm(), "what is lost is no place to sleep");
    }

    #[test]
    fn a_waiter_that_a_hostile_peer_has_moved_to_another_word_ends() {
        let Fixture { segment, waiter, .. } = fixture();
        assert!(waiter.arm());
        std::thread::sleep(Duration::from_millis(50));
        let elsewhere: &AtomicU32 = Box::leak(Box::default());
        let word = segment.word(Word::HostDoorbell);
        let moved = futex::requeue(word, elsewhere);
        assert_eq!(moved, 1);
        let (tell, dropped) = mpsc::channel();
        std::thread::spawn(move || {
            drop(waiter);
            let _ = tell.send(());
        });
        dropped.recv_timeout(WATCHDOG).expect("it waits for a thread that nobody can wake");
    }

    #[test]
    fn a_waiter_ends_although_a_hostile_peer_keeps_writing_the_word() {
        let Fixture { segment, waiter, .. } = fixture();
        let stop = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while stop.load(Ordering::Relaxed) == 0 {
                    segment.word(Word::HostDoorbell).store(ASLEEP, Ordering::SeqCst);
                }
            });
            let started = Instant::now();
            waiter.arm();
            drop(waiter);
            stop.store(1, Ordering::Relaxed);
            assert!(started.elapsed() < WATCHDOG);
        });
    }
}
