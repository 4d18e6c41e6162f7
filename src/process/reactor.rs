//! The reactor: the one thread of a host process that starts its workers and watches them.
//!
//! ```text
//!   JavaScript thread --commands--> reactor --events--> the sink each launch came with
//!                                   epoll: command bell | of each worker: child, stdout, stderr, worker process | deadlines
//! ```
//!
//! It runs while there is anything to watch, and starts the workers itself because their death signal follows the
//! thread that started them. It never touches a segment. A child that ends is reaped here, with its whole group.
//!
//! The child is the worker, or a wrapper that starts the worker somewhere: then the worker is found by the lock with which
//! it shows itself once it has attached (see [`owner_lock`]), and watched and killed like the child. A worker has ended
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

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{major, minor};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use super::launch::{CONTAINER_GRACE, Launch, LaunchError, Launched, Role};
use super::output::{LINE_BYTES, Pipe, Queue, Receipt, Stdio, Stream, Untaken};
use super::owner_lock::{self, Owner};
use crate::sys::signals::kill_group;

/// What is read of a worker's stream at once: a flood is taken in portions, so that other workers get their turn.
const PORTION_BYTES: usize = 4 * LINE_BYTES;
/// What is read of an ended worker's stream: as much as a pipe can hold. More comes from somebody outside the worker's
/// group who has it still, and may never end.
const LAST_BYTES: usize = 1024 * 1024;
/// How long to wait before a stream of the host's is tried again when it takes nothing.
const OUTPUT_RETRY: Duration = Duration::from_millis(20);
/// How many milliseconds a reactor that ends waits for each worker that it has killed.
const LAST_WAIT_MILLIS: u16 = 1000;
/// How long a wrapper may take to end after its worker has.
const WRAPPER_GRACE: Duration = Duration::from_secs(2);
/// How often to look whether a worker that should be gone is.
const OVERDUE_LOOK: Duration = Duration::from_millis(10);
/// How long one behind a wrapper may take before the user is asked for help, and any before it is given up.
const OVERDUE_TOLD: Duration = Duration::from_millis(500);
const GIVEN_UP: Duration = Duration::from_secs(10);
/// How often to look for the lock of a worker whose process can't be found.
const UNSEEN_LOOK: Duration = Duration::from_secs(1);

/// How much is read of what a process has mapped; a runtime has some 100 KiB to tell.
const MAPS_BYTES: u64 = 4 * 1024 * 1024;

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
        transient: bool,
    },
    /// It has attached.
    Attached {
        /// The worker's own process id, if it can be found.
        pid: Option<i32>,
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
    /// Its wrapper has ended or was killed, and it can't be killed from here.
    Outlives,
    /// It has ended and is reaped.
    Exited {
        /// Exit status, if it exited.
        code: Option<i32>,
        /// Name of the signal, if one killed it.
        signal: Option<&'static str>,
        /// The last of what it wrote to stderr.
        stderr_tail: String,
        /// It was given up instead: the command runs on, or somebody still holds the worker's lock.
        lives_on: bool,
    },
}

/// Receives a worker's events, on the reactor's thread.
pub type Sink = Box<dyn Fn(Event) + Send>;

/// Names a worker to the reactor.
pub type WorkerId = u64;

/// What a worker is to be started and watched with.
pub struct Order {
    /// The process.
    pub launch: Launch,
    /// Holds the host's owner lock on the worker's segment; kept until the worker has ended.
    pub lock: File,
    /// What becomes of its output.
    pub stdio: Stdio,
    /// Hears of it.
    pub sink: Sink,
}

enum Command {
    Launch { id: WorkerId, order: Box<Order> },
    Attached { id: WorkerId },
    Kill { id: WorkerId, grace: Duration, manner: Manner },
    Flush { done: Sender<()> },
}

/// How a worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A container's client that has not brought its worker yet may go on for a while, see [`CONTAINER_GRACE`].
    Orderly,
    /// At once, whatever that leaves.
    Prompt,
}

struct Inbox {
    commands: SegQueue<Command>,
    bell: EventFd,
}

static RUNNING: Mutex<Option<Arc<Inbox>>> = Mutex::new(None);

/// Children that were given up before they could be reaped.
static UNREAPED: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// Starts a worker.
pub fn launch(id: WorkerId, order: Order) -> io::Result<()> {
    submit(Command::Launch { id, order: Box::new(order) })
}

/// A worker says that it has attached: finds its process.
pub fn attached(id: WorkerId) -> io::Result<()> {
    submit(Command::Attached { id })
}

/// Kills a worker, its wrapper and their group after `grace`, unless they have ended by then.
pub fn kill(id: WorkerId, grace: Duration, manner: Manner) -> io::Result<()> {
    submit(Command::Kill { id, grace, manner })
}

/// Hands on what the workers have written so far. Waits for that, but no longer than `patience`.
pub fn flush(patience: Duration) {
    let (done, told) = channel();
    if submit(Command::Flush { done }).is_ok() {
        // Without a reactor the sender is dropped, and there is nothing to hand on.
        let _ = told.recv_timeout(patience);
    }
}

fn running() -> std::sync::MutexGuard<'static, Option<Arc<Inbox>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
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
                .spawn(move || Reactor::new(of_thread, epoll).run())?;
            running.insert(inbox).clone()
        }
    };
    inbox.commands.push(command);
    inbox.ring()
}

