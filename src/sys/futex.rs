//! Futexes: sleeping on a word of memory until another thread, perhaps of another process, wakes whoever
//! sleeps there. Nix wraps none of this.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::ClockId;
use rustix::thread::futex::{self, Timespec, Wait, WaitFlags, WaitPtr, WaitvFlags};

/// Wakes every thread that sleeps on `word`.
pub fn wake_all(word: &AtomicU32) {
    // A wake on mapped memory cannot fail.
    let _ = futex::wake(word, futex::Flags::empty(), u32::MAX >> 1);
}

/// Sleeps until somebody wakes those who sleep on `word`, at most for `limit`. Returns at once if `word` is
/// not `value`, and for no reason now and then: the caller looks again.
pub fn wait(word: &AtomicU32, value: u32, limit: Option<Duration>) {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    // An interruption, another value and the limit are all reasons to look again.
    let _ = futex::wait(word, futex::Flags::empty(), value, limit.as_ref());
}

/// Sleeps until somebody wakes those who sleep on one of the two words. Returns at once if one of them has
/// another value than the given one, and for no reason now and then. False where the kernel has no such call:
/// before Linux 5.16.
pub fn wait_for_either(words: [(&AtomicU32, u32); 2]) -> bool {
    let entries = words.map(|(word, value)| {
        let mut entry = Wait::new();
        entry.val = value.into();
        entry.uaddr = WaitPtr::new(word.as_ptr().cast());
        entry.flags = WaitFlags::SIZE_U32;
        entry
    });
    let outcome = futex::waitv(&entries, WaitvFlags::empty(), None, ClockId::Monotonic);
    matches!(outcome, Ok(_) | Err(Errno::AGAIN | Errno::INTR))
}

/// Has the kernel take those who sleep on `from` for sleepers on `to`: their number. What only a hostile peer
/// does.
#[cfg(test)]
pub fn requeue(from: &AtomicU32, to: &AtomicU32) -> usize {
    futex::requeue(from, futex::Flags::empty(), 0, u32::MAX >> 1, to).unwrap_or(0)
}
