//! The reactor: the one thread of a host process that starts its worker processes and watches them, and that
//! reads what all workers write.
//!
//! ```text
//!   JavaScript thread --commands--> reactor --events--> the launch's event handler
//!                                   epoll: command bell | deadlines | of each worker: child, stdout, stderr, process
//! ```
//!
//! A worker thread has pipes of its own as its stdout and stderr. What it has written is out of its hands, so
//! that it arrives however the thread ends.
//!
//! It runs while there is anything to watch, and starts the workers itself because their death signal follows
//! the thread that started them. It never touches a segment. A child that ends is reaped here, with its whole
//! group.
//!
//! The child is the worker, or a wrapper that starts the worker somewhere. Behind a wrapper the reactor finds
//! the worker by a lock that the worker takes once it has attached (see [`super::owner_lock`]), and watches
//! and kills it like the child. A worker has ended when its child has been reaped and, behind a wrapper,
//! nobody holds the worker's owner lock any more:
//!
//! ```text
//!   worker ends first     its wrapper has a while to end by itself, and to tell its exit status
//!   wrapper ends first    the host's owner lock is released, on which an honest worker ends, and the worker is killed;
//!                         if it is out of reach there is an event, so that the user can end it
//!   a child stays         a killed child can stay: as another user's process, or as a zombie that its tracer keeps
//! ```
//!
//! The reactor waits for none of this without an end. What stays is given up, and reaped when a later worker
//! starts.

mod child;
mod command;
mod event;
mod event_loop;
mod inbox;
mod line_meter;
mod memory_watch;
mod unreaped;
mod worker_output;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use command::{Command, Flushed};
use event_loop::EventLoop;
use inbox::{Inbox, running};

pub use command::{KillMode, LaunchRequest, ListenRequest, MemoryLimit, WorkerId};
pub use event::{Event, EventHandler};

/// Starts a worker.
pub fn launch(id: WorkerId, request: LaunchRequest) -> io::Result<()> {
    submit(Command::Launch { id, request: Box::new(request) })
}

/// Reads what a worker thread writes, until [`thread_ended`]. An error if the system lacks something.
pub fn listen(id: WorkerId, request: ListenRequest) -> io::Result<()> {
    submit(Command::Listen { id, request: Box::new(request) })
}

/// A worker thread has ended: passes on the last that it has written, then sends its last event.
pub fn thread_ended(id: WorkerId) -> io::Result<()> {
    submit(Command::ThreadEnded { id })
}

/// A worker says that it has attached: finds its process.
pub fn attached(id: WorkerId) -> io::Result<()> {
    submit(Command::Attached { id })
}

/// Watches the memory of a worker that has attached. The first event says how much that is; see
/// [`Event::Watched`].
pub fn watch_memory(id: WorkerId, limit: MemoryLimit) -> io::Result<()> {
    submit(Command::WatchMemory { id, limit })
}

/// Kills a worker, its wrapper and their group after `grace`, unless they have ended by then.
pub fn kill(id: WorkerId, grace: Duration, mode: KillMode) -> io::Result<()> {
    submit(Command::Kill { id, grace, mode })
}

/// Passes on what the workers have written so far. Waits until the host's streams have taken it, but no longer
/// than `patience` while they take nothing, and than `limit` in all.
pub fn flush(patience: Duration, limit: Duration) {
    let (tell, told) = channel();
    if submit(Command::Flush { told: tell }).is_ok() {
        let began = Instant::now();
        // Without a reactor the sender is dropped, and there is nothing to pass on.
        while told.recv_timeout(patience) == Ok(Flushed::Partly) && began.elapsed() < limit {}
    }
}

fn submit(command: Command) -> io::Result<()> {
    let mut running = running();
    let inbox = match &*running {
        Some(inbox) => inbox.clone(),
        // Without a reactor there is no worker either.
        None if !matches!(command, Command::Launch { .. } | Command::Listen { .. }) => return Ok(()),
        None => {
            let inbox = Arc::new(Inbox::new()?);
            let epoll = inbox.epoll()?;
            // An event loop takes the lock when it is dropped, so it must not be created here, where the lock
            // is held.
            let of_thread = inbox.clone();
            std::thread::Builder::new()
                .name("knitting-reactor".into())
                .spawn(move || EventLoop::new(of_thread, epoll).run())?;
            running.insert(inbox).clone()
        }
    };
    inbox.commands.push(command);
    inbox.ring()
}
