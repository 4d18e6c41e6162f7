//! Raw Node-API: the hot calls, and native memory as external ArrayBuffers.
//!
//! A `#[napi]` method costs close to a microsecond, a raw call a tenth of that. `exchange(staged, spinNanos)`
//! and `reserve(bytes)` are therefore plain Node-API functions, made for one lane: the lane is the function's
//! data, so JavaScript passes no handle and can't forge one. A closed lane stays as an empty cell until its
//! functions are collected.

use std::cell::RefCell;
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{ArrayBuffer, FromNapiValue, Function};
use napi::{Env, Error, Result, Status, check_status, sys};

use super::ear::Ear;
use crate::process::thread_usage::{SharedBytes, ThreadUsage};
use crate::transport::arena::Reserve;
use crate::transport::blocks;
use crate::transport::lane::LaneEnd;
use crate::transport::layout::STAGING_BYTES;
use crate::transport::segment::Segment;
use crate::transport::shared_memory::SharedMemory;
use crate::transport::staging::Staging;
use crate::transport::violation::Violation;

/// `exchange` on a lane that is closed.
pub const CLOSED: f64 = -1.0;
/// `exchange` has found a violation. `violation()` says which.
pub const VIOLATED: f64 = -2.0;
/// `reserve`: no room now.
pub const FULL: f64 = -1.0;
/// `reserve`: never any room for so much.
pub const TOO_LARGE: f64 = -2.0;
/// `reserve`: the system has no memory, or the lane is closed.
pub const NO_MEMORY: f64 = -3.0;

thread_local! {
    /// Where this thread counts the shared memory that its JavaScript sees, if it is a worker.
    static USAGE: RefCell<Option<Arc<ThreadUsage>>> = const { RefCell::new(None) };
}

/// Has this thread count the shared memory that its JavaScript sees.
pub fn count_shared_bytes(usage: Arc<ThreadUsage>) {
    USAGE.set(Some(usage));
}

/// What keeps shared memory for a buffer, with the note that this thread sees it.
fn counted<T>(memory: &Arc<T>, bytes: usize) -> (Arc<T>, Option<SharedBytes>) {
    (memory.clone(), USAGE.with_borrow(|usage| usage.as_ref().map(|usage| usage.count_shared(bytes))))
}

/// One end of a lane as JavaScript holds it.
pub struct Cell<E> {
    /// `None` once the lane is closed.
    pub end: RefCell<Option<E>>,
    /// What the other side did wrong, if it did. No call reaches the segment after that.
    pub violation: std::cell::Cell<Option<Violation>>,
    /// By which this end is woken, where that needs no thread.
    pub ear: RefCell<Option<Ear>>,
}

impl<E> Cell<E> {
    /// A cell with an open end.
    pub fn new(end: E, ear: Option<Ear>) -> Rc<Self> {
        let violation = std::cell::Cell::new(None);
        Rc::new(Self { end: RefCell::new(Some(end)), violation, ear: RefCell::new(ear) })
    }
}

impl<E: LaneEnd> Cell<E> {
    fn exchange(&self, staged: f64, spin_nanos: f64) -> f64 {
        let mut end = self.end.borrow_mut();
        let Some(end) = end.as_mut() else { return CLOSED };
        if self.violation.get().is_some() {
            return VIOLATED;
        }
        let (staged, publish_only) = (staged as u32, spin_nanos < 0.0);
        let outcome = if publish_only {
            end.publish(staged).map(|()| 0)
        } else {
            end.exchange(staged, Duration::from_nanos(spin_nanos as u64))
        };
        match outcome {
            Ok(count) => f64::from(count),
            Err(violation) => {
                self.violation.set(Some(violation));
                VIOLATED
            }
        }
    }

    fn reserve(&self, bytes: f64, _: f64) -> f64 {
        let mut end = self.end.borrow_mut();
        end.as_mut().map_or(NO_MEMORY, |end| offset_of(&end.reserve(bytes as usize)))
    }
}

