//! `SharedBuffer`: memory of the user's that several processes map.

use std::cell::RefCell;
use std::sync::Arc;

use napi::bindgen_prelude::{ArrayBuffer, Result};
use napi::{Env, Error, Status};
use napi_derive::napi;

use super::raw;
use crate::process::shared_name;
use crate::transport::shared_memory::{SharedMemory, SharedMemoryError};

/// Memory that is mapped until it is closed, and until no buffer over it is left.
#[napi]
pub struct SharedBuffer {
    memory: RefCell<Option<Arc<SharedMemory>>>,
}

/// The `code` of the error that JavaScript catches.
pub struct Reason(&'static str);

impl AsRef<str> for Reason {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl From<Status> for Reason {
    fn from(_: Status) -> Self {
        Self("refused")
    }
}

#[napi]
impl SharedBuffer {
    /// Creates memory of `bytes`, under `name` if one is given. Throws an error whose `code` is "exists" if
    /// the name is somebody else's already, and "refused" if the system has not so much.
    #[napi(factory, ts_args_type = "bytes: number, name: string | undefined")]
    pub fn create(bytes: f64, name: Option<String>) -> Result<Self, Reason> {
        let memory = match name {
            Some(name) => shared_name::create(&name, bytes as usize),
            None => SharedMemory::anonymous(bytes as usize),
        };
        memory.map(Self::new).map_err(told)
    }

    /// Opens the memory that has this name: its first `bytes`, or all of it; with `inode` only if it is that
    /// very memory. Throws an error whose `code` is "missing", "size", "foreign" or "refused".
    #[napi(factory, ts_args_type = "name: string, bytes: number | undefined, inode: number | undefined")]
    pub fn open(name: String, bytes: Option<f64>, inode: Option<f64>) -> Result<Self, Reason> {
        let (bytes, inode) = (bytes.map(|bytes| bytes as usize), inode.map(|inode| inode as u64));
        shared_name::open(&name, bytes, inode).map(Self::new).map_err(told)
    }

    /// Its size in bytes.
    #[napi(getter)]
    pub fn byte_length(&self) -> Result<f64> {
        self.with(|memory| Ok(memory.byte_length() as f64))
    }

    /// What tells it from other memory that has had its name.
    #[napi(getter)]
    pub fn inode(&self) -> Result<f64> {
        self.with(|memory| Ok(memory.inode() as f64))
    }

    /// True once what was mapped is gone and private zeros are in its place.
    #[napi(getter)]
    pub fn lost(&self) -> bool {
        self.memory.borrow().as_ref().is_some_and(|memory| memory.lost())
    }

    /// `bytes` of it from byte `at`: the same memory.
    #[napi]
    pub fn buffer(&self, env: Env, at: f64, bytes: f64) -> Result<ArrayBuffer<'static>> {
        self.with(|memory| raw::shared_buffer(&env, memory, at as usize, bytes as usize))
    }

    /// Lets go of it. It stays mapped for the buffers that are left.
    #[napi]
    pub fn close(&self) {
        drop(self.memory.take());
    }
}

impl SharedBuffer {
    fn new(memory: SharedMemory) -> Self {
        Self::over(Arc::new(memory))
    }

    /// One more handle of memory that is mapped already.
    pub(super) fn over(memory: Arc<SharedMemory>) -> Self {
        Self { memory: RefCell::new(Some(memory)) }
    }

    /// Does something with it while it is open.
    pub(super) fn with<T>(&self, action: impl FnOnce(&Arc<SharedMemory>) -> Result<T>) -> Result<T> {
        match &*self.memory.borrow() {
            Some(memory) => action(memory),
            None => Err(Error::new(Status::GenericFailure, "it is closed")),
        }
    }
}

/// Takes a name away. False if there was none. The memory stays for those who have it open.
#[napi]
pub fn unlink_shared_memory(name: String) -> Result<bool, Reason> {
    shared_name::unlink(&name).map_err(|error| told(error.into()))
}

fn told(error: SharedMemoryError) -> Error<Reason> {
    let reason = match &error {
        SharedMemoryError::Exists => "exists",
        SharedMemoryError::Missing => "missing",
        SharedMemoryError::TooShort { .. } => "size",
        SharedMemoryError::Foreign(_) => "foreign",
        SharedMemoryError::Io(_) => "refused",
    };
    Error::new(Reason(reason), error.to_string())
}
