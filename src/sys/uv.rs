//! libuv, as far as Node exports it: a handle on the event loop of this thread, by which another thread or
//! process wakes the loop without a thread in between.
//!
//! The functions are looked up when they are first needed. Deno and Bun have symbols of these names that do
//! not work with their event loops, so the caller decides by the runtime whether to ask for a handle at all.
//! What is used here is part of libuv's stable interface since version 1.19
//! (<https://docs.libuv.org/en/v1.x/api.html>): sizes of handles are asked for, and no structure is known.
//!
//! libuv wants every handle closed before its loop ends, on the loop's thread, and its memory kept until the
//! callback of the closing. [`Handle`] does that; whoever owns one drops it before the environment ends.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use nix::libc;

/// Readable, as `uv_poll_event` has it.
const READABLE: c_int = 1;
/// `uv_handle_type`.
const ASYNC: c_int = 1;
const POLL: c_int = 8;

type Raw = *mut c_void;
type OnClose = extern "C" fn(Raw);
type OnPoll = extern "C" fn(Raw, c_int, c_int);
type OnAsync = extern "C" fn(Raw);

/// Declares `Functions`, one field for each function, and how they are looked up.
macro_rules! functions {
    ($($field:ident = $name:literal: ($($argument:ty),+) $(-> $result:ty)?;)+) => {
        /// The functions of libuv.
        struct Functions {
            // SAFETY: whoever calls one keeps to libuv's contract, and says how.
            $($field: unsafe extern "C" fn($($argument),+) $(-> $result)?,)+
        }

        impl Functions {
            fn find() -> Option<Self> {
                // SAFETY: each type is that of the function in uv.h.
                unsafe { Some(Self { $($field: symbol($name)?,)+ }) }
            }
        }
    };
}

functions! {
    handle_size = c"uv_handle_size": (c_int) -> usize;
    set_data = c"uv_handle_set_data": (Raw, *mut c_void);
    get_data = c"uv_handle_get_data": (Raw) -> *mut c_void;
    unref = c"uv_unref": (Raw);
    close = c"uv_close": (Raw, OnClose);
    poll_init = c"uv_poll_init": (Raw, Raw, c_int) -> c_int;
    poll_start = c"uv_poll_start": (Raw, c_int, OnPoll) -> c_int;
    poll_stop = c"uv_poll_stop": (Raw) -> c_int;
    async_init = c"uv_async_init": (Raw, Raw, OnAsync) -> c_int;
    async_send = c"uv_async_send": (Raw) -> c_int;
}

static FUNCTIONS: LazyLock<Option<Functions>> = LazyLock::new(Functions::find);

/// A function of this program.
///
/// # Safety
/// `F` is the type of a pointer to the function of this name.
unsafe fn symbol<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: the name ends in NUL.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    // SAFETY: of the same size, and the caller vouches for the type.
    (!address.is_null()).then(|| unsafe { mem::transmute_copy(&address) })
}

/// True if this program exports what is needed of libuv.
pub fn is_available() -> bool {
    FUNCTIONS.is_some()
}

/// The event loop of a thread.
#[derive(Debug, Clone, Copy)]
pub struct EventLoop(NonNull<c_void>);

impl EventLoop {
    /// # Safety
    /// `raw` is a `uv_loop_t` that runs on this thread. It lives until every [`Handle`] on it has told that
    /// it is closed.
    pub unsafe fn new(raw: *mut c_void) -> Option<Self> {
        NonNull::new(raw).map(Self)
    }
}

/// A handle on an event loop, which does not keep the loop alive. It belongs to the thread of its loop, and
/// dropping it closes it.
#[derive(Debug)]
pub struct Handle {
    inner: NonNull<Inner>,
}

/// What a handle keeps until libuv has closed it.
struct Inner {
    /// The memory of the `uv_handle_t`.
    memory: Box<[u128]>,
    on_event: Box<dyn Fn(Event)>,
    /// Called once libuv knows nothing of the handle any more.
    on_closed: Cell<Option<Box<dyn FnOnce()>>>,
    /// By which other threads reach an async handle.
    remote: Option<Remote>,
    /// The socket that is polled, which stays open until it is not polled any more.
    _socket: Option<Arc<OwnedFd>>,
}

/// How another thread wakes an event loop by its async handle.
#[derive(Clone)]
pub struct Remote(Arc<Mutex<Option<Target>>>);

/// A `uv_async_t` that is not closed.
struct Target(NonNull<c_void>);

// SAFETY: `uv_async_send` may be called from every thread, and nothing else is done with it elsewhere.
unsafe impl Send for Target {}

impl Remote {
    /// Has the loop call the handle back, at least once after this. Nothing happens once the handle is closed.
    pub fn send(&self) {
        // Held meanwhile, so that the handle is not closed under this.
        let target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(target), Some(uv)) = (target.as_ref(), FUNCTIONS.as_ref()) {
            // SAFETY: it is not closed, see above.
            unsafe { (uv.async_send)(target.0.as_ptr()) };
        }
    }
}

/// The event that a callback is called for.
pub struct Event(NonNull<c_void>);

