//! One worker as the reactor sees it: its child, the worker behind a wrapper, its output, and what becomes of
//! them.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{ESRCH, major, minor};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getpgid};

use super::command::{KillMode, MemoryLimit, WorkerId};
use super::event::{Event, EventHandler};
use super::memory_watch::{Look, MemoryWatch};
use super::unreaped::{give_up, has_ended};
use super::worker_output::WorkerOutput;
use crate::process::launch::{CONTAINER_GRACE, Launched, Role};
use crate::process::message_rate::MessageRate;
use crate::process::output::Stdio;
use crate::process::owner_lock::{self, Owner};
use crate::process::usage::{Family, Groups};
use crate::sys::pidfd;
use crate::sys::signals::kill_group;

/// How long a wrapper may take to end after its worker has.
const WRAPPER_GRACE: Duration = Duration::from_secs(2);
/// How often to look whether a worker that should be gone is.
const OVERDUE_LOOK: Duration = Duration::from_millis(10);
/// How long a worker behind a wrapper may take to be gone before the user hears of it, and how long any
/// worker may take before it is given up.
const OVERDUE_TOLD: Duration = Duration::from_millis(500);
pub const GIVEN_UP: Duration = Duration::from_secs(10);
/// How often to look for the lock of a worker whose process can't be found.
const UNSEEN_LOOK: Duration = Duration::from_secs(1);
/// How many bytes are read of the list of a process's mappings. A runtime's list has some 100 KiB.
const MAPS_BYTES: u64 = 4 * 1024 * 1024;

/// The rest of an event's number is the worker's id.
pub const KIND_SHIFT: u32 = 62;
/// Kind of the event that the child has ended. Lower numbers are the streams.
pub const CHILD: u64 = 2;
/// Kind of the event that the worker behind a wrapper has ended.
pub const INNER: u64 = 3;

/// The registration of an event of a worker, which comes once.
pub fn event(id: WorkerId, kind: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, id | kind << KIND_SHIFT)
}

/// A process, and a descriptor that becomes readable when it ends.
pub struct Process {
    /// Its id here.
    pub pid: Pid,
    /// Readable once it has ended.
    pub pidfd: OwnedFd,
}

