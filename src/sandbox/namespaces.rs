//! A user namespace and a mount namespace of the process's own.
//!
//! In the user namespace the process has every capability, over nothing that others own: enough to arrange
//! its mounts. It keeps its user and group there, and all others are nobody (65534). For root this means that
//! its power over other users' files is gone, as it is for an ordinary user. Where there are no user
//! namespaces, root makes do with a mount namespace.

use std::fs;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// Enters both. The error is a sentence.
pub fn enter() -> Result<(), String> {
    let (user, group) = (geteuid(), getegid());
    let by_user_namespace = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS);
    match by_user_namespace {
        Ok(()) => {
            map("uid_map", &format!("{user} {user} 1"))?;
            // A process that can't leave its groups may map its own group.
            map("setgroups", "deny")?;
            map("gid_map", &format!("{group} {group} 1"))
        }
        Err(_) if unshare(CloneFlags::CLONE_NEWNS).is_ok() => Ok(()),
        Err(errno) => Err(format!("no user namespace can be had: {}", explain(errno))),
    }
}

fn map(file: &str, content: &str) -> Result<(), String> {
    let path = format!("/proc/self/{file}");
    fs::write(&path, content).map_err(|error| format!("{path} cannot be written: {error}"))
}

fn explain(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM => "EPERM, the system or a container's seccomp profile forbids it",
        Errno::ENOSPC | Errno::EUSERS => "their number is limited (user.max_user_namespaces)",
        errno => errno.desc(),
    }
}