/// An offset in an arena as JavaScript gets it.
pub fn offset_of(reserved: &std::result::Result<usize, Reserve>) -> f64 {
    match reserved {
        Ok(offset) => *offset as f64,
        Err(Reserve::Full) => FULL,
        Err(Reserve::TooLarge) => TOO_LARGE,
        Err(Reserve::NoMemory(_)) => NO_MEMORY,
    }
}

/// The function `exchange(staged, spinNanos) -> arrived` of one lane.
pub fn exchange_function<E: LaneEnd + 'static>(
    env: &Env,
    cell: &Rc<Cell<E>>,
) -> Result<Function<'static, (u32, f64), i32>> {
    function(env, c"exchange", Some(exchange::<E>), cell)
}

/// The function `reserve(bytes) -> offset` of one lane.
pub fn reserve_function<E: LaneEnd + 'static>(
    env: &Env,
    cell: &Rc<Cell<E>>,
) -> Result<Function<'static, u32, i32>> {
    function(env, c"reserve", Some(reserve::<E>), cell)
}

extern "C" fn exchange<E: LaneEnd>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: `function` registered this with a cell of `E`.
    unsafe { hot::<E>(env, info, Cell::exchange) }
}

extern "C" fn reserve<E: LaneEnd>(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: as for `exchange`.
    unsafe { hot::<E>(env, info, Cell::reserve) }
}

/// Two numbers in, one out.
///
/// # Safety
/// A Node-API callback whose data is a `Cell<E>` made by [`function`].
unsafe fn hot<E: LaneEnd>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    call: fn(&Cell<E>, f64, f64) -> f64,
) -> sys::napi_value {
    let mut count = 2;
    let mut arguments = [ptr::null_mut(); 2];
    let mut data = ptr::null_mut::<c_void>();
    let (mut first, mut second) = (0.0, 0.0);
    // SAFETY: the handles are those of this call; a value that is not a number leaves the zero there, which
    // is harmless. The data is a cell that the function keeps alive (see `function`).
    let cell = unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
            &raw mut data,
        );
        sys::napi_get_value_double(env, arguments[0], &raw mut first);
        sys::napi_get_value_double(env, arguments[1], &raw mut second);
        &*data.cast::<Cell<E>>()
    };
    let mut result = ptr::null_mut();
    match catch_unwind(AssertUnwindSafe(|| call(cell, first, second))) {
        // SAFETY: as above.
        Ok(number) => unsafe { sys::napi_create_int32(env, number as i32, &raw mut result) },
        // SAFETY: as above; both strings end in NUL. A bug in this code becomes an exception, and does not
        // end the host.
        Err(_) => unsafe {
            sys::napi_throw_error(env, ptr::null(), c"internal error in the transport".as_ptr())
        },
    };
    result
}

/// A Node-API function over `callback`, which gets `cell` as its data.
fn function<E: 'static, A: napi::bindgen_prelude::JsValuesTupleIntoVec>(
    env: &Env,
    name: &std::ffi::CStr,
    callback: sys::napi_callback,
    cell: &Rc<Cell<E>>,
) -> Result<Function<'static, A, i32>> {
    extern "C" fn release<E>(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
        // SAFETY: the reference that `function` gave away, given back once.
        drop(unsafe { Rc::from_raw(data.cast::<Cell<E>>()) });
    }
    let (raw, data) = (env.raw(), Rc::into_raw(cell.clone()).cast_mut().cast::<c_void>());
    let name: *const c_char = name.as_ptr();
    let mut result = ptr::null_mut();
    // SAFETY: the name ends in NUL; the data is a cell whose reference the finalizer drops.
    unsafe {
        check_status!(sys::napi_create_function(raw, name, -1, callback, data, &raw mut result))?;
        check_status!(sys::napi_add_finalizer(
            raw,
            result,
            data,
            Some(release::<E>),
            ptr::null_mut(),
            ptr::null_mut()
        ))?;
        Function::from_napi_value(raw, result)
    }
}

