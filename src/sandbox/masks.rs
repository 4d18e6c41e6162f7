//! Masks stand in the place of denied files and folders. A mask is an empty file or folder of mode 000, in a
//! file system that is mounted nowhere else. Without capabilities not even its owner can read it, and because
//! the mount is read-only, its owner can't change its mode.
//!
//! Files that the runtime needs may lie in a denied folder, or be looked for in it. Then the mask is a folder that
//! can be entered but not listed, with an empty place for each file that must be visible and with the symbolic
//! links that lead to such files. What the runtime looks for in vain is not there. A folder that may be listed,
//! although not all that it holds may be read, has such a mask too, and shows its places.

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, mkdirat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, UnmountFlags, fsconfig_create, fsmount, fsopen,
    open_tree, unmount,
};

use super::path::{explain, open};
use super::spec::OWN_PROC;
use crate::sys::mounts::attach;

/// A name under which the runtime looks for something, and what the symbolic link there says if it is one.
pub type Name = (PathBuf, Option<PathBuf>);

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
    /// A mask for `path` in which `holes` have a place, and `names` are what they say. It can be listed if `shown`.
    /// The error is a sentence.
    pub fn make(
        &mut self,
        path: &Path,
        holes: &[&Path],
        names: &[&Name],
        shown: bool,
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

        let mask = Path::new(&name);
        if !is_folder {
            make_file(empty, mask).map_err(|errno| failed(&errno))?;
        } else if holes.is_empty() && names.is_empty() {
            mkdirat(&*empty, mask, CLOSED).map_err(|errno| failed(&errno))?;
        } else {
            mkdirat(&*empty, mask, passable).map_err(|errno| failed(&errno))?;
            let place = |of: &Path| mask.join(of.strip_prefix(path).unwrap_or(of));
            for hole in holes {
                let is_folder = self::is_folder(hole)?;
                make_place(empty, &place(hole), passable, is_folder).map_err(|errno| failed(&errno))?;
            }
            for (link, target) in names.iter().filter_map(|(link, target)| Some((link, target.as_ref()?))) {
                make_link(empty, &place(link), passable, target).map_err(|errno| failed(&errno))?;
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
fn make_place(root: &OwnedFd, path: &Path, passable: Mode, is_folder: bool) -> Result<(), Errno> {
    make_folders_above(root, path, passable)?;
    if is_folder { mkdirat(root, path, CLOSED) } else { make_file(root, path) }
}

/// Makes a symbolic link, and the folders that lead to it.
fn make_link(root: &OwnedFd, path: &Path, passable: Mode, target: &Path) -> Result<(), Errno> {
    make_folders_above(root, path, passable)?;
    symlinkat(target, root, path)
}

fn make_folders_above(root: &OwnedFd, path: &Path, passable: Mode) -> Result<(), Errno> {
    let above: Vec<_> = path.ancestors().skip(1).filter(|step| !step.as_os_str().is_empty()).collect();
    for step in above.iter().rev() {
        match mkdirat(root, *step, passable) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn make_file(folder: &OwnedFd, name: impl rustix::path::Arg) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(folder, name, flags, CLOSED).map(drop)
}

fn is_folder(path: &Path) -> Result<bool, String> {
    let status = open(path).and_then(fstat).map_err(|errno| explain(path, errno))?;
    Ok(FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}
