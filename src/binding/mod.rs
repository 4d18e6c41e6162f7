//! The Node-API surface. It only translates: `addon.d.ts` describes it for TypeScript, and is generated from
//! what stands here (`node scripts/addon-types.mjs`).
//!
//! `raw` holds the calls that must be fast and the memory that JavaScript sees directly, and `ear` what wakes
//! JavaScript; the rest is `#[napi]`.

mod ear;
mod error;
mod host_lane;
mod lane_worker;
mod launch;
mod open_lanes;
mod raw;
mod sandbox;
mod shared_buffer;
mod thread_tokens;
mod worker_lane;
