//! `HostLane`: the host's end of a lane, and the worker behind it.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{ArrayBuffer, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Error, Result, Status};
use napi_derive::napi;

use super::raw::{self, Cell};
use super::shared_buffer::SharedBuffer;
use super::worker_lane;
use crate::process::control::Sent;
use crate::process::handover::{Giver, Shelf};
use crate::process::reactor::{self, Manner, WorkerId};
use crate::process::shm_name::{self, Name, Named};
use crate::transport::lane::{self, LaneEnd};
use crate::transport::layout::Geometry;
use crate::transport::segment::{Identity, Segment};

/// The host's end of a lane. See `js/native.ts`.
#[napi]
pub struct HostLane {
    cell: Rc<Cell<lane::HostLane>>,
    identity: Identity,
    memory: RefCell<Option<Memory>>,
    name: Rc<RefCell<Option<Name>>>,
    worker: Rc<RefCell<Worker>>,
    giver: RefCell<Option<Giver>>,
}

/// How a lane's worker gets at its memory.
pub(super) enum Memory {
    /// By this descriptor.
    Sealed(OwnedFd),
    /// By the name of this file, in which the host holds its owner lock already.
    Named { path: String, lock: File },
}

/// What stands behind a lane.
enum Worker {
    None,
    /// A thread that may still have to come for its memory.
    Thread {
        token: u32,
    },
    Process {
        id: WorkerId,
    },
}

/// What an environment that ends has to close.
type Open = (Weak<Cell<lane::HostLane>>, Weak<RefCell<Worker>>, Weak<RefCell<Option<Name>>>);

/// How long an environment that ends waits for its workers' output to be handed on.
const LAST_OUTPUT: Duration = Duration::from_millis(100);

thread_local! {
    /// The open lanes of this thread's environment; `None` until it has a hook for its end.
    static LANES: RefCell<Option<Vec<Open>>> = const { RefCell::new(None) };
}

/// What a call was that its worker had not started.
#[napi(object)]
pub struct Recovered {
    /// One of `Kind`.
    pub kind: u32,
    /// Class of a binary value.
    pub view: u32,
    /// Its bytes.
    pub content: ArrayBuffer<'static>,
}

#[napi]
impl HostLane {
    /// Creates a segment with arenas of `arena_bytes`, under a name that begins with `name_prefix` if there is one. `wake` is
    /// called when something arrives while the lane sleeps.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        arena_bytes: f64,
        name_prefix: Option<String>,
        wake: Function<'_, (), ()>,
    ) -> Result<Self> {
        let geometry = Geometry::new(arena_bytes as usize).ok_or_else(|| {
            Error::new(Status::InvalidArg, format!("no arena can have {arena_bytes} bytes"))
        })?;
        let (segment, memory, name) = create(geometry, name_prefix).map_err(system("shared memory"))?;
        let identity = segment.identity().clone();
        let mut end = lane::HostLane::new(Arc::new(segment));
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().build()?;
        end.watch(move || {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        })
        .map_err(system("the lane's thread"))?;
        let cell = Rc::new(Cell { end: RefCell::new(Some(end)), violation: std::cell::Cell::new(None) });
        let worker = Rc::new(RefCell::new(Worker::None));
        let name = Rc::new(RefCell::new(name));
        close_with_environment(&env, (Rc::downgrade(&cell), Rc::downgrade(&worker), Rc::downgrade(&name)))?;
        Ok(Self {
            cell,
            identity,
            memory: RefCell::new(Some(memory)),
            name,
            worker,
            giver: RefCell::new(None),
        })
    }

    /// The worker has attached: finds its process, and unlinks the name it has come by unless that is to stay.
    #[napi]
    pub fn attached(&self, keep_name: bool) -> Result<()> {
        if !keep_name {
            drop(self.name.take());
        }
        match *self.worker.borrow() {
            Worker::Process { id } => reactor::attached(id).map_err(system("the reactor")),
            _ => Ok(()),
        }
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

    /// Tells the worker that nobody waits for a call any more.
    #[napi]
    pub fn abort(&self, call: u32) -> Result<()> {
        self.with(|end| {
            end.abort(call);
            Ok(())
        })
    }

    /// Hands memory of the user's over to the worker, as what values refer to by `id`. False if that has to wait.
    #[napi]
    pub fn give(&self, id: f64, buffer: &SharedBuffer) -> Result<bool> {
        buffer.with(|memory| self.over(|giver| giver.give(id as u64, memory)))
    }

    /// Tells the worker that values refer to an id no more. False if that has to wait.
    #[napi]
    pub fn forget(&self, id: f64) -> Result<bool> {
        self.over(|giver| giver.forget(id as u64))
    }

    /// Takes the memory of the first `bytes` of the outgoing arena from the system now.
    #[napi]
    pub fn prepare(&self, bytes: f64) -> Result<()> {
        self.with(|end| {
            end.prepare(bytes as usize).map_err(|error| Error::new(Status::GenericFailure, error.to_string()))
        })
    }

    /// Room in the outgoing arena that JavaScript fills at its leisure: its offset, or one of the codes of `reserve`.
    #[napi]
    pub fn lend_room(&self, bytes: f64) -> Result<f64> {
        self.with(|end| Ok(raw::offset_of(&end.lend(bytes as usize))))
    }

    /// The bytes of such room. They stay where they are when the lane is closed.
    #[napi]
    pub fn room(&self, env: Env, offset: f64, bytes: f64) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let (at, _) = end.window();
            raw::segment_buffer(&env, end.segment(), at + offset as usize, bytes as usize)
        })
    }

    /// Gives up room that nothing was sent from.
    #[napi]
    pub fn give_back(&self, offset: f64) -> Result<()> {
        self.with(|end| {
            end.give_back(offset as usize);
            Ok(())
        })
    }

    /// Gives idle memory back, all above the first `keep` bytes. True if the other side still holds some. What the worker
    /// did wrong is told by the next `exchange`: nobody waits for this call who could be told.
    #[napi]
    pub fn trim(&self, keep: u32) -> Result<bool> {
        self.with(|end| {
            Ok(end.trim(keep as usize).unwrap_or_else(|violation| {
                self.cell.violation.set(Some(violation));
                false
            }))
        })
    }

    /// What the worker did wrong, after `exchange` has said that it did.
    #[napi]
    pub fn violation(&self) -> Option<&'static str> {
        self.cell.violation.get().map(|violation| violation.explain())
    }

    /// A token with which one thread of this process can attach as the worker.
    #[napi]
    pub fn lend(&self) -> Result<u32> {
        let (Memory::Sealed(descriptor), identity) = self.take_memory()? else {
            return Err(Error::new(Status::InvalidArg, "a thread needs no named memory"));
        };
        let shelf = Shelf::default();
        let token = worker_lane::lend((descriptor, identity, shelf.clone()));
        self.giver.replace(Some(Giver::Shelf(shelf)));
        self.worker.replace(Worker::Thread { token });
        Ok(token)
    }

    /// Tells the worker to end within `grace_millis`; a process is killed after that.
    #[napi]
    pub fn stop(&self, grace_millis: u32) -> Result<()> {
        let grace = Duration::from_millis(grace_millis.into());
        self.with(|end| {
            end.stop(grace);
            Ok(())
        })?;
        if let Worker::Process { id } = *self.worker.borrow() {
            let manner = if grace.is_zero() { Manner::Prompt } else { Manner::Orderly };
            reactor::kill(id, grace, manner).map_err(system("the reactor"))?;
        }
        Ok(())
    }

    /// What was submitted under a sequence number that the worker has not started.
    #[napi]
    pub fn recover(&self, env: Env, sequence: u32) -> Result<Recovered> {
        self.with(|end| {
            let (slot, bytes) = end.recover(sequence).map_err(system("a call's argument"))?;
            let (kind, view) = (slot.kind.into(), slot.view.into());
            Ok(Recovered { kind, view, content: raw::block_buffer(&env, bytes)? })
        })
    }

    /// Lets go of the memory; kills the worker process if there is one.
    #[napi]
    pub fn close(&self) {
        drop((self.memory.take(), self.name.take(), self.giver.take()));
        close(&self.cell, &self.worker);
    }

    fn with<T>(&self, action: impl FnOnce(&mut lane::HostLane) -> Result<T>) -> Result<T> {
        match self.cell.end.borrow_mut().as_mut() {
            Some(end) => action(end),
            None => Err(Error::new(Status::GenericFailure, "the lane is closed")),
        }
    }
}

