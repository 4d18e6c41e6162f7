//! The doorbell: what a side sleeps on, and the thread that sleeps.
//!
//! ```text
//!   sleeper: word = ASLEEP; fence; anything to do? -> no: futex_wait(word, ASLEEP)
//!   ringer:  publish;       fence; word is ASLEEP? -> swap AWAKE, futex_wake(word)
//! ```
//!
//! The two fences make it certain that either the sleeper sees what was published or the ringer sees that it sleeps.
//! A JavaScript thread never sleeps here itself: its event loop has other things to do. It arms a [`Waiter`], whose
//! thread sleeps in its place and calls it back once. Awake sides cost each other one load per exchange.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::thread::futex;

use super::layout::Word;
use super::segment::Segment;

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// Wakes whoever sleeps on `word`. What it is to find must be published before.
pub fn ring(word: &AtomicU32) {
    fence(Ordering::SeqCst);
    if word.load(Ordering::Relaxed) == ASLEEP && word.swap(AWAKE, Ordering::SeqCst) == ASLEEP {
        wake_all(word);
    }
}

/// Wakes every thread that waits for a change of `word`.
pub fn wake_all(word: &AtomicU32) {
    // A wake on mapped memory cannot fail.
    let _ = futex::wake(word, futex::Flags::empty(), u32::MAX >> 1);
}

/// Waits until `word` is rung or is no longer `value`.
pub fn wait(word: &AtomicU32, value: u32) {
    // An interruption or a changed value is a reason to look again, which every caller does.
    let _ = futex::wait(word, futex::Flags::empty(), value, None);
}

const IDLE: u32 = 0;
const ARMED: u32 = 1;
const QUIT: u32 = 2;

/// A thread that sleeps on a doorbell for a side whose event loop cannot.
///
/// Once armed it calls `wake` once, as soon as `ready` holds, and rests until it is armed again. It wakes for nothing
/// else: at rest it costs no cycles.
pub struct Waiter {
    segment: Arc<Segment>,
    doorbell: Word,
    state: Arc<AtomicU32>,
    ready: Arc<dyn Fn() -> bool + Send + Sync>,
    thread: Option<JoinHandle<()>>,
}

impl Waiter {
    /// Starts the thread. `ready` says whether there is anything to do; `wake` tells the event loop.
    pub fn start(
        segment: Arc<Segment>,
        doorbell: Word,
        ready: Arc<dyn Fn() -> bool + Send + Sync>,
        wake: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let state = Arc::new(AtomicU32::new(IDLE));
        let sleeper = Sleeper { segment: segment.clone(), doorbell, state: state.clone(), ready: ready.clone() };
        let thread = std::thread::Builder::new()
            .name("knitting-wait".into())
            .stack_size(128 * 1024)
            .spawn(move || sleeper.run(wake))?;
        Ok(Self { segment, doorbell, state, ready, thread: Some(thread) })
    }

    /// Puts this side to sleep: true when the thread now watches, false when there is something to do already.
    pub fn arm(&self) -> bool {
        let word = self.segment.word(self.doorbell);
        word.store(ASLEEP, Ordering::SeqCst);
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

    /// This side is awake: nobody needs to ring. The thread may sleep on; it is not called.
    pub fn disarm(&self) {
        let word = self.segment.word(self.doorbell);
        if word.load(Ordering::Relaxed) != AWAKE {
            word.store(AWAKE, Ordering::SeqCst);
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.state.store(QUIT, Ordering::SeqCst);
        wake_all(&self.state);
        // A hostile peer may write ASLEEP again just before the thread looks, so one ring is not enough.
        while !thread.is_finished() {
            let word = self.segment.word(self.doorbell);
            word.store(AWAKE, Ordering::SeqCst);
            wake_all(word);
            std::thread::sleep(Duration::from_micros(50));
        }
        let _ = thread.join();
    }
}

struct Sleeper {
    segment: Arc<Segment>,
    doorbell: Word,
    state: Arc<AtomicU32>,
    ready: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Sleeper {
    fn run(self, wake: impl Fn()) {
        let word = self.segment.word(self.doorbell);
        loop {
            match self.state.load(Ordering::SeqCst) {
                QUIT => return,
                IDLE => wait(&self.state, IDLE),
                _ if (self.ready)() => {
                    // Idle first: the call may lead to the next arming.
                    self.rest();
                    wake();
                }
                _ if word.load(Ordering::SeqCst) == ASLEEP => wait(word, ASLEEP),
                _ => {
                    // Disarmed. If the side went to sleep again in between, its arming found us not idle: go on.
                    self.rest();
                    if word.load(Ordering::SeqCst) == ASLEEP {
                        let _ = self.state.compare_exchange(IDLE, ARMED, Ordering::SeqCst, Ordering::SeqCst);
                    }
                }
            }
        }
    }

    /// Back to idle, unless told to quit.
    fn rest(&self) {
        let _ = self.state.compare_exchange(ARMED, IDLE, Ordering::SeqCst, Ordering::SeqCst);
    }
}

#[cfg(test)]
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
        let segment = Arc::new(Segment::create(Geometry::new(1).unwrap()).unwrap());
        let (tell, woken) = mpsc::channel();
        let watched = segment.clone();
        let ready = Arc::new(move || watched.word(Word::CompletionTail).load(Ordering::Acquire) != 0);
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
            ring(segment.word(Word::HostDoorbell));
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
            ring(segment.word(Word::HostDoorbell));
            woken.recv_timeout(WATCHDOG).expect("a ring was lost");
        }
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
