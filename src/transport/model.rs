//! The ring and the doorbell under loom, which tries every order of their steps that three preemptions allow,
//! and every value that a load may give:
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test --release --lib --target-dir target/loom
//! ```

use std::sync::Arc;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::doorbell::{Listener, Waiter, doze, ring};
use super::layout::{Slot, Word};
use super::ring::{Consumer, Producer};
use super::segment::Segment;
use super::sync::Ordering;

/// Runs `model` in every order.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn numbered(call: u32) -> Slot {
    let mut slot = Slot { call, generation: !call, length: call, offset: !call, ..Slot::default() };
    slot.inline.0.fill(call as u8);
    slot
}

/// A producer and a consumer of `count` slots, who put two on the way at once where there is room.
fn slots_arrive(count: u32) {
    let segment = Arc::new(Segment::fresh());
    let (tail, head) = (Word::SubmissionTail, Word::SubmissionHead);
    let mut producer = Producer::new(segment.clone(), 0, tail, head);
    let mut consumer = Consumer::new(segment, 0, tail, head);
    let sending = thread::spawn(move || {
        while producer.tail() < count {
            producer.release().unwrap();
            if producer.room() == 0 {
                thread::yield_now();
                continue;
            }
            while producer.room() > 0 && producer.tail() < count {
                producer.write(&numbered(producer.tail() + 1));
            }
            producer.publish();
        }
    });
    let mut next = 1;
    while next <= count {
        let available = consumer.available().unwrap();
        for _ in 0..available {
            assert_eq!(consumer.peek(), numbered(next), "a slot is lost or torn");
            consumer.advance();
            next += 1;
        }
        consumer.release();
        if available == 0 {
            thread::yield_now();
        }
    }
    sending.join().unwrap();
}

#[test]
fn no_slot_is_lost_or_torn() {
    check(|| slots_arrive(2));
}

#[test]
fn no_slot_is_lost_or_torn_where_the_ring_goes_round() {
    check(|| slots_arrive(3));
}

/// A side that sleeps by a waiter until it has seen `rings` publications, each followed by a ring. It also
/// finds them without being woken, as an exchange does: then the ring for what it has found comes late.
fn every_ring_is_heard(rings: u32) {
    let segment = Arc::new(Segment::fresh());
    let (tail, head) = (Word::CompletionTail, Word::CompletionHead);
    let woken = Arc::new((Mutex::new(false), Condvar::new()));
    let ready = {
        let segment = segment.clone();
        move || {
            let word = |word| segment.word(word).load(Ordering::Acquire);
            word(tail) != word(head)
        }
    };
    let wake = {
        let woken = woken.clone();
        move || {
            *woken.0.lock().unwrap() = true;
            woken.1.notify_one();
        }
    };
    let waiter = Waiter::start(segment.clone(), Word::HostDoorbell, Arc::new(ready), wake).unwrap();
    let peer = {
        let segment = segment.clone();
        thread::spawn(move || {
            for number in 1..=rings {
                segment.word(tail).store(number, Ordering::Release);
                ring(segment.word(Word::HostDoorbell), || ());
            }
        })
    };
    let mut seen = 0;
    while seen < rings {
        let published = segment.word(tail).load(Ordering::Acquire);
        if published != seen {
            seen = published;
            segment.word(head).store(seen, Ordering::Release);
        } else if waiter.arm() {
            // Loom fails here, as a deadlock, if the wake-up is lost.
            let mut woken_now = woken.0.lock().unwrap();
            while !*woken_now {
                woken_now = woken.1.wait(woken_now).unwrap();
            }
            *woken_now = false;
            drop(woken_now);
            waiter.disarm();
        }
    }
    peer.join().unwrap();
}

#[test]
fn a_ring_is_heard() {
    check(|| every_ring_is_heard(1));
}

#[test]
fn a_late_ring_does_not_swallow_the_next_one() {
    check(|| every_ring_is_heard(2));
}

/// A side that is woken by its bell until it has seen `rings` publications. In between it finds them by itself.
fn every_bell_is_heard(rings: u32) {
    let segment = Arc::new(Segment::fresh());
    let (tail, head) = (Word::CompletionTail, Word::CompletionHead);
    let rung = Arc::new((Mutex::new(false), Condvar::new()));
    let ready = {
        let segment = segment.clone();
        move || {
            let word = |word| segment.word(word).load(Ordering::Acquire);
            word(tail) != word(head)
        }
    };
    let listener = Listener::new(segment.clone(), Word::HostDoorbell, Arc::new(ready), Arc::default());
    let peer = {
        let (segment, rung) = (segment.clone(), rung.clone());
        thread::spawn(move || {
            for number in 1..=rings {
                segment.word(tail).store(number, Ordering::Release);
                ring(segment.word(Word::HostDoorbell), || {
                    *rung.0.lock().unwrap() = true;
                    rung.1.notify_one();
                });
            }
        })
    };
    let mut seen = 0;
    while seen < rings {
        let published = segment.word(tail).load(Ordering::Acquire);
        if published != seen {
            seen = published;
            segment.word(head).store(seen, Ordering::Release);
        } else if listener.arm() {
            let mut rung_now = rung.0.lock().unwrap();
            while !*rung_now {
                rung_now = rung.1.wait(rung_now).unwrap();
            }
            *rung_now = false;
            drop(rung_now);
            listener.disarm();
        }
    }
    peer.join().unwrap();
}

#[test]
fn a_bell_is_heard() {
    check(|| every_bell_is_heard(1));
}

#[test]
fn a_late_bell_does_not_swallow_the_next_one() {
    check(|| every_bell_is_heard(2));
}

/// A side that sleeps on its doorbell itself until it has seen `rings` publications.
fn every_ring_wakes_who_dozes(rings: u32) {
    let segment = Arc::new(Segment::fresh());
    let tail = Word::CompletionTail;
    let peer = {
        let segment = segment.clone();
        thread::spawn(move || {
            for number in 1..=rings {
                segment.word(tail).store(number, Ordering::Release);
                ring(segment.word(Word::HostDoorbell), || ());
            }
        })
    };
    let mut seen = 0;
    while seen < rings {
        let published = || segment.word(tail).load(Ordering::Acquire);
        doze(segment.word(Word::HostDoorbell), || published() != seen, Duration::ZERO);
        seen = published();
    }
    peer.join().unwrap();
}

#[test]
fn who_dozes_is_woken() {
    check(|| every_ring_wakes_who_dozes(2));
}