/// Staging as an ArrayBuffer. It is the same memory: JavaScript reads and writes it between two exchanges.
pub fn staging_buffer(env: &Env, staging: &Arc<Staging>) -> Result<ArrayBuffer<'static>> {
    // SAFETY: the buffer keeps the staging alive through its hint.
    unsafe { external(env, staging.memory().as_ptr(), STAGING_BYTES, staging.clone()) }
}

/// `bytes` of a segment from byte `at` as an ArrayBuffer.
pub fn segment_buffer(
    env: &Env,
    segment: &Arc<Segment>,
    at: usize,
    bytes: usize,
) -> Result<ArrayBuffer<'static>> {
    if at.checked_add(bytes).is_none_or(|end| end > segment.geometry().segment_bytes()) {
        return Err(Error::new(Status::InvalidArg, format!("{bytes} bytes at {at} are outside the segment")));
    }
    // SAFETY: inside the mapping, which the buffer keeps alive through its hint.
    unsafe { external(env, segment.at(at).as_ptr(), bytes, counted(segment, bytes)) }
}

/// `bytes` of the user's shared memory from byte `at` as an ArrayBuffer.
pub fn shared_buffer(
    env: &Env,
    memory: &Arc<SharedMemory>,
    at: usize,
    bytes: usize,
) -> Result<ArrayBuffer<'static>> {
    if bytes == 0 || at.checked_add(bytes).is_none_or(|end| end > memory.byte_length()) {
        return Err(Error::new(Status::InvalidArg, format!("{bytes} bytes at {at} are outside the memory")));
    }
    // SAFETY: inside the mapping, which the buffer keeps alive through its hint.
    unsafe { external(env, memory.at(at).as_ptr(), bytes, counted(memory, bytes)) }
}

/// A block as an ArrayBuffer. The block goes back to the warm pool with the buffer.
pub fn block_buffer(env: &Env, mut block: Vec<u8>) -> Result<ArrayBuffer<'static>> {
    struct Recycled(Vec<u8>);

    impl Drop for Recycled {
        fn drop(&mut self) {
            blocks::recycle(std::mem::take(&mut self.0));
        }
    }

    let (data, bytes) = (block.as_mut_ptr(), block.len());
    // SAFETY: a vector's memory does not move while the vector itself does.
    unsafe { external(env, data, bytes, Recycled(block)) }
}

/// `bytes` bytes at `data` as an ArrayBuffer that keeps `keeper`. An error where the runtime allows no such
/// buffers: a copy would not be the same memory.
///
/// # Safety
/// The memory lives as long as `keeper`.
unsafe fn external<T: 'static>(
    env: &Env,
    data: *mut u8,
    bytes: usize,
    keeper: T,
) -> Result<ArrayBuffer<'static>> {
    extern "C" fn release<T>(_: sys::napi_env, _: *mut c_void, keeper: *mut c_void) {
        // SAFETY: the box that `external` gave away, given back once.
        drop(unsafe { Box::from_raw(keeper.cast::<T>()) });
    }
    let keeper = Box::into_raw(Box::new(keeper));
    let mut result = ptr::null_mut();
    // SAFETY: the caller vouches for the memory; the finalizer has the keeper's type.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env.raw(),
            data.cast(),
            bytes,
            Some(release::<T>),
            keeper.cast(),
            &raw mut result,
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: nobody has it: the buffer was not made.
        drop(unsafe { Box::from_raw(keeper) });
        let message = "this runtime allows no ArrayBuffer over native memory, which shared memory needs";
        return Err(Error::new(Status::from(status), message));
    }
    // SAFETY: just made, an ArrayBuffer.
    unsafe { ArrayBuffer::from_napi_value(env.raw(), result) }
}
