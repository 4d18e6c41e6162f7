//! How the memory of a lane gets to a worker thread: by a token that is good for one.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ear::ThreadBells;
use crate::process::handover::Shelf;
use crate::process::thread_output::ThreadOutput;
use crate::process::thread_usage::ThreadUsage;
use crate::transport::segment::Identity;

/// What waits for a thread.
pub struct ThreadMemory {
    /// The descriptor of its segment.
    pub descriptor: OwnedFd,
    /// Which segment that is.
    pub identity: Identity,
    /// The shelf for further memory.
    pub shelf: Shelf,
    /// What the thread writes to.
    pub output: ThreadOutput,
    /// What it tells of itself.
    pub usage: Arc<ThreadUsage>,
    /// How it and its host wake each other, if not by threads.
    pub bells: Option<Arc<ThreadBells>>,
}

static WAITING: Mutex<BTreeMap<u32, ThreadMemory>> = Mutex::new(BTreeMap::new());
static NEXT_TOKEN: AtomicU32 = AtomicU32::new(1);

/// Keeps a segment for the thread that comes with the returned token.
pub fn issue(memory: ThreadMemory) -> u32 {
    let token = NEXT_TOKEN.fetch_add(1, Ordering::Relaxed);
    waiting().insert(token, memory);
    token
}

/// The segment that waits for this token, which is good for nothing afterwards.
pub fn redeem(token: u32) -> Option<ThreadMemory> {
    waiting().remove(&token)
}

/// Drops the segment that waits for this token, if it still does: the thread has ended.
pub fn revoke(token: u32) {
    drop(redeem(token));
}

fn waiting() -> MutexGuard<'static, BTreeMap<u32, ThreadMemory>> {
    // Nothing panics while the lock is held, and a map is whole between any two operations.
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}
