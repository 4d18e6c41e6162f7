//! Opening the specification's paths. They were canonical when the host resolved them. A symbolic link on the
//! way has been put there since, maybe by another worker, and is an error.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2, readlinkat};
use rustix::io::Errno;

/// Files and folders with everything in them. A look costs one step for each folder on the way to a path,
/// however many there are: a policy may name thousands, and asks about thousands.
#[derive(Debug)]
pub struct Trees<'a>(HashSet<&'a Path>);

impl<'a> Trees<'a> {
    /// Those at these paths.
    pub fn new(paths: impl IntoIterator<Item = &'a (impl AsRef<Path> + ?Sized + 'a)>) -> Self {
        Self(paths.into_iter().map(AsRef::as_ref).collect())
    }

    /// True if the path is one of them or in one of them.
    pub fn cover(&self, path: &Path) -> bool {
        path.ancestors().any(|step| self.0.contains(step))
    }

    /// True if the path is in one of them.
    pub fn cover_folder_of(&self, path: &Path) -> bool {
        path.parent().is_some_and(|folder| self.cover(folder))
    }
}

/// Opens a path as a reference (`O_PATH`), which can't be read.
pub fn open(path: &Path) -> Result<OwnedFd, Errno> {
    openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)
}

/// What a symbolic link says; `None` if there is no link at this path.
pub fn link(path: &Path) -> Option<PathBuf> {
    let folder = open(path.parent()?).ok()?;
    let target = readlinkat(folder, path.file_name()?, Vec::new()).ok()?;
    Some(OsString::from_vec(target.into_bytes()).into())
}

/// The path that a mask for `path` has to cover: the path itself, or `None` if nothing is there. If a folder
/// on the way is closed even to this process it is that folder, because its owner, who may be the worker,
/// could open it again.
pub fn standing(path: &Path) -> Result<Option<PathBuf>, String> {
    match open(path) {
        Ok(_) => Ok(Some(path.to_owned())),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(Errno::ACCESS) => Ok(path.ancestors().find(|step| open(step).is_ok()).map(Path::to_owned)),
        Err(errno) => Err(explain(path, errno)),
    }
}

/// A sentence that says why a path that has to be there can't be opened.
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
