//! `WorkerLane`: the worker's end of a lane, in a thread or in a process of its own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::{ArrayBuffer, Function};
use napi::{Env, Error, Result, Status};
use napi_derive::napi;

use super::ear::{self, Ear, Waker};
use super::error::{failed, system};
use super::raw::{self, Cell};
use super::shared_buffer::SharedBuffer;
use super::thread_tokens;
use crate::process::handover::Taker;
use crate::process::handshake;
use crate::process::output::{self, Stream};
use crate::process::thread_output::ThreadOutput;
use crate::process::thread_usage::ThreadUsage;
use crate::transport::lane::{self, LaneEnd};
use crate::transport::layout::{RING_SLOTS, RINGS_AT, SLOT_BYTES};
use crate::transport::segment::Segment;

/// The worker's end of a lane, in a thread or in a process of its own.
#[napi]
pub struct WorkerLane {
    cell: Rc<Cell<lane::WorkerLane>>,
    program: String,
    taker: RefCell<Taker>,
    /// What a thread writes to. A process has its own streams.
    output: Option<ThreadOutput>,
    /// What a thread tells of itself.
    usage: Option<Arc<ThreadUsage>>,
}

#[napi]
impl WorkerLane {
    /// Attaches this thread to the memory that `HostLane.issueThreadToken` has given the token for. `wake` is
    /// called once something arrives while the lane sleeps. Throws if the token has been used already.
    #[napi(factory, ts_args_type = "token: number, wake: () => void")]
    pub fn attach_thread(env: Env, token: u32, wake: Function<'_, (), ()>) -> Result<Self> {
        let memory = thread_tokens::redeem(token).ok_or_else(|| {
            Error::new(Status::InvalidArg, format!("no memory waits for the token {token}"))
        })?;
        let segment = Segment::open(memory.descriptor.into(), &memory.identity).map_err(failed)?;
        // A fault in this thread would end the host.
        let segment = segment.guarded().map_err(failed)?;
        memory.usage.begin();
        let mut end = lane::WorkerLane::new(Arc::new(segment));
        let ear = if let Some(bells) = memory.bells {
            let (ear, sender) = Ear::for_threads(&env, Waker::new(&env, &wake)?)?;
            let _ = bells.worker.set(sender);
            end.listen(Arc::default());
            end.ring_by(move || bells.host.send());
            Some(ear)
        } else {
            ear::watch(&mut end, wake)?.map_err(system("the lane's thread"))?;
            None
        };
        raw::count_shared_bytes(memory.usage.clone());
        let (taker, output) = (Taker::Shelf(memory.shelf), Some(memory.output));
        Ok(Self { usage: Some(memory.usage), output, ..Self::attached(&env, end, ear, taker)? })
    }

    /// Attaches this process to the memory that its boot payload names. `wake` is called once something
    /// arrives while the lane sleeps. Throws, with a sentence for stderr, if this is not the process that the
    /// payload is for.
    #[napi(factory, ts_args_type = "isNode: boolean, wake: () => void")]
    pub fn attach_process(env: Env, is_node: bool, wake: Function<'_, (), ()>) -> Result<Self> {
        let attached = handshake::attach().map_err(failed)?;
        // On memory that can be truncated a thread has to look after it while this side sleeps.
        let bell = attached.bell.filter(|_| attached.segment.is_sealed());
        let mut end = lane::WorkerLane::new(attached.segment);
        let mut ear = None;
        if let Some(bell) = bell {
            if ear::can_hear(is_node) {
                let waker = Waker::new(&env, &wake)?;
                // A worker trusts its host, so its rings are not counted.
                ear = Some(Ear::for_bell(&env, waker, bell.clone(), |_| true)?);
                end.listen(Arc::default());
            }
            end.offer_bell(move || bell.ring());
        }
        if ear.is_none() {
            ear::watch(&mut end, wake)?.map_err(system("the lane's thread"))?;
        }
        let lane = Self::attached(&env, end, ear, Taker::socket(attached.control))?;
        Ok(Self { program: attached.boot.program, ..lane })
    }

