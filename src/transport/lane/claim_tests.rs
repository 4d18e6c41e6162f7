//! Calls that the host takes back, because their worker has not begun them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::tests::{arrived, lane, number, stage};
use super::{HostLane, LaneEnd, WorkerLane};
use crate::transport::layout::{FLAG_ARENA, FLAG_CLAIM, Kind, RING_SLOTS, Slot, StagingWord, Word};
use crate::transport::violation::Violation;

fn claimable(call: u32, value: f64) -> Slot {
    Slot { flags: FLAG_CLAIM, ..number(call, 1, value) }
}

impl WorkerLane {
    /// What the worker's JavaScript does before it looks at a call that has arrived, with this slot.
    fn claim(&self, sequence: u32, slot: &Slot) -> bool {
        self.end.into.claim(sequence, slot)
    }
}

/// Takes back a call that can be taken back.
fn taken(host: &mut HostLane, sequence: u32) -> Option<f64> {
    let (slot, payload) = host.take_back(sequence).unwrap()?;
    assert_eq!(slot.kind, Kind::Number as u8);
    Some(f64::from_le_bytes(payload.try_into().unwrap()))
}

#[test]
fn a_call_is_the_hosts_or_the_workers() {
    let (mut host, mut worker) = lane();
    host.send(&[claimable(0, 10.0), claimable(1, 11.0), claimable(2, 12.0)]).unwrap();
    assert_eq!(worker.exchange(0, Duration::ZERO), Ok(3));
    assert_eq!(taken(&mut host, 1), Some(11.0));
    assert_eq!(taken(&mut host, 1), None, "it is taken once");
    let slots = [0, 1, 2].map(|index| arrived(worker.staging(), index));
    assert!(worker.claim(0, &slots[0]));
    assert!(!worker.claim(0, &slots[0]), "it is claimed once");
    assert_eq!(taken(&mut host, 0), None);
    assert!(!worker.claim(1, &slots[1]));
    assert!(worker.claim(2, &slots[2]));
    worker.mark_started(3);
    worker.send(&[number(0, 1, 0.0), number(2, 1, 0.0)]);
    assert_eq!(host.exchange(0, Duration::ZERO), Ok(2));
    assert_eq!(taken(&mut host, 2), None, "it has been started");
    assert_eq!(host.end.staging.word(StagingWord::Started), 3);
}

#[test]
fn a_worker_sees_what_was_taken_back_before_it_has_looked() {
    let (mut host, mut worker) = lane();
    host.send(&[claimable(0, 10.0)]).unwrap();
    assert_eq!(taken(&mut host, 0), Some(10.0));
    assert_eq!(worker.exchange(0, Duration::ZERO), Ok(1));
    let slot = arrived(worker.staging(), 0);
    assert_eq!((slot.kind, slot.flags), (0, FLAG_CLAIM));
}

#[test]
fn a_call_that_need_not_be_claimed_stays() {
    let (mut host, _worker) = lane();
    host.send(&[number(0, 1, 1.0)]).unwrap();
    assert_eq!(taken(&mut host, 0), None);
    assert_eq!(taken(&mut host, 1), None, "it was never sent");
    assert_eq!(taken(&mut host, u32::MAX), None);
}

#[test]
fn a_payload_comes_back_and_its_room_is_free_once_the_worker_has_passed_it() {
    let (mut host, mut worker) = lane();
    let offset = host.reserve(100_000).unwrap();
    let (at, _) = host.window();
    // SAFETY: reserved above.
    unsafe { host.segment().at(at + offset).write_bytes(0x42, 100_000) };
    let slot = Slot {
        call: 0,
        generation: 1,
        kind: Kind::Encoded as u8,
        flags: FLAG_ARENA | FLAG_CLAIM,
        length: 100_000,
        offset: offset as u32,
        ..Slot::default()
    };
    host.send(&[slot]).unwrap();
    let (_, payload) = host.take_back(0).unwrap().unwrap();
    assert!(payload.len() == 100_000 && payload.iter().all(|&byte| byte == 0x42));
    assert!(host.end.arena.in_use());
    worker.exchange(0, Duration::ZERO).unwrap();
    worker.mark_started(1);
    host.exchange(0, Duration::ZERO).unwrap();
    assert!(!host.end.arena.in_use());
}

