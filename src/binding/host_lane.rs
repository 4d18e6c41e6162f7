//! `HostLane`: the host's end of a lane, and the worker behind it.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{ArrayBuffer, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{CleanupEnvHook, Env, Error, Result, Status};
use napi_derive::napi;

use super::raw::{self, Cell};
use super::worker_lane;
use crate::process::reactor::{self, WorkerId};
use crate::transport::lane::HostEnd;
use crate::transport::layout::Geometry;
use crate::transport::segment::{Identity, Segment};

/// The host's end of a lane. See `js/native.ts`.
#[napi]
pub struct HostLane {
    cell: Rc<Cell<HostEnd>>,
    identity: Identity,
    descriptor: RefCell<Option<OwnedFd>>,
    worker: Rc<std::cell::Cell<Option<WorkerId>>>,
    cleanup: RefCell<Option<CleanupEnvHook<Closing>>>,
}

type Closing = (Rc<Cell<HostEnd>>, Rc<std::cell::Cell<Option<WorkerId>>>);

#[napi]
impl HostLane {
    /// Creates a segment with arenas of `arena_bytes`. `wake` is called when something arrives while the lane sleeps.
    #[napi(constructor)]
    pub fn new(env: Env, arena_bytes: f64, wake: Function<'_, (), ()>) -> Result<Self> {
        let geometry = Geometry::new(arena_bytes as usize).ok_or_else(|| {
            Error::new(Status::InvalidArg, format!("no arena can have {arena_bytes} bytes"))
        })?;
        let (segment, descriptor) = Segment::create(geometry).map_err(system("shared memory"))?;
        let identity = segment.identity().clone();
        let mut end = HostEnd::new(Arc::new(segment));
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().build()?;
        end.watch(move || {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        })
        .map_err(system("the lane's thread"))?;
        let cell = Rc::new(Cell { end: RefCell::new(Some(end)), violation: std::cell::Cell::new(None) });
        let worker = Rc::new(std::cell::Cell::new(None));
        // The environment may end with the pool still open: a terminated worker thread, `process.exit()`.
        let cleanup = env.add_env_cleanup_hook((cell.clone(), worker.clone()), close)?;
        Ok(Self {
            cell,
            identity,
            descriptor: RefCell::new(Some(descriptor)),
            worker,
            cleanup: RefCell::new(Some(cleanup)),
        })
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

    /// A private copy of a large payload.
    #[napi]
    pub fn copy_out(&self, env: Env, offset: u32, bytes: u32) -> Result<ArrayBuffer<'static>> {
        self.with(|end| match end.copy_out(offset as usize, bytes as usize) {
            Some(block) => raw::block_buffer(&env, block),
            None => Err(Error::new(Status::InvalidArg, "the payload lies outside the arena")),
        })
    }

    /// Goes to sleep; false if something has arrived already.
    #[napi]
    pub fn arm(&self) -> Result<bool> {
        self.with(|end| Ok(end.arm()))
    }

    /// Asks to be woken when the worker makes room.
    #[napi]
    pub fn want_room(&self, wanted: bool) -> Result<()> {
        self.with(|end| {
            end.want_room(wanted);
            Ok(())
        })
    }

    /// Sequence number of the first submission that was not started.
    #[napi]
    pub fn started(&self) -> Result<u32> {
        self.with(|end| Ok(end.started()))
    }

    /// Gives idle memory back, all above the first `keep` bytes.
    #[napi]
    pub fn trim(&self, keep: u32) -> Result<()> {
        self.with(|end| {
            end.trim(keep as usize);
            Ok(())
        })
    }

    /// What the worker did wrong, after `exchange` has said that it did.
    #[napi]
    pub fn violation(&self) -> Option<&'static str> {
        self.cell.violation.get().map(|violation| violation.explain())
    }

    /// The worker process has attached: it holds its owner lock now, and counts as gone without it.
    #[napi]
    pub fn attached(&self) -> Result<()> {
        match self.worker.get() {
            Some(worker) => reactor::attached(worker).map_err(system("the reactor")),
            None => Ok(()),
        }
    }

    /// A token with which one thread of this process can attach as the worker.
    #[napi]
    pub fn lend(&self) -> Result<u32> {
        Ok(worker_lane::lend(self.take_memory()?))
    }

    /// Tells the worker to end within `grace_millis`; a process is killed after that.
    #[napi]
    pub fn stop(&self, grace_millis: u32) -> Result<()> {
        let grace = Duration::from_millis(grace_millis.into());
        if let Some(worker) = self.worker.get() {
            reactor::kill(worker, grace).map_err(system("the reactor"))?;
        }
        self.with(|end| {
            end.stop(grace);
            Ok(())
        })
    }

    /// Lets go of the memory; kills the worker process if there is one.
    #[napi]
    pub fn close(&self, env: Env) -> Result<()> {
        if let Some(cleanup) = self.cleanup.take() {
            env.remove_env_cleanup_hook(cleanup)?;
        }
        drop(self.descriptor.take());
        close((self.cell.clone(), self.worker.clone()));
        Ok(())
    }

    fn with<T>(&self, action: impl FnOnce(&mut HostEnd) -> Result<T>) -> Result<T> {
        match self.cell.end.borrow_mut().as_mut() {
            Some(end) => action(end),
            None => Err(Error::new(Status::GenericFailure, "the lane is closed")),
        }
    }
}

impl HostLane {
    /// The memory for this lane's worker. There is one worker, so it can be had once.
    pub(super) fn take_memory(&self) -> Result<(OwnedFd, Identity)> {
        match self.descriptor.take() {
            Some(descriptor) => Ok((descriptor, self.identity.clone())),
            None => Err(Error::new(Status::GenericFailure, "the lane has its worker already")),
        }
    }

    /// The process that works behind this lane.
    pub(super) fn set_worker(&self, worker: WorkerId) {
        self.worker.set(Some(worker));
    }
}

fn close((cell, worker): Closing) {
    drop(cell.end.take());
    if let Some(worker) = worker.take() {
        // Without a reactor there is no worker either.
        let _ = reactor::kill(worker, Duration::ZERO);
    }
}

/// Takes memory of a closed lane away from JavaScript now, instead of when it is collected.
#[napi]
pub fn detach(buffer: ArrayBuffer<'_>) -> Result<()> {
    buffer.detach()
}

/// An error that says what could not be had.
pub(super) fn system(what: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::new(Status::GenericFailure, format!("cannot set up {what}: {error}"))
}
