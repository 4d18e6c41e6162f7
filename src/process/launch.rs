//! Starting a worker process: `launcher ++ runtime ++ runtime flags ++ worker entry`.
//!
//! The child's descriptor 0 is the segment, 1 is the host's, 2 is a pipe to the reactor; the launcher closes the rest.
//! It leads a process group of its own from its first instruction. `std::process::Command` uses posix_spawn here: its
//! cost does not grow with the host's memory, as that of fork does.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, Command, Stdio};

use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

/// Everything a worker is started with.
#[derive(Debug)]
pub struct Launch {
    /// Program and arguments, see [`with_launcher`].
    pub argv: Vec<String>,
    /// The whole environment, boot variables included.
    pub env: Vec<(String, String)>,
    /// What becomes descriptor 0.
    pub memory: OwnedFd,
}

/// A process that was started and not yet reaped.
#[derive(Debug)]
pub struct Launched {
    /// Its process id, which is its group's too.
    pub pid: Pid,
    /// Readable once it has ended.
    pub pidfd: OwnedFd,
    /// The other end of its stderr.
    pub stderr: ChildStderr,
}

/// The command line that starts `command` through the launcher.
pub fn with_launcher(launcher: String, command: Vec<String>) -> Vec<String> {
    let mut argv = vec![launcher, std::process::id().to_string()];
    argv.extend(command);
    argv
}

impl Launch {
    /// Starts the process. Until it has attached it dies with the thread that calls this: call it on the reactor.
    pub fn start(self) -> io::Result<Launched> {
        let (program, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .process_group(0)
            .env_clear()
            .envs(self.env)
            .stdin(Stdio::from(self.memory))
            .stdout(Stdio::inherit())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot execute {program}: {error}")))?;
        let pid = Pid::from_raw(child.id() as i32);
        let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let handle = rustix::process::Pid::from_raw(pid.as_raw()).ok_or(io::ErrorKind::NotFound)?;
        match pidfd_open(handle, PidfdFlags::NONBLOCK) {
            Ok(pidfd) => Ok(Launched { pid, pidfd, stderr }),
            Err(error) => {
                // Nobody could watch it, so it must not run.
                child.kill()?;
                child.wait()?;
                Err(error.into())
            }
        }
    }
}
