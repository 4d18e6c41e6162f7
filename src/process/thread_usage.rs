//! What the host knows of a worker thread of its own: shared between the two, because a thread of this process
//! needs no lane for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use nix::unistd::{Pid, gettid};

/// What a worker thread tells of itself. Each is 0 until it is known.
#[derive(Debug, Default)]
pub struct ThreadUsage {
    thread: AtomicI32,
    shared: AtomicU64,
    memory: AtomicU64,
    heap_limit: AtomicU64,
}

/// Bytes of shared memory that a thread's JavaScript sees as an ArrayBuffer. The engine counts them as the
/// thread's own until the buffer is collected.
#[derive(Debug)]
pub struct SharedBytes(Arc<ThreadUsage>, u64);

impl ThreadUsage {
    /// Notes that the calling thread is the one.
    pub fn begin(&self) {
        self.thread.store(gettid().as_raw(), Ordering::Relaxed);
    }

    /// The thread's id, once it has begun.
    pub fn thread(&self) -> Option<Pid> {
        known(&self.thread.load(Ordering::Relaxed)).map(Pid::from_raw)
    }

    /// Counts shared memory that the thread's JavaScript sees, as long as what is returned lives.
    pub fn count_shared(self: &Arc<Self>, bytes: usize) -> SharedBytes {
        self.shared.fetch_add(bytes as u64, Ordering::Relaxed);
        SharedBytes(self.clone(), bytes as u64)
    }

    /// Bytes of shared memory that the thread's JavaScript sees.
    pub fn shared(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }

    /// Notes how many bytes of memory the thread uses, as it says itself, with the shared memory that it sees.
    pub fn report_memory(&self, bytes: u64) {
        self.memory.store(bytes.saturating_sub(self.shared()).max(1), Ordering::Relaxed);
    }

    /// The bytes of memory that the thread uses, as it has said last.
    pub fn memory(&self) -> Option<u64> {
        known(&self.memory.load(Ordering::Relaxed))
    }

    /// Notes that the thread's heap may grow to so many bytes, and that nobody has asked for so many.
    pub fn report_heap_limit(&self, bytes: u64) {
        self.heap_limit.store(bytes, Ordering::Relaxed);
    }

    /// The bytes to which the thread's heap may grow, if nobody has asked for so many.
    pub fn heap_limit(&self) -> Option<u64> {
        known(&self.heap_limit.load(Ordering::Relaxed))
    }
}

fn known<T: Default + PartialEq + Copy>(value: &T) -> Option<T> {
    (*value != T::default()).then_some(*value)
}

impl Drop for SharedBytes {
    fn drop(&mut self) {
        self.0.shared.fetch_sub(self.1, Ordering::Relaxed);
    }
}
