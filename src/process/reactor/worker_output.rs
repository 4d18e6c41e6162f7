//! The output of one worker, a process or a thread, as the reactor reads it and passes it on.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::Epoll;

use super::child::event;
use super::command::WorkerId;
use super::event::{Event, EventHandler};
use super::inbox::Inbox;
use super::line_meter::{LineMeter, lines_in};
use crate::process::message_rate::MessageRate;
use crate::process::output::{Pipe, Queue, Stdio, Stream, Untaken};

/// How many bytes of an ended worker's stream are read: as many as a pipe can hold. More would come from a
/// process outside the worker's group that still has the pipe, and might never end.
pub const LAST_BYTES: usize = 1024 * 1024;

/// Size of the pipes of a worker whose lines are counted, and how much of them is read at once. So it is held
/// up soon after it has sent too much, and does not finish its task in the meantime.
const METERED_BYTES: usize = 4 * 1024;

/// Lines on their way to the host's two streams.
pub type Queues = [Queue; 2];

/// A worker's output and the handler that hears of it.
pub struct WorkerOutput {
    /// Its stdout and stderr, as far as they are read.
    pipes: [Option<Pipe>; 2],
    stdio: Stdio,
    /// Its output in events that the host has not taken yet.
    untaken: Untaken,
    /// Counts its lines, if they go anywhere and are limited.
    meter: Option<LineMeter>,
    on_event: EventHandler,
}

impl WorkerOutput {
    /// The output that comes through these pipes. `messages` limits its lines.
    pub fn new(
        stdout: Option<OwnedFd>,
        stderr: OwnedFd,
        stdio: Stdio,
        messages: Option<Arc<MessageRate>>,
        on_event: EventHandler,
    ) -> Self {
        let meter = messages.filter(|_| stdio != Stdio::Ignore).map(LineMeter::new);
        let pipe = |fd: OwnedFd, stream| {
            if meter.is_some() {
                let _ = fcntl(&fd, FcntlArg::F_SETPIPE_SZ(METERED_BYTES as i32));
            }
            Pipe::new(File::from(fd), stream)
        };
        Self {
            pipes: [stdout.map(|fd| pipe(fd, Stream::Stdout)), Some(pipe(stderr, Stream::Stderr))],
            stdio,
            untaken: Untaken::default(),
            meter,
            on_event,
        }
    }

    /// Sends an event of the worker.
    pub fn tell(&self, event: Event) {
        (self.on_event)(event);
    }

    /// The pipe of a stream, until its end.
    pub fn file(&self, stream: Stream) -> Option<&File> {
        self.pipes[stream as usize].as_ref().and_then(Pipe::file)
    }

    /// True if its lines are counted.
    pub fn is_metered(&self) -> bool {
        self.meter.as_ref().is_some_and(|meter| !meter.is_flooded)
    }

    /// The pipe of a stream is watched again.
    pub fn watched(&mut self, stream: Stream) {
        if let Some(meter) = &mut self.meter {
            meter.watched(stream);
        }
    }

    /// True if what is read now has a place to go. A worker that has sent too much is held up until it ends.
    pub fn has_room(&self, stream: Stream, queues: &Queues) -> bool {
        match self.stdio {
            _ if self.meter.as_ref().is_some_and(|meter| meter.is_flooded) => false,
            Stdio::Inherit => !queues[stream as usize].is_full(),
            Stdio::Pipe => !self.untaken.is_full(),
            Stdio::Ignore => true,
        }
    }

    /// Reads what is there, at most about `most` bytes, and passes it on. `looked` is when the reactor last
    /// heard of all watched pipes that were not empty.
    pub fn read(
        &mut self,
        stream: Stream,
        most: usize,
        queues: &mut Queues,
        inbox: &Arc<Inbox>,
        looked: Instant,
    ) {
        let Some(mut pipe) = self.pipes[stream as usize].take() else { return };
        let most = if self.is_metered() { most.min(METERED_BYTES) } else { most };
        let mut count = 0;
        let is_empty = pipe.read(most, |lines| {
            count += if self.meter.is_some() { lines_in(lines) } else { 0 };
            self.pass_on(stream, lines, &mut queues[stream as usize], inbox);
        });
        self.pipes[stream as usize] = Some(pipe);
        let is_first = self.is_metered();
        let flood = self.meter.as_mut().and_then(|meter| meter.count(stream, count, looked, is_empty));
        if let Some(flood) = flood.filter(|_| is_first) {
            self.tell(Event::Flooded(flood));
        }
    }

    /// Passes on the last that the worker has written. Returns the end of its stderr.
    pub fn finish(&mut self, queues: &mut Queues, inbox: &Arc<Inbox>) -> String {
        let mut tail = String::new();
        // How it has ended is known already.
        self.meter = None;
        for stream in Stream::ALL {
            self.read(stream, LAST_BYTES, queues, inbox, Instant::now());
            if let Some(mut pipe) = self.pipes[stream as usize].take() {
                pipe.finish(|lines| self.pass_on(stream, lines, &mut queues[stream as usize], inbox));
                tail.push_str(&pipe.tail());
            }
        }
        tail
    }

    fn pass_on(&self, stream: Stream, lines: &[u8], queue: &mut Queue, inbox: &Arc<Inbox>) {
        match self.stdio {
            Stdio::Inherit => queue.push(lines),
            Stdio::Ignore => {}
            Stdio::Pipe => {
                let inbox = inbox.clone();
                let receipt = self.untaken.count(lines.len(), move || drop(inbox.ring()));
                self.tell(Event::Output { stream, lines: lines.to_vec(), receipt });
            }
        }
    }
}

/// Has `epoll` hear of what comes through a worker's pipes, which are not to wait.
pub fn watch(epoll: &Epoll, id: WorkerId, stdout: Option<&OwnedFd>, stderr: &OwnedFd) -> std::io::Result<()> {
    for (pipe, stream) in [stdout, Some(stderr)].into_iter().zip(Stream::ALL) {
        if let Some(pipe) = pipe {
            fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            epoll.add(pipe, event(id, stream as u64))?;
        }
    }
    Ok(())
}
