//! How memory of the user's gets from a host to its worker, a thread or a process.
//!
//! ```text
//!   host    give(id, memory) ... values refer to it by id ... forget(id)
//!   worker  find(id)
//!
//!   thread    both ends have one shelf, and the memory on it is mapped already
//!   process   the control socket; the worker maps what arrives, and keeps it until it is to forget it
//! ```
//!
//! The host gives a memory before it publishes the first value that refers to it, and forgets it when no such
//! value is on its way any more.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use super::control::{Arrival, ControlSocket, Receiver, Sent};
use crate::transport::shared_memory::SharedMemory;

/// Memory by the ids that values refer to it by.
type Memories = HashMap<u64, Arc<SharedMemory>>;

/// The memories that a host has handed to its thread.
pub type Shelf = Arc<Mutex<Memories>>;

/// The host's end.
#[derive(Debug)]
pub enum Giver {
    /// To a thread.
    Shelf(Shelf),
    /// To a process.
    Socket(ControlSocket),
}

impl Giver {
    /// Hands a memory over.
    pub fn give(&self, id: u64, memory: &Arc<SharedMemory>) -> io::Result<Sent> {
        match self {
            Self::Shelf(shelf) => {
                lock(shelf).insert(id, memory.clone());
                Ok(Sent::Yes)
            }
            Self::Socket(socket) => socket.send_memory(id, memory.byte_length() as u64, memory.as_fd()),
        }
    }

    /// Says that no value refers to the memory any more.
    pub fn forget(&self, id: u64) -> io::Result<Sent> {
        match self {
            Self::Shelf(shelf) => {
                lock(shelf).remove(&id);
                Ok(Sent::Yes)
            }
            Self::Socket(socket) => socket.send_forget(id),
        }
    }
}

/// The worker's end.
#[derive(Debug)]
pub enum Taker {
    /// In a thread.
    Shelf(Shelf),
    /// In a process.
    Socket {
        /// `None` if a wrapper has not passed the socket on.
        receiver: Option<Receiver>,
        /// What has arrived.
        taken: Memories,
    },
}

impl Taker {
    /// A process worker's.
    pub fn socket(receiver: Option<Receiver>) -> Self {
        Self::Socket { receiver, taken: HashMap::new() }
    }

    /// The memory with this id, if it has been given and not been forgotten.
    pub fn find(&mut self, id: u64) -> io::Result<Option<Arc<SharedMemory>>> {
        match self {
            Self::Shelf(shelf) => Ok(lock(shelf).get(&id).cloned()),
            Self::Socket { receiver, taken } => {
                if let Some(receiver) = receiver {
                    take_in(receiver, taken)?;
                }
                Ok(taken.get(&id).cloned())
            }
        }
    }
}

fn take_in(receiver: &Receiver, taken: &mut Memories) -> io::Result<()> {
    while let Some(arrival) = receiver.receive()? {
        match arrival {
            Arrival::Memory { id, bytes, descriptor } => {
                let memory = SharedMemory::received(descriptor, bytes).map_err(io::Error::other)?;
                taken.insert(id, Arc::new(memory));
            }
            Arrival::Forget { id } => drop(taken.remove(&id)),
        }
    }
    Ok(())
}

fn lock(shelf: &Shelf) -> std::sync::MutexGuard<'_, Memories> {
    // Nothing panics while the lock is held, and a map is whole between any two operations.
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_found_until_it_is_forgotten() {
        let shelf = Shelf::default();
        let (giver, mut taker) = (Giver::Shelf(shelf.clone()), Taker::Shelf(shelf));
        let memory = Arc::new(SharedMemory::anonymous(1).unwrap());
        assert!(taker.find(1).unwrap().is_none());
        giver.give(1, &memory).unwrap();
        assert!(Arc::ptr_eq(&taker.find(1).unwrap().unwrap(), &memory));
        giver.forget(1).unwrap();
        assert!(taker.find(1).unwrap().is_none());
        assert!(Taker::socket(None).find(1).unwrap().is_none());
    }
}
