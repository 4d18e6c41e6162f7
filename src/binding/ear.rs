//! How an end of a lane is woken in Node: a handle on the event loop of its environment, which calls
//! JavaScript at once.
//!
//! ```text
//!   thread     uv_async: the other thread sends
//!   process    uv_poll on the bell's socket: the other process writes
//! ```
//!
//! A threadsafe function would do the same for threads, with a queue and a lock that nobody needs here. An
//! environment that ends, as that of a terminated thread, waits until the handle is closed: the asynchronous
//! cleanup hook sees to that.

use std::cell::RefCell;
use std::ffi::c_void;
use std::io;
use std::ptr;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use napi::bindgen_prelude::{Function, JsValue};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Result, check_status, sys};

use super::error::unavailable;
use super::raw::Cell;
use crate::process::bell::{Bell, Heard};
use crate::sys::uv::{self, Event, EventLoop, Handle, Remote};
use crate::transport::doorbell::Times;
use crate::transport::lane::{HostLane, LaneEnd};
use crate::transport::layout::StagingWord;
use crate::transport::violation::Violation;

/// True if this program's event loops are libuv's, and it lets an addon use them. Deno and Bun have functions
/// of those names that don't do that.
pub fn can_hear(is_node: bool) -> bool {
    is_node && uv::is_available()
}

/// How the two threads of a lane wake each other.
pub struct ThreadBells {
    /// The host's event loop.
    pub host: Remote,
    /// The worker's, once it has attached.
    pub worker: OnceLock<Remote>,
}

/// The function of JavaScript that is called when there is something to do.
pub struct Waker {
    env: sys::napi_env,
    function: sys::napi_ref,
}

impl Waker {
    /// Keeps `wake` until this is dropped, on this thread.
    pub fn new(env: &Env, wake: &Function<'_, (), ()>) -> Result<Rc<Self>> {
        let mut function = ptr::null_mut();
        // SAFETY: a function of this environment.
        check_status!(unsafe {
            sys::napi_create_reference(env.raw(), wake.value().value, 1, &raw mut function)
        })?;
        Ok(Rc::new(Self { env: env.raw(), function }))
    }

