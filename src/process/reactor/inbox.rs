//! The inbox of the running reactor: a queue of commands and a bell.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_queue::SegQueue;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::command::Command;

/// The number of the bell's events. A worker's number never gets so high.
pub const BELL: u64 = u64::MAX;

/// The commands for a reactor that it has not taken yet.
pub struct Inbox {
    /// In the order in which they came.
    pub commands: SegQueue<Command>,
    /// Rung once for each command.
    pub bell: EventFd,
}

static RUNNING: Mutex<Option<Arc<Inbox>>> = Mutex::new(None);

/// The inbox of the reactor that runs, if one does. It starts and ends under this lock.
pub fn running() -> MutexGuard<'static, Option<Arc<Inbox>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbox {
    /// An empty inbox.
    pub fn new() -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { commands: SegQueue::new(), bell })
    }

    /// An epoll that hears the bell.
    pub fn epoll(&self) -> io::Result<Epoll> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&self.bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        Ok(epoll)
    }

    /// Wakes the reactor, which then looks at its commands.
    pub fn ring(&self) -> io::Result<()> {
        self.bell.write(1)?;
        Ok(())
    }
}