impl Inbox {
    fn new() -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { commands: SegQueue::new(), bell })
    }

    /// An epoll that hears the bell.
    fn epoll(&self) -> io::Result<Epoll> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&self.bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        Ok(epoll)
    }

    fn ring(&self) -> io::Result<()> {
        self.bell.write(1)?;
        Ok(())
    }
}

/// A process and the descriptor that tells of its end.
struct Process {
    pid: Pid,
    pidfd: OwnedFd,
}

/// How a child ended: exit status, or name of the signal.
type Status = (Option<i32>, Option<&'static str>);

struct Worker {
    child: Process,
    role: Role,
    manner: Manner,
    attached: bool,
    /// Once the child is reaped.
    status: Option<Status>,
    /// The worker's own process, where that is not the child.
    inner: Option<Process>,
    /// Attached, and its process is out of sight.
    unseen: bool,
    pipes: [Option<Pipe>; 2],
    stdio: Stdio,
    untaken: Untaken,
    lock: File,
    kill_at: Option<Instant>,
    kill_wrapper_at: Option<Instant>,
    look_at: Option<Instant>,
    /// Since when it should be gone, the child reaped or at least killed, and whether that was told.
    overdue: Option<(Instant, bool)>,
    sink: Sink,
}

struct Reactor {
    inbox: Arc<Inbox>,
    epoll: Epoll,
    workers: HashMap<WorkerId, Worker>,
    /// Lines on their way to the host's streams.
    queues: [Queue; 2],
    /// Pipes that were read and are not watched at the moment.
    paused: Vec<(WorkerId, Stream)>,
}

const BELL: u64 = u64::MAX;
/// The rest of an event's number is the worker's id.
const KIND_SHIFT: u32 = 62;
const CHILD: u64 = 2;
const INNER: u64 = 3;

fn event(id: WorkerId, kind: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, id | kind << KIND_SHIFT)
}

impl Reactor {
    fn new(inbox: Arc<Inbox>, epoll: Epoll) -> Self {
        Self { inbox, epoll, workers: HashMap::new(), queues: Default::default(), paused: Vec::new() }
    }

