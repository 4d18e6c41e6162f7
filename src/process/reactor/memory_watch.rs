//! The limit of a worker's memory: looked at from time to time, by the reactor alone, so that it holds while
//! the host's JavaScript is busy.
//!
//! ```text
//!   ready      the first look; the kernel gets a bound as well: what the worker may write to now, and 1.5 limits
//!   over       told once; the host has the worker finish its calls and replaces it. Looks are more frequent
//!   far over   1.5 limits are exceeded, or will be by the next look: told, and killed at once
//! ```
//!
//! What has grown by garbage shrinks again, so the growth until the next look counts and no more.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::command::MemoryLimit;
use crate::process::usage::{Family, Groups, memory_of};
use crate::sys::data_limit::bound_data;

/// How much more than the limit makes the worker be killed, as a fraction.
const FAR: (u64, u64) = (3, 2);

/// How much more often a worker is looked at that is over its limit.
const HASTE: u32 = 8;

/// Looks are made at multiples of their interval from here on, so that those of several workers fall together.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A worker whose memory is watched.
#[derive(Debug)]
pub struct MemoryWatch {
    limit: MemoryLimit,
    family: Family,
    /// When to look next.
    pub look_at: Instant,
    /// What was seen last, in bytes, and when.
    last: (u64, Instant),
    told: bool,
}

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing that anybody has to know.
    Fine,
    /// The worker uses so many bytes, more than it may.
    Over(u64),
    /// The worker uses so many bytes and must be killed.
    Far(u64),
}

/// The bytes from which on a worker with a limit of `limit` bytes is far over it.
fn far(limit: u64) -> u64 {
    limit.saturating_mul(FAR.0) / FAR.1
}

impl MemoryWatch {
    /// Begins to watch a worker, and bounds its memory. Returns how many bytes it uses. `None` if it can't be
    /// seen.
    pub fn begin(limit: MemoryLimit, family: Family) -> Option<(Self, u64)> {
        let memory = family.memory(&mut Groups::default())?;
        if let Some(bound) = limit.bound {
            // Not allowed for a process of another user, which is watched alone.
            let data = memory_of(family.worker)?.data.saturating_add(far(limit.bytes));
            let _ = bound_data(family.worker, data, bound);
        }
        let last = (memory, Instant::now());
        let watch = Self { limit, family, look_at: next_look(limit.every), last, told: false };
        Some((watch, memory))
    }

    /// Looks at the worker.
    pub fn look(&mut self, groups: &mut Groups) -> Look {
        self.look_at = next_look(self.limit.every);
        let Some(memory) = self.family.memory(groups) else { return Look::Fine };
        let now = Instant::now();
        let (before, then) = std::mem::replace(&mut self.last, (memory, now));
        if memory <= self.limit.bytes {
            return Look::Fine;
        }
        let hasty = self.limit.every / HASTE;
        self.look_at = now + hasty;
        let growth = memory.saturating_sub(before) as f64 / (now - then).as_secs_f64() * hasty.as_secs_f64();
        if memory.saturating_add(growth as u64) > far(self.limit.bytes) {
            Look::Far(memory)
        } else if std::mem::replace(&mut self.told, true) {
            Look::Fine
        } else {
            Look::Over(memory)
        }
    }
}

/// The next multiple of `every`.
fn next_look(every: Duration) -> Instant {
    let every = every.as_nanos().max(1);
    let passed = EPOCH.elapsed().as_nanos();
    let next = (passed / every + 1) * every;
    *EPOCH + Duration::from_nanos(u64::try_from(next).unwrap_or(u64::MAX))
}
