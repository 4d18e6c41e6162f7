//! A lane: the two ends of a segment.
//!
//! ```text
//!   exchange(staged, spin):
//!     1. hand back what the last exchange brought            (host: completion head)
//!     2. publish the staged slots, charge their payloads, ring the other side
//!     3. take note of what the other side has finished with  (room, arena chunks)
//!     4. bring what arrived into staging; with nothing there, spin for a while
//! ```
//!
//! The host end believes nothing. It copies a slot, checks the copy against its own account of the calls in
//! flight, copies the payload, and asks last whether the memory was still there while it read (see
//! [`super::sigbus`]). The worker end trusts its host. The slots that one exchange publishes are released by
//! a later one, and their payloads may be read until then.

mod accounts;
mod end;
mod host;
mod spin;
mod worker;

#[cfg(test)]
mod claim_tests;
#[cfg(test)]
mod tests;

pub use end::LaneEnd;
pub use host::HostLane;
pub use spin::MAX_WORKER_SPIN;
pub use worker::WorkerLane;
