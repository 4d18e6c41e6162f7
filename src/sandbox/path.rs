//! Opening the policy's paths. They were canonical when the host resolved them: a symbolic link that stands on the way now
//! was put there since, maybe by another worker, and is an error instead of a way elsewhere.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// Opens a path to refer to it, not to read it.
pub fn open(path: &Path) -> Result<OwnedFd, Errno> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

/// Why a path that has to be there cannot be opened.
pub fn explain(path: &Path, errno: Errno) -> String {
    let why = match errno {
        Errno::LOOP => "a symbolic link has taken its place".to_owned(),
        Errno::ACCESS => {
            "permission denied (not even root has power over other users' files here)".to_owned()
        }
        errno => errno.to_string(),
    };
    format!("{} cannot be opened: {why}", path.display())
}
