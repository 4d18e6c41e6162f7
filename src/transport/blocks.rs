//! The warm pool: private memory for large payloads on their way to JavaScript.
//!
//! A payload is copied out of the arena into a block, JavaScript gets the block as an external ArrayBuffer,
//! and the buffer's finalizer recycles the block. Blocks come in powers of two, so the next payload of about
//! that size finds one whose pages are there already: touching a fresh page costs far more than copying into
//! a warm one. Blocks that stay unused are dropped.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const SMALLEST_BYTES: usize = 64 * 1024;
/// The most bytes that wait in the pool.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// How long a block may wait unused.
const IDLE: Duration = Duration::from_secs(5);

struct Cached {
    block: Vec<u8>,
    since: Instant,
}

static CACHE: Mutex<Vec<Cached>> = Mutex::new(Vec::new());

/// An empty block with room for `bytes`, warm if there is one. An error if the system has no memory for it.
pub fn take(bytes: usize) -> io::Result<Vec<u8>> {
    let class = class(bytes);
    let mut cache = lock();
    // Last in, first out: the warmest block is at the end.
    if let Some(index) = cache.iter().rposition(|cached| cached.block.capacity() == class) {
        return Ok(cache.remove(index).block);
    }
    drop(cache);
    let mut block = Vec::new();
    block.try_reserve_exact(class).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    Ok(block)
}

/// Takes a block back into the pool, or drops it if the pool is full.
pub fn recycle(mut block: Vec<u8>) {
    block.clear();
    if block.capacity() != class(block.capacity()) || block.capacity() > CACHE_BYTES {
        return;
    }
    let mut cache = lock();
    cache.push(Cached { block, since: Instant::now() });
    let mut bytes: usize = cache.iter().map(|cached| cached.block.capacity()).sum();
    while bytes > CACHE_BYTES {
        bytes -= cache.remove(0).block.capacity();
    }
}

/// Drops blocks that nobody has used for a while. True if any are left.
pub fn trim() -> bool {
    let mut cache = lock();
    cache.retain(|cached| cached.since.elapsed() < IDLE);
    !cache.is_empty()
}

fn class(bytes: usize) -> usize {
    bytes.max(SMALLEST_BYTES).next_power_of_two()
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Cached>> {
    // Nothing panics while the lock is held, and a list of blocks is whole between any two operations.
    CACHE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: the cache is global to the process.
    #[test]
    fn blocks_come_back_warm_and_the_cache_is_bounded() {
        let mut block = take(3_000_000).unwrap();
        assert!(block.capacity() >= 3_000_000);
        block.extend_from_slice(b"warm");
        let place = block.as_ptr();
        recycle(block);
        let again = take(2_500_000).unwrap();
        assert_eq!(again.as_ptr(), place);
        assert!(again.is_empty());
        let many: Vec<_> = (0..20).map(|_| take(8 * 1024 * 1024).unwrap()).collect();
        many.into_iter().for_each(recycle);
        assert!(lock().iter().map(|cached| cached.block.capacity()).sum::<usize>() <= CACHE_BYTES);
        recycle(take(2 * CACHE_BYTES).unwrap());
        assert!(trim());
        assert!(take(usize::MAX / 4).is_err());
        lock().iter_mut().for_each(|cached| cached.since -= IDLE);
        assert!(!trim());
    }
}
