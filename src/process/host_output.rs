//! Writing to the host's stdout and stderr without ever waiting for their reader, because the reactor has
//! workers to kill meanwhile.
//!
//! ```text
//!   the descriptor is        it is written
//!   pipe, character device   through /proc/self/fd/N, opened anew with O_NONBLOCK
//!   socket                   by pwritev2 with RWF_NOWAIT
//!   regular file             directly: a file always takes something
//!   none of these, or the system refuses: a poll before each piece, as small as a ready descriptor surely takes
//! ```
//!
//! O_NONBLOCK belongs to the open file description, which the host shares with its parent and its children.
//! It is never set there, only on a description of our own. A socket cannot be opened anew, but it knows a
//! flag for one call. The caller blocks or ignores SIGPIPE.

use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc::{O_NOCTTY, O_NONBLOCK};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::write;

use crate::sys::sockets;

/// A ready pipe or socket has this much room, whatever its size.
const PIECE_BYTES: usize = 512;
/// A ready terminal promises no more.
const TERMINAL_PIECE_BYTES: usize = 1;
/// The most that is offered to a socket at once; one for datagrams refuses too much.
const MESSAGE_BYTES: usize = 4096;

/// The outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// So many were taken, at least one.
    Taken(usize),
    /// None can be taken now.
    Full,
    /// None will ever be taken, because nobody can read them.
    Closed,
}

/// A stream of the host's as it is now. The host may put another file there, so open it again for the next
/// output.
pub struct HostOutput<'a> {
    descriptor: BorrowedFd<'a>,
    way: Way,
}

enum Way {
    /// Through a description of our own that never waits.
    Own(File),
    /// One call that never waits.
    Socket,
    /// A plain write, which never waits.
    File,
    /// Pieces of so many bytes, each after a poll that says that there is room.
    Pieces(usize),
}

impl<'a> HostOutput<'a> {
    /// Finds out how `descriptor` can be written.
    pub fn open(descriptor: BorrowedFd<'a>) -> Self {
        // A descriptor without a status is closed. The poll will say so.
        let kind = fstat(descriptor)
            .map_or(SFlag::empty(), |status| SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT);
        let way = match kind {
            SFlag::S_IFIFO => reopen(descriptor).map_or(Way::Pieces(PIECE_BYTES), Way::Own),
            SFlag::S_IFCHR => reopen(descriptor).map_or(Way::Pieces(TERMINAL_PIECE_BYTES), Way::Own),
            SFlag::S_IFSOCK => Way::Socket,
            SFlag::S_IFREG => Way::File,
            _ => Way::Pieces(PIECE_BYTES),
        };
        Self { descriptor, way }
    }

    /// Writes what is taken at once of `bytes`, which are not empty.
    pub fn write(&self, bytes: &[u8]) -> Written {
        match &self.way {
            Way::Own(file) => written(write(file, bytes)),
            Way::File => written(write(self.descriptor, bytes)),
            Way::Socket => {
                let message = &bytes[..bytes.len().min(MESSAGE_BYTES)];
                let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                match sockets::write_now(self.descriptor, message).map_err(errno) {
                    // Linux before 6.5 knows the flag for other files only.
                    Err(Errno::EOPNOTSUPP) => self.write_piece(bytes, PIECE_BYTES),
                    result => written(result),
                }
            }
            Way::Pieces(most) => self.write_piece(bytes, *most),
        }
    }

    fn write_piece(&self, bytes: &[u8], most: usize) -> Written {
        let mut ready = [PollFd::new(self.descriptor, PollFlags::POLLOUT)];
        match poll(&mut ready, PollTimeout::ZERO) {
            Ok(1..) if ready[0].revents() == Some(PollFlags::POLLOUT) => {
                written(write(self.descriptor, &bytes[..bytes.len().min(most)]))
            }
            Ok(1..) => Written::Closed,
            _ => Written::Full,
        }
    }
}

fn reopen(descriptor: BorrowedFd<'_>) -> std::io::Result<File> {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    // The terminal must not become the host's controlling terminal.
    File::options().write(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)
}

fn written(result: Result<usize, Errno>) -> Written {
    match result {
        Ok(0) | Err(Errno::EAGAIN | Errno::EINTR) => Written::Full,
        Ok(count) => Written::Taken(count),
        Err(_) => Written::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    /// Fills `writer` to the brim, empties it, and closes its other end.
    fn fills_empties_closes(writer: &impl AsFd, mut reader: impl Read, way: Option<Way>) {
        let open = || HostOutput::open(writer.as_fd());
        let mut output = open();
        output.way = way.unwrap_or(output.way);
        let mut total = 0;
        loop {
            match output.write(&vec![b'x'; 100_000]) {
                Written::Taken(count) => total += count,
                full => break assert_eq!(full, Written::Full),
            }
        }
        assert!(total >= PIECE_BYTES);
        let flags = OFlag::from_bits_truncate(fcntl(writer, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK), "the host's own flags changed");
        reader.read_exact(&mut vec![0; total]).unwrap();
        assert!(matches!(output.write(b"again"), Written::Taken(1..)));
        drop(reader);
        // A process that another test is starting holds the other end too until its exec.
        let deadline = Instant::now() + Duration::from_secs(20);
        while output.write(b"x") != Written::Closed {
            assert!(Instant::now() < deadline, "nobody can read it, and it is not closed");
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(output);
        assert_eq!(open().write(b"x"), Written::Closed);
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_full() {
        let (reader, writer) = std::io::pipe().unwrap();
        fills_empties_closes(&writer, reader, None);
    }

    #[test]
    fn a_socket_that_nobody_reads_is_full() {
        let (reader, writer) = UnixStream::pair().unwrap();
        fills_empties_closes(&writer, reader, None);
    }

    #[test]
    fn pieces_do_not_wait_either() {
        let (reader, writer) = std::io::pipe().unwrap();
        fills_empties_closes(&writer, reader, Some(Way::Pieces(PIECE_BYTES)));
        let (reader, writer) = UnixStream::pair().unwrap();
        fills_empties_closes(&writer, reader, Some(Way::Pieces(PIECE_BYTES)));
    }

    #[test]
    fn a_device_takes_everything() {
        let null = File::options().write(true).open("/dev/null").unwrap();
        assert_eq!(HostOutput::open(null.as_fd()).write(&[0; 9000]), Written::Taken(9000));
    }

    #[test]
    fn what_cannot_be_written_is_closed() {
        let null = File::open("/dev/null").unwrap();
        let output = HostOutput { descriptor: null.as_fd(), way: Way::Pieces(1) };
        assert_eq!(output.write(b"x"), Written::Closed);
    }
}
