//! Starting a worker process: `launcher ++ wrapper ++ runtime ++ runtime flags ++ worker entry`.
//!
//! The child's descriptor 0 is the segment, or `/dev/null` if the worker opens the segment by name.
//! Descriptor 3 is the control socket, which brings descriptor 0 and descriptor 4, the bell (see
//! [`super::control`] and [`super::bell`]). Descriptors 1 and 2 are pipes to the reactor, and the launcher
//! closes the rest. The child leads a process group of its own
//! from its first instruction. `std::process::Command` uses posix_spawn here, whose cost does not grow with
//! the host's memory as that of fork does.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io};

use nix::libc::{EAGAIN, EMFILE, ENFILE, ENOMEM};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::sys::limits::explain;
use crate::sys::pidfd;

/// Everything a worker is started with.
#[derive(Debug)]
pub struct Launch {
    /// Program and arguments, see [`with_launcher`].
    pub argv: Vec<String>,
    /// The whole environment, boot variables included.
    pub env: Vec<(String, String)>,
    /// Where it runs; where the host runs if there is none.
    pub cwd: Option<PathBuf>,
    /// What becomes the child's descriptor 0. A launcher gets the control socket, which brings another.
    pub stdin: OwnedFd,
    /// True if its stdout is read. Otherwise its stdout is `/dev/null`.
    pub reads_stdout: bool,
    /// What the command is.
    pub role: Role,
}

/// What a command is to its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is the worker.
    Worker,
    /// It becomes the worker, or the worker's parent.
    Wrapper,
    /// It asks a daemon to start the worker in a container, and must not be killed half way: see
    /// [`CONTAINER_GRACE`].
    ContainerClient,
}

/// How long the client of a container may go on after its worker was cancelled before it had attached. A
/// client that is killed between creating and starting a container leaves a container that nobody ever starts
/// or removes. If the worker starts after all, it finds that its host does not want it, and ends.
pub const CONTAINER_GRACE: Duration = Duration::from_secs(5);

/// Instead of the host's process id, for a launcher that stands behind a wrapper.
const NO_HOST: &str = "0";

/// What the launcher sets before it executes the command.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Niceness, from -20 to 19.
    pub nice: Option<i32>,
    /// Bytes of stack that the main thread may use; the system's limit stays where it is higher.
    pub stack_bytes: Option<u64>,
    /// The folder of the cgroup, of version 2, that the process is put into.
    pub cgroup: Option<String>,
}

/// A process that was started and not yet reaped.
#[derive(Debug)]
pub struct Launched {
    /// Its process id, which is its group's too.
    pub pid: Pid,
    /// Readable once it has ended.
    pub pidfd: OwnedFd,
    /// The other end of its stdout, if that is read.
    pub stdout: Option<OwnedFd>,
    /// The other end of its stderr.
    pub stderr: OwnedFd,
    child: Child,
}

/// Why a process does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchError {
    /// A sentence.
    pub message: String,
    /// The system lacked something for the moment: another attempt could succeed.
    pub retryable: bool,
}

impl LaunchError {
    /// An error that says that `what` could not be done because of `error`.
    pub fn new(what: &str, error: &io::Error) -> Self {
        let retryable = matches!(error.raw_os_error(), Some(EAGAIN | ENOMEM | EMFILE | ENFILE));
        Self { message: format!("cannot {what}: {}", explain(error)), retryable }
    }

    /// Why a process can't run in this folder, if it can't. A folder that was deleted may be made again.
    fn of_folder(folder: &Path) -> Option<Self> {
        let error = fs::metadata(folder.join(".")).err()?;
        let message = format!("cannot enter the working directory {}: {error}", folder.display());
        Some(Self { message, retryable: true })
    }
}

/// The command line that starts `command`, behind `wrapper` if that is not empty, through the launcher.
/// `sandbox` is the launcher's argument about what the command may do. The sandbox is not for the wrapper,
/// which may need to do more. So behind a wrapper a second launcher sets it up.
pub fn with_launcher(
    launcher: &str,
    role: Role,
    limits: Limits,
    sandbox: Option<String>,
    wrapper: Vec<String>,
    command: Vec<String>,
) -> Vec<String> {
    let mut argv = vec![launcher.to_owned(), std::process::id().to_string(), "--control".into()];
    match role {
        Role::Worker => {}
        Role::Wrapper => argv.push("--watchdog=0".into()),
        Role::ContainerClient => argv.push(format!("--watchdog={}", CONTAINER_GRACE.as_millis())),
    }
    argv.extend(limits.nice.map(|nice| format!("--nice={nice}")));
    argv.extend(limits.stack_bytes.map(|bytes| format!("--stack={bytes}")));
    argv.extend(limits.cgroup.map(|folder| format!("--cgroup={folder}")));
    if !wrapper.is_empty() {
        argv.push("--".into());
        argv.extend(wrapper);
        if sandbox.is_none() {
            argv.extend(command);
            return argv;
        }
        argv.extend([launcher.to_owned(), NO_HOST.into()]);
    }
    argv.extend(sandbox);
    argv.push("--".into());
    argv.extend(command);
    argv
}

