//! The output of one worker, a process or a thread, as the reactor reads it and passes it on.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::Epoll;

use super::child::event;
use super::command::WorkerId;
use super::event::{Event, EventHandler};
use super::inbox::Inbox;
use crate::process::output::{Pipe, Queue, Stdio, Stream, Untaken};

/// How many bytes of an ended worker's stream are read: as many as a pipe can hold. More would come from a
/// process outside the worker's group that still has the pipe, and might never end.
pub const LAST_BYTES: usize = 1024 * 1024;

/// Lines on their way to the host's two streams.
pub type Queues = [Queue; 2];

/// A worker's output and the handler that hears of it.
pub struct WorkerOutput {
    /// Its stdout and stderr, as far as they are read.
    pipes: [Option<Pipe>; 2],
    stdio: Stdio,
    /// Its output in events that the host has not taken yet.
    untaken: Untaken,
    on_event: EventHandler,
}

impl WorkerOutput {
    /// The output that comes through these pipes.
    pub fn new(stdout: Option<OwnedFd>, stderr: OwnedFd, stdio: Stdio, on_event: EventHandler) -> Self {
        let pipe = |fd: OwnedFd, stream| Pipe::new(File::from(fd), stream);
        Self {
            pipes: [stdout.map(|fd| pipe(fd, Stream::Stdout)), Some(pipe(stderr, Stream::Stderr))],
            stdio,
            untaken: Untaken::default(),
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

    /// True if what is read now has a place to go.
    pub fn has_room(&self, stream: Stream, queues: &Queues) -> bool {
        match self.stdio {
            Stdio::Inherit => !queues[stream as usize].is_full(),
            Stdio::Pipe => !self.untaken.is_full(),
            Stdio::Ignore => true,
        }
    }

    /// Reads what is there, at most about `most` bytes, and passes it on.
    pub fn read(&mut self, stream: Stream, most: usize, queues: &mut Queues, inbox: &Arc<Inbox>) {
        let Some(mut pipe) = self.pipes[stream as usize].take() else { return };
        pipe.read(most, |lines| self.pass_on(stream, lines, &mut queues[stream as usize], inbox));
        self.pipes[stream as usize] = Some(pipe);
    }

    /// Passes on the last that the worker has written. Returns the end of its stderr.
    pub fn finish(&mut self, queues: &mut Queues, inbox: &Arc<Inbox>) -> String {
        let mut tail = String::new();
        for stream in Stream::ALL {
            self.read(stream, LAST_BYTES, queues, inbox);
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
