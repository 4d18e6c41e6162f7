//! Trying in a child process what this process could not undo.

use std::io::{self, Read, Write};

use nix::sys::wait::{WaitStatus, waitpid};

use super::fork::start_child;

/// Runs `attempt` in a child, which ends with it, and returns its outcome. An error if this process has
/// several threads. The error is a sentence: the attempt's own, if the attempt could be made.
pub fn rehearse(attempt: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    try_in_child(attempt).unwrap_or_else(|error| Err(format!("it cannot be tried in a child: {error}")))
}

fn try_in_child(attempt: impl FnOnce() -> Result<(), String>) -> io::Result<Result<(), String>> {
    let (mut reader, mut writer) = io::pipe()?;
    let child = start_child(|| match attempt() {
        Ok(()) => 0,
        Err(reason) => {
            // An attempt whose reason can't be written has failed all the same.
            let _ = writer.write_all(reason.as_bytes());
            1
        }
    })?;
    drop(writer);
    let mut reason = String::new();
    reader.read_to_string(&mut reason)?;
    Ok(match waitpid(child, None)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        WaitStatus::Exited(..) => Err(reason),
        end => Err(format!("the child that tried it has ended: {end:?}")),
    })
}
