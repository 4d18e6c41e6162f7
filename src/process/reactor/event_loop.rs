//! The reactor's thread.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::child::{CHILD, INNER, KIND_SHIFT, Worker, event};
use super::command::{Command, Flushed, KillMode, LaunchRequest, ListenRequest, WorkerId};
use super::event::Event;
use super::inbox::{BELL, Inbox, running};
use super::unreaped::reap_given_up;
use super::worker_output::{LAST_BYTES, Queues, WorkerOutput, watch};
use crate::process::launch::{Launch, LaunchError, Launched};
use crate::process::output::{LINE_BYTES, Queue, Stream};
use crate::process::usage::Groups;

/// How many bytes of a worker's stream are read at once. A flood is read in portions, so that other workers
/// get their turn.
const PORTION_BYTES: usize = 4 * LINE_BYTES;
/// How long to wait before a stream of the host's is tried again when it takes nothing.
const OUTPUT_RETRY: Duration = Duration::from_millis(5);
/// While the lines of a worker are counted, how often to look at least, to know that its pipes are empty.
const METER_LOOK: Duration = Duration::from_millis(500);
/// How many milliseconds a reactor that ends waits for each worker that it has killed.
const LAST_WAIT_MILLIS: u16 = 1000;

/// What the thread works on.
pub struct EventLoop {
    pub(super) inbox: Arc<Inbox>,
    pub(super) epoll: Epoll,
    /// The worker processes.
    pub(super) workers: HashMap<WorkerId, Worker>,
    /// What worker threads write.
    threads: HashMap<WorkerId, WorkerOutput>,
    queues: Queues,
    /// Pipes that were read and are not watched at the moment.
    paused: Vec<(WorkerId, Stream)>,
    /// When it last heard of all watched pipes that were not empty.
    looked: Instant,
    /// Who waits until everything is passed on.
    flushes: Vec<Sender<Flushed>>,
}