    /// Calls it, from the event loop. What it throws is an uncaught exception, as that of any callback.
    fn call(&self) {
        let env = self.env;
        let (mut scope, mut function, mut global) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let mut ignored = ptr::null_mut();
        // SAFETY: on the environment's thread, which has not ended: its handles would be closed. All that is made
        // here belongs to the scope.
        unsafe {
            if sys::napi_open_handle_scope(env, &raw mut scope) != sys::Status::napi_ok {
                return;
            }
            sys::napi_get_reference_value(env, self.function, &raw mut function);
            sys::napi_get_global(env, &raw mut global);
            let status = sys::napi_make_callback(
                env,
                ptr::null_mut(),
                global,
                function,
                0,
                ptr::null(),
                &raw mut ignored,
            );
            if status == sys::Status::napi_pending_exception {
                let mut error = ptr::null_mut();
                if sys::napi_get_and_clear_last_exception(env, &raw mut error) == sys::Status::napi_ok {
                    sys::napi_fatal_exception(env, error);
                }
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        // SAFETY: made by `new`, on this thread; whoever has a waker drops it before the environment is gone.
        unsafe { sys::napi_delete_reference(self.env, self.function) };
    }
}

/// A handle on the event loop, which is closed with this.
pub struct Ear(Rc<Slot>);

/// Where the handle is while it is open. Its environment can close it too.
type Slot = RefCell<Option<Handle>>;

impl Drop for Ear {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

impl Ear {
    /// Has `waker` called after each [`Remote::send`].
    pub fn for_threads(env: &Env, waker: Rc<Waker>) -> Result<(Self, Remote)> {
        let mut sender = None;
        let ear = Self::open(env, |event_loop, on_closed| {
            let (handle, remote) = Handle::wakeup(event_loop, move || waker.call(), on_closed)?;
            sender = Some(remote);
            Ok(handle)
        })?;
        sender.map(|sender| (ear, sender)).ok_or_else(|| unreachable!("it is there with the handle"))
    }

    /// Has `waker` called after each ring of `bell`, and when nothing can be heard any more. `check` gets what
    /// was heard before that: if it is false, nothing else is heard.
    pub fn for_bell(
        env: &Env,
        waker: Rc<Waker>,
        bell: Bell,
        check: impl Fn(Heard) -> bool + 'static,
    ) -> Result<Self> {
        Self::open(env, |event_loop, on_closed| {
            let socket = bell.socket();
            let on_ring = move |event: Event| match bell.hear() {
                Heard::Rings(0) => {}
                heard => {
                    if !check(heard) || heard == Heard::Closed {
                        event.stop_polling();
                    }
                    waker.call();
                }
            };
            Handle::poll(event_loop, socket, on_ring, on_closed)
        })
    }

    fn open(
        env: &Env,
        make: impl FnOnce(EventLoop, Box<dyn FnOnce()>) -> io::Result<Handle>,
    ) -> Result<Self> {
        let slot = Rc::<Slot>::default();
        let (mut raw, mut hook) = (ptr::null_mut(), ptr::null_mut());
        let data = Rc::into_raw(slot.clone());
        // SAFETY: the loop of this environment, which waits for the hook to be removed. The hook's data is a
        // reference to the slot, which `remove` gives back.
        let event_loop = unsafe {
            check_status!(sys::napi_get_uv_event_loop(env.raw(), &raw mut raw))?;
            check_status!(sys::napi_add_async_cleanup_hook(
                env.raw(),
                Some(close_with_environment),
                data.cast_mut().cast(),
                &raw mut hook
            ))?;
            EventLoop::new(raw.cast())
        };
        // SAFETY: called once, when no handle needs the environment any more, on its thread.
        let remove = move || unsafe {
            drop(Rc::from_raw(data));
            sys::napi_remove_async_cleanup_hook(hook);
        };
        let made = event_loop
            .ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
            .and_then(|event_loop| make(event_loop, Box::new(remove)));
        match made {
            Ok(handle) => {
                slot.replace(Some(handle));
                Ok(Self(slot))
            }
            Err(error) => {
                remove();
                Err(unavailable("set up the lane's handle on the event loop")(error))
            }
        }
    }
}

/// Closes the handle if it is still open. The hook is removed once that is done.
extern "C" fn close_with_environment(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the reference that `Ear::open` has given away, which is given back after this.
    let slot = unsafe { &*data.cast::<Slot>() };
    drop(slot.take());
}

/// Has a thread that sleeps in the place of `end` call `wake`, where there is no ear. The inner error is the
/// thread's.
pub fn watch(end: &mut impl LaneEnd, wake: Function<'_, (), ()>) -> Result<io::Result<()>> {
    let wake = wake.build_threadsafe_function::<()>().weak::<true>().build()?;
    Ok(end.watch(move || {
        wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}

/// Counts the rings of a worker, which may ring once for each of the `times` that its host has listened. What is
/// more is a violation. An end that is closed is noted for JavaScript.
pub fn at_most(times: Arc<Times>, lane: Weak<Cell<HostLane>>) -> impl Fn(Heard) -> bool {
    let total = std::cell::Cell::new(0);
    move |heard| {
        let Some(lane) = lane.upgrade() else { return false };
        match heard {
            Heard::Rings(count) => {
                total.set(total.get() + count as u64);
                let is_honest = total.get() <= times.load(Ordering::Relaxed);
                if !is_honest {
                    lane.violation.set(Some(Violation::Rings));
                }
                is_honest
            }
            Heard::Closed => {
                // Where a wrapper has not passed the bell on, nobody has the other end from the start.
                if let Some(end) = lane.end.borrow().as_ref().filter(|end| end.hears_bell()) {
                    end.staging().set_word(StagingWord::Deaf, 1);
                }
                false
            }
        }
    }
}
