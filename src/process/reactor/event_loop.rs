//! The reactor's thread.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::child::{CHILD, INNER, KIND_SHIFT, Worker, event};
use super::command::{Command, KillMode, LaunchRequest, WorkerId};
use super::event::Event;
use super::inbox::{BELL, Inbox, running};
use super::unreaped::reap_given_up;
use crate::process::launch::{Launch, LaunchError, Launched};
use crate::process::output::{LINE_BYTES, Pipe, Queue, Stdio, Stream};

/// How many bytes of a worker's stream are read at once. A flood is read in portions, so that other workers
/// get their turn.
const PORTION_BYTES: usize = 4 * LINE_BYTES;
/// How many bytes of an ended worker's stream are read: as many as a pipe can hold. More would come from a
/// process outside the worker's group that still has the pipe, and might never end.
const LAST_BYTES: usize = 1024 * 1024;
/// How long to wait before a stream of the host's is tried again when it takes nothing.
const OUTPUT_RETRY: Duration = Duration::from_millis(20);
/// How many milliseconds a reactor that ends waits for each worker that it has killed.
const LAST_WAIT_MILLIS: u16 = 1000;

/// What the thread works on.
pub struct EventLoop {
    pub(super) inbox: Arc<Inbox>,
    pub(super) epoll: Epoll,
    pub(super) workers: HashMap<WorkerId, Worker>,
    /// Lines on their way to the host's streams.
    queues: [Queue; 2],
    /// Pipes that were read and are not watched at the moment.
    paused: Vec<(WorkerId, Stream)>,
}

impl EventLoop {
    /// A loop that takes its commands from `inbox`, whose bell `epoll` hears.
    pub fn new(inbox: Arc<Inbox>, epoll: Epoll) -> Self {
        Self { inbox, epoll, workers: HashMap::new(), queues: Default::default(), paused: Vec::new() }
    }

    /// Runs until there is nothing to watch any more.
    pub fn run(mut self) {
        // Writing to a stream of the host's that has no reader is to be an error here, whatever the host does
        // about the signal. Workers inherit the mask, and the launcher clears it.
        let _ = SigSet::from(Signal::SIGPIPE).thread_block();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            while let Some(command) = self.inbox.commands.pop() {
                self.handle(command);
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
                // The loop is blind now. `drop` kills the workers that are left and reports their ends.
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

    pub(super) fn handle(&mut self, command: Command) {
        match command {
            Command::Launch { id, request } => {
                let LaunchRequest { launch, lock, stdio, on_event } = *request;
                let role = launch.role;
                match self.start(id, launch) {
                    Ok(launched) => {
                        on_event(Event::Spawned { pid: launched.pid.as_raw() });
                        self.workers.insert(id, Worker::new(launched, role, lock, stdio, on_event));
                    }
                    Err(LaunchError { message, retryable }) => on_event(Event::Failed { message, retryable }),
                }
            }
            Command::Attached { id } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.attached(id, &self.epoll);
                }
            }
            Command::Kill { id, grace, mode } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    if mode == KillMode::Prompt {
                        worker.mode = mode;
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
                // The thread that asked may have given up.
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

    /// Reads a portion of what the worker wrote, unless there is no room for it.
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

    /// Watches the pipes again that were read. A pipe whose lines find no room is left alone: it fills, its
    /// worker waits, and memory stays bounded.
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

    /// The child has ended. If it can't be reaped yet, its descriptor would stay readable for ever: it is not
    /// watched again, and the child is looked at from time to time.
    pub(super) fn reap(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return reap_given_up() };
        // A look may have found its end before this event.
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

    /// The worker has ended: passes on its last output and sends its last event.
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
        // Its output comes before the event of its end.
        self.write_output();
        worker.tell_exit();
    }
}

impl Drop for EventLoop {
    /// However the thread ends, the handler of each worker hears that it is gone, and the next launch starts
    /// a new reactor.
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
            if let Command::Launch { request, .. } = command {
                let message = "cannot start a worker: the reactor has ended".into();
                (request.on_event)(Event::Failed { message, retryable: true });
            }
        }
    }
}
