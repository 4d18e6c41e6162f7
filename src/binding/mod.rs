//! The Node-API surface. It only translates: what it exports is described for TypeScript in `js/native.ts`.
//!
//! `raw` holds the calls that must be fast and the memory that JavaScript sees directly; the rest is `#[napi]`.

mod host_lane;
mod launch;
mod raw;
mod sandbox;
mod shared_buffer;
mod worker_lane;
