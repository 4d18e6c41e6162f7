//! What a worker thread writes to its stdout and stderr: pipes that the reactor reads, like those of a process.
//!
//! ```text
//!   thread --write--> pipe --> reactor     a full pipe holds the thread up, a little at a time, so that the
//!                                          thread can still be terminated
//! ```

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};

use super::message_rate::MessageRate;
use super::output::{Stdio, Stream};
use super::reactor::{self, EventHandler, ListenRequest, WorkerId};

/// How many milliseconds a write waits for room at most.
const WAIT_MILLIS: u16 = 20;

/// The thread's ends of its two pipes. A stream without one is dropped.
#[derive(Debug)]
pub struct ThreadOutput([Option<File>; 2]);

/// Has the reactor read the output of a thread that is to be started. `messages` limits its lines, `on_event`
/// hears of it.
pub fn listen(
    id: WorkerId,
    stdio: Stdio,
    messages: Option<Arc<MessageRate>>,
    on_event: EventHandler,
) -> io::Result<ThreadOutput> {
    let (stdout, to_stdout) = match stdio {
        Stdio::Ignore => (None, None),
        Stdio::Inherit | Stdio::Pipe => {
            let (reader, writer) = pipe()?;
            (Some(reader), Some(writer))
        }
    };
    let (stderr, to_stderr) = pipe()?;
    reactor::listen(id, ListenRequest { pipes: (stdout, stderr), stdio, messages, on_event })?;
    Ok(ThreadOutput([to_stdout, Some(to_stderr)]))
}

fn pipe() -> io::Result<(OwnedFd, File)> {
    let (reader, writer) = io::pipe()?;
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((reader.into(), File::from(OwnedFd::from(writer))))
}

impl ThreadOutput {
    /// Writes what there is room for of `bytes`, and waits a little if there is none. Returns how many bytes
    /// need not be written again. Nobody will ever read what the reactor has let go of.
    pub fn write(&self, stream: Stream, bytes: &[u8]) -> usize {
        let Some(mut pipe) = self.0[stream as usize].as_ref() else { return bytes.len() };
        match pipe.write(bytes) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                let _ = poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)], WAIT_MILLIS);
                0
            }
            Err(_) => bytes.len(),
        }
    }
}
