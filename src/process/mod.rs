//! Process workers: how they are started, how they prove who they are, and how anyone learns that they are gone.
//!
//! ```text
//!   host                                      worker
//!   reactor: launch(argv, boot, memfd) -----> launcher: group, death signal, descriptors; exec runtime
//!                                             handshake: boot variables, fd 0, segment, owner lock, watchdogs
//!                                             instead of the death signal
//!   reactor: pidfd, stderr <----------------- (lives, or dies)
//! ```

pub mod boot;
pub mod handshake;
pub mod host_stderr;
pub mod launch;
pub mod owner_lock;
pub mod reactor;
