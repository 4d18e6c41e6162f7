//! `WorkerLane`: the worker's end of a lane, in a thread or in a process of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{ArrayBuffer, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Error, Result, Status};
use napi_derive::napi;

use super::host_lane::system;
use super::raw::{self, Cell};
use super::shared_buffer::SharedBuffer;
use crate::process::handover::{Shelf, Taker};
use crate::process::handshake;
use crate::transport::lane::{self, LaneEnd};
use crate::transport::segment::{Identity, Segment};

/// A segment that waits to be opened, and what further memory will come by.
type Memory = (OwnedFd, Identity, Shelf);

/// Segments that wait for their worker thread, by token.
static LENT: Mutex<BTreeMap<u32, Memory>> = Mutex::new(BTreeMap::new());
static NEXT_TOKEN: AtomicU32 = AtomicU32::new(1);

/// Keeps a segment for the thread that comes with the returned token.
pub(super) fn lend(memory: Memory) -> u32 {
    let token = NEXT_TOKEN.fetch_add(1, Ordering::Relaxed);
    lent().insert(token, memory);
    token
}

/// Forgets a segment that no thread has come for, or gives it to the one that has.
fn borrow(token: u32) -> Option<Memory> {
    lent().remove(&token)
}

fn lent() -> MutexGuard<'static, BTreeMap<u32, Memory>> {
    LENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread with this token has ended: its segment need not wait any longer.
pub(super) fn revoke(token: u32) {
    drop(borrow(token));
}

/// The worker's end of a lane. See `js/native.ts`.
#[napi]
pub struct WorkerLane {
    cell: Rc<Cell<lane::WorkerLane>>,
    program: String,
    taker: RefCell<Taker>,
}

#[napi]
impl WorkerLane {
    /// Attaches this thread to the segment lent under `token`.
    #[napi(factory)]
    pub fn attach_thread(env: Env, token: u32, wake: Function<'_, (), ()>) -> Result<Self> {
        let (descriptor, identity, shelf) = borrow(token)
            .ok_or_else(|| Error::new(Status::InvalidArg, format!("no memory is lent under {token}")))?;
        let segment = Segment::open(descriptor.into(), &identity).map_err(refused)?;
        // A fault in this thread would end the host.
        let segment = segment.guarded().map_err(refused)?;
        Self::attach(env, Arc::new(segment), String::new(), Taker::Shelf(shelf), wake)
    }

    /// Attaches this process to the segment on its descriptor 0, as its boot payload says.
    #[napi(factory)]
    pub fn attach_process(env: Env, wake: Function<'_, (), ()>) -> Result<Self> {
        let attached = handshake::attach().map_err(refused)?;
        Self::attach(env, attached.segment, attached.boot.program, Taker::socket(attached.control), wake)
    }

    fn attach(
        env: Env,
        segment: Arc<Segment>,
        program: String,
        taker: Taker,
        wake: Function<'_, (), ()>,
    ) -> Result<Self> {
        let mut end = lane::WorkerLane::new(segment);
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().build()?;
        end.watch(move || {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        })
        .map_err(system("the lane's thread"))?;
        let cell = Rc::new(Cell { end: RefCell::new(Some(end)), violation: std::cell::Cell::new(None) });
        env.add_env_cleanup_hook(cell.clone(), |cell| drop(cell.end.take()))?;
        Ok(Self { cell, program, taker: RefCell::new(taker) })
    }

    /// What it is to run, from the boot payload. Empty in a thread, which is told otherwise.
    #[napi(getter)]
    pub fn program(&self) -> String {
        self.program.clone()
    }

    /// The hot call `exchange(staged, spinNanos)`.
    #[napi]
    pub fn exchange_function(&self, env: Env) -> Result<Function<'static, (u32, f64), i32>> {
        raw::exchange_function(&env, &self.cell)
    }

    /// The hot call `reserve(bytes)`.
    #[napi]
    pub fn reserve_function(&self, env: Env) -> Result<Function<'static, u32, i32>> {
        raw::reserve_function(&env, &self.cell)
    }

    /// Staging.
    #[napi]
    pub fn staging(&self, env: Env) -> Result<ArrayBuffer<'static>> {
        self.with(|end| raw::staging_buffer(&env, end.staging()))
    }

    /// What of the outgoing arena may be in use.
    #[napi]
    pub fn outgoing(&self, env: Env) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let (at, bytes) = end.window();
            raw::segment_buffer(&env, end.segment(), at, bytes)
        })
    }

    /// The first `bytes` of the incoming arena.
    #[napi]
    pub fn incoming(&self, env: Env, bytes: f64) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let geometry = end.segment().geometry();
            let bytes = (bytes as usize).min(geometry.arena_bytes);
            raw::segment_buffer(&env, end.segment(), geometry.submission_arena(), bytes)
        })
    }

    /// The segment's header and words, where the worker marks what it has started.
    #[napi]
    pub fn words(&self, env: Env) -> Result<ArrayBuffer<'static>> {
        self.with(|end| raw::segment_buffer(&env, end.segment(), 0, crate::transport::layout::RINGS_AT))
    }

    /// A private copy of a large payload.
    #[napi]
    pub fn copy_out(&self, env: Env, offset: u32, bytes: u32) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let block = end.copy_out(offset as usize, bytes as usize).map_err(system("a payload's copy"))?;
            raw::block_buffer(&env, block)
        })
    }

    /// Goes to sleep; false if something has arrived already.
    #[napi]
    pub fn arm(&self) -> Result<bool> {
        self.with(|end| Ok(end.arm()))
    }

    /// Asks to be woken when the host makes room.
    #[napi]
    pub fn want_room(&self, wanted: bool) -> Result<()> {
        self.with(|end| {
            end.want_room(wanted);
            Ok(())
        })
    }

    /// Gives idle memory back, all above the first `keep` bytes. True if the other side still holds some.
    #[napi]
    pub fn trim(&self, keep: u32) -> Result<bool> {
        self.with(|end| {
            end.trim(keep as usize).map_err(|lie| Error::new(Status::GenericFailure, lie.to_string()))
        })
    }

    /// The user's memory that values refer to by `id`, if the host has handed it over.
    #[napi]
    pub fn given(&self, id: f64) -> Result<Option<SharedBuffer>> {
        let found = self.taker.borrow_mut().find(id as u64).map_err(system("the memory that was sent"))?;
        Ok(found.map(SharedBuffer::over))
    }

    /// True once the host wants this worker to end.
    #[napi]
    pub fn stopped(&self) -> bool {
        self.cell.end.borrow().as_ref().is_none_or(lane::WorkerLane::stopped)
    }

    fn with<T>(&self, action: impl FnOnce(&mut lane::WorkerLane) -> Result<T>) -> Result<T> {
        match self.cell.end.borrow_mut().as_mut() {
            Some(end) => action(end),
            None => Err(Error::new(Status::GenericFailure, "the lane is closed")),
        }
    }
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::new(Status::GenericFailure, error.to_string())
}
