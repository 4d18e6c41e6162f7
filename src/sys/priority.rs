//! The niceness of this process, which nix can't set.

use std::io;

/// Sets the niceness of this process, from -20 to 19. An error if it may not have that one.
pub fn set_nice(nice: i32) -> io::Result<()> {
    Ok(rustix::process::setpriority_process(None, nice)?)
}
