//! The worker's side of the handshake, before any task is imported.
//!
//! ```text
//!   1. take both boot variables out of the environment, and out of the block that /proc/self/environ shows
//!   2. reopen descriptor 0, check magic, version, sizes, nonce; map it
//!   3. take the worker's owner lock; put /dev/null on descriptor 0
//!   4. start the watchdogs: the host's lock is released, or the segment says stop -> this process ends
//! ```

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{dup2_stdin, getpgrp, getpid};

use super::boot::{BOOT_VARIABLE, Boot, WORKER_MARK, WORKER_VARIABLE};
use super::owner_lock::{self, Owner};
use crate::sys::environ;
use crate::transport::doorbell;
use crate::transport::layout::Word;
use crate::transport::segment::Segment;

/// A worker that has attached to its segment.
pub struct Attached {
    /// Its memory.
    pub segment: Arc<Segment>,
    /// What it is to do.
    pub boot: Boot,
}

/// Attaches this process to its segment. The error is a sentence for stderr.
pub fn attach() -> Result<Attached, String> {
    let mark = environ::take_variable(WORKER_VARIABLE);
    let boot = environ::take_variable(BOOT_VARIABLE);
    if mark.as_deref() != Some(WORKER_MARK) {
        return Err(format!("{WORKER_VARIABLE} is not set: this file is started by a pool, not by hand"));
    }
    let boot = boot.ok_or_else(|| format!("{BOOT_VARIABLE} is not set"))?;
    let boot = Boot::decode(&boot).map_err(|error| format!("{BOOT_VARIABLE} cannot be read: {error}"))?;

    // SAFETY: descriptor 0 is open in every process that a launcher or a shell has started, and is ours to replace.
    let stdin = unsafe { BorrowedFd::borrow_raw(0) };
    let refused = |error: &dyn std::fmt::Display| {
        format!("descriptor 0 is not the shared memory this worker was started with: {error}")
    };
    let file = owner_lock::reopen(stdin).map_err(|error| refused(&error))?;
    let lock = owner_lock::reopen(&file).map_err(|error| refused(&error))?;
    let segment = Segment::open(file, &boot.segment).map_err(|error| refused(&error))?;
    owner_lock::hold(&lock, Owner::Worker)
        .map_err(|error| format!("another worker is attached to this memory already ({error})"))?;
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .and_then(|null| Ok(dup2_stdin(null)?))
        .map_err(|error| format!("/dev/null cannot replace descriptor 0: {error}"))?;

    let segment = Arc::new(segment);
    watch(lock, segment.clone()).map_err(|error| format!("no thread for the watchdog: {error}"))?;
    Ok(Attached { segment, boot })
}

/// Starts the two threads that end this process when its host is gone or wants it gone. `lock` lives as long as they do.
fn watch(lock: File, segment: Arc<Segment>) -> std::io::Result<()> {
    let thread = |name: &str| std::thread::Builder::new().name(name.into()).stack_size(64 * 1024);
    thread("knitting-host").spawn(move || {
        // An error means that nobody can tell any more whether the host lives: end as well.
        let _ = owner_lock::await_release(&lock, Owner::Host);
        end();
    })?;
    thread("knitting-stop").spawn(move || {
        let stop = segment.word(Word::Stop);
        let grace = loop {
            match stop.load(Ordering::Acquire) {
                0 => doorbell::wait(stop, 0),
                value => break value - 1,
            }
        };
        // The event loop has heard it too and ends the process in good order, if it gets to it.
        std::thread::sleep(Duration::from_millis(grace.into()));
        end();
    })?;
    Ok(())
}

/// Ends this process and all it has started.
fn end() -> ! {
    if getpgrp() == getpid() {
        let _ = killpg(getpgrp(), Signal::SIGKILL);
    }
    // SAFETY: ends the process at once, exit handlers are not wanted: the event loop may be stuck.
    unsafe { nix::libc::_exit(0) }
}