    fn attached(env: &Env, end: lane::WorkerLane, ear: Option<Ear>, taker: Taker) -> Result<Self> {
        let cell = Cell::new(end, ear);
        env.add_env_cleanup_hook(cell.clone(), |cell| drop((cell.end.take(), cell.ear.take())))?;
        Ok(Self { cell, program: String::new(), taker: RefCell::new(taker), output: None, usage: None })
    }

    /// What the worker is to run, from the boot payload. Empty in a thread, which is told otherwise.
    #[napi(getter)]
    pub fn program(&self) -> String {
        self.program.clone()
    }

    /// The hot call of this lane. It publishes the first `staged` slots of staging and brings what has
    /// arrived into staging: the number of slots, -1 if the lane is closed, -2 if the memory is gone. With
    /// nothing there it spins for at most `spinNanos`; where that is negative it only publishes, so that what
    /// the last exchange has brought stays.
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

    /// The first `bytes` of the incoming arena.
    #[napi]
    pub fn incoming(&self, env: Env, bytes: f64) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let geometry = end.segment().geometry();
            let bytes = (bytes as usize).min(geometry.arena_bytes);
            raw::segment_buffer(&env, end.segment(), geometry.submission_arena(), bytes)
        })
    }

    /// The segment's header, words and submission ring, where the worker marks what it has claimed and started.
    #[napi]
    pub fn words(&self, env: Env) -> Result<ArrayBuffer<'static>> {
        self.with(|end| raw::segment_buffer(&env, end.segment(), 0, RINGS_AT + RING_SLOTS * SLOT_BYTES))
    }

    /// A private copy of a payload in the incoming arena.
    #[napi]
    pub fn copy_out(&self, env: Env, offset: u32, bytes: u32) -> Result<ArrayBuffer<'static>> {
        self.with(|end| {
            let block = end.copy_out(offset as usize, bytes as usize).map_err(system("a payload's copy"))?;
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

    /// Gives idle memory of the outgoing arena back to the system, all above the first `keep` bytes. True if
    /// the host still holds some.
    #[napi]
    pub fn trim(&self, keep: u32) -> Result<bool> {
        self.with(|end| end.trim(keep as usize).map_err(failed))
    }

    /// The user's memory that values refer to by `id`, if the host has handed it over.
    #[napi(ts_return_type = "SharedBuffer | null")]
    pub fn given(&self, id: f64) -> Result<Option<SharedBuffer>> {
        let found = self.taker.borrow_mut().find(id as u64).map_err(system("the memory that was sent"))?;
        Ok(found.map(SharedBuffer::over))
    }

    /// Writes `bytes`, from `offset` on, to this thread's stdout or stderr. Returns how many were taken; with no
    /// room for any it waits for a few milliseconds.
    #[napi]
    pub fn write_output(&self, is_stderr: bool, bytes: &[u8], offset: u32) -> u32 {
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let stream = if is_stderr { Stream::Stderr } else { Stream::Stdout };
        let taken = self.output.as_ref().map_or(rest.len(), |output| output.write(stream, rest));
        taken as u32
    }

    /// Tells the host how many bytes of memory this thread uses, the shared memory that it sees included.
    #[napi]
    pub fn report_memory(&self, bytes: f64) {
        if let Some(usage) = &self.usage {
            usage.report_memory(bytes as u64);
        }
    }

    /// Tells the host to how many bytes this thread's heap may grow, because nobody has asked for so many.
    #[napi]
    pub fn report_heap_limit(&self, bytes: f64) {
        if let Some(usage) = &self.usage {
            usage.report_heap_limit(bytes as u64);
        }
    }

    /// True once the host wants this worker to end.
    #[napi]
    pub fn stopped(&self) -> bool {
        self.cell.end.borrow().as_ref().is_none_or(lane::WorkerLane::stopped)
    }

    fn with<T>(&self, action: impl FnOnce(&mut lane::WorkerLane) -> Result<T>) -> Result<T> {
        match self.cell.end.borrow_mut().as_mut() {
            Some(end) => action(end),
            None => Err(failed("the lane is closed")),
        }
    }
}

/// Has this process's own stdout and stderr make their writers wait, whatever the runtime has set.
#[napi]
pub fn block_own_streams() -> Result<()> {
    output::block_own_streams().map_err(system("the worker's output"))
}