impl HostLane {
    fn over(&self, send: impl FnOnce(&Giver) -> io::Result<Sent>) -> Result<bool> {
        match &*self.giver.borrow() {
            Some(giver) => {
                send(giver).map(|sent| sent == Sent::Yes).map_err(system("the memory to be shared"))
            }
            None => Err(Error::new(Status::GenericFailure, "the lane has no worker")),
        }
    }

    /// The memory for this lane's worker. There is one worker, so it can be had once.
    pub(super) fn take_memory(&self) -> Result<(Memory, Identity)> {
        match self.memory.take() {
            Some(memory) => Ok((memory, self.identity.clone())),
            None => Err(Error::new(Status::GenericFailure, "the lane has its worker already")),
        }
    }

    /// The process that works behind this lane, and how the user's memory gets to it.
    pub(super) fn set_worker(&self, id: WorkerId, giver: Giver) {
        self.worker.replace(Worker::Process { id });
        self.giver.replace(Some(giver));
    }
}

/// Creates a segment, and what its worker needs to get at it.
fn create(geometry: Geometry, name_prefix: Option<String>) -> io::Result<(Segment, Memory, Option<Name>)> {
    let Some(prefix) = name_prefix else {
        let (segment, descriptor) = Segment::create(geometry)?;
        return Ok((segment, Memory::Sealed(descriptor), None));
    };
    let (segment, Named { name, lock }) = shm_name::create(&prefix, geometry)?;
    let path = name.path().to_string_lossy().into_owned();
    Ok((segment, Memory::Named { path, lock }, Some(name)))
}

fn close(cell: &Cell<lane::HostLane>, worker: &RefCell<Worker>) {
    drop(cell.end.take());
    match worker.replace(Worker::None) {
        Worker::None => {}
        Worker::Thread { token } => worker_lane::revoke(token),
        Worker::Process { id } => {
            // Without a reactor there is no worker either.
            let _ = reactor::kill(id, Duration::ZERO, Manner::Orderly);
        }
    }
}

/// Has the lane closed when its environment ends with the pool still open: a terminated worker thread, `process.exit()`.
fn close_with_environment(env: &Env, lane: Open) -> Result<()> {
    LANES.with_borrow_mut(|lanes| {
        if let Some(lanes) = lanes {
            lanes.retain(|(cell, ..)| cell.strong_count() > 0);
            lanes.push(lane);
            return Ok(());
        }
        *lanes = Some(vec![lane]);
        env.add_env_cleanup_hook((), |()| {
            // What a task has logged before its host called process.exit() is not to be lost.
            reactor::flush(LAST_OUTPUT);
            for (cell, worker, name) in LANES.take().into_iter().flatten() {
                drop(name.upgrade().map(|name| name.take()));
                if let (Some(cell), Some(worker)) = (cell.upgrade(), worker.upgrade()) {
                    close(&cell, &worker);
                }
            }
        })
        .map(drop)
    })
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
