//! The lanes of an environment, which are closed when it ends while a pool is still open.

use std::cell::RefCell;
use std::rc::Weak;
use std::time::Duration;

use napi::{Env, Result};
use napi_derive::napi;

use super::lane_worker::Worker;
use super::raw::Cell;
use crate::process::reactor;
use crate::process::shm_name::Name;
use crate::transport::lane;

/// What has to be closed when an environment ends.
pub type Open = (Weak<Cell<lane::HostLane>>, Weak<RefCell<Worker>>, Weak<RefCell<Option<Name>>>);

/// How long an environment that ends waits for its streams to take some of its workers' last output, and how
/// long in all.
const LAST_OUTPUT: Duration = Duration::from_millis(100);
const LAST_OUTPUT_IN_ALL: Duration = Duration::from_secs(5);

thread_local! {
    /// The open lanes of this thread's environment; `None` until it has a hook for its end.
    static LANES: RefCell<Option<Vec<Open>>> = const { RefCell::new(None) };
}

/// Closes a lane, and ends its worker.
pub fn close(cell: &Cell<lane::HostLane>, worker: &RefCell<Worker>) {
    drop(cell.ear.take());
    if let Some(end) = cell.end.take() {
        end.close();
    }
    worker.replace(Worker::None).end();
}

/// Closes the lane when its environment ends while the pool is still open: a terminated worker thread, or
/// `process.exit()`.
pub fn close_with_environment(env: &Env, lane: Open) -> Result<()> {
    LANES.with_borrow_mut(|lanes| {
        if let Some(lanes) = lanes {
            lanes.retain(|(cell, ..)| cell.strong_count() > 0);
            lanes.push(lane);
            return Ok(());
        }
        *lanes = Some(vec![lane]);
        env.add_env_cleanup_hook((), |()| {
            flush_output();
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

/// Passes on what the workers have written so far. Waits for the host's streams to take it, for a while as long
/// as they take something. The main thread's environment ends without its hooks on `process.exit()`.
#[napi]
pub fn flush_output() {
    reactor::flush(LAST_OUTPUT, LAST_OUTPUT_IN_ALL);
}
