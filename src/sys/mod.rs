//! System calls and raw memory that the crates do not wrap, and the rest of what needs `unsafe` below the
//! transport.

pub mod data_limit;
pub mod descriptors;
pub mod environ;
pub mod exit;
pub mod fork;
pub mod futex;
pub mod limits;
pub mod memory;
pub mod mounts;
pub mod pidfd;
pub mod priority;
pub mod random;
pub mod rehearsal;
pub mod seccomp;
pub mod signals;
pub mod sockets;
pub mod uv;