impl EventLoop {
    /// A loop that takes its commands from `inbox`, whose bell `epoll` hears.
    pub fn new(inbox: Arc<Inbox>, epoll: Epoll) -> Self {
        Self {
            inbox,
            epoll,
            workers: HashMap::new(),
            threads: HashMap::new(),
            queues: Default::default(),
            paused: Vec::new(),
            looked: Instant::now(),
            flushes: Vec::new(),
        }
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
            let has_workers = !self.workers.is_empty() || !self.threads.is_empty();
            if !has_workers && self.queues.iter().all(Queue::is_empty) {
                let mut running = running();
                if self.inbox.commands.is_empty() {
                    *running = None;
                    return;
                }
                continue;
            }
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Ok(count) => count,
                // This process may have been stopped for any time.
                Err(Errno::EINTR) => continue,
                // The loop is blind now. `drop` kills the workers that are left and reports their ends.
                Err(_) => return,
            };
            let now = Instant::now();
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
            if count < events.len() {
                self.looked = now;
            }
        }
    }

    fn timeout(&self) -> EpollTimeout {
        let deadline = self.workers.values().filter_map(Worker::deadline).min();
        let mut wait = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        if !self.queues.iter().all(Queue::is_empty) {
            wait = Some(wait.map_or(OUTPUT_RETRY, |wait| wait.min(OUTPUT_RETRY)));
        }
        let mut outputs = self.workers.values().map(|worker| &worker.output).chain(self.threads.values());
        if outputs.any(WorkerOutput::is_metered) {
            wait = Some(wait.map_or(METER_LOOK, |wait| wait.min(METER_LOOK)));
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
                let LaunchRequest { launch, lock, stdio, messages, on_event } = *request;
                let role = launch.role;
                match self.start(id, launch) {
                    Ok(launched) => {
                        on_event(Event::Spawned { pid: launched.pid.as_raw() });
                        self.workers.insert(id, Worker::new(launched, role, lock, stdio, messages, on_event));
                    }
                    Err(LaunchError { message, retryable }) => on_event(Event::Failed { message, retryable }),
                }
            }
            Command::Listen { id, request } => self.listen(id, *request),
            Command::ThreadEnded { id } => self.thread_ended(id),
            Command::Attached { id } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.attached(id, &self.epoll);
                }
            }
            Command::WatchMemory { id, limit } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.watch_memory(limit);
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
            Command::Flush { told } => {
                let ids: Vec<_> = self.workers.keys().chain(self.threads.keys()).copied().collect();
                for (id, stream) in ids.into_iter().flat_map(|id| Stream::ALL.map(|stream| (id, stream))) {
                    self.read_available(id, stream);
                }
                self.flushes.push(told);
                self.write_output();
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
        watch(&self.epoll, id, launched.stdout.as_ref(), &launched.stderr)?;
        self.epoll.add(&launched.pidfd, event(id, CHILD))?;
        Ok(())
    }

    fn listen(&mut self, id: WorkerId, request: ListenRequest) {
        let ListenRequest { pipes: (stdout, stderr), stdio, messages, on_event } = request;
        // Without a watch the pipes fill. What they hold is read when the thread ends.
        let _ = watch(&self.epoll, id, stdout.as_ref(), &stderr);
        self.threads.insert(id, WorkerOutput::new(stdout, stderr, stdio, messages, on_event));
    }

    fn thread_ended(&mut self, id: WorkerId) {
        let Some(mut output) = self.threads.remove(&id) else { return };
        let stderr_tail = output.finish(&mut self.queues, &self.inbox);
        // Its output comes before the event of its end.
        self.write_output();
        output.tell(Event::Exited { code: None, signal: None, stderr_tail, lives_on: false });
    }

    fn meet_deadlines(&mut self) {
        let now = Instant::now();
        let due = |worker: &Worker| worker.deadline().is_some_and(|at| at <= now);
        let ids: Vec<_> = self.workers.iter().filter(|(_, worker)| due(worker)).map(|(&id, _)| id).collect();
        let mut groups = Groups::default();
        for id in ids {
            if self.workers.get_mut(&id).is_some_and(|worker| worker.meet_deadline(now, &mut groups)) {
                self.finish(id);
            }
        }
    }

    /// Reads a portion of what the worker wrote, unless there is no room for it.
    fn read(&mut self, id: WorkerId, stream: Stream) {
        let Some(output) = output(&mut self.workers, &mut self.threads, id) else { return };
        if output.has_room(stream, &self.queues) {
            output.read(stream, PORTION_BYTES, &mut self.queues, &self.inbox, self.looked);
        }
        self.paused.push((id, stream));
    }

    fn read_available(&mut self, id: WorkerId, stream: Stream) {
        if let Some(output) = output(&mut self.workers, &mut self.threads, id) {
            output.read(stream, LAST_BYTES, &mut self.queues, &self.inbox, self.looked);
        }
    }

    /// Watches the pipes again that were read. A pipe whose lines find no room is left alone: it fills, its
    /// worker waits, and memory stays bounded.
    fn resume_reading(&mut self) {
        for (id, stream) in std::mem::take(&mut self.paused) {
            let Some(output) = output(&mut self.workers, &mut self.threads, id) else { continue };
            let Some(pipe) = output.file(stream) else { continue };
            if output.has_room(stream, &self.queues) {
                let _ = self.epoll.modify(pipe, &mut event(id, stream as u64));
                output.watched(stream);
            } else {
                self.paused.push((id, stream));
            }
        }
    }

    fn write_output(&mut self) {
        let mut has_moved = false;
        for stream in Stream::ALL {
            has_moved |= self.queues[stream as usize].write(stream);
        }
        let flushed = match self.queues.iter().all(Queue::is_empty) {
            true => Flushed::Wholly,
            false if has_moved => Flushed::Partly,
            false => return,
        };
        // The thread that asked may have given up.
        self.flushes.retain(|told| told.send(flushed).is_ok() && flushed == Flushed::Partly);
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
        (worker.inner, worker.memory) = (None, None);
        worker.await_wrapper();
    }

    /// The worker has ended: passes on its last output and sends its last event.
    fn finish(&mut self, id: WorkerId) {
        let Some(mut worker) = self.workers.remove(&id) else { return };
        let stderr_tail = worker.output.finish(&mut self.queues, &self.inbox);
        // Its output comes before the event of its end.
        self.write_output();
        worker.tell_exit(stderr_tail);
    }
}

/// What a worker writes, be it a process or a thread.
fn output<'a>(
    workers: &'a mut HashMap<WorkerId, Worker>,
    threads: &'a mut HashMap<WorkerId, WorkerOutput>,
    id: WorkerId,
) -> Option<&'a mut WorkerOutput> {
    workers.get_mut(&id).map(|worker| &mut worker.output).or_else(|| threads.get_mut(&id))
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
        for id in self.threads.keys().copied().collect::<Vec<_>>() {
            self.thread_ended(id);
        }
        while let Some(command) = self.inbox.commands.pop() {
            match command {
                Command::Launch { request, .. } => {
                    let message = "cannot start a worker: the reactor has ended".into();
                    (request.on_event)(Event::Failed { message, retryable: true });
                }
                Command::Listen { request, .. } => {
                    let stderr_tail = String::new();
                    (request.on_event)(Event::Exited {
                        code: None,
                        signal: None,
                        stderr_tail,
                        lives_on: false,
                    });
                }
                _ => {}
            }
        }
    }
}
