//! RLIMIT_DATA of another process.

use std::mem::MaybeUninit;
use std::ptr;

use nix::errno::Errno;
use nix::libc::{self, RLIMIT_DATA, pid_t, rlim_t, rlimit};
use nix::unistd::Pid;

/// Whether the process can lift the limit again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It can't.
    Hard,
    /// It can, for itself and for programs that it starts.
    Soft,
}

/// Bounds what a process, and each program that it starts, can have mapped to write to. A lower limit that is
/// there stays. An error if this process has no right over that one.
pub fn bound_data(pid: Pid, bytes: rlim_t, bound: Bound) -> Result<(), Errno> {
    let pid = pid.as_raw();
    let before = limit(pid)?;
    let rlim_max = if bound == Bound::Hard { before.rlim_max.min(bytes) } else { before.rlim_max };
    let new = rlimit { rlim_cur: before.rlim_cur.min(bytes).min(rlim_max), rlim_max };
    // SAFETY: the new limit is read; the old one is not asked for.
    Errno::result(unsafe { libc::prlimit(pid, RLIMIT_DATA, &raw const new, ptr::null_mut()) }).map(drop)
}

fn limit(pid: pid_t) -> Result<rlimit, Errno> {
    let mut now = MaybeUninit::<rlimit>::uninit();
    // SAFETY: without a new limit nothing is changed; the old one is written where there is room for it.
    Errno::result(unsafe { libc::prlimit(pid, RLIMIT_DATA, ptr::null(), now.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so it was written.
    Ok(unsafe { now.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_bounded_and_keeps_a_lower_limit() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let limits = || {
            let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            let line = text.lines().find(|line| line.starts_with("Max data size")).unwrap();
            line.split_whitespace().skip(3).take(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let unlimited = limits()[1].clone();
        bound_data(pid, 2 << 30, Bound::Soft).unwrap();
        assert_eq!(limits(), [(2_u64 << 30).to_string(), unlimited]);
        bound_data(pid, 1 << 30, Bound::Hard).unwrap();
        assert_eq!(limits(), ["1073741824", "1073741824"]);
        bound_data(pid, 1 << 20, Bound::Hard).unwrap();
        bound_data(pid, 2 << 30, Bound::Hard).unwrap();
        assert_eq!(limits(), ["1048576", "1048576"]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(bound_data(pid, 1 << 20, Bound::Hard), Err(Errno::ESRCH));
    }
}