impl Launch {
    /// Starts the process. Until the worker has attached, it dies with the thread that calls this, so call it
    /// on the reactor's.
    pub fn start(self) -> Result<Launched, LaunchError> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(LaunchError::new(
                "start a process without a program",
                &io::ErrorKind::InvalidInput.into(),
            ));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .process_group(0)
            .env_clear()
            .envs(self.env)
            .stdin(Stdio::from(self.stdin))
            .stdout(if self.reads_stdout { Stdio::piped() } else { Stdio::null() })
            .stderr(Stdio::piped());
        // A process can be in a folder that its user may not enter, and its children are there already.
        let elsewhere = self.cwd.as_ref().filter(|cwd| env::current_dir().ok().as_ref() != Some(cwd));
        if let Some(cwd) = elsewhere {
            command.current_dir(cwd);
        }
        let mut child = command.spawn().map_err(|error| {
            // The system's error is the same for a missing program.
            let nowhere = elsewhere.and_then(|cwd| LaunchError::of_folder(cwd));
            nowhere.unwrap_or_else(|| LaunchError::new(&format!("execute {program}"), &error))
        })?;
        match watchable(&mut child) {
            Ok((pidfd, stderr)) => Ok(Launched {
                pid: Pid::from_raw(child.id() as i32),
                pidfd,
                stdout: child.stdout.take().map(OwnedFd::from),
                stderr,
                child,
            }),
            Err(error) => {
                discard(child);
                Err(LaunchError::new("watch the process", &error))
            }
        }
    }
}

impl Launched {
    /// Kills the process, which nobody could watch, with its group, and reaps it.
    pub fn discard(self) {
        discard(self.child);
    }
}

fn watchable(child: &mut Child) -> io::Result<(OwnedFd, OwnedFd)> {
    let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((pidfd::open(child.id().cast_signed())?, stderr.into()))
}

fn discard(mut child: Child) {
    // The process is not reaped yet, so the number is its own. It may have left its group, so both are
    // killed. If this process is not allowed to kill it, waiting for it would not end.
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    if child.kill().is_ok() {
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::kill;

    #[test]
    fn a_discarded_process_is_killed_and_reaped() {
        let argv = ["/bin/sh", "-c", "sleep 1000"].map(Into::into).to_vec();
        let stdin = std::fs::File::open("/dev/null").unwrap().into();
        let env = vec![("PATH".into(), "/usr/bin:/bin".into())];
        let launch = Launch { argv, env, cwd: None, stdin, reads_stdout: false, role: Role::Worker };
        let launched = launch.start().unwrap();
        let pid = launched.pid;
        launched.discard();
        assert!(kill(pid, None).is_err(), "it is still there");
    }

    #[test]
    fn a_missing_folder_is_told_from_a_missing_program() {
        let failure = |program: &str, folder: &str| {
            let stdin = fs::File::open("/dev/null").unwrap().into();
            let argv = vec![program.to_owned()];
            let cwd = Some(folder.into());
            Launch { argv, env: vec![], cwd, stdin, reads_stdout: false, role: Role::Worker }
                .start()
                .unwrap_err()
        };
        let nowhere = failure("/bin/true", "/no/such/folder");
        assert!(nowhere.message.starts_with("cannot enter the working directory /no/such/folder: "));
        assert!(nowhere.retryable, "it may be made again");
        let missing = failure("/no/such/program", "/");
        assert!(missing.message.starts_with("cannot execute /no/such/program: "));
        assert!(!missing.retryable);
    }

    #[test]
    fn only_a_momentary_lack_is_retryable() {
        let retryable = |errno| LaunchError::new("run", &io::Error::from_raw_os_error(errno)).retryable;
        assert!([EAGAIN, ENOMEM, EMFILE, ENFILE].into_iter().all(retryable));
        assert!(
            !retryable(nix::libc::ENOENT) && !retryable(nix::libc::EACCES) && !retryable(nix::libc::ENOEXEC)
        );
    }
}
