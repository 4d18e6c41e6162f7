//! The reactor: the one thread of a host process that starts its workers and watches them.
//!
//! ```text
//!   JavaScript thread --commands--> reactor --events--> the on_event each launch came with
//!                                   epoll: command bell | of each worker: child, stdout, stderr, worker process | deadlines
//! ```
//!
//! It runs while there is anything to watch, and starts the workers itself because their death signal follows the
//! thread that started them. It never touches a segment. A child that ends is reaped here, with its whole group.
//!
//! The child is the worker, or a wrapper that starts the worker somewhere: then the worker is found by the lock with which
//! it shows itself once it has attached (see [`super::owner_lock`]), and watched and killed like the child. A worker has ended
//! when its child has been reaped and, of a wrapped one, nobody holds the worker's owner lock any more:
//!
//! ```text
//!   worker ends first     its wrapper has a while to end by itself, and to tell its exit status
//!   wrapper ends first    the host's owner lock is let go, by which an honest worker ends itself, and the worker is killed;
//!                         one that is out of reach is told of, for a command of the user's to end it
//!   a child stays         killed, it can stay all the same: as another user's process, or as a zombie of whoever traces it
//! ```
//!
//! Nothing of this is waited for without an end: what stays is given up, and reaped with the start of a later worker.

mod child;
mod command;
mod event;
mod event_loop;
mod inbox;
mod unreaped;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use command::Command;
use event_loop::EventLoop;
use inbox::{Inbox, running};

pub use command::{KillMode, LaunchRequest, WorkerId};
pub use event::{Event, EventHandler};

/// Starts a worker.
pub fn launch(id: WorkerId, request: LaunchRequest) -> io::Result<()> {
    submit(Command::Launch { id, request: Box::new(request) })
}

/// A worker says that it has attached: finds its process.
pub fn attached(id: WorkerId) -> io::Result<()> {
    submit(Command::Attached { id })
}

/// Kills a worker, its wrapper and their group after `grace`, unless they have ended by then.
pub fn kill(id: WorkerId, grace: Duration, mode: KillMode) -> io::Result<()> {
    submit(Command::Kill { id, grace, mode })
}

/// Hands on what the workers have written so far. Waits for that, but no longer than `patience`.
pub fn flush(patience: Duration) {
    let (done, told) = channel();
    if submit(Command::Flush { done }).is_ok() {
        // Without a reactor the sender is dropped, and there is nothing to hand on.
        let _ = told.recv_timeout(patience);
    }
}

fn submit(command: Command) -> io::Result<()> {
    let mut running = running();
    let inbox = match &*running {
        Some(inbox) => inbox.clone(),
        // Without a reactor there is no worker either.
        None if !matches!(command, Command::Launch { .. }) => return Ok(()),
        None => {
            let inbox = Arc::new(Inbox::new()?);
            let epoll = inbox.epoll()?;
            // A reactor takes the lock when it is dropped: it must not exist here, where it is held.
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
