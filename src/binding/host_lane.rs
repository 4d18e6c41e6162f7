//! `HostLane`: the host's end of a lane, and the worker behind it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{ArrayBuffer, Function};
use napi::{Env, Error, Result, Status};
use napi_derive::napi;

use super::ear::{self, Ear, ThreadBells, Waker};
use super::error::{failed, system, unavailable};
use super::lane_worker::{Pids, Usage, Worker};
use super::launch::{WorkerEvent, WorkerStdio, event_handler};
use super::open_lanes::{close, close_with_environment};
use super::raw::{self, Cell};
use super::shared_buffer::SharedBuffer;
use super::thread_tokens::{self, ThreadMemory};
use crate::process::bell::Bell;
use crate::process::control::Sent;
use crate::process::handover::{Giver, Shelf};
use crate::process::message_rate::MessageRate;
use crate::process::reactor::{self, KillMode, WorkerId};
use crate::process::shm_name::Name;
use crate::process::spawn;
use crate::process::thread_output;
use crate::process::thread_usage::ThreadUsage;
use crate::process::worker_memory::{self, WorkerMemory};
use crate::sys::uv::Remote;
use crate::transport::doorbell::Times;
use crate::transport::lane::{self, LaneEnd};
use crate::transport::layout::{Geometry, Slot};
use crate::transport::segment::Identity;
use crate::transport::violation::Violation;

/// The host's end of a lane, and the worker behind it.
#[napi]
pub struct HostLane {
    cell: Rc<Cell<lane::HostLane>>,
    identity: Identity,
    memory: RefCell<Option<WorkerMemory>>,
    name: Rc<RefCell<Option<Name>>>,
    worker: Rc<RefCell<Worker>>,
    giver: RefCell<Option<Giver>>,
    pids: Arc<Pids>,
    /// The account of what the worker sends, if that is limited.
    messages: RefCell<Option<Arc<MessageRate>>>,
    /// How a thread and this host wake each other, if not by threads.
    bells: Option<Arc<ThreadBells>>,
    /// What a process is to wake, until the process is started.
    waker: RefCell<Option<Rc<Waker>>>,
}

/// A call that its worker had not started.
#[napi(object)]
pub struct Recovered {
    /// What the value is: one of the `KIND_` constants of the layout.
    pub kind: u32,
    /// Class of a binary value.
    pub view: u32,
    /// The value's bytes.
    pub content: ArrayBuffer<'static>,
}

/// More messages than a worker may send in such a time.
#[napi(object, object_from_js = false)]
pub struct Flood {
    /// How many it has sent.
    pub messages: f64,
    /// Within how many seconds, at least 1.
    pub seconds: f64,
}

