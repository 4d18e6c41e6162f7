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

use super::doorbell::{Listener, Ready, Waiter, doze, ring};
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

/// What has woken a side that sleeps.
type Woken = Arc<(Mutex<bool>, Condvar)>;

fn wake(woken: &Woken) {
    *woken.0.lock().unwrap() = true;
    woken.1.notify_one();
}

/// Whether something is published that has not been taken.
fn ready(segment: &Arc<Segment>) -> Ready {
    let segment = segment.clone();
    Arc::new(move || {
        let word = |word| segment.word(word).load(Ordering::Acquire);
        word(Word::CompletionTail) != word(Word::CompletionHead)
    })
}

/// A peer that publishes `rings` times, each followed by a ring.
fn peer(segment: &Arc<Segment>, rings: u32, bell: impl Fn() + 'static) -> thread::JoinHandle<()> {
    let segment = segment.clone();
    thread::spawn(move || {
        for number in 1..=rings {
            segment.word(Word::CompletionTail).store(number, Ordering::Release);
            ring(segment.word(Word::HostDoorbell), &bell);
        }
    })
}

/// A side that sleeps until it has seen `rings` publications. It also finds them without being woken, as an
/// exchange does: then the ring for what it has found comes late.
fn see_all(segment: &Segment, rings: u32, woken: &Woken, arm: impl Fn() -> bool, disarm: impl Fn()) {
    let mut seen = 0;
    while seen < rings {
        let published = segment.word(Word::CompletionTail).load(Ordering::Acquire);
        if published != seen {
            seen = published;
            segment.word(Word::CompletionHead).store(seen, Ordering::Release);
        } else if arm() {
            // Loom fails here, as a deadlock, if the wake-up is lost.
            let mut woken_now = woken.0.lock().unwrap();
            while !*woken_now {
                woken_now = woken.1.wait(woken_now).unwrap();
            }
            *woken_now = false;
            drop(woken_now);
            disarm();
        }
    }
}

/// A side with a waiter hears each ring.
fn every_ring_is_heard(rings: u32) {
    let segment = Arc::new(Segment::fresh());
    let woken = Woken::default();
    let by_thread = woken.clone();
    let waiter =
        Waiter::start(segment.clone(), Word::HostDoorbell, ready(&segment), move || wake(&by_thread))
            .unwrap();
    let peer = peer(&segment, rings, || ());
    see_all(&segment, rings, &woken, || waiter.arm(), || waiter.disarm());
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

/// A side with a bell hears each ring.
fn every_bell_is_heard(rings: u32) {
    let segment = Arc::new(Segment::fresh());
    let woken = Woken::default();
    let by_bell = woken.clone();
    let listener = Listener::new(segment.clone(), Word::HostDoorbell, ready(&segment), Arc::default());
    let peer = peer(&segment, rings, move || wake(&by_bell));
    see_all(&segment, rings, &woken, || listener.arm(), || listener.disarm());
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
    let peer = peer(&segment, rings, || ());
    let mut seen = 0;
    while seen < rings {
        let published = || segment.word(Word::CompletionTail).load(Ordering::Acquire);
        doze(segment.word(Word::HostDoorbell), || published() != seen, Duration::ZERO);
        seen = published();
    }
    peer.join().unwrap();
}

#[test]
fn who_dozes_is_woken() {
    check(|| every_ring_wakes_who_dozes(2));
}