    fn run(mut self) {
        // A stream of the host's without a reader is an error to us, whatever the host does about the signal. Workers
        // inherit the mask; the launcher clears it.
        let _ = SigSet::from(Signal::SIGPIPE).thread_block();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            while let Some(command) = self.inbox.commands.pop() {
                self.obey(command);
            }
            self.meet_deadlines();
            self.write_output();
            self.resume_reading();
            if self.workers.is_empty() && self.queues.iter().all(Queue::is_empty) {
                let mut running = running();
                if self.inbox.commands.is_empty() {
                    *running = None;
                    return;
                }
                continue;
            }
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                // Blind: what is left is ended and told by `drop`.
                Err(_) => return,
            };
            for event in &events[..count] {
                if event.data() == BELL {
                    let _ = self.inbox.bell.read();
                    continue;
                }
                let id = event.data() & !(u64::MAX << KIND_SHIFT);
                match event.data() >> KIND_SHIFT {
                    CHILD => self.reap(id),
                    INNER => self.inner_ended(id),
                    stream => self.read(id, Stream::ALL[stream as usize]),
                }
            }
        }
    }

    fn timeout(&self) -> EpollTimeout {
        let deadline = self.workers.values().filter_map(Worker::deadline).min();
        let mut wait = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if !self.queues.iter().all(Queue::is_empty) {
            wait = Some(wait.map_or(OUTPUT_RETRY, |wait| wait.min(OUTPUT_RETRY)));
        }
        match wait {
            // Rounded up, so that the deadline has passed when the wait is over.
            Some(wait) => {
                EpollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(EpollTimeout::MAX)
            }
            None => EpollTimeout::NONE,
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Launch { id, order } => {
                let Order { launch, lock, stdio, sink } = *order;
                let role = launch.role;
                match self.start(id, launch) {
                    Ok(launched) => {
                        sink(Event::Spawned { pid: launched.pid.as_raw() });
                        self.workers.insert(id, Worker::new(launched, role, lock, stdio, sink));
                    }
                    Err(LaunchError { message, transient }) => sink(Event::Failed { message, transient }),
                }
            }
            Command::Attached { id } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.attached(id, &self.epoll);
                }
            }
            Command::Kill { id, grace, manner } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    if manner == Manner::Prompt {
                        worker.manner = manner;
                    }
                    let at = Instant::now() + grace;
                    worker.kill_at = Some(worker.kill_at.map_or(at, |earlier| earlier.min(at)));
                }
            }
            Command::Flush { done } => {
                let ids: Vec<_> = self.workers.keys().copied().collect();
                for (id, stream) in ids.into_iter().flat_map(|id| Stream::ALL.map(|stream| (id, stream))) {
                    self.read_available(id, stream, LAST_BYTES);
                }
                self.write_output();
                // Whoever asked may have given up.
                let _ = done.send(());
            }
        }
    }

    fn start(&self, id: WorkerId, launch: Launch) -> Result<Launched, LaunchError> {
        reap_given_up();
        let launched = launch.start()?;
        match self.watch(id, &launched) {
            Ok(()) => Ok(launched),
            Err(error) => {
                launched.discard();
                Err(LaunchError::new("watch the process", &error))
            }
        }
    }

    fn watch(&self, id: WorkerId, launched: &Launched) -> io::Result<()> {
        let pipes = [launched.stdout.as_ref(), Some(&launched.stderr)];
        for (pipe, stream) in pipes.into_iter().zip(Stream::ALL) {
            if let Some(pipe) = pipe {
                fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                self.epoll.add(pipe, event(id, stream as u64))?;
            }
        }
        self.epoll.add(&launched.pidfd, event(id, CHILD))?;
        Ok(())
    }

    fn meet_deadlines(&mut self) {
        let now = Instant::now();
        let due = |worker: &Worker| worker.deadline().is_some_and(|at| at <= now);
        let ids: Vec<_> = self.workers.iter().filter(|(_, worker)| due(worker)).map(|(&id, _)| id).collect();
        for id in ids {
            if self.workers.get_mut(&id).is_some_and(|worker| worker.meet_deadline(now)) {
                self.finish(id);
            }
        }
    }

    /// Reads a portion of what the worker wrote, unless that has nowhere to go for the moment.
    fn read(&mut self, id: WorkerId, stream: Stream) {
        let Some(worker) = self.workers.get(&id) else { return };
        if self.has_room(worker, stream) {
            self.read_available(id, stream, PORTION_BYTES);
        }
        self.paused.push((id, stream));
    }

    fn has_room(&self, worker: &Worker, stream: Stream) -> bool {
        match worker.stdio {
            Stdio::Inherit => !self.queues[stream as usize].is_full(),
            Stdio::Pipe => !worker.untaken.is_full(),
            Stdio::Ignore => true,
        }
    }

    fn read_available(&mut self, id: WorkerId, stream: Stream, most: usize) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(mut pipe) = worker.pipes[stream as usize].take() else { return };
        let queue = &mut self.queues[stream as usize];
        pipe.read(most, |lines| worker.hand_on(stream, lines, queue, &self.inbox));
        worker.pipes[stream as usize] = Some(pipe);
    }

    /// Watches again what was read. What has nowhere to go is left alone: its pipe fills, its worker waits, and memory stays
    /// bounded.
    fn resume_reading(&mut self) {
        for (id, stream) in std::mem::take(&mut self.paused) {
            let Some(worker) = self.workers.get(&id) else { continue };
            let Some(pipe) = worker.pipes[stream as usize].as_ref().and_then(Pipe::file) else { continue };
            if self.has_room(worker, stream) {
                let _ = self.epoll.modify(pipe, &mut event(id, stream as u64));
            } else {
                self.paused.push((id, stream));
            }
        }
    }

    fn write_output(&mut self) {
        for stream in Stream::ALL {
            self.queues[stream as usize].write(stream);
        }
    }

    /// The child has ended. If it can't be reaped yet its descriptor would tell that for ever: it is not watched again,
    /// but looked after.
    fn reap(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return reap_given_up() };
        // It may have been found to have ended before that was told.
        if worker.status.is_none() && worker.reap() {
            self.finish(id);
        }
    }

    /// The worker behind a wrapper has ended.
    fn inner_ended(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.inner = None;
        worker.await_wrapper();
    }

    /// The worker is no more: tells the last of it.
    fn finish(&mut self, id: WorkerId) {
        for stream in Stream::ALL {
            self.read_available(id, stream, LAST_BYTES);
        }
        let Some(mut worker) = self.workers.remove(&id) else { return };
        for stream in Stream::ALL {
            if let Some(mut pipe) = worker.pipes[stream as usize].take() {
                pipe.finish(|lines| {
                    worker.hand_on(stream, lines, &mut self.queues[stream as usize], &self.inbox);
                });
                worker.pipes[stream as usize] = Some(pipe);
            }
        }
        // What it wrote comes before the news that it has ended.
        self.write_output();
        worker.tell_exit();
    }
}

impl Worker {
    fn new(launched: Launched, role: Role, lock: File, stdio: Stdio, sink: Sink) -> Self {
        let Launched { pid, pidfd, stdout, stderr, .. } = launched;
        let pipe = |fd: OwnedFd, stream| Pipe::new(File::from(fd), stream);
        Self {
            child: Process { pid, pidfd },
            role,
            manner: Manner::Orderly,
            attached: false,
            status: None,
            inner: None,
            unseen: false,
            pipes: [stdout.map(|fd| pipe(fd, Stream::Stdout)), Some(pipe(stderr, Stream::Stderr))],
            stdio,
            untaken: Untaken::default(),
            lock,
            kill_at: None,
            kill_wrapper_at: None,
            look_at: None,
            overdue: None,
            sink,
        }
    }

    fn is_wrapped(&self) -> bool {
        self.role != Role::Worker
    }

    /// When to look at it again, whatever happens.
    fn deadline(&self) -> Option<Instant> {
        [self.kill_at, self.kill_wrapper_at, self.look_at].into_iter().flatten().min()
    }

