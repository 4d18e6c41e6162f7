//! Masks stand in the place of denied files and folders. A mask is an empty file or folder of mode 000, in a
//! file system that is mounted nowhere else. Without capabilities not even its owner can read it, and because
//! the mount is read-only, its owner can't change its mode.
//!
//! Files that the runtime needs may lie in a denied folder. Then the mask is a folder that can be entered but
//! not listed, with an empty place for each file that must be visible. A folder that may be listed, although
//! not all that it holds may be read, has such a mask too, and shows its places.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, UnmountFlags, fsconfig_create, fsmount, fsopen,
    open_tree, unmount,
};

use super::path::{explain, open};
use super::spec::OWN_PROC;
use crate::sys::mounts::attach;

/// Nobody can open, read or enter it.
const CLOSED: Mode = Mode::empty();
/// Its owner can enter and list it.
const LISTABLE: Mode = Mode::RUSR.union(Mode::XUSR);
/// Its owner can enter it.
const PASSABLE: Mode = Mode::XUSR;

/// A maker of masks.
#[derive(Debug, Default)]
pub struct Masks {
    /// An empty file system, mounted once it is needed.
    empty: Option<OwnedFd>,
    made: usize,
}

impl Masks {
    /// A mask for `path` in which `holes` have a place, and can be listed if `shown`. The error is a sentence.
    pub fn make<'a>(
        &mut self,
        path: &Path,
        holes: impl Iterator<Item = &'a Path>,
        shown: bool,
        own_proc: &Path,
    ) -> Result<OwnedFd, String> {
        let passable = if shown { LISTABLE } else { PASSABLE };
        let failed = |error: &dyn Display| format!("a mask for {} cannot be made: {error}", path.display());
        let is_folder = is_folder(path)?;
        let empty = match self.empty.take() {
            Some(empty) => empty,
            None => mount_empty().map_err(|error| failed(&error))?,
        };
        let empty = self.empty.insert(empty);
        let name = self.made.to_string();
        self.made += 1;

        let mut holes = holes.peekable();
        if !is_folder {
            make_file(empty, &name).map_err(|errno| failed(&errno))?;
        } else if holes.peek().is_none() {
            mkdirat(&*empty, &name, CLOSED).map_err(|errno| failed(&errno))?;
        } else {
            mkdirat(&*empty, &name, passable).map_err(|errno| failed(&errno))?;
            for hole in holes {
                let within = hole.strip_prefix(path).unwrap_or(hole);
                make_place(empty, &name, within, passable, self::is_folder(hole)?)
                    .map_err(|errno| failed(&errno))?;
            }
            // Programs know their own entry in procfs by this name.
            if let (Ok(entry), Ok(link)) =
                (own_proc.strip_prefix(path), Path::new(OWN_PROC).strip_prefix(path))
            {
                symlinkat(entry, &*empty, Path::new(&name).join(link)).map_err(|errno| failed(&errno))?;
            }
        }
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        open_tree(&*empty, &name, flags).map_err(|errno| failed(&errno))
    }

    /// Unmounts the file system in which the masks were made. The masks that are mounted stay.
    pub fn finish(self) -> Result<(), String> {
        let Some(empty) = self.empty else { return Ok(()) };
        let path = format!("{OWN_PROC}/fd/{}", empty.as_raw_fd());
        unmount(path, UnmountFlags::DETACH).map_err(|errno| format!("the masks cannot be hidden: {errno}"))
    }
}

/// Mounts an empty file system. Only a mounted file system can be cloned. On the root it is in nobody's way,
/// because paths of this process begin at what was the root before.
fn mount_empty() -> io::Result<OwnedFd> {
    let configuration = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(configuration.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let empty = fsmount(configuration.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    attach(empty.as_fd(), open(Path::new("/"))?.as_fd())?;
    Ok(empty)
}

/// Makes an empty file or folder to mount something on, and the folders that lead to it.
fn make_place(
    folder: &OwnedFd,
    name: &str,
    within: &Path,
    passable: Mode,
    is_folder: bool,
) -> Result<(), Errno> {
    let path = Path::new(name).join(within);
    let above: Vec<_> = path.ancestors().skip(1).filter(|step| !step.as_os_str().is_empty()).collect();
    for step in above.iter().rev() {
        match mkdirat(folder, *step, passable) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    if is_folder { mkdirat(folder, &path, CLOSED) } else { make_file(folder, &path) }
}

fn make_file(folder: &OwnedFd, name: impl rustix::path::Arg) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(folder, name, flags, CLOSED).map(drop)
}

fn is_folder(path: &Path) -> Result<bool, String> {
    let status = open(path).and_then(fstat).map_err(|errno| explain(path, errno))?;
    Ok(FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}
