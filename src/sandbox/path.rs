//! Opening the policy's paths. They were canonical when the host resolved them: a symbolic link that stands on the way now
//! was put there since, maybe by another worker, and is an error instead of a way elsewhere.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// Opens a path to refer to it, not to read it.
pub fn open(path: &Path) -> Result<OwnedFd, Errno> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

/// What a denial of a path is to stand over: what is there; nothing if there is nothing. Where a folder on the way is closed even
/// to this process it is that folder: its owner, who may be the worker, could open it again.
pub fn standing(path: &Path) -> Result<Option<PathBuf>, String> {
    match open(path) {
        Ok(_) => Ok(Some(path.to_owned())),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(Errno::ACCESS) => Ok(path.ancestors().find(|step| open(step).is_ok()).map(Path::to_owned)),
        Err(errno) => Err(explain(path, errno)),
    }
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