    /// Does what is due. True when the worker is no more.
    fn meet_deadline(&mut self, now: Instant) -> bool {
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
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
                    (self.sink)(Event::Outlives);
                }
                self.look_at = Some(now + OVERDUE_LOOK);
            }
            None if is_gone => self.await_wrapper(),
            None => self.look_at = Some(now + UNSEEN_LOOK),
        }
        false
    }

    fn is_given_up(&self, now: Instant) -> bool {
        self.overdue.is_some_and(|(since, _)| now - since >= GIVEN_UP)
    }

    /// It should be gone, or will be in a moment.
    fn look_after(&mut self) {
        let now = Instant::now();
        self.overdue.get_or_insert((now, false));
        self.look_at = Some(now + OVERDUE_LOOK);
    }

    /// Finds the process that has attached.
    fn attached(&mut self, id: WorkerId, epoll: &Epoll) {
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
        (self.sink)(Event::Attached { pid: pid.map(Pid::as_raw) });
    }

    /// Whether the child is the worker, or has become it.
    fn is_the_child(&self) -> bool {
        !self.is_wrapped()
            || owner_lock::find_process(&self.lock).is_ok_and(|pid| pid == Some(self.child.pid))
    }

    /// Finds the worker's own process, if it is not the child and shows itself. One that does not use the worker's memory is
    /// somebody else, whose number the worker shows: it is not to be killed, and nobody is to be told of it.
    fn find_inner(&mut self) {
        if self.inner.is_none() && !self.is_the_child() {
            self.inner = self.open_inner().filter(|inner| uses(inner.pid, &self.lock));
        }
    }

    /// The number may have become somebody else's before the descriptor was there: the lock tells.
    fn open_inner(&self) -> Option<Process> {
        let pid = owner_lock::find_process(&self.lock).ok()??;
        let pidfd = pidfd_open(rustix::process::Pid::from_raw(pid.as_raw())?, PidfdFlags::NONBLOCK).ok()?;
        let still = owner_lock::find_process(&self.lock).ok()? == Some(pid);
        still.then_some(Process { pid, pidfd })
    }

    /// Whether nobody works behind this lane any more.
    fn is_gone(&self) -> bool {
        let inner_lives = self.inner.as_ref().is_some_and(|inner| !has_ended(&inner.pidfd));
        // What can't be looked at can't be waited for.
        !inner_lives && !owner_lock::is_held(&self.lock, Owner::Worker).unwrap_or(false)
    }

    /// The worker is gone, its wrapper is not: that has a while to end in good order.
    fn await_wrapper(&mut self) {
        if self.status.is_none() {
            self.kill_wrapper_at.get_or_insert(Instant::now() + WRAPPER_GRACE);
        }
    }

    /// Kills the worker, and the wrapper behind it or, if the worker can be killed by itself, a while later.
    fn kill(&mut self) {
        let _ = owner_lock::let_go(&self.lock, Owner::Host);
        if self.kill_inner() {
            self.await_wrapper();
        } else if self.unseen && !self.is_gone() {
            // Its watchdog ends it now.
            self.await_wrapper();
        } else if self.role == Role::ContainerClient && !self.attached && self.manner == Manner::Orderly {
            self.kill_wrapper_at.get_or_insert(Instant::now() + CONTAINER_GRACE);
        } else {
            self.end_child();
        }
    }

    /// Kills the child, and does not wait for ever until it has ended.
    fn end_child(&mut self) {
        self.kill_child();
        if self.status.is_none() {
            self.look_after();
        }
    }

    /// Kills the worker behind a wrapper, and the group if it leads one of its own. False if there is none that can be killed.
    fn kill_inner(&mut self) -> bool {
        // It may have told nobody that it has attached.
        self.find_inner();
        self.inner.as_ref().is_some_and(|inner| {
            let _ = kill_group(inner.pidfd.as_fd());
            pidfd_send_signal(&inner.pidfd, rustix::process::Signal::KILL).is_ok()
        })
    }

    /// Kills the child, which may have left its group, and what is in the group. While it is not reaped its number
    /// cannot be anybody else's; the pidfd knows.
    fn kill_child(&self) {
        // EPERM is possible for a worker that has changed its user; the rest of its group may still be ours.
        if self.status.is_none()
            && pidfd_send_signal(&self.child.pidfd, rustix::process::Signal::KILL)
                != Err(rustix::io::Errno::SRCH)
        {
            let _ = killpg(self.child.pid, Signal::SIGKILL);
        }
    }

    /// Reaps the child, which has ended. True when the worker is no more.
    fn reap(&mut self) -> bool {
        let pidfd = || Id::PIDFd(self.child.pidfd.as_fd());
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        match waitid(pidfd(), ended | WaitPidFlag::WNOWAIT) {
            // Somebody traces it, and is to hear of it first. Perhaps that is one of its group.
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => {
                self.end_child();
                return false;
            }
            // Reaped by somebody else in this process: the number may be anybody's by now.
            Err(Errno::ECHILD) => {}
            _ => self.kill_child(),
        }
        self.status = Some(match waitid(pidfd(), ended) {
            Ok(WaitStatus::Exited(_, code)) => (Some(code), None),
            Ok(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal.as_str())),
            // Reaped by somebody else: it is gone, and more cannot be known.
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

    /// Takes lines to where they are to go.
    fn hand_on(&self, stream: Stream, lines: &[u8], queue: &mut Queue, inbox: &Arc<Inbox>) {
        match self.stdio {
            Stdio::Inherit => queue.push(lines),
            Stdio::Ignore => {}
            Stdio::Pipe => {
                let inbox = inbox.clone();
                let receipt = self.untaken.count(lines.len(), move || drop(inbox.ring()));
                (self.sink)(Event::Output { stream, lines: lines.to_vec(), receipt });
            }
        }
    }

    /// The last that is told of it. The descriptors close, and with them epoll forgets them, before anybody hears of it.
    fn tell_exit(mut self) {
        let child_lives = self.status.is_none() && !has_ended(&self.child.pidfd);
        let lives_on = child_lives || (self.is_wrapped() && !self.is_gone());
        let (code, signal) = self.status.unwrap_or_default();
        let stderr_tail = self.pipes[Stream::Stderr as usize].as_mut().map(Pipe::tail).unwrap_or_default();
        let Self { child, status, inner, pipes, lock, sink, .. } = self;
        drop((inner, pipes, lock));
        if status.is_none() {
            give_up(child.pidfd);
        } else {
            drop(child);
        }
        sink(Event::Exited { code, signal, stderr_tail, lives_on });
    }
}

fn unreaped() -> std::sync::MutexGuard<'static, Vec<OwnedFd>> {
    UNREAPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a child in mind that may not have been reaped.
fn give_up(child: OwnedFd) {
    unreaped().push(child);
    reap_given_up();
}

/// Reaps those given up that can be reaped now.
fn reap_given_up() {
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    unreaped().retain(|child| waitid(Id::PIDFd(child.as_fd()), ended) == Ok(WaitStatus::StillAlive));
}

/// Whether the process behind a pidfd has ended, reaped or not.
fn has_ended(pidfd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1)
}

