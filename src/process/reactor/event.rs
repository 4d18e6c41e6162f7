//! The events by which the reactor reports on a worker.

use crate::process::message_rate::Flood;
use crate::process::output::{Receipt, Stream};

/// What happened to a worker.
#[derive(Debug)]
pub enum Event {
    /// Its command runs.
    Spawned {
        /// Process id of the command: the worker's, or its wrapper's.
        pid: i32,
    },
    /// It could not be started.
    Failed {
        /// Why.
        message: String,
        /// Another attempt could succeed.
        retryable: bool,
    },
    /// It has attached.
    Attached {
        /// The worker's own process id, if it can be found.
        pid: Option<i32>,
    },
    /// Its memory is watched from now on, if it can be seen.
    Watched {
        /// The bytes that it uses.
        memory: Option<u64>,
    },
    /// It uses more memory than it may.
    Exceeded {
        /// The bytes that it uses.
        memory: u64,
        /// True if it is far too much. The worker is killed then.
        is_far: bool,
    },
    /// It wrote something.
    Output {
        /// Where.
        stream: Stream,
        /// Whole lines.
        lines: Vec<u8>,
        /// To be dropped when they are taken.
        receipt: Receipt,
    },
    /// It has written more lines than it may, and is not read any more until it ends.
    Flooded(Flood),
    /// Its wrapper has ended or was killed, and the worker can't be killed from here.
    Outlives,
    /// It has ended and is reaped.
    Exited {
        /// Exit status, if it exited.
        code: Option<i32>,
        /// Name of the signal, if one killed it.
        signal: Option<&'static str>,
        /// The last of what it wrote to stderr.
        stderr_tail: String,
        /// True if it was given up instead: the command runs on, or a process still holds the worker's lock.
        lives_on: bool,
    },
}

/// Receives a worker's events, on the reactor's thread.
pub type EventHandler = Box<dyn Fn(Event) + Send>;
