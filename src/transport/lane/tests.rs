use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::end::End;
use super::{HostLane, LaneEnd, WorkerLane};
use crate::transport::arena::Reserve;
use crate::transport::layout::{
    FLAG_ARENA, FLAG_FETCH, FLAG_NOT_RUN, FLAG_REJECTED, Geometry, INBOX_PAYLOAD_BYTES, INLINE_BYTES, Inline,
    Kind, MAX_CALLS, NO_CALL, RING_SLOTS, Role, STAGING_IN_AT, STAGING_OUT_AT, STREAM_UNIT_BYTES,
    STREAM_WINDOW, Slot, StagingWord, Word,
};
use crate::transport::segment::Segment;
use crate::transport::staging::Staging;
use crate::transport::violation::Violation;

const CHUNKS: usize = 64;

pub(super) fn lane() -> (HostLane, WorkerLane) {
    let (mut host, mut worker) = booting_lane();
    worker.send(&[Slot { call: NO_CALL, kind: Kind::Ready as u8, ..Slot::default() }]);
    assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
    (host, worker)
}

fn booting_lane() -> (HostLane, WorkerLane) {
    let (segment, descriptor) = Segment::create(Geometry::new(CHUNKS * 64 * 1024).unwrap()).unwrap();
    let again = Segment::open(descriptor.into(), segment.identity()).unwrap();
    (HostLane::new(Arc::new(segment)), WorkerLane::new(Arc::new(again)))
}

pub(super) fn number(call: u32, generation: u32, value: f64) -> Slot {
    let mut inline = Inline::default();
    inline.0[..8].copy_from_slice(&value.to_le_bytes());
    Slot { call, generation, kind: Kind::Number as u8, length: 8, inline, ..Slot::default() }
}

pub(super) fn stage(staging: &Staging, slots: &[Slot]) -> u32 {
    for (index, slot) in slots.iter().enumerate() {
        let at = STAGING_OUT_AT + index * size_of::<Slot>();
        // SAFETY: inside staging; this is what JavaScript does.
        unsafe { staging.memory().add(at).cast::<Slot>().write(*slot) };
    }
    slots.len() as u32
}

pub(super) fn arrived(staging: &Staging, index: usize) -> Slot {
    let at = STAGING_IN_AT + index * size_of::<Slot>();
    // SAFETY: inside staging.
    unsafe { staging.memory().add(at).cast::<Slot>().read() }
}

impl WorkerLane {
    pub(super) fn send(&mut self, slots: &[Slot]) -> u32 {
        let staged = stage(&self.end.staging, slots);
        self.exchange(staged, Duration::ZERO).unwrap()
    }

    /// What the worker's JavaScript does before it enters a task.
    pub(super) fn mark_started(&self, sequence: u32) {
        self.segment().word(Word::SubmissionHead).store(sequence, Ordering::Release);
    }
}