/// How a child ended: exit status, or name of the signal.
pub type Status = (Option<i32>, Option<&'static str>);

/// A worker that was started and is not known to have ended.
pub struct Worker {
    /// The process that was started.
    pub child: Process,
    role: Role,
    /// How it is to be killed.
    pub mode: KillMode,
    attached: bool,
    /// Once the child is reaped.
    pub status: Option<Status>,
    /// The worker's own process, where that is not the child.
    pub inner: Option<Process>,
    /// True if it has attached and its process can't be found.
    unseen: bool,
    /// What it writes, and who hears of it.
    pub output: WorkerOutput,
    lock: File,
    /// Its memory, if that is limited and can be seen.
    pub memory: Option<MemoryWatch>,
    /// When it is to be killed.
    pub kill_at: Option<Instant>,
    kill_wrapper_at: Option<Instant>,
    look_at: Option<Instant>,
    /// Since when the worker should be gone, and whether the user has heard that it is not.
    overdue: Option<(Instant, bool)>,
}

impl Worker {
    /// A worker that has just been started.
    pub fn new(
        launched: Launched,
        role: Role,
        lock: File,
        stdio: Stdio,
        messages: Option<Arc<MessageRate>>,
        on_event: EventHandler,
    ) -> Self {
        let Launched { pid, pidfd, stdout, stderr, .. } = launched;
        Self {
            child: Process { pid, pidfd },
            role,
            mode: KillMode::Orderly,
            attached: false,
            status: None,
            inner: None,
            unseen: false,
            output: WorkerOutput::new(stdout, stderr, stdio, messages, on_event),
            lock,
            memory: None,
            kill_at: None,
            kill_wrapper_at: None,
            look_at: None,
            overdue: None,
        }
    }

    fn is_wrapped(&self) -> bool {
        self.role != Role::Worker
    }

    /// When to look at it again, whatever happens.
    pub fn deadline(&self) -> Option<Instant> {
        let memory = self.memory.as_ref().map(|watch| watch.look_at);
        [self.kill_at, self.kill_wrapper_at, self.look_at, memory].into_iter().flatten().min()
    }

    /// Does what is due. True when the worker is no more.
    pub fn meet_deadline(&mut self, now: Instant, groups: &mut Groups) -> bool {
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        self.look_at_memory(now, groups);
        if due(&mut self.kill_at) {
            self.kill();
        }
        if due(&mut self.kill_wrapper_at) {
            self.end_child();
        }
        if !due(&mut self.look_at) {
            return false;
        }
        if self.status.is_none() && has_ended(&self.child.pidfd) {
            return self.reap() || self.is_given_up(now);
        }
        let (is_wrapped, is_gone) = (self.is_wrapped(), self.is_gone());
        let is_over = self.is_given_up(now) || (is_gone && self.status.is_some());
        match &mut self.overdue {
            Some(_) if is_over => return true,
            Some((since, told)) => {
                if is_wrapped && now - *since >= OVERDUE_TOLD && !std::mem::replace(told, true) {
                    self.output.tell(Event::Outlives);
                }
                self.look_at = Some(now + OVERDUE_LOOK);
            }
            None if is_gone => self.await_wrapper(),
            None => self.look_at = Some(now + UNSEEN_LOOK),
        }
        false
    }

    /// Begins to watch the worker's memory, unless the worker has ended, which is told anyway.
    pub fn watch_memory(&mut self, limit: MemoryLimit) {
        let (worker, group) = match &self.inner {
            // The number is the worker's own as long as it has not ended.
            Some(inner) if has_ended(&inner.pidfd) => return,
            Some(inner) => (Some(inner.pid), getpgid(Some(inner.pid)).ok()),
            None if self.status.is_some() => return,
            None if self.unseen => (None, None),
            None => (Some(self.child.pid), Some(self.child.pid)),
        };
        let family = worker.map(|worker| Family { worker, group: group.filter(|_| limit.has_programs) });
        let begun = family.and_then(|family| MemoryWatch::begin(limit, family));
        let memory = begun.as_ref().map(|(_, memory)| *memory);
        self.memory = begun.map(|(watch, _)| watch);
        self.output.tell(Event::Watched { memory });
    }

    /// Looks at the worker's memory if that is due, and kills the worker if it uses far too much.
    fn look_at_memory(&mut self, now: Instant, groups: &mut Groups) {
        let Some(watch) = self.memory.as_mut().filter(|watch| watch.look_at <= now) else { return };
        match watch.look(groups) {
            Look::Fine => {}
            Look::Over(memory) => self.output.tell(Event::Exceeded { memory, is_far: false }),
            Look::Far(memory) => {
                self.output.tell(Event::Exceeded { memory, is_far: true });
                self.memory = None;
                self.kill();
            }
        }
    }

    fn is_given_up(&self, now: Instant) -> bool {
        self.overdue.is_some_and(|(since, _)| now - since >= GIVEN_UP)
    }

    /// Looks at it again soon, because it should be gone, or will be in a moment.
    fn look_after(&mut self) {
        let now = Instant::now();
        self.overdue.get_or_insert((now, false));
        self.look_at = Some(now + OVERDUE_LOOK);
    }

    /// Finds the process that has attached.
    pub fn attached(&mut self, id: WorkerId, epoll: &Epoll) {
        self.attached = true;
        self.find_inner();
        let pid = match &self.inner {
            Some(inner) => {
                let _ = epoll.add(&inner.pidfd, event(id, INNER));
                Some(inner.pid)
            }
            None if self.is_the_child() => Some(self.child.pid),
            None => {
                self.unseen = true;
                self.look_at.get_or_insert(Instant::now() + UNSEEN_LOOK);
                None
            }
        };
        self.output.tell(Event::Attached { pid: pid.map(Pid::as_raw) });
    }

    /// True if the child is the worker, or has become it.
    fn is_the_child(&self) -> bool {
        !self.is_wrapped()
            || owner_lock::find_process(&self.lock).is_ok_and(|pid| pid == Some(self.child.pid))
    }

    /// Finds the worker's own process, if that is not the child and can be found. A process that does not use
    /// the worker's memory is a bystander whose number a hostile worker shows. It must not be killed or
    /// reported.
    fn find_inner(&mut self) {
        if self.inner.is_none() && !self.is_the_child() {
            self.inner = self.open_inner().filter(|inner| uses(inner.pid, &self.lock));
        }
    }

    /// Another process may have got the number before the descriptor was there, so the lock is read again.
    fn open_inner(&self) -> Option<Process> {
        let pid = owner_lock::find_process(&self.lock).ok()??;
        let pidfd = pidfd::open(pid.as_raw()).ok()?;
        let still = owner_lock::find_process(&self.lock).ok()? == Some(pid);
        still.then_some(Process { pid, pidfd })
    }

    /// True if no worker works behind this lane any more.
    fn is_gone(&self) -> bool {
        let inner_lives = self.inner.as_ref().is_some_and(|inner| !has_ended(&inner.pidfd));
        // If the lock can't be read, it can't be waited for either.
        !inner_lives && !owner_lock::is_held(&self.lock, Owner::Worker).unwrap_or(false)
    }

    /// Gives the wrapper a while to end in good order, after its worker has ended.
    pub fn await_wrapper(&mut self) {
        if self.status.is_none() {
            self.kill_wrapper_at.get_or_insert(Instant::now() + WRAPPER_GRACE);
        }
    }

    /// Kills the worker, and the wrapper behind it or, if the worker can be killed by itself, a while later.
    pub fn kill(&mut self) {
        let _ = owner_lock::let_go(&self.lock, Owner::Host);
        if self.kill_inner() {
            self.await_wrapper();
        } else if self.unseen && !self.is_gone() {
            // The worker's watchdog ends it now.
            self.await_wrapper();
        } else if self.role == Role::ContainerClient && !self.attached && self.mode == KillMode::Orderly {
            self.kill_wrapper_at.get_or_insert(Instant::now() + CONTAINER_GRACE);
        } else {
            self.end_child();
        }
    }

    /// Kills the child, and sees to it that it is given up if it does not end.
    fn end_child(&mut self) {
        self.kill_child();
        if self.status.is_none() {
            self.look_after();
        }
    }

    /// Kills the worker behind a wrapper, and the group if it leads one of its own. False if there is none
    /// that can be killed.
    pub fn kill_inner(&mut self) -> bool {
        // It may have attached without saying so.
        self.find_inner();
        self.inner.as_ref().is_some_and(|inner| {
            let _ = kill_group(inner.pidfd.as_fd());
            pidfd::kill(&inner.pidfd).is_ok()
        })
    }

    /// Kills the child, which may have left its group, and what is in the group. While the child is not
    /// reaped its number is its own. The pidfd says whether it is reaped.
    pub fn kill_child(&self) {
        // EPERM is possible for a worker that has changed its user; the rest of its group may still be ours.
        let is_there =
            || !pidfd::kill(&self.child.pidfd).is_err_and(|error| error.raw_os_error() == Some(ESRCH));
        if self.status.is_none() && is_there() {
            let _ = killpg(self.child.pid, Signal::SIGKILL);
        }
    }

    /// Reaps the child, which has ended. True when the worker is no more.
    pub fn reap(&mut self) -> bool {
        let pidfd = || Id::PIDFd(self.child.pidfd.as_fd());
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        match waitid(pidfd(), ended | WaitPidFlag::WNOWAIT) {
            // Another process traces it, and hears of its end first. That may be one of its group.
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => {
                self.end_child();
                return false;
            }
            // Another part of this process has reaped it: the number may belong to another process by now.
            Err(Errno::ECHILD) => {}
            _ => self.kill_child(),
        }
        // Its number may be another process's from now on.
        self.memory = None;
        self.status = Some(match waitid(pidfd(), ended) {
            Ok(WaitStatus::Exited(_, code)) => (Some(code), None),
            Ok(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal.as_str())),
            // Another part of this process has reaped it. It is gone, and more can't be known.
            _ => (None, None),
        });
        (self.kill_at, self.kill_wrapper_at) = (None, None);
        if !self.is_wrapped() || self.is_gone() {
            return true;
        }
        let _ = owner_lock::let_go(&self.lock, Owner::Host);
        self.kill_inner();
        self.overdue = None;
        self.look_after();
        false
    }

    /// Sends the worker's last event. Its descriptors are closed before, and with that epoll forgets them.
    pub fn tell_exit(self, stderr_tail: String) {
        let child_lives = self.status.is_none() && !has_ended(&self.child.pidfd);
        let lives_on = child_lives || (self.is_wrapped() && !self.is_gone());
        let (code, signal) = self.status.unwrap_or_default();
        let Self { child, status, inner, output, lock, .. } = self;
        drop((inner, lock));
        if status.is_none() {
            give_up(child.pidfd);
        } else {
            drop(child);
        }
        output.tell(Event::Exited { code, signal, stderr_tail, lives_on });
    }
}

/// True if a process has the memory behind `file` mapped, as far as a limited look shows. The worker decides
/// how much there is to read, and what stands in it.
fn uses(pid: Pid, file: &File) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    let device = format!("{:02x}:{:02x}", major(metadata.dev()), minor(metadata.dev()));
    let inode = metadata.ino().to_string();
    let mut maps = Vec::new();
    let read =
        File::open(format!("/proc/{pid}/maps")).and_then(|file| file.take(MAPS_BYTES).read_to_end(&mut maps));
    read.is_ok()
        && maps.split(|&byte| byte == b'\n').any(|line| {
            let mut fields = line.split(|&byte| byte == b' ').skip(3);
            fields.next() == Some(device.as_bytes()) && fields.next() == Some(inode.as_bytes())
        })
}
