//! The shared-memory transport.
//!
//! ```text
//!   host end                      segment                       worker end
//!   staging --publish--> submission ring + arena  --receive--> staging
//!   staging <--receive-- completion ring + arena  <--publish-- staging
//!                 (sleep)  host doorbell | worker doorbell  (sleep)
//! ```
//!
//! One [`segment`] per worker, laid out by [`layout`]. Each direction is a [`ring`] of slots and an [`arena`]
//! for what does not fit a slot. A side that has nothing to do sleeps on its [`doorbell`]. [`lane`] puts
//! these together into the two ends, and [`sigbus`] has the host outlive a segment that goes away. JavaScript
//! sees none of the segment's words: it reads and writes [`staging`], private memory, and large values arrive
//! in [`blocks`] of a warm private pool.

#[cfg(not(loom))]
pub mod arena;
#[cfg(not(loom))]
pub mod blocks;
pub mod doorbell;
#[cfg(not(loom))]
pub mod lane;
pub mod layout;
pub mod ring;
#[cfg(not(loom))]
pub mod segment;
#[cfg(loom)]
#[path = "modelled_segment.rs"]
pub mod segment;
#[cfg(not(loom))]
pub mod shared_memory;
#[cfg(not(loom))]
pub mod sigbus;
#[cfg(not(loom))]
pub mod staging;
pub mod sync;
pub mod violation;

#[cfg(all(test, loom))]
mod model;
