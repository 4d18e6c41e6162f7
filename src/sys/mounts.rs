//! Mounts by descriptors: their attributes, and putting them in place. Nix wraps neither call.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Nothing can be written, nor a file's metadata changed.
pub const READ_ONLY: u64 = 0x1;
/// Set-user-ID bits and file capabilities mean nothing.
pub const NO_SUID: u64 = 0x2;
/// No devices.
pub const NO_DEVICES: u64 = 0x4;
/// Nothing can be executed or mapped as code.
pub const NO_EXECUTE: u64 = 0x8;

/// Sets attributes of the mount at `root`, and of all below it.
pub fn set_attributes(root: BorrowedFd<'_>, attributes: u64) -> Result<(), Errno> {
    set(root, MountAttr { set: attributes, clear: 0, propagation: 0, user_namespace: 0 })
}

/// Makes the mount at `root` and all below it private: what is mounted and unmounted elsewhere does not
/// appear there.
pub fn set_private(root: BorrowedFd<'_>) -> Result<(), Errno> {
    set(root, MountAttr { set: 0, clear: 0, propagation: libc::MS_PRIVATE, user_namespace: 0 })
}

/// Mounts `tree`, which has no place yet, at `place`.
pub fn attach(tree: BorrowedFd<'_>, place: BorrowedFd<'_>) -> io::Result<()> {
    /// `MOVE_MOUNT_F_EMPTY_PATH` and `MOVE_MOUNT_T_EMPTY_PATH` of linux/mount.h: both are given by
    /// descriptor.
    const BY_DESCRIPTOR: libc::c_uint = 0x04 | 0x40;
    let empty = c"".as_ptr();
    let (tree, place) = (tree.as_raw_fd(), place.as_raw_fd());
    // SAFETY: numbers, and an empty C string that is only read.
    Errno::result(unsafe { libc::syscall(libc::SYS_move_mount, tree, empty, place, empty, BY_DESCRIPTOR) })?;
    Ok(())
}

fn set(root: BorrowedFd<'_>, attributes: MountAttr) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    let size = size_of::<MountAttr>();
    // SAFETY: an empty C string and a structure of the size that is said, both only read.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            root.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size,
        )
    };
    Errno::result(result).map(drop)
}
