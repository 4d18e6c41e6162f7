//! The bell: how two processes wake each other's event loops directly, without a thread in between.
//!
//! ```text
//!   host       a pair of sockets, in which the nonce of the worker's segment waits from the start
//!   launcher   gets the worker's end by the control socket, and puts it on descriptor 4
//!   wrapper    keeps descriptor 4 or not: nobody depends on it
//!   worker     believes descriptor 4 if the nonce is there, and says in the segment that it has a bell
//!   later      one byte is one ring, in both directions
//! ```
//!
//! Each call here says for itself that it does not wait. So it does not matter what the other side does to
//! its end: the flags of a file are those of one end, which an eventfd would share with a hostile worker. A
//! bell that is full is not rung again, because its owner has not heard the last rings yet.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use crate::sys::descriptors;

/// Where a worker finds its end.
pub const DESCRIPTOR: i32 = 4;

/// Rings that are heard at once.
const RINGS: usize = 64;

/// One end of a bell.
#[derive(Debug, Clone)]
pub struct Bell(Arc<OwnedFd>);

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// So many rings.
    Rings(usize),
    /// The other end is closed, or broken: nothing will be heard any more.
    Closed,
}

impl Bell {
    /// A bell, and the worker's end of it. The nonce is that of the worker's segment.
    pub fn open(nonce: &[u8; 16]) -> io::Result<(Self, OwnedFd)> {
        let (host, worker) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        send(&host, nonce, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        Ok((Self(Arc::new(host)), worker))
    }

    /// Takes descriptor [`DESCRIPTOR`] over, if that is the worker's end of the bell that its host has opened
    /// for the segment with this nonce. If another file has that number, it is left alone.
    pub fn claim(nonce: &[u8; 16]) -> Option<Self> {
        let socket = descriptors::duplicate(DESCRIPTOR).ok()?;
        let mut found = [0; 16];
        recv(&socket, &mut found, RecvFlags::PEEK | RecvFlags::DONTWAIT).ok()?;
        if found != *nonce {
            return None;
        }
        recv(&socket, &mut found, RecvFlags::DONTWAIT).ok()?;
        descriptors::close(DESCRIPTOR);
        Some(Self(Arc::new(socket)))
    }

    /// The socket, which is readable while there are rings to be heard.
    pub fn socket(&self) -> Arc<OwnedFd> {
        self.0.clone()
    }

    /// Wakes the other side, if it listens.
    pub fn ring(&self) {
        // Without room there are rings enough; without another end nobody listens.
        let _ = send(&*self.0, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }

    /// Takes what the other side has rung since the last time, some of it if that is much.
    pub fn hear(&self) -> Heard {
        let mut rings = [MaybeUninit::uninit(); RINGS];
        match recv(&*self.0, &mut rings, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Heard::Closed,
            Ok((_, count)) => Heard::Rings(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Heard::Rings(0)
            }
            Err(_) => Heard::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (Bell, Bell) {
        let (host, worker) = Bell::open(&[7; 16]).unwrap();
        let worker = Bell(Arc::new(worker));
        assert_eq!(worker.hear(), Heard::Rings(16), "the nonce");
        (host, worker)
    }

    #[test]
    fn each_side_hears_the_other() {
        let (host, worker) = open();
        for (from, to) in [(&host, &worker), (&worker, &host)] {
            assert_eq!(to.hear(), Heard::Rings(0));
            from.ring();
            from.ring();
            assert_eq!(to.hear(), Heard::Rings(2));
            assert_eq!(from.hear(), Heard::Rings(0));
        }
    }

    #[test]
    fn a_side_that_hears_nothing_holds_nobody_up() {
        let (host, worker) = open();
        rustix::io::ioctl_fionbio(&*worker.0, false).unwrap();
        for _ in 0..100_000 {
            host.ring();
        }
        assert_eq!(worker.hear(), Heard::Rings(RINGS));
        assert_eq!(host.hear(), Heard::Rings(0));
    }

    #[test]
    fn a_side_that_has_closed_its_end_is_no_error() {
        let (host, worker) = open();
        drop(worker);
        host.ring();
        assert_eq!(host.hear(), Heard::Closed);
    }
}
