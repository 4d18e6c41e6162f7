//! The control socket: how further memory gets to a process that runs.
//!
//! ```text
//!   host       a pair of sockets; three messages wait in it before the process starts:
//!                [stdin]     with what is to become descriptor 0
//!                [bell]      with what is to become descriptor 4
//!                [hello]     the nonce of the worker's segment
//!   launcher   gets the worker's end as descriptor 0, moves it to 3, takes the first two messages, puts their
//!              descriptors on 0 and 4
//!   wrapper    keeps descriptor 3 or not: nobody depends on it
//!   worker     believes descriptor 3 if the last message is there, and takes it out of its children's reach
//!   later      [memory, id, size] with its descriptor, [forget, id]: from the host to the worker
//! ```
//!
//! The socket has one direction: the host never reads, and the worker can't send. Neither side ever waits for
//! the other: a message that finds no room is not sent, and the host learns that. Descriptors travel this way
//! because a process can inherit only those that are there at its start.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown,
    socketpair,
};
use rustix::stdio::dup2_stdin;

use super::bell;
use crate::sys::descriptors;

/// Where a worker finds its end.
pub const DESCRIPTOR: i32 = 3;

const STDIN: u64 = 0;
const HELLO: u64 = 1;
const MEMORY: u64 = 2;
const FORGET: u64 = 3;
const BELL: u64 = 4;

/// Bytes of a message: its kind, and two numbers or a nonce.
const MESSAGE_BYTES: usize = 24;

type Message = [u8; MESSAGE_BYTES];

/// What the worker is sent.
#[derive(Debug)]
pub enum Arrival {
    /// Memory that values will refer to by this id.
    Memory {
        /// The id, which is never used for other memory.
        id: u64,
        /// How long it is.
        bytes: u64,
        /// The memory.
        descriptor: OwnedFd,
    },
    /// No value will refer to this id any more.
    Forget {
        /// The id.
        id: u64,
    },
}

/// The outcome of sending a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It waits for the worker. Or nobody will ever read it, and then the worker finds that out when it needs
    /// it.
    Yes,
    /// There is no room now: the worker has to take something first.
    Full,
}

/// The host's end.
#[derive(Debug)]
pub struct ControlSocket(OwnedFd);

impl ControlSocket {
    /// A socket, and the worker's end of it, which the launcher gets as descriptor 0. The launcher then puts
    /// `stdin` there, and the worker's end of `bell` on its own number.
    pub fn open(stdin: &OwnedFd, bell: &OwnedFd, nonce: &[u8; 16]) -> io::Result<(Self, OwnedFd)> {
        let (host, worker) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // From now on the worker can't send, so nothing can pile up here.
        shutdown(&host, Shutdown::Read)?;
        let socket = Self(host);
        let mut hello = message(HELLO, 0, 0);
        hello[8..].copy_from_slice(nonce);
        let messages = [
            (message(STDIN, 0, 0), Some(stdin.as_fd())),
            (message(BELL, 0, 0), Some(bell.as_fd())),
            (hello, None),
        ];
        for (bytes, descriptor) in messages {
            if socket.send(&bytes, descriptor)? == Sent::Full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        Ok((socket, worker))
    }

    /// Sends memory that values are going to refer to by `id`.
    pub fn send_memory(&self, id: u64, bytes: u64, descriptor: BorrowedFd<'_>) -> io::Result<Sent> {
        self.send(&message(MEMORY, id, bytes), Some(descriptor))
    }

    /// Tells that no value will refer to `id` any more.
    pub fn send_forget(&self, id: u64) -> io::Result<Sent> {
        self.send(&message(FORGET, id, 0), None)
    }

    fn send(&self, bytes: &Message, descriptor: Option<BorrowedFd<'_>>) -> io::Result<Sent> {
        let descriptors = descriptor.as_slice();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            let fits = ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            debug_assert!(fits);
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        loop {
            return match sendmsg(&self.0, &[IoSlice::new(bytes)], &mut ancillary, flags) {
                Err(Errno::INTR) => continue,
                // No more descriptors may be under way.
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::TOOMANYREFS) => Ok(Sent::Full),
                // Sent, or the worker's end is closed: it has none, or it has ended.
                Ok(_) | Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => Ok(Sent::Yes),
                Err(error) => Err(error.into()),
            };
        }
    }
}

/// The worker's end.
#[derive(Debug)]
pub struct Receiver(OwnedFd);

impl Receiver {
    /// Takes descriptor [`DESCRIPTOR`] over, if that is the worker's end of the socket that its host has
    /// opened for the segment with this nonce. If another file has that number, it is left alone.
    pub fn claim(nonce: &[u8; 16]) -> Option<Self> {
        let socket = descriptors::duplicate(DESCRIPTOR).ok()?;
        let mut expected = message(HELLO, 0, 0);
        expected[8..].copy_from_slice(nonce);
        let found = receive(socket.as_fd(), RecvFlags::PEEK).ok()??;
        if found.0 != expected {
            return None;
        }
        receive(socket.as_fd(), RecvFlags::empty()).ok()?;
        descriptors::close(DESCRIPTOR);
        Some(Self(socket))
    }

