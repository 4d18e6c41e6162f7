//! What the reactor is told to do.

use std::fs::File;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::event::EventHandler;
use crate::process::launch::Launch;
use crate::process::output::Stdio;

/// Names a worker to the reactor.
pub type WorkerId = u64;

/// What a worker is to be started and watched with.
pub struct LaunchRequest {
    /// The process.
    pub launch: Launch,
    /// Holds the host's owner lock on the worker's segment; kept until the worker has ended.
    pub lock: File,
    /// What becomes of its output.
    pub stdio: Stdio,
    /// Hears of it.
    pub on_event: EventHandler,
}

/// A message to the reactor's thread.
pub enum Command {
    /// Starts a worker.
    Launch { id: WorkerId, request: Box<LaunchRequest> },
    /// A worker says that it has attached.
    Attached { id: WorkerId },
    /// Kills a worker after `grace`.
    Kill { id: WorkerId, grace: Duration, mode: KillMode },
    /// Hands on what the workers have written so far, and answers `done`.
    Flush { done: Sender<()> },
}

/// How a worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillMode {
    /// A container's client that has not brought its worker yet may go on for a while, see
    /// [`crate::process::launch::CONTAINER_GRACE`].
    Orderly,
    /// At once, whatever that leaves.
    Prompt,
}
