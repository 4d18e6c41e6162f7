//! How the memory of a lane gets to a worker thread: by a token that is good for one.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::process::handover::Shelf;
use crate::process::thread_output::ThreadOutput;
use crate::process::thread_usage::ThreadUsage;
use crate::transport::segment::Identity;

/// A segment that waits to be opened: its descriptor, its identity, the shelf for further memory, what the
/// thread writes to, and what it tells of itself.
pub type ThreadMemory = (OwnedFd, Identity, Shelf, ThreadOutput, Arc<ThreadUsage>);

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