    /// What has arrived next, if anything has.
    pub fn receive(&self) -> io::Result<Option<Arrival>> {
        let Some((bytes, descriptor)) = receive(self.0.as_fd(), RecvFlags::empty())? else {
            return Ok(None);
        };
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        match (number(0), descriptor) {
            (MEMORY, Some(descriptor)) => {
                Ok(Some(Arrival::Memory { id: number(8), bytes: number(16), descriptor }))
            }
            (FORGET, None) => Ok(Some(Arrival::Forget { id: number(8) })),
            // A descriptor is lost if the process may have no more of them.
            (MEMORY, None) => Err(io::Error::other(
                "its descriptor got lost: this process may have no more descriptors open",
            )),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// For the launcher: moves the socket from descriptor 0 to [`DESCRIPTOR`], and puts what it brings on
/// descriptor 0 and on that of the bell. Descriptors above 2 are closed by then.
pub fn take_descriptors() -> io::Result<()> {
    let socket = descriptors::duplicate(0)?;
    dup2_stdin(&expect(socket.as_fd(), STDIN)?)?;
    let bell = expect(socket.as_fd(), BELL)?;
    // Each has got the lowest free number.
    keep(socket, DESCRIPTOR)?;
    keep(bell, bell::DESCRIPTOR)
}

/// The descriptor that the next message brings, which is to be of this kind.
fn expect(socket: BorrowedFd<'_>, kind: u64) -> io::Result<OwnedFd> {
    match receive(socket, RecvFlags::empty())? {
        Some((bytes, Some(descriptor))) if bytes == message(kind, 0, 0) => Ok(descriptor),
        _ => Err(io::Error::other("descriptor 0 is not the control socket")),
    }
}

/// Leaves a descriptor open, under the number that it has, in the program that is executed next.
fn keep(descriptor: OwnedFd, number: i32) -> io::Result<()> {
    if descriptor.as_raw_fd() != number {
        return Err(io::Error::other(format!("descriptor {number} is in use")));
    }
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty())?;
    let _ = descriptor.into_raw_fd();
    Ok(())
}

fn message(kind: u64, first: u64, second: u64) -> Message {
    let mut bytes = [0; MESSAGE_BYTES];
    for (part, number) in bytes.chunks_exact_mut(8).zip([kind, first, second]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// The next message with its descriptor, `None` if none has arrived. What it brings is closed in programs
/// executed from here.
fn receive(socket: BorrowedFd<'_>, flags: RecvFlags) -> io::Result<Option<(Message, Option<OwnedFd>)>> {
    let mut bytes = [0; MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            other => break other?,
        }
    };
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    match received.bytes {
        // The host's end is closed.
        0 => Ok(None),
        MESSAGE_BYTES => Ok(Some((bytes, descriptor))),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn null() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    /// A socket whose first messages have been taken.
    fn open() -> (ControlSocket, Receiver) {
        let (host, worker) = ControlSocket::open(&null(), &null(), &[7; 16]).unwrap();
        for _ in 0..3 {
            receive(worker.as_fd(), RecvFlags::empty()).unwrap().unwrap();
        }
        (host, Receiver(worker))
    }

    #[test]
    fn memory_arrives_with_its_id_and_size_and_in_order() {
        let (host, worker) = open();
        assert!(worker.receive().unwrap().is_none());
        assert_eq!(host.send_memory(1 << 50, 4096, null().as_fd()).unwrap(), Sent::Yes);
        assert_eq!(host.send_forget(9).unwrap(), Sent::Yes);
        let Some(Arrival::Memory { id, bytes, descriptor }) = worker.receive().unwrap() else {
            panic!("no memory has arrived")
        };
        assert_eq!((id, bytes), (1 << 50, 4096));
        assert!(rustix::io::fcntl_getfd(&descriptor).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        assert!(matches!(worker.receive().unwrap(), Some(Arrival::Forget { id: 9 })));
        assert!(worker.receive().unwrap().is_none());
    }

    #[test]
    fn a_worker_that_takes_nothing_holds_nobody_up() {
        let (host, worker) = open();
        let mut sent = 0;
        while host.send_memory(sent, 1, null().as_fd()).unwrap() == Sent::Yes {
            sent += 1;
            assert!(sent < 1_000_000, "it takes everything");
        }
        assert!(sent > 10, "{sent}");
        worker.receive().unwrap().unwrap();
        assert_eq!(host.send_forget(0).unwrap(), Sent::Yes);
        drop(worker);
        assert_eq!(host.send_forget(1).unwrap(), Sent::Yes);
    }

    #[test]
    fn a_worker_cannot_send() {
        let (_host, worker) = open();
        let mut none = SendAncillaryBuffer::default();
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = sendmsg(&worker.0, &[IoSlice::new(&[1])], &mut none, flags);
        assert_eq!(sent.unwrap_err(), Errno::PIPE);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let (host, worker) = open();
        let mut none = SendAncillaryBuffer::default();
        sendmsg(&host.0, &[IoSlice::new(&[1; 5])], &mut none, SendFlags::empty()).unwrap();
        assert_eq!(worker.receive().unwrap_err().kind(), io::ErrorKind::InvalidData);
        host.send(&message(MEMORY, 1, 1), None).unwrap();
        assert!(worker.receive().is_err());
        host.send(&message(9, 1, 1), None).unwrap();
        assert!(worker.receive().is_err());
        drop(host);
        assert!(worker.receive().unwrap().is_none());
    }
}
