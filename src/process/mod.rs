//! Process workers: how they are started, how they prove who they are, and how anyone learns that they are
//! gone.
//!
//! ```text
//!   host                                      worker
//!   reactor: launch(argv, boot, memory) ----> launcher: group, death signal, descriptors; exec wrapper or runtime
//!                                             handshake: boot variables, fd 0 or the name, segment, owner lock,
//!                                             watchdogs for the death signal; the control socket, if it is there
//!   reactor: pidfd, lock, stdout, stderr <--- (lives, or dies)
//! ```

pub mod bell;
pub mod boot;
pub mod control;
pub mod handover;
pub mod handshake;
pub mod host_output;
pub mod launch;
pub mod message_rate;
pub mod output;
pub mod owner_lock;
pub mod reactor;
pub mod shared_name;
pub mod shm_name;
pub mod spawn;
pub mod thread_output;
pub mod thread_usage;
pub mod usage;
pub mod worker_memory;
