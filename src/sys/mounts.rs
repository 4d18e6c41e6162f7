//! The attributes of mounts: `mount_setattr`, which the crates do not wrap.

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

/// Cuts the mount at `root` and all below it off from what is mounted and unmounted elsewhere.
pub fn set_private(root: BorrowedFd<'_>) -> Result<(), Errno> {
    set(root, MountAttr { set: 0, clear: 0, propagation: libc::MS_PRIVATE, user_namespace: 0 })
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