#[test]
fn a_late_answer_of_a_call_that_was_taken_back_is_no_violation_and_is_not_passed_on() {
    let (mut host, mut worker) = lane();
    host.send(&[claimable(0, 1.0), claimable(1, 2.0)]).unwrap();
    worker.exchange(0, Duration::ZERO).unwrap();
    assert_eq!(taken(&mut host, 0), Some(1.0));
    // The id is used again.
    host.send(&[Slot { generation: 2, ..claimable(0, 3.0) }]).unwrap();
    worker.send(&[number(0, 1, 9.0), number(1, 1, 4.0), number(0, 2, 6.0)]);
    assert_eq!(host.exchange(0, Duration::ZERO), Ok(2));
    assert_eq!((arrived(host.staging(), 0).call, arrived(host.staging(), 1).call), (1, 0));
    worker.send(&[number(1, 1, 4.0)]);
    assert_eq!(host.exchange(0, Duration::ZERO), Err(Violation::UnknownCall), "a second answer is one");
}

#[test]
fn an_abort_is_forgotten_with_the_call() {
    let (mut host, _worker) = lane();
    host.send(&[claimable(7, 1.0)]).unwrap();
    host.abort(7);
    let bit = |host: &HostLane| {
        let (word, bit) = host.segment().abort_bit(7);
        word.load(Ordering::Relaxed) & bit
    };
    assert_ne!(bit(&host), 0);
    assert_eq!(taken(&mut host, 0), Some(1.0));
    assert_eq!(bit(&host), 0, "the id's next call is not aborted");
}

#[test]
fn each_call_is_run_once_while_both_sides_reach_for_it() {
    const LAPS: u32 = 40;
    let (mut host, mut worker) = lane();
    let calls = LAPS * RING_SLOTS as u32;
    let (claimed, taken_back) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 0;
            while next < calls {
                let count = worker.exchange(0, Duration::ZERO).unwrap();
                let mut answers = Vec::new();
                for index in 0..count as usize {
                    let slot = arrived(worker.staging(), index);
                    if slot.kind != 0 && worker.claim(next, &slot) {
                        claimed.fetch_add(1, Ordering::Relaxed);
                        answers.push(number(slot.call, 1 + next / RING_SLOTS as u32, 0.0));
                    }
                    next += 1;
                    worker.mark_started(next);
                }
                let staged = stage(worker.staging(), &answers);
                worker.publish(staged).unwrap();
            }
        });
        let mut sent = 0;
        let mut outstanding = 0;
        while sent < calls || outstanding > 0 {
            outstanding -= host.exchange(0, Duration::ZERO).unwrap();
            if outstanding > 0 || sent == calls {
                continue;
            }
            let lap = 1 + sent / RING_SLOTS as u32;
            let slots: Vec<_> = (0..RING_SLOTS as u32)
                .map(|call| Slot { generation: lap, ..claimable(call, f64::from(call)) })
                .collect();
            outstanding = RING_SLOTS as u32;
            outstanding -= host.send(&slots).unwrap();
            for call in (0..RING_SLOTS as u32).rev() {
                if let Some(value) = taken(&mut host, sent + call) {
                    assert!((value - f64::from(call)).abs() < f64::EPSILON);
                    taken_back.fetch_add(1, Ordering::Relaxed);
                    outstanding -= 1;
                }
            }
            sent += RING_SLOTS as u32;
            // The ring has room again once the worker has passed what was taken back.
            while host.segment().word(Word::SubmissionHead).load(Ordering::Acquire) != sent {
                outstanding -= host.exchange(0, Duration::ZERO).unwrap();
            }
        }
    });
    assert_eq!(claimed.into_inner() + taken_back.into_inner(), calls);
}