impl Event {
    /// Nothing is heard of the socket any more. It is for the callback of [`Handle::poll`], before anything
    /// that could close the handle.
    pub fn stop_polling(&self) {
        if let Some(uv) = FUNCTIONS.as_ref() {
            // SAFETY: a handle that is being closed has no events any more, so this one is open, and this is its
            // thread. libuv ignores the call for one that is closed since.
            unsafe { (uv.poll_stop)(self.0.as_ptr()) };
        }
    }
}

impl Handle {
    /// Calls `on_readable` on the loop's thread while `socket` can be read. `on_closed` is called when the
    /// handle is gone.
    pub fn poll(
        event_loop: EventLoop,
        socket: Arc<OwnedFd>,
        on_readable: impl Fn(Event) + 'static,
        on_closed: impl FnOnce() + 'static,
    ) -> io::Result<Self> {
        let uv = functions()?;
        let descriptor = socket.as_raw_fd();
        let inner = Inner::boxed(uv, POLL, Box::new(on_readable), Box::new(on_closed), Some(socket));
        let raw = inner.raw();
        // SAFETY: the memory has the size of a `uv_poll_t`, the socket lives as long as the handle.
        checked(unsafe { (uv.poll_init)(event_loop.0.as_ptr(), raw, descriptor) })?;
        let handle = Self::adopt(uv, inner);
        // SAFETY: initialized, and the callback finds what `adopt` has set.
        checked(unsafe { (uv.poll_start)(raw, READABLE, on_poll) })?;
        Ok(handle)
    }

    /// Calls `on_wake` on the loop's thread after a [`Remote::send`]. `on_closed` is called when the handle is
    /// gone.
    pub fn wakeup(
        event_loop: EventLoop,
        on_wake: impl Fn() + 'static,
        on_closed: impl FnOnce() + 'static,
    ) -> io::Result<(Self, Remote)> {
        let uv = functions()?;
        let on_wake = move |_: Event| on_wake();
        let mut inner = Inner::boxed(uv, ASYNC, Box::new(on_wake), Box::new(on_closed), None);
        let raw = inner.raw();
        // SAFETY: the memory has the size of a `uv_async_t`.
        checked(unsafe { (uv.async_init)(event_loop.0.as_ptr(), raw, on_async) })?;
        let remote = Remote(Arc::new(Mutex::new(NonNull::new(raw).map(Target))));
        inner.remote = Some(remote.clone());
        Ok((Self::adopt(uv, inner), remote))
    }

    /// Takes over what libuv has initialized.
    fn adopt(uv: &Functions, inner: Box<Inner>) -> Self {
        let raw = inner.raw();
        let inner = NonNull::from(Box::leak(inner));
        // SAFETY: initialized, on its thread.
        unsafe {
            (uv.set_data)(raw, inner.as_ptr().cast());
            (uv.unref)(raw);
        }
        Self { inner }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: `on_closed` frees it, which libuv calls later.
        let inner = unsafe { self.inner.as_ref() };
        if let Some(remote) = &inner.remote {
            // From now on nobody sends.
            remote.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        if let Some(uv) = FUNCTIONS.as_ref() {
            // SAFETY: initialized, not closed yet, and on its thread: a handle can't leave it.
            unsafe { (uv.close)(inner.raw(), on_closed) };
        }
    }
}

impl Inner {
    fn boxed(
        uv: &Functions,
        kind: c_int,
        on_event: Box<dyn Fn(Event)>,
        on_closed: Box<dyn FnOnce()>,
        socket: Option<Arc<OwnedFd>>,
    ) -> Box<Self> {
        // SAFETY: takes a number.
        let bytes = unsafe { (uv.handle_size)(kind) };
        let memory = vec![0; bytes.div_ceil(size_of::<u128>())].into_boxed_slice();
        let on_closed = Cell::new(Some(on_closed));
        Box::new(Self { memory, on_event, on_closed, remote: None, _socket: socket })
    }

    fn raw(&self) -> Raw {
        ptr::from_ref(&*self.memory).cast_mut().cast()
    }
}

extern "C" fn on_poll(handle: Raw, _status: c_int, _events: c_int) {
    on_async(handle);
}

extern "C" fn on_async(handle: Raw) {
    let Some(uv) = FUNCTIONS.as_ref() else { return };
    // SAFETY: `adopt` has set the data of a handle that is not closed. Its callback may close it; then this
    // stays until `on_closed`, which is not called from within.
    let inner = unsafe { &*(uv.get_data)(handle).cast::<Inner>() };
    if let Some(handle) = NonNull::new(handle) {
        (inner.on_event)(Event(handle));
    }
}

extern "C" fn on_closed(handle: Raw) {
    let Some(uv) = FUNCTIONS.as_ref() else { return };
    // SAFETY: what `adopt` has leaked, and libuv calls this once.
    let inner = unsafe { Box::from_raw((uv.get_data)(handle).cast::<Inner>()) };
    let closed = inner.on_closed.take();
    drop(inner);
    if let Some(closed) = closed {
        closed();
    }
}

fn functions() -> io::Result<&'static Functions> {
    FUNCTIONS.as_ref().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

/// libuv's errors are negated errno values here.
fn checked(status: c_int) -> io::Result<()> {
    if status < 0 { Err(io::Error::from_raw_os_error(status.unsigned_abs().cast_signed())) } else { Ok(()) }
}