impl HostLane {
    pub(super) fn send(&mut self, slots: &[Slot]) -> Result<u32, Violation> {
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
fn a_call_that_is_only_published_arrives_and_its_answer_waits_for_the_exchange() {
    let (mut host, mut worker) = lane();
    let staged = stage(host.staging(), &[number(0, 1, 1.5)]);
    host.publish(staged).unwrap();
    assert_eq!(host.end.staging.word(StagingWord::Room), RING_SLOTS as u32 - 1);
    assert_eq!(worker.exchange(0, Duration::ZERO), Ok(1));
    assert_eq!(arrived(worker.staging(), 0), number(0, 1, 1.5));
    worker.mark_started(1);
    worker.send(&[number(0, 1, 2.5)]);
    host.publish(stage(host.staging(), &[number(1, 1, 3.5)])).unwrap();
    assert_eq!(host.exchange(0, Duration::ZERO), Ok(1));
    assert_eq!(arrived(host.staging(), 0), number(0, 1, 2.5));
    assert_eq!(worker.exchange(0, Duration::ZERO), Ok(1));
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
    let copy =
        unsafe { std::slice::from_raw_parts(host.end.staging.inbox(arrived.offset as usize).as_ptr(), 1000) };
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
    host.send(&[Slot { call: 0, generation: 1, kind, flags, length, offset, ..Slot::default() }]).unwrap();
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
        (Slot { kind: Kind::Fatal as u8, ..honest }, Violation::UnknownCall),
        (Slot { call: NO_CALL, kind: Kind::Fatal as u8, ..honest }, Violation::UnknownCall),
        (Slot { flags: FLAG_NOT_RUN | Role::Item as u8, ..honest }, Violation::UnknownKind),
        (Slot { kind: 0, ..honest }, Violation::UnknownKind),
        (Slot { kind: 200, ..honest }, Violation::UnknownKind),
        (Slot { flags: FLAG_FETCH, ..honest }, Violation::UnknownKind),
        (Slot { flags: FLAG_ARENA, ..honest }, Violation::OutOfRange),
        (Slot { kind: Kind::Inline as u8, length: INLINE_BYTES as u32 + 1, ..honest }, Violation::OutOfRange),
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

/// A lane whose first call has been sent with an argument in that role, and what the host makes of what the
/// worker sends.
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
        assert_eq!(after(Role::Stream, &[acting(Role::Credit, asked)]), Err(Violation::Credit), "{asked}");
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
        (Slot { flags: FLAG_REJECTED | Role::Progress as u8, ..number(0, 1, 0.0) }, Violation::UnknownKind),
        (Slot { generation: 2, ..acting(Role::Progress, 0.0) }, Violation::UnknownCall),
        (Slot { call: 1, ..acting(Role::Stream, 0.0) }, Violation::UnknownCall),
        (Slot { call: NO_CALL, ..acting(Role::Progress, 0.0) }, Violation::UnknownCall),
        (Slot { call: NO_CALL, kind: Kind::Ready as u8, ..acting(Role::Item, 0.0) }, Violation::UnknownCall),
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
    host.send(&[number(33, 1, 0.0)]).unwrap();
    worker.exchange(0, Duration::ZERO).unwrap();
    host.abort(33);
    host.abort(33);
    host.abort(MAX_CALLS as u32);
    assert!(bit_of(&worker.end, 33) && !bit_of(&worker.end, 32) && !bit_of(&worker.end, 34));
    assert_eq!(worker.end.segment.word(Word::Aborts).load(Ordering::Acquire), 1);
    worker.send(&[number(33, 1, 1.0)]);
    host.exchange(0, Duration::ZERO).unwrap();
    assert!(!bit_of(&worker.end, 33));
}

#[test]
fn a_staged_call_can_be_aborted_before_it_is_sent() {
    let (mut host, mut worker) = lane();
    host.abort(5);
    host.send(&[number(5, 1, 0.0)]).unwrap();
    worker.exchange(0, Duration::ZERO).unwrap();
    let is_set = |end: &End| {
        let (word, bit) = end.segment.abort_bit(5);
        word.load(Ordering::Acquire) & bit != 0
    };
    assert!(is_set(&worker.end));
    worker.send(&[number(5, 1, 1.0)]);
    host.exchange(0, Duration::ZERO).unwrap();
    assert!(!is_set(&worker.end));
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
fn truncatable_lane() -> (HostLane, WorkerLane, File) {
    let (segment, file) = Segment::create_unsealed(Geometry::new(CHUNKS * 64 * 1024).unwrap());
    let again = Segment::open(file.try_clone().unwrap(), segment.identity()).unwrap();
    let (mut host, mut worker) = (HostLane::new(Arc::new(segment)), WorkerLane::new(Arc::new(again)));
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
fn answer(worker: &mut WorkerLane, bytes: usize) -> u32 {
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
    assert!(matches!(host.reserve(10), Err(Reserve::Full)));
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
    assert!(matches!(host.reserve(1_000_000), Err(Reserve::Full)));

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
    let mut worker = WorkerLane::new(Arc::new(again.guarded().unwrap()));
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