#[napi]
impl HostLane {
    /// Creates the memory of a lane, with arenas of `arenaBytes`, under a name that begins with `namePrefix`
    /// if that is given. `wake` is called once something arrives while the lane sleeps. Throws if the system
    /// lacks memory.
    #[napi(
        constructor,
        ts_args_type = "arenaBytes: number, namePrefix: string | undefined, isThread: boolean, isNode: boolean, \
                        wake: () => void"
    )]
    pub fn new(
        env: Env,
        arena_bytes: f64,
        name_prefix: Option<String>,
        is_thread: bool,
        is_node: bool,
        wake: Function<'_, (), ()>,
    ) -> Result<Self> {
        let geometry = Geometry::new(arena_bytes as usize).ok_or_else(|| {
            Error::new(Status::InvalidArg, format!("no arena can have {arena_bytes} bytes"))
        })?;
        let (segment, memory, name) = worker_memory::create(geometry, name_prefix.as_deref())
            .map_err(unavailable("set up shared memory"))?;
        let identity = segment.identity().clone();
        let mut end = lane::HostLane::new(Arc::new(segment));
        let waker = ear::can_hear(is_node).then(|| Waker::new(&env, &wake)).transpose()?;
        let (mut waker, mut bells, mut own_ear) = (waker, None, None);
        match waker.take_if(|_| is_thread) {
            Some(waker) => {
                let (ear, host) = Ear::for_threads(&env, waker)?;
                let shared = Arc::new(ThreadBells { host, worker: OnceLock::new() });
                end.listen(Arc::default());
                bells = Some(shared.clone());
                end.ring_by(move || shared.worker.get().into_iter().for_each(Remote::send));
                own_ear = Some(ear);
            }
            None => ear::watch(&mut end, wake)?.map_err(unavailable("set up the lane's thread"))?,
        }
        let cell = Cell::new(end, own_ear);
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
            pids: Arc::default(),
            messages: RefCell::default(),
            bells,
            waker: RefCell::new(waker),
        })
    }

    /// Process id of the worker, or of its wrapper until the worker in it is known: what the events `spawned` and
    /// `attached` say, as soon as it is so. An answer of the worker may overtake its events.
    #[napi(getter)]
    pub fn pid(&self) -> Option<i32> {
        self.pids.shown()
    }

    /// What the worker uses now, as far as that can be seen. A process that has not attached is not the worker.
    #[napi]
    pub fn usage(&self) -> Usage {
        self.worker.borrow().usage(&self.pids)
    }

    /// Bytes of shared memory that the worker thread's JavaScript sees, which its engine takes for the thread's
    /// own; 0 for a process.
    #[napi(getter)]
    pub fn shared_bytes(&self) -> f64 {
        self.worker.borrow().thread().map_or(0, ThreadUsage::shared) as f64
    }

    /// The bytes to which the worker thread's heap may grow, if nobody has asked for so many.
    #[napi(getter, ts_return_type = "number | null")]
    pub fn heap_limit(&self) -> Option<f64> {
        self.worker.borrow().thread().and_then(ThreadUsage::heap_limit).map(|bytes| bytes as f64)
    }

    /// Watches the memory of the worker process, every `everyMillis`, and kills it if it uses far more than
    /// `bytes`. With `bounded` the kernel bounds it too. The event `watched` follows.
    #[napi]
    pub fn watch_memory(&self, bytes: f64, every_millis: f64, bounded: bool) -> Result<()> {
        let every = Duration::from_secs_f64(every_millis / 1000.0);
        self.worker.borrow().watch_memory(bytes as u64, every, bounded)
    }

    /// The worker has attached: finds its process, and unlinks the name of its memory unless that is to stay.
    #[napi]
    pub fn attached(&self, keep_name: bool) -> Result<()> {
        if !keep_name {
            drop(self.name.take());
        }
        match *self.worker.borrow() {
            Worker::Process { id, .. } => reactor::attached(id).map_err(system("the reactor")),
            _ => Ok(()),
        }
    }

    /// The hot call of this lane. It publishes the first `staged` slots of staging and brings what has
    /// arrived into staging: the number of slots, -1 if the lane is closed, -2 if the worker did what an
    /// honest one never does (see `violation`). With nothing there it spins for at most `spinNanos`.
    #[napi(ts_return_type = "(staged: number, spinNanos: number) => number")]
    pub fn exchange_function(&self, env: Env) -> Result<Function<'static, (u32, f64), i32>> {
        raw::exchange_function(&env, &self.cell)
    }

    /// The call of this lane that finds room for a payload: its offset in the outgoing arena, -1 without room
    /// for the moment, -2 if there is never so much, -3 if the system has no memory for it or the lane is
    /// closed.
    #[napi(ts_return_type = "(bytes: number) => number")]
    pub fn reserve_function(&self, env: Env) -> Result<Function<'static, u32, i32>> {
        raw::reserve_function(&env, &self.cell)
    }

    /// Staging: private memory in which slots go there and back, laid out as the `STAGING_` constants say.
    #[napi]
    pub fn staging(&self, env: Env) -> Result<ArrayBuffer<'static>> {
        self.with(|end| raw::staging_buffer(&env, end.staging()))
    }

    /// The part of the outgoing arena that may be in use. It grows: the word `STAGING_WINDOW` tells its size.
    #[napi]
    pub fn outgoing(&self, env: Env) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let (at, bytes) = end.window();
            raw::segment_buffer(&env, end.segment(), at, bytes)
        })
    }

    /// A private copy of a payload that `exchange` has left in the arena. Throws if this process has no memory
    /// for it. If the segment's memory is gone, `violation` says so.
    #[napi]
    pub fn copy_out(&self, env: Env, offset: u32, bytes: u32) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let block = end.copy_out(offset as usize, bytes as usize);
            if end.segment().lost() {
                self.cell.violation.set(Some(Violation::Lost));
            }
            let block = block.map_err(system("a payload's copy"))?;
            raw::block_buffer(&env, block)
        })
    }

    /// Goes to sleep: `wake` is called once something arrives. False if something has arrived already.
    #[napi]
    pub fn arm(&self) -> Result<bool> {
        self.with(|end| Ok(end.arm()))
    }

    /// Says whether a sleeping lane is also woken when there is room.
    #[napi]
    pub fn want_room(&self, wanted: bool) -> Result<()> {
        self.with(|end| {
            end.want_room(wanted);
            Ok(())
        })
    }

    /// Sequence number of the first submission that was not started, as far as the worker says so.
    #[napi]
    pub fn started(&self) -> Result<u32> {
        self.with(|end| Ok(end.started()))
    }

    /// True while the worker runs tasks one after another, as far as it says so: the last one that it has
    /// started has not returned.
    #[napi]
    pub fn is_running(&self) -> Result<bool> {
        self.with(|end| Ok(end.is_running()))
    }

    /// Tells the worker that nobody waits for a call any more.
    #[napi]
    pub fn abort(&self, call: u32) -> Result<()> {
        self.with(|end| {
            end.abort(call);
            Ok(())
        })
    }

    /// Hands memory of the user's over to the worker, as what values refer to by `id`. False if that has to
    /// wait until the worker has taken something.
    #[napi]
    pub fn give(&self, id: f64, buffer: &SharedBuffer) -> Result<bool> {
        buffer.with(|memory| self.over(|giver| giver.give(id as u64, memory)))
    }

    /// Tells the worker that no value refers to `id` any more. False if that has to wait.
    #[napi]
    pub fn forget(&self, id: f64) -> Result<bool> {
        self.over(|giver| giver.forget(id as u64))
    }

    /// Takes the memory of the first `bytes` of the outgoing arena from the system now. Throws if the system
    /// has not so much.
    #[napi]
    pub fn prepare(&self, bytes: f64) -> Result<()> {
        self.with(|end| end.prepare(bytes as usize).map_err(failed))
    }

    /// Room for `bytes` in the outgoing arena, to be filled at leisure: its offset, or one of the codes of
    /// `reserve`. It stays until a slot that brings it to the worker is released, or until `free`.
    #[napi]
    pub fn allocate(&self, bytes: f64) -> Result<f64> {
        self.with(|end| Ok(raw::offset_of(&end.allocate(bytes as usize))))
    }

    /// The bytes of such room. They stay where they are when the lane is closed, as private memory.
    #[napi]
    pub fn arena_buffer(&self, env: Env, offset: f64, bytes: f64) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let (at, _) = end.window();
            raw::segment_buffer(&env, end.segment(), at + offset as usize, bytes as usize)
        })
    }

    /// Frees the room at `offset`, from which nothing was sent.
    #[napi]
    pub fn free(&self, offset: f64) -> Result<()> {
        self.with(|end| {
            end.free(offset as usize);
            Ok(())
        })
    }

    /// Gives idle memory of the outgoing arena back to the system, all above the first `keep` bytes. True if
    /// the worker still holds some. If the worker has done what an honest one never does, the next `exchange`
    /// says so.
    #[napi]
    pub fn trim(&self, keep: u32) -> Result<bool> {
        self.with(|end| {
            Ok(end.trim(keep as usize).unwrap_or_else(|violation| {
                self.cell.violation.set(Some(violation));
                false
            }))
        })
    }

    /// What the worker did wrong, as a sentence, if it did: `exchange`, `copyOut` and `trim` find out.
    #[napi(ts_return_type = "string | null")]
    pub fn violation(&self) -> Option<&'static str> {
        self.cell.violation.get().map(Violation::explain)
    }

    /// Limits what the worker may send to so many messages in a second. Lines of its output are counted where
    /// they are read, if the worker is started after this: see the event `flooded`.
    #[napi]
    pub fn limit_messages(&self, per_second: f64) {
        self.messages.replace(Some(Arc::new(MessageRate::new(per_second as u64))));
    }

    /// Counts messages that have come another way, and were sent within the last `overMillis`. Returns what is
    /// too much.
    #[napi(ts_return_type = "Flood | null")]
    pub fn count_messages(&self, count: u32, over_millis: f64) -> Option<Flood> {
        let now = Instant::now();
        let over = Duration::from_secs_f64(over_millis.max(0.0) / 1_000.0);
        let from = now.checked_sub(over).unwrap_or(now);
        let flood = self.messages()?.count(count.into(), from, now)?;
        Some(Flood { messages: flood.messages as f64, seconds: flood.seconds as f64 })
    }

    /// A token with which one thread of this process can attach as the worker. `onEvent` hears of what the
    /// thread writes, and after `threadEnded` that it was all. Throws if the system lacks something.
    #[napi(ts_args_type = "stdio: WorkerStdio, onEvent: (event: WorkerEvent) => void")]
    pub fn issue_thread_token(
        &self,
        stdio: WorkerStdio,
        on_event: Function<'_, WorkerEvent, ()>,
    ) -> Result<u32> {
        let (WorkerMemory::Sealed(descriptor), identity) = self.take_memory()? else {
            return Err(Error::new(Status::InvalidArg, "a thread needs no named memory"));
        };
        let id = spawn::next_id();
        let output = thread_output::listen(id, stdio.into(), self.messages(), event_handler(on_event, None)?)
            .map_err(unavailable("set up the thread's output"))?;
        let shelf = Shelf::default();
        let usage = Arc::<ThreadUsage>::default();
        let token = thread_tokens::issue(ThreadMemory {
            descriptor,
            identity,
            shelf: shelf.clone(),
            output,
            usage: usage.clone(),
            bells: self.bells.clone(),
        });
        self.giver.replace(Some(Giver::Shelf(shelf)));
        self.worker.replace(Worker::Thread { token, id, usage });
        Ok(token)
    }

    /// The worker thread has ended, or could not be started: passes on what it wrote, and the event `exited`
    /// follows.
    #[napi]
    pub fn thread_ended(&self) -> Result<()> {
        match *self.worker.borrow() {
            Worker::Thread { token, id, .. } => {
                thread_tokens::revoke(token);
                reactor::thread_ended(id).map_err(system("the reactor"))
            }
            _ => Ok(()),
        }
    }

    /// Tells the worker to end within `graceMillis`. A process is killed after that.
    #[napi]
    pub fn stop(&self, grace_millis: u32) -> Result<()> {
        let grace = Duration::from_millis(grace_millis.into());
        self.with(|end| {
            end.stop(grace);
            Ok(())
        })?;
        if let Worker::Process { id, .. } = *self.worker.borrow() {
            let mode = if grace.is_zero() { KillMode::Prompt } else { KillMode::Orderly };
            reactor::kill(id, grace, mode).map_err(system("the reactor"))?;
        }
        Ok(())
    }

    /// The worker's end of the bell has been closed for a while, and the worker lives: `exchange` says so from now on.
    #[napi]
    pub fn condemn(&self) {
        self.cell.violation.set(Some(Violation::Deaf));
    }

    /// What was submitted under a sequence number that the worker has not started. Throws if it has, or if
    /// the memory is gone.
    #[napi]
    pub fn recover(&self, env: Env, sequence: u32) -> Result<Recovered> {
        self.with(|end| recovered(&env, end.recover(sequence).map_err(system("a call's argument"))?))
    }

    /// Takes back what was submitted under a sequence number, if the worker must claim it and has not. Null if it has.
    /// Throws without memory for the payload: the submission then stays where it is.
    #[napi(ts_return_type = "Recovered | null")]
    pub fn take_back(&self, env: Env, sequence: u32) -> Result<Option<Recovered>> {
        self.with(|end| {
            let taken = end.take_back(sequence).map_err(system("a call's argument"))?;
            taken.map(|taken| recovered(&env, taken)).transpose()
        })
    }

    /// Lets go of everything, and kills the worker process if there is one.
    #[napi]
    pub fn close(&self) {
        drop((self.memory.take(), self.name.take(), self.giver.take(), self.waker.take()));
        close(&self.cell, &self.worker);
    }

    fn with<T>(&self, action: impl FnOnce(&mut lane::HostLane) -> Result<T>) -> Result<T> {
        match self.cell.end.borrow_mut().as_mut() {
            Some(end) => action(end),
            None => Err(failed("the lane is closed")),
        }
    }
}

