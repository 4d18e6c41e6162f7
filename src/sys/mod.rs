//! System calls and raw memory that the crates do not wrap.

pub mod descriptors;
pub mod environ;
pub mod memory;
pub mod mounts;
pub mod rehearsal;
pub mod signals;
