//! Worker pool over shared memory: the Rust underneath `knitting-native`.
//!
//! Arrows point down and never back: `binding` (the only part that knows Node-API) calls [`process`],
//! [`sandbox`] and [`transport`], which call [`sys`]. Everything below `binding` runs under `cargo test` with
//! no JavaScript engine.

#[cfg(not(any(test, loom)))]
mod binding;
#[cfg(not(loom))]
pub mod process;
#[cfg(not(loom))]
pub mod sandbox;
#[cfg(not(loom))]
pub mod sys;
pub mod transport;