/// Whether a process has the memory behind `file` mapped, as far as can be seen in a moment: how much there is to read, and
/// what stands in it, is up to the worker.
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

impl Drop for Reactor {
    /// However the thread ends: whoever waits for a worker hears that it is gone, and the next launch gets a new reactor.
    fn drop(&mut self) {
        let mut running = running();
        if running.as_ref().is_some_and(|inbox| Arc::ptr_eq(inbox, &self.inbox)) {
            *running = None;
        }
        drop(running);
        for worker in self.workers.values_mut() {
            worker.kill_inner();
            worker.kill_child();
        }
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            let child = &self.workers[&id].child.pidfd;
            let _ = poll(&mut [PollFd::new(child.as_fd(), PollFlags::POLLIN)], LAST_WAIT_MILLIS);
            let _ = waitid(Id::PIDFd(child.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
            self.finish(id);
        }
        while let Some(command) = self.inbox.commands.pop() {
            if let Command::Launch { order, .. } = command {
                let message = "cannot start a worker: the reactor has ended".into();
                (order.sink)(Event::Failed { message, transient: true });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::layout::Geometry;
    use crate::transport::segment::Segment;
    use std::io::{BufRead, BufReader, Write};
    use std::process;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    const WATCHDOG: Duration = Duration::from_secs(20);
    static NEXT: AtomicU64 = AtomicU64::new(1);

    fn null() -> File {
        File::options().read(true).write(true).open("/dev/null").unwrap()
    }

    fn order(argv: &[&str], sink: Sink) -> Order {
        let launch = Launch {
            argv: argv.iter().map(|&argument| argument.into()).collect(),
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            cwd: None,
            stdin: null().into(),
            reads_stdout: true,
            role: Role::Worker,
        };
        Order { launch, lock: null(), stdio: Stdio::Inherit, sink }
    }

    fn sink() -> (Sink, Receiver<Event>) {
        let (tell, told) = channel();
        (Box::new(move |event| tell.send(event).unwrap()), told)
    }

    fn start(argv: &[&str]) -> (WorkerId, Receiver<Event>) {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (sink, told) = sink();
        super::launch(id, order(argv, sink)).unwrap();
        (id, told)
    }

    /// A reactor without a thread, which does what the test says. It is not the running one.
    fn idle_reactor() -> Reactor {
        let inbox = Inbox::new().unwrap();
        let epoll = inbox.epoll().unwrap();
        Reactor::new(Arc::new(inbox), epoll)
    }

    fn launch_command(id: WorkerId, script: &str) -> (Command, Receiver<Event>) {
        let (sink, told) = sink();
        (Command::Launch { id, order: Box::new(order(&["/bin/sh", "-c", script], sink)) }, told)
    }

    fn shell(script: &str) -> (WorkerId, Receiver<Event>) {
        start(&["/bin/sh", "-c", script])
    }

    fn exit(events: &Receiver<Event>) -> (Option<i32>, Option<&'static str>, String) {
        loop {
            match events.recv_timeout(WATCHDOG).unwrap() {
                Event::Spawned { pid } => assert!(pid > 0),
                Event::Exited { code, signal, stderr_tail, .. } => return (code, signal, stderr_tail),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_exit_brings_its_code_and_the_tail_of_stderr() {
        let (_, events) = shell("echo first >&2; printf no-newline >&2; exit 7");
        assert_eq!(exit(&events), (Some(7), None, "first\nno-newline".into()));
    }

    #[test]
    fn a_signal_is_named() {
        let (_, events) = shell("kill -ABRT $$");
        assert_eq!(exit(&events), (None, Some("SIGABRT"), String::new()));
    }

    #[test]
    fn the_tail_is_bounded() {
        let (_, events) = shell("head -c 200000 /dev/zero | tr '\\0' x >&2; echo end >&2");
        let (code, _, tail) = exit(&events);
        assert_eq!((code, tail.len()), (Some(0), crate::process::output::STDERR_TAIL_BYTES));
        assert!(tail.ends_with("end\n"));
    }

    #[test]
    fn killing_takes_the_whole_group_and_waits_for_grace() {
        let (id, events) = shell("sleep 1000 & echo $! >&2; wait");
        let started = Instant::now();
        kill(id, Duration::from_millis(300), Manner::Prompt).unwrap();
        let (_, signal, tail) = exit(&events);
        assert_eq!(signal, Some("SIGKILL"));
        assert!(started.elapsed() >= Duration::from_millis(300));
        let child: i32 = tail.trim().parse().unwrap();
        let gone = Instant::now() + WATCHDOG;
        // A zombie whose new parent has not looked yet counts as gone.
        while std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        {
            assert!(Instant::now() < gone, "the worker's child survived");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets the test binary run one test of this module, with a reactor of its own.
    fn only_this_test<'a>(command: &'a mut process::Command, name: &str) -> &'a mut process::Command {
        let name = format!("process::reactor::tests::{name}");
        command.args(["--exact", &name, "--test-threads=1"]).stdout(process::Stdio::null())
    }

    /// Keeps a terminal open that it never reads, and runs its arguments with that as stderr.
    const UNREAD_TERMINAL: &str = "import os, subprocess, sys; _, terminal = os.openpty(); \
                                   sys.exit(subprocess.call(sys.argv[1:], stderr=terminal))";

    #[test]
    fn a_host_stderr_that_nobody_reads_stops_nothing() {
        const CHILD: &str = "KNITTING_TEST_UNREAD_STDERR";
        if std::env::var_os(CHILD).is_some() {
            let (flood, flood_events) = shell("while :; do echo flood; done >&2");
            std::thread::sleep(Duration::from_millis(500));
            let (_, events) = shell("exit 7");
            assert_eq!(exit(&events).0, Some(7));
            kill(flood, Duration::ZERO, Manner::Prompt).unwrap();
            assert_eq!(exit(&flood_events).1, Some("SIGKILL"));
            return;
        }
        let this = std::env::current_exe().unwrap();
        let run = |command: &mut process::Command| {
            only_this_test(command, "a_host_stderr_that_nobody_reads_stops_nothing").env(CHILD, "1").status()
        };
        let (_unread, pipe) = io::pipe().unwrap();
        assert!(run(process::Command::new(&this).stderr(pipe)).unwrap().success(), "a pipe");
        let (_unread, socket) = std::os::unix::net::UnixStream::pair().unwrap();
        let socket = OwnedFd::from(socket);
        assert!(run(process::Command::new(&this).stderr(socket)).unwrap().success(), "a socket");
        // Safe Rust cannot unlock a new terminal, Python can.
        match run(process::Command::new("python3").args(["-c", UNREAD_TERMINAL]).arg(&this)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            status => assert!(status.unwrap().success(), "a terminal"),
        }
    }

    #[test]
    fn a_missing_launcher_is_told() {
        let (_, told) = start(&["/no/such/launcher"]);
        let Event::Failed { message, transient } = told.recv_timeout(WATCHDOG).unwrap() else {
            panic!("it started")
        };
        assert!(message.contains("/no/such/launcher") && !transient, "{message}");
    }

    #[test]
    fn what_cannot_be_watched_does_not_run() {
        let mut reactor = idle_reactor();
        reactor.epoll = Epoll(null().into());
        let (command, told) = launch_command(1, "sleep 1000");
        reactor.obey(command);
        let failed = told.try_recv().unwrap();
        assert!(matches!(failed, Event::Failed { transient: false, .. }), "{failed:?}");
        assert!(reactor.workers.is_empty());
    }

    /// Launches `script` on `reactor` and waits until it has ended, without telling the reactor.
    fn ended(reactor: &mut Reactor, id: WorkerId, script: &str) -> Receiver<Event> {
        let (command, told) = launch_command(id, script);
        reactor.obey(command);
        assert!(matches!(told.try_recv(), Ok(Event::Spawned { .. })));
        let worker = &reactor.workers[&id];
        let mut ready = [PollFd::new(worker.child.pidfd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ready, 20_000u16), Ok(1));
        told
    }

    #[test]
    fn nobody_to_kill_is_no_error_and_starts_nothing() {
        const CHILD: &str = "KNITTING_TEST_NO_REACTOR";
        if std::env::var_os(CHILD).is_some() {
            kill(1, Duration::ZERO, Manner::Prompt).unwrap();
            assert!(running().is_none());
            return;
        }
        let mut this = process::Command::new(std::env::current_exe().unwrap());
        let this = only_this_test(&mut this, "nobody_to_kill_is_no_error_and_starts_nothing");
        assert!(this.env(CHILD, "1").status().unwrap().success());
    }

    #[test]
    fn a_reactor_that_ends_tells_everybody() {
        let mut reactor = idle_reactor();
        let (command, running) = launch_command(1, "exec sleep 1000");
        reactor.obey(command);
        let Ok(Event::Spawned { pid }) = running.try_recv() else { panic!("it did not start") };
        let (command, queued) = launch_command(2, "exit 0");
        reactor.inbox.commands.push(command);
        reactor.inbox.commands.push(Command::Kill { id: 1, grace: WATCHDOG, manner: Manner::Orderly });
        drop(reactor);
        assert!(matches!(running.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
        assert!(matches!(queued.try_recv(), Ok(Event::Failed { transient: true, .. })));
        assert!(nix::sys::signal::kill(Pid::from_raw(pid), None).is_err(), "the worker is still there");
    }

    #[test]
    fn a_reactor_without_its_epoll_ends() {
        let mut reactor = idle_reactor();
        let (command, told) = launch_command(1, "exec sleep 1000");
        reactor.obey(command);
        reactor.epoll = Epoll(null().into());
        reactor.run();
        assert!(matches!(told.try_recv(), Ok(Event::Spawned { .. })));
        assert!(matches!(told.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
    }

    #[test]
    fn what_an_ended_worker_wrote_last_is_kept() {
        let mut reactor = idle_reactor();
        // A pipe holds 64 KiB, and nobody reads it before the worker has ended.
        let script = "head -c 60000 /dev/zero | tr '\\0' '\\n' >&2; echo end >&2";
        let told = ended(&mut reactor, 1, script);
        reactor.reap(1);
        let Ok(Event::Exited { code: Some(0), stderr_tail, .. }) = told.try_recv() else {
            panic!("it did not end well")
        };
        assert!(stderr_tail.ends_with("end\n"));
    }

    #[test]
    fn lines_become_events_before_the_end_is_told() {
        let (sink, told) = sink();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let script = "echo one; echo two >&2; printf three";
        let order = Order { stdio: Stdio::Pipe, ..order(&["/bin/sh", "-c", script], sink) };
        super::launch(id, order).unwrap();
        let mut lines = [Vec::new(), Vec::new()];
        loop {
            match told.recv_timeout(WATCHDOG).unwrap() {
                Event::Output { stream, lines: more, .. } => lines[stream as usize].extend(more),
                Event::Exited { stderr_tail, .. } => break assert_eq!(stderr_tail, "two\n"),
                Event::Spawned { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lines, [b"one\nthree\n".to_vec(), b"two\n".to_vec()]);
    }

    #[test]
    fn a_flood_waits_until_its_events_are_taken() {
        let (sink, told) = sink();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let order = Order { stdio: Stdio::Pipe, ..order(&["/bin/sh", "-c", "exec yes"], sink) };
        super::launch(id, order).unwrap();
        let mut untaken = Vec::new();
        let mut bytes = 0;
        while let Ok(event) = told.recv_timeout(Duration::from_millis(500)) {
            if let Event::Output { lines, receipt, .. } = event {
                bytes += lines.len();
                untaken.push(receipt);
            }
        }
        assert!(bytes > 0 && bytes < 4 * 1024 * 1024, "{bytes} bytes");
        drop(untaken);
        assert!(matches!(told.recv_timeout(WATCHDOG), Ok(Event::Output { .. })), "it goes on");
        kill(id, Duration::ZERO, Manner::Prompt).unwrap();
        drop(told.iter().find(|event| matches!(event, Event::Exited { .. })).unwrap());
    }

    #[test]
    fn a_number_that_may_be_somebody_elses_is_not_killed() {
        use std::os::unix::process::CommandExt;
        let mut reactor = idle_reactor();
        let told = ended(&mut reactor, 1, "exit 3");
        let mut bystander = process::Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let worker = reactor.workers.get_mut(&1).unwrap();
        nix::sys::wait::waitpid(worker.child.pid, None).unwrap();
        worker.child.pid = Pid::from_raw(bystander.id() as i32);
        worker.kill();
        reactor.reap(1);
        assert!(matches!(told.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
        std::thread::sleep(Duration::from_millis(50));
        assert!(bystander.try_wait().unwrap().is_none(), "a bystander was killed");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }

    /// This test binary as a worker of the test `name`, in which `role` says what it is to do.
    fn this_test_as(name: &str, role: &str) -> Order {
        let this = std::env::current_exe().unwrap();
        let name = format!("process::reactor::tests::{name}");
        let (sink, _) = sink();
        let mut order = order(&[this.to_str().unwrap(), "--exact", &name, "--test-threads=1"], sink);
        order.launch.env.push((ROLE.into(), role.into()));
        order
    }

    const ROLE: &str = "KNITTING_TEST_REACTOR_ROLE";

    /// Traces its parent, of whose end nobody else is told then, for as long as it lives itself.
    fn trace_parent() {
        let parent = nix::unistd::getppid().as_raw();
        // SAFETY: takes numbers only.
        let traced = unsafe { nix::libc::ptrace(nix::libc::PTRACE_SEIZE, parent, 0, 0) };
        // Not captured, as what a macro prints would be.
        writeln!(io::stderr(), "{traced} {}", process::id()).unwrap();
        loop {
            std::thread::park();
        }
    }

    /// Has itself traced by a process outside its group, and ends.
    fn be_traced(name: &str) {
        use std::os::unix::process::CommandExt;
        // SAFETY: takes numbers only.
        unsafe { nix::libc::prctl(nix::libc::PR_SET_PTRACER, nix::libc::PR_SET_PTRACER_ANY) };
        let mut tracer = process::Command::new(std::env::current_exe().unwrap());
        let tracer = only_this_test(&mut tracer, name).env(ROLE, "tracer").process_group(0);
        let mut tracer = tracer.stderr(process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(tracer.stderr.take().unwrap()).read_line(&mut line).unwrap();
        write!(io::stderr(), "{line}").unwrap();
        process::exit(3);
    }

    #[test]
    fn a_worker_that_somebody_keeps_from_being_reaped_is_given_up() {
        const NAME: &str = "a_worker_that_somebody_keeps_from_being_reaped_is_given_up";
        match std::env::var(ROLE).as_deref() {
            Ok("tracer") => return trace_parent(),
            Ok(_) => return be_traced(NAME),
            Err(_) => {}
        }
        let (sink, told) = sink();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        super::launch(id, Order { sink, ..this_test_as(NAME, "traced") }).unwrap();
        let (code, signal, tail) = exit(&told);
        assert!(started.elapsed() >= GIVEN_UP, "{code:?} {signal:?}: {tail}");
        assert_eq!((code, signal), (None, None));
        let (traced, tracer) = tail.trim().split_once(' ').unwrap();
        assert_eq!(traced, "0", "it could not be traced");
        nix::sys::signal::kill(Pid::from_raw(tracer.parse().unwrap()), Signal::SIGKILL).unwrap();
    }

    /// A process of the test `name`, which tells of itself on stderr: its number and that of one it has started.
    fn inner_process(name: &str, role: &str) {
        use std::os::unix::process::CommandExt;
        let mut inner = process::Command::new(std::env::current_exe().unwrap());
        let inner = only_this_test(&mut inner, name).env(ROLE, role).process_group(0);
        inner.spawn().unwrap().wait().unwrap();
    }

    /// Attaches to the memory on descriptor 0, maps it if it is to be `honest`, and starts another process.
    fn work(honest: bool) {
        let lock = owner_lock::reopen(io::stdin()).unwrap();
        let _mapped = honest.then(|| memmap2::MmapRaw::map_raw(&lock).unwrap());
        owner_lock::hold(&lock, Owner::Worker).unwrap();
        owner_lock::show_process(&lock).unwrap();
        let mut started = process::Command::new("sleep").arg("1000").spawn().unwrap();
        writeln!(io::stderr(), "{} {}", process::id(), started.id()).unwrap();
        started.wait().unwrap();
    }

    /// Launches a wrapper of the test `name`, with a worker in a group of its own, and waits for that.
    fn launch_wrapper(name: &str, role: &str) -> (WorkerId, Receiver<Event>, Vec<i32>) {
        let (_, memory) = Segment::create(Geometry::new(1).unwrap()).unwrap();
        let lock = owner_lock::reopen(&memory).unwrap();
        let (sink, told) = sink();
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut order = Order { sink, lock, stdio: Stdio::Pipe, ..this_test_as(name, role) };
        order.launch.role = Role::Wrapper;
        order.launch.stdin = memory;
        super::launch(id, order).unwrap();
        loop {
            let event = told.recv_timeout(WATCHDOG).unwrap();
            if let Event::Output { stream: Stream::Stderr, lines, .. } = event {
                let line = String::from_utf8(lines).unwrap();
                let pids = line.split_whitespace().map(|pid| pid.parse().expect(&line)).collect();
                return (id, told, pids);
            }
        }
    }

    fn lives(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn a_worker_behind_a_wrapper_is_killed_with_its_group_whether_it_has_told_of_itself_or_not() {
        const NAME: &str =
            "a_worker_behind_a_wrapper_is_killed_with_its_group_whether_it_has_told_of_itself_or_not";
        match std::env::var(ROLE).as_deref() {
            Ok("wrapper") => return inner_process(NAME, "worker"),
            Ok(_) => return work(true),
            Err(_) => {}
        }
        for tells in [true, false] {
            let (id, told, pids) = launch_wrapper(NAME, "wrapper");
            if tells {
                attached(id).unwrap();
                let attached = told.iter().find(|event| matches!(event, Event::Attached { .. })).unwrap();
                assert!(matches!(attached, Event::Attached { pid: Some(pid) } if pid == pids[0]));
            }
            kill(id, Duration::ZERO, Manner::Prompt).unwrap();
            let exited = told.iter().find(|event| matches!(event, Event::Exited { .. })).unwrap();
            assert!(matches!(exited, Event::Exited { lives_on: false, .. }), "{exited:?}");
            let gone = Instant::now() + WATCHDOG;
            while pids.iter().any(|&pid| lives(pid)) {
                assert!(Instant::now() < gone, "of {pids:?} some are left");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    #[test]
    fn a_process_that_does_not_use_the_memory_is_neither_told_of_nor_killed() {
        const NAME: &str = "a_process_that_does_not_use_the_memory_is_neither_told_of_nor_killed";
        match std::env::var(ROLE).as_deref() {
            Ok("wrapper") => return inner_process(NAME, "bystander"),
            Ok(_) => return work(false),
            Err(_) => {}
        }
        let (id, told, pids) = launch_wrapper(NAME, "wrapper");
        attached(id).unwrap();
        let attached = told.iter().find(|event| matches!(event, Event::Attached { .. })).unwrap();
        assert!(matches!(attached, Event::Attached { pid: None }), "{attached:?}");
        kill(id, Duration::ZERO, Manner::Prompt).unwrap();
        assert!(told.iter().any(|event| matches!(event, Event::Outlives)));
        assert!(pids.iter().all(|&pid| lives(pid)), "a bystander was killed");
        for pid in pids {
            nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        assert!(told.iter().any(|event| matches!(event, Event::Exited { lives_on: false, .. })));
    }
}