impl HostLane {
    fn over(&self, send: impl FnOnce(&Giver) -> io::Result<Sent>) -> Result<bool> {
        match &*self.giver.borrow() {
            Some(giver) => {
                send(giver).map(|sent| sent == Sent::Yes).map_err(system("the memory to be shared"))
            }
            None => Err(failed("the lane has no worker")),
        }
    }

    /// The account of what the worker sends, if that is limited.
    pub(super) fn messages(&self) -> Option<Arc<MessageRate>> {
        self.messages.borrow().clone()
    }

    /// Where the reactor notes the worker's process ids.
    pub(super) fn pids(&self) -> Arc<Pids> {
        self.pids.clone()
    }

    /// The memory for this lane's worker. There is one worker, so it can be had once.
    pub(super) fn take_memory(&self) -> Result<(WorkerMemory, Identity)> {
        match self.memory.take() {
            Some(memory) => Ok((memory, self.identity.clone())),
            None => Err(failed("the lane has its worker already")),
        }
    }

    /// The process that works behind this lane, whether it may start programs, and how the user's memory gets
    /// to it.
    pub(super) fn set_worker(&self, id: WorkerId, has_programs: bool, giver: Giver) {
        self.worker.replace(Worker::Process { id, has_programs });
        self.giver.replace(Some(giver));
    }

    /// By which the worker and this host wake each other, as soon as the worker says that it can.
    pub(super) fn set_bell(&self, env: &Env, bell: Bell) -> Result<()> {
        if let Some(waker) = self.waker.take() {
            let times = Arc::<Times>::default();
            let check = ear::at_most(times.clone(), Rc::downgrade(&self.cell));
            self.cell.ear.replace(Some(Ear::for_bell(env, waker, bell.clone(), check)?));
            self.with(|end| {
                end.listen_later(times);
                Ok(())
            })?;
        }
        // A worker may listen although this host does not.
        self.with(|end| {
            end.ring_by(move || bell.ring());
            Ok(())
        })
    }
}

fn recovered(env: &Env, (slot, bytes): (Slot, Vec<u8>)) -> Result<Recovered> {
    Ok(Recovered { kind: slot.kind.into(), view: slot.view.into(), content: raw::block_buffer(env, bytes)? })
}

/// Takes memory of a closed lane away from its views now, instead of when they are collected.
#[napi]
pub fn detach(buffer: ArrayBuffer<'_>) -> Result<()> {
    buffer.detach()
}
