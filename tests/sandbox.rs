//! The sandbox, seen from inside: a native program tries, by one system call each, what its policy denies.
//! The same attempts without a policy show that it is the policy that denies them. As root, where the tests
//! are, and as an ordinary user.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, OsStr};
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use knitting_native::sandbox::spec::{Layer, Net, Ports, SandboxSpec, Sockets};
use knitting_native::sandbox::{needs, seccomp};
use landlock::{AccessFs, Ruleset, RulesetAttr, RulesetCreated};
use nix::libc::{self, c_long};
use nix::unistd::geteuid;
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
};

/// What the prober is to try: its outcomes go to stdout.
const PROBES: &str = "KNITTING_TEST_PROBES";
/// What it is to give up itself.
const GIVES_UP: &str = "KNITTING_TEST_GIVES_UP";
const EXEC: &str = "exec";
const SIGNALS: &str = "signals";
/// The place that it tries them on.
const PLACE: &str = "KNITTING_TEST_PLACE";
const ORDINARY: u32 = 65534;
const EXIT_NOT_CONFINED: i32 = 125;

// What happens.

/// Errors of a denial. A mount point is BUSY, what lies in another mount is on another device.
const DENIALS: [i32; 6] = [libc::EPERM, libc::EACCES, libc::EROFS, libc::ENOSYS, libc::EBUSY, libc::EXDEV];

/// Who can try something at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Anybody,
    Root,
}
use Who::{Anybody, Root};

type Attempt = (&'static str, Who, fn(&Place) -> i32);

/// The number of an error, 0 for success.
fn call<const N: usize>(number: c_long, arguments: [usize; N]) -> i32 {
    let argument = |at: usize| arguments.get(at).copied().unwrap_or(0);
    // SAFETY: the pointers among the arguments are to C strings and structures that live until the call is
    // over. Those that are none are for calls that are to be denied, or fail.
    let result = unsafe {
        libc::syscall(number, argument(0), argument(1), argument(2), argument(3), argument(4), argument(5))
    };
    if result < 0 { nix::errno::Errno::last_raw() } else { 0 }
}

fn text(value: impl AsRef<OsStr>) -> CString {
    CString::new(value.as_ref().as_encoded_bytes()).unwrap()
}

fn open(path: impl AsRef<OsStr>, flags: i32) -> i32 {
    open_at(libc::AT_FDCWD, path, flags)
}

fn open_at(folder: RawFd, path: impl AsRef<OsStr>, flags: i32) -> i32 {
    let path = text(path);
    call(libc::SYS_openat, [folder as usize, path.as_ptr() as usize, flags as usize, 0o600])
}

/// A call whose arguments are a path and numbers.
fn on_path<const N: usize>(number: c_long, path: impl AsRef<OsStr>, rest: [usize; N]) -> i32 {
    let path = text(path);
    let mut arguments = [0; 6];
    arguments[0] = path.as_ptr() as usize;
    arguments[1..=N].copy_from_slice(&rest);
    call(number, arguments)
}

/// A call whose arguments begin with a folder's descriptor, here the working directory, and a path.
fn at_path<const N: usize>(number: c_long, path: impl AsRef<OsStr>, rest: [usize; N]) -> i32 {
    let path = text(path);
    let mut arguments = [libc::AT_FDCWD as usize, path.as_ptr() as usize, 0, 0, 0, 0];
    arguments[2..2 + N].copy_from_slice(&rest);
    call(number, arguments)
}

/// A call with two paths.
fn from_to(number: c_long, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> i32 {
    let (from, to) = (text(from), text(to));
    let folder = libc::AT_FDCWD as usize;
    call(number, [folder, from.as_ptr() as usize, folder, to.as_ptr() as usize])
}

/// Executes a program in a process of its own, or in this one if there can be no other: then it does not come
/// back from success.
fn execute(program: impl AsRef<OsStr>, argument: &str) -> i32 {
    let (program, argument) = (text(program), text(argument));
    let arguments = [program.as_ptr(), argument.as_ptr(), std::ptr::null()];
    let empty = [std::ptr::null::<u8>()];
    let replace = || {
        call(
            libc::SYS_execve,
            [program.as_ptr() as usize, arguments.as_ptr() as usize, empty.as_ptr() as usize],
        )
    };
    // SAFETY: the child makes one system call, and ends.
    match unsafe { libc::fork() } {
        -1 => replace(),
        // SAFETY: ends the child.
        0 => unsafe { libc::_exit(replace()) },
        child => {
            let mut status = 0;
            // SAFETY: the status has room.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            libc::WEXITSTATUS(status)
        }
    }
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<RawFd, i32> {
    // SAFETY: takes numbers.
    let socket = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    if socket < 0 { Err(nix::errno::Errno::last_raw()) } else { Ok(socket) }
}

fn opens_socket(family: i32, kind: i32, protocol: i32) -> i32 {
    socket(family, kind, protocol).err().unwrap_or(0)
}

fn loopback(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    }
}

/// Connects or binds a TCP socket of the given protocol.
fn tcp(number: c_long, port: u16, protocol: i32) -> i32 {
    let address = loopback(port);
    let connect =
        |socket: RawFd| call(number, [socket as usize, &raw const address as usize, size_of_val(&address)]);
    socket(libc::AF_INET, libc::SOCK_STREAM, protocol).map_or_else(|error| error, connect)
}

/// Sends to an address, by a TCP socket that has not been connected.
fn fast_open(port: u16) -> i32 {
    let address = loopback(port);
    let send = |socket: RawFd| {
        let flags = libc::MSG_FASTOPEN as usize;
        let (data, to) = (c"x".as_ptr() as usize, &raw const address as usize);
        match call(libc::SYS_sendto, [socket as usize, data, 1, flags, to, size_of_val(&address)]) {
            libc::EINPROGRESS => 0,
            error => error,
        }
    };
    socket(libc::AF_INET, libc::SOCK_STREAM, 0).map_or_else(|error| error, send)
}

fn unix_address(path: &Path) -> libc::sockaddr_un {
    let mut address = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
    for (to, from) in address.sun_path.iter_mut().zip(path.as_os_str().as_encoded_bytes()) {
        *to = *from as libc::c_char;
    }
    address
}

/// Connects one end of a pair of sockets to another.
fn reconnect_pair(path: &Path, kind: i32) -> i32 {
    let (address, mut pair) = (unix_address(path), [0; 2]);
    // SAFETY: there is room for two descriptors.
    if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) } < 0 {
        return nix::errno::Errno::last_raw();
    }
    call(libc::SYS_connect, [pair[0] as usize, &raw const address as usize, size_of_val(&address)])
}

fn signal_by_descriptor(pid: usize) -> i32 {
    // SAFETY: takes numbers.
    let process = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if process < 0 {
        nix::errno::Errno::last_raw()
    } else {
        call(libc::SYS_pidfd_send_signal, [process as usize, CONTINUE, 0, 0])
    }
}

/// Of asm-generic/sockios.h and linux/btrfs.h.
const FIOSETOWN: usize = 0x8901;
const SIOCSPGRP: usize = 0x8902;
const BTRFS_IOC_SNAP_CREATE_V2: usize = 0x5000_9417;

/// Has a socket send its signals to a process.
fn own_socket(command: usize, pid: usize) -> i32 {
    let (pid, (socket, _other)) = (pid as i32, UnixStream::pair().unwrap());
    call(libc::SYS_ioctl, [socket.as_raw_fd() as usize, command, &raw const pid as usize])
}

/// The number of no process, user, queue, clock or command, nor flags of anything.
const NOBODY: usize = 0x7fff_fff0;
/// A signal that does nothing to a process that runs.
const CONTINUE: usize = libc::SIGCONT as usize;

/// A process by a raw clone, with the flags given.
fn clone_with(flags: i32) -> i32 {
    // SAFETY: without a stack or shared memory this is a fork; the child ends at once.
    match unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) } {
        -1 => nix::errno::Errno::last_raw(),
        // SAFETY: ends the child.
        0 => unsafe { libc::_exit(0) },
        _ => 0,
    }
}

/// getpid by the calling convention of 32 bits.
#[cfg(target_arch = "x86_64")]
fn by_interrupt() -> i32 {
    const GETPID: i32 = 20;
    let result: i32;
    // SAFETY: takes no argument and touches no memory.
    unsafe { std::arch::asm!("int 0x80", inlateout("eax") GETPID => result) };
    if result < 0 { -result } else { 0 }
}

/// What no worker may do.
const ATTEMPTS: &[Attempt] = &[
    // Reading.
    ("read a file outside", Anybody, |place| open(place.path("outside"), libc::O_RDONLY)),
    ("list a folder outside", Anybody, |place| open(place.path(""), libc::O_RDONLY | libc::O_DIRECTORY)),
    ("read a file outside by ..", Anybody, |_| open("../outside", libc::O_RDONLY)),
    ("read a file outside from a folder's descriptor", Anybody, |_| open_at(0, "outside", libc::O_RDONLY)),
    ("read a file outside through /proc/self/root", Anybody, |place| {
        open(format!("/proc/self/root{}", place.path("outside").display()), libc::O_RDONLY)
    }),
    ("read a file outside through /proc/self/cwd", Anybody, |_| {
        open("/proc/self/cwd/../outside", libc::O_RDONLY)
    }),
    ("read a file outside through a link", Anybody, |place| open(place.path("read/link"), libc::O_RDONLY)),
    ("read a file outside that was opened as a mere path", Anybody, |place| {
        let path = text(place.path("outside"));
        // SAFETY: a C string that lives until the call is over.
        let file = unsafe { libc::open(path.as_ptr(), libc::O_PATH) };
        open(format!("/proc/self/fd/{file}"), libc::O_RDONLY)
    }),
    ("read a denied file", Anybody, |place| open(place.path("read/denied"), libc::O_RDONLY)),
    ("list a denied folder", Anybody, |place| {
        open(place.path("read/denied-folder"), libc::O_RDONLY | libc::O_DIRECTORY)
    }),
    ("read in a denied folder", Anybody, |place| open(place.path("read/denied-folder/in"), libc::O_RDONLY)),
    ("make a denied file readable", Anybody, |place| {
        at_path(libc::SYS_fchmodat, place.path("read/denied"), [0o666])
    }),
    ("link to a denied file", Anybody, |place| {
        from_to(libc::SYS_linkat, place.path("write/deep/down/secret"), place.path("write/link"))
    }),
    ("read the environment of another process", Anybody, |place| {
        open(format!("/proc/{}/environ", place.victim), libc::O_RDONLY)
    }),
    ("read the memory map of another process", Anybody, |place| {
        open(format!("/proc/{}/maps", place.victim), libc::O_RDONLY)
    }),
    ("read the memory of another process", Anybody, |place| {
        open(format!("/proc/{}/mem", place.victim), libc::O_RDONLY)
    }),
    ("read where another process is", Anybody, |place| {
        let mut link = [0_u8; 256];
        let (buffer, bytes) = (link.as_mut_ptr() as usize, link.len());
        at_path(libc::SYS_readlinkat, format!("/proc/{}/cwd", place.victim), [buffer, bytes])
    }),
    ("follow the root of another process", Anybody, |place| {
        let root = format!("/proc/{}/root{}", place.victim, place.path("read/denied").display());
        open(root, libc::O_RDONLY)
    }),
    ("read the own environment block", Anybody, |_| open("/proc/self/environ", libc::O_RDONLY)),
    ("write to the own memory", Anybody, |_| open("/proc/self/mem", libc::O_RDWR)),
    ("list processes", Anybody, |_| open("/proc", libc::O_RDONLY | libc::O_DIRECTORY)),
    ("list shared memory", Anybody, |_| open("/dev/shm", libc::O_RDONLY | libc::O_DIRECTORY)),
    ("open the shared memory of another worker", Anybody, |place| open(&place.shared, libc::O_RDWR)),
    ("copy a tree with what is denied in it", Anybody, |place| {
        let tree = File::open(place.path("read")).unwrap();
        call(libc::SYS_ioctl, [tree.as_raw_fd() as usize, BTRFS_IOC_SNAP_CREATE_V2, 0])
    }),
    ("watch a folder outside", Anybody, |_| call(libc::SYS_inotify_init1, [0])),
    ("make a handle of a file", Anybody, |_| at_path(libc::SYS_name_to_handle_at, "/", [0, 0, 0])),
    ("open a handle of a file", Root, |_| call(libc::SYS_open_by_handle_at, [usize::MAX, 0, 0])),
    // Writing.
    ("create a file outside", Anybody, |place| open(place.path("new"), libc::O_CREAT | libc::O_WRONLY)),
    ("write to a file outside", Anybody, |place| open(place.path("outside"), libc::O_WRONLY)),
    ("truncate a file outside", Anybody, |place| on_path(libc::SYS_truncate, place.path("outside"), [4])),
    ("write where there is only reading", Anybody, |place| open(place.path("read/file"), libc::O_WRONLY)),
    ("create where there is only reading", Anybody, |place| {
        open(place.path("read/new"), libc::O_CREAT | libc::O_WRONLY)
    }),
    ("make a folder outside", Anybody, |place| at_path(libc::SYS_mkdirat, place.path("folder"), [0o700])),
    ("remove a file outside", Anybody, |place| at_path(libc::SYS_unlinkat, place.path("removable"), [0])),
    ("link outside", Anybody, |place| {
        from_to(libc::SYS_linkat, place.path("write/file"), place.path("hard-link"))
    }),
    ("change a mode outside", Anybody, |place| at_path(libc::SYS_fchmodat, place.path("outside"), [0o600])),
    ("change an owner outside", Anybody, |place| {
        at_path(libc::SYS_fchownat, place.path("outside"), [usize::MAX, usize::MAX, 0])
    }),
    ("change times outside", Anybody, |place| at_path(libc::SYS_utimensat, place.path("outside"), [0, 0])),
    ("set an attribute outside", Anybody, |place| {
        let (path, name) = (text(place.path("outside")), text("user.knitting"));
        call(
            libc::SYS_setxattr,
            [path.as_ptr() as usize, name.as_ptr() as usize, name.as_ptr() as usize, 1, 0],
        )
    }),
    ("write to a file that is kept", Anybody, |place| open(place.path("write/kept"), libc::O_WRONLY)),
    ("change the mode of a file that is kept", Anybody, |place| {
        at_path(libc::SYS_fchmodat, place.path("write/kept"), [0o600])
    }),
    ("replace a file that is kept", Anybody, |place| {
        from_to(libc::SYS_renameat, place.path("write/file"), place.path("write/kept"))
    }),
    ("replace the program", Anybody, |place| {
        from_to(libc::SYS_renameat, place.path("write/kept-2"), place.path("write/bin/tool/prober"))
    }),
    ("move the folder of the program", Anybody, |place| {
        from_to(libc::SYS_renameat, place.path("write/bin/tool"), place.path("write/bin/moved"))
    }),
    ("move the folder above a denied file", Anybody, |place| {
        from_to(libc::SYS_renameat, place.path("write/deep"), place.path("write/moved"))
    }),
    ("fill shared memory", Anybody, |place| {
        open(place.shared.with_extension("filled"), libc::O_CREAT | libc::O_WRONLY)
    }),
    ("make memory without a name", Anybody, |_| on_path(libc::SYS_memfd_create, "probe", [0])),
    // Running.
    ("run a program", Anybody, |_| execute("/bin/sh", "-c")),
    ("run itself again", Anybody, |place| execute(place.program(), "--list")),
    ("start a process", Anybody, |_| clone_with(0)),
    ("start a process as the host's child", Anybody, |_| clone_with(libc::CLONE_PARENT)),
    ("start a process by clone3", Anybody, |_| call(libc::SYS_clone3, [0, 0])),
    ("execute by a descriptor", Anybody, |_| at_path(libc::SYS_execveat, "/nowhere", [0, 0, 0])),
    ("leave the group", Anybody, |_| call(libc::SYS_setpgid, [NOBODY, 0])),
    ("leave the session", Anybody, |_| call(libc::SYS_setsid, [])),
    // Network.
    ("connect by TCP", Anybody, |place| tcp(libc::SYS_connect, place.tcp, 0)),
    ("listen by TCP", Anybody, |_| tcp(libc::SYS_bind, 0, 0)),
    ("open a UDP socket", Anybody, |_| opens_socket(libc::AF_INET, libc::SOCK_DGRAM, 0)),
    ("open a socket of IPv6", Anybody, |_| opens_socket(libc::AF_INET6, libc::SOCK_STREAM, 0)),
    ("open a raw socket", Root, |_| opens_socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    ("open a packet socket", Root, |_| opens_socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ("open a netlink socket", Anybody, |_| {
        opens_socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)
    }),
    ("open a UNIX socket", Anybody, |_| opens_socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)),
    ("connect a pair of datagram sockets anew", Anybody, |place| {
        reconnect_pair(&place.path("datagrams"), libc::SOCK_DGRAM)
    }),
    ("connect a pair of raw sockets anew", Anybody, |place| {
        reconnect_pair(&place.path("datagrams"), libc::SOCK_RAW)
    }),
    // Other processes.
    ("signal another process", Anybody, |place| call(libc::SYS_kill, [place.victim, CONTINUE])),
    ("signal a thread of another process", Anybody, |place| {
        call(libc::SYS_tgkill, [place.victim, place.victim, CONTINUE])
    }),
    ("queue a signal to another process", Anybody, |place| {
        // Who sends itself one says so in a structure, and the kernel believes it of nobody else.
        let mut information = [0_i32; 32];
        information[2] = libc::SI_QUEUE;
        let information = information.as_ptr() as usize;
        call(libc::SYS_rt_sigqueueinfo, [place.victim, CONTINUE, information])
    }),
    ("signal another process by descriptor", Anybody, |place| signal_by_descriptor(place.victim)),
    ("have a socket signal another process", Anybody, |place| own_socket(FIOSETOWN, place.victim)),
    ("have a socket signal another process, as BSD says it", Anybody, |place| {
        own_socket(SIOCSPGRP, place.victim)
    }),
    ("trace another process", Anybody, |place| {
        call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as usize, place.victim, 0, 0])
    }),
    ("read another process", Anybody, |place| {
        call(libc::SYS_process_vm_readv, [place.victim, 0, 0, 0, 0, 0])
    }),
    ("write another process", Anybody, |place| {
        call(libc::SYS_process_vm_writev, [place.victim, 0, 0, 0, 0, 0])
    }),
    ("take a descriptor", Anybody, |_| call(libc::SYS_pidfd_getfd, [usize::MAX, 0, 0])),
    ("compare with another process", Anybody, |place| {
        call(libc::SYS_kcmp, [place.victim, place.victim, 0, 0, 0])
    }),
    ("limit another process", Anybody, |place| {
        call(libc::SYS_prlimit64, [place.victim, libc::RLIMIT_CORE as usize, 0, 0])
    }),
    ("slow another process down", Anybody, |place| {
        call(libc::SYS_setpriority, [libc::PRIO_PROCESS as usize, place.victim, 19])
    }),
    ("slow the disk of another process down", Anybody, |place| {
        // Of one process, to be idle.
        call(libc::SYS_ioprio_set, [1, place.victim, 3 << 13])
    }),
    ("slow a user down", Anybody, |_| call(libc::SYS_setpriority, [libc::PRIO_USER as usize, NOBODY, 19])),
    ("bind another process to a core", Anybody, |place| {
        let all = [u64::MAX; 16];
        call(libc::SYS_sched_setaffinity, [place.victim, size_of_val(&all), all.as_ptr() as usize])
    }),
    ("schedule another process", Anybody, |place| {
        let none = 0_i32;
        call(
            libc::SYS_sched_setscheduler,
            [place.victim, libc::SCHED_OTHER as usize, &raw const none as usize],
        )
    }),
    ("share memory by number", Anybody, |_| call(libc::SYS_shmget, [libc::IPC_PRIVATE as usize, 0, 0])),
    ("send messages by number", Anybody, |_| call(libc::SYS_msgctl, [NOBODY, 0, 0])),
    ("open a message queue", Anybody, |_| on_path(libc::SYS_mq_open, "knitting-none", [0, 0, 0])),
    // The kernel.
    ("mount", Root, |_| call(libc::SYS_mount, [0, 0, 0, 0, 0])),
    ("unmount", Root, |_| on_path(libc::SYS_umount2, "/nowhere", [0])),
    ("open a mount", Root, |_| at_path(libc::SYS_open_tree, "/", [1])),
    ("open a file system", Root, |_| on_path(libc::SYS_fsopen, "tmpfs", [0])),
    ("change attributes of a mount", Root, |_| call(libc::SYS_mount_setattr, [usize::MAX, 0, 0, 0, 0])),
    ("change the root", Root, |_| on_path(libc::SYS_chroot, "/", [])),
    ("pivot the root", Root, |_| call(libc::SYS_pivot_root, [0, 0])),
    ("leave a namespace", Anybody, |_| call(libc::SYS_unshare, [0])),
    ("enter a namespace", Anybody, |_| call(libc::SYS_setns, [usize::MAX, 0])),
    ("start a process in a user namespace", Anybody, |_| clone_with(libc::CLONE_NEWUSER)),
    ("load a program into the kernel", Root, |_| call(libc::SYS_bpf, [NOBODY, 0, 0])),
    ("count events", Anybody, |_| call(libc::SYS_perf_event_open, [0, 0, 0, 0, 0])),
    ("read a key", Anybody, |_| call(libc::SYS_keyctl, [0, usize::MAX - 2, 0])),
    ("add a key", Anybody, |_| call(libc::SYS_add_key, [0, 0, 0, 0, 0])),
    ("request a key", Anybody, |_| call(libc::SYS_request_key, [0, 0, 0, 0])),
    ("load a module", Root, |_| call(libc::SYS_init_module, [0, 0, 0])),
    ("load another kernel", Root, |_| call(libc::SYS_kexec_load, [0, usize::MAX, 0, 0])),
    ("swap", Root, |_| on_path(libc::SYS_swapon, "/nowhere", [0])),
    ("set the clock", Root, |_| call(libc::SYS_clock_settime, [NOBODY, 0])),
    ("set up io_uring", Anybody, |_| call(libc::SYS_io_uring_setup, [0, 0])),
    ("handle page faults", Root, |_| call(libc::SYS_userfaultfd, [NOBODY])),
    ("watch a file system", Root, |_| call(libc::SYS_fanotify_init, [NOBODY, 0])),
    ("change the personality", Anybody, |_| call(libc::SYS_personality, [0])),
    ("type for the user", Anybody, |_| call(libc::SYS_ioctl, [0, libc::TIOCSTI as usize, 0])),
    #[cfg(target_arch = "x86_64")]
    ("call by the convention of 32 bits", Anybody, |_| by_interrupt()),
    #[cfg(target_arch = "x86_64")]
    ("call by the convention of x32", Anybody, |_| call(0x4000_0000 | libc::SYS_getpid, [])),
];

/// What every policy leaves.
const PERMITTED: &[Attempt] = &[
    ("read a file", Anybody, |place| open(place.path("read/file"), libc::O_RDONLY)),
    ("list a folder", Anybody, |place| open(place.path("read"), libc::O_RDONLY | libc::O_DIRECTORY)),
    ("create a file", Anybody, |place| open(place.path("write/new"), libc::O_CREAT | libc::O_WRONLY)),
    ("rename a file", Anybody, |place| {
        from_to(libc::SYS_renameat, place.path("write/new"), place.path("write/newer"))
    }),
    ("change a mode", Anybody, |place| at_path(libc::SYS_fchmodat, place.path("write/newer"), [0o640])),
    ("remove a file", Anybody, |place| at_path(libc::SYS_unlinkat, place.path("write/newer"), [0])),
    ("read the own maps", Anybody, |_| open("/proc/self/maps", libc::O_RDONLY)),
    ("read the machine's memory", Anybody, |_| open("/proc/meminfo", libc::O_RDONLY)),
    ("write to /dev/null", Anybody, |_| open("/dev/null", libc::O_RDWR)),
    ("open the own shared memory", Anybody, |place| open(&place.own, libc::O_RDWR)),
    ("signal itself", Anybody, |_| call(libc::SYS_kill, [process::id() as usize, CONTINUE])),
    ("signal its group", Anybody, |_| call(libc::SYS_kill, [0, CONTINUE])),
    ("ask for its own limits", Anybody, |_| call(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as usize, 0, 0])),
    ("make a pair of streams", Anybody, |_| {
        let mut pair = [0; 2];
        let kind = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC) as usize;
        call(libc::SYS_socketpair, [libc::AF_UNIX as usize, kind, 0, pair.as_mut_ptr() as usize])
    }),
    ("reopen what is open", Anybody, |_| {
        let (_reader, writer) = nix::unistd::pipe().unwrap();
        open(format!("/proc/self/fd/{}", writer.as_raw_fd()), libc::O_WRONLY)
    }),
    ("start a thread", Anybody, |_| i32::from(std::thread::spawn(|| ()).join().is_err())),
];

/// Once a file says so.
const LATER: &[Attempt] = &[
    ("read procfs when told", Anybody, |place| {
        wait_until_told(place);
        let own = ["maps", "stat", "statm", "status"].map(|name| format!("/proc/self/{name}"));
        let machine = ["meminfo", "stat", "sys/vm/overcommit_memory"].map(|name| format!("/proc/{name}"));
        own.iter()
            .chain(&machine)
            .map(|file| open(file, libc::O_RDONLY))
            .find(|error| *error != 0)
            .unwrap_or(0)
    }),
    ("read a denied file when told", Anybody, |place| {
        wait_until_told(place);
        open(place.path("read/denied"), libc::O_RDONLY)
    }),
];

fn wait_until_told(place: &Place) {
    println!("ready");
    while !place.path("read/told").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ways around a mask.
const AROUND: &[Attempt] = &[
    ("read a denied file in a folder that was closed", Anybody, |place| {
        at_path(libc::SYS_fchmodat, place.path("write/deep/down"), [0o700]);
        open(place.path("write/deep/down/secret"), libc::O_RDONLY)
    }),
    ("read a denied file by another path", Anybody, |place| open(place.path("alias/denied"), libc::O_RDONLY)),
    ("read in a denied folder by another path", Anybody, |place| {
        open(place.path("alias/denied-folder/in"), libc::O_RDONLY)
    }),
    ("write to a file that is kept by another path", Anybody, |place| {
        open(place.path("written/kept"), libc::O_WRONLY)
    }),
    ("read a file by another path", Anybody, |place| open(place.path("alias/file"), libc::O_RDONLY)),
    ("write to a file by another path", Anybody, |place| open(place.path("written/file"), libc::O_WRONLY)),
    ("be root", Root, |_| i32::from(!geteuid().is_root())),
];

/// What Landlock lets pass and makes ineffective.
const SIGNALLING: &[Attempt] = &[("have a descriptor signal another process", Anybody, |place| {
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    call(libc::SYS_fcntl, [reader.as_raw_fd() as usize, libc::F_SETOWN as usize, place.victim])
})];

/// With leave to start processes.
const RUNNING: &[Attempt] = &[
    ("run what is allowed", Anybody, |_| execute("/bin/true", "")),
    ("run what is not allowed", Anybody, |_| execute("/bin/echo", "")),
    ("run what was written", Anybody, |place| {
        fs::copy("/bin/true", place.path("write/program")).unwrap();
        execute(place.path("write/program"), "")
    }),
    ("run what was written by the dynamic linker", Anybody, |place| {
        let linker = needs::of_program(Path::new("/bin/true")).unwrap().execute;
        let linker = linker.into_iter().find(|path| path.to_string_lossy().contains("/ld-")).unwrap();
        execute(linker, place.path("write/program").to_str().unwrap())
    }),
    ("map what was written", Anybody, |place| {
        let file = File::open(place.path("write/program")).unwrap();
        let (protection, flags) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE);
        call(libc::SYS_mmap, [0, 4096, protection as usize, flags as usize, file.as_raw_fd() as usize, 0])
    }),
];

/// With leave to connect to one port and to listen at another.
const CONNECTING: &[Attempt] = &[
    ("connect to the port", Anybody, |place| tcp(libc::SYS_connect, place.tcp, 0)),
    ("connect to another port", Anybody, |place| tcp(libc::SYS_connect, place.other_tcp, 0)),
    ("connect to another port by MPTCP", Anybody, |place| {
        tcp(libc::SYS_connect, place.other_tcp, libc::IPPROTO_MPTCP)
    }),
    ("connect to another port by fast open", Anybody, |place| fast_open(place.other_tcp)),
    ("listen at a port", Anybody, |_| tcp(libc::SYS_bind, 0, 0)),
    ("use UDP", Anybody, |_| opens_socket(libc::AF_INET, libc::SOCK_DGRAM, 0)),
    ("open a UNIX socket for paths", Anybody, |_| opens_socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)),
];

/// What the program inside is run with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Confinement {
    None,
    SandboxSpec,
    /// And it has given up exec, as a worker does once it has attached.
    WithoutExec,
    /// Only the system calls, as on a kernel whose Landlock knows nothing of signals.
    OfCalls,
}

/// A policy that allows nothing.
fn nothing() -> SandboxSpec {
    SandboxSpec {
        read: Vec::new(),
        list: Vec::new(),
        write: Vec::new(),
        execute: Vec::new(),
        needs: Vec::new(),
        devices: Vec::new(),
        names: Vec::new(),
        memory: None,
        deny_read: Vec::new(),
        deny_write: Vec::new(),
        net: Net::All(false),
        unix: false,
        run: false,
        optional: Vec::new(),
    }
}

/// The program inside: tries what it is told to and says what came of it.
#[test]
fn prober() {
    let Ok(wanted) = std::env::var(PROBES) else { return };
    let place = Place::from_environment();
    match std::env::var(GIVES_UP).as_deref() {
        Ok(EXEC) => seccomp::give_up_exec().unwrap(),
        Ok(SIGNALS) => seccomp::restrict(&nothing(), process::id() as i32, false).unwrap(),
        _ => {}
    }
    for (name, _, attempt) in
        [ATTEMPTS, PERMITTED, LATER, AROUND, SIGNALLING, RUNNING, CONNECTING].into_iter().flatten()
    {
        if wanted.split(';').any(|one| one == *name) {
            println!("\n{name}={}", attempt(&place));
        }
    }
}

// Where it happens.

/// Files and processes to try something on.
struct Place {
    root: PathBuf,
    /// Ports that are listened at.
    tcp: u16,
    other_tcp: u16,
    /// Another process of the same user's.
    victim: usize,
    /// Another worker's memory, and the own.
    shared: PathBuf,
    own: PathBuf,
}

/// A place and what must live as long.
struct Stage {
    place: Place,
    uid: u32,
    victim: Child,
    _listeners: (TcpListener, TcpListener, UdpSocket, UnixDatagram, UnixListener),
}

impl Place {
    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A copy of this program, in a tree that may be written.
    fn program(&self) -> PathBuf {
        self.path("write/bin/tool/prober")
    }

    fn environment(&self) -> String {
        let Self { root, tcp, other_tcp, victim, shared, own } = self;
        format!("{};{tcp};{other_tcp};{victim};{};{}", root.display(), shared.display(), own.display())
    }

    fn from_environment() -> Self {
        let text = std::env::var(PLACE).unwrap();
        let mut parts = text.split(';');
        let mut next = || parts.next().unwrap();
        Self {
            root: next().into(),
            tcp: next().parse().unwrap(),
            other_tcp: next().parse().unwrap(),
            victim: next().parse().unwrap(),
            shared: next().into(),
            own: next().into(),
        }
    }
}

impl Stage {
    /// A stage that belongs to a user.
    fn new(uid: u32) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("knitting-sandbox-{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let root = fs::canonicalize(std::env::temp_dir()).unwrap().join(&name);
        for folder in ["read/denied-folder", "write/bin/tool", "write/deep/down"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "outside",
            "removable",
            "read/file",
            "read/denied",
            "read/denied-folder/in",
            "write/file",
            "write/kept",
            "write/kept-2",
            "write/deep/down/secret",
        ] {
            fs::write(root.join(file), file).unwrap();
        }
        symlink(root.join("outside"), root.join("read/link")).unwrap();
        copy_program(&std::env::current_exe().unwrap(), &root.join("write/bin/tool/prober"));
        copy_program(Path::new(env!("CARGO_BIN_EXE_knitting-launcher")), &root.join("launcher"));
        let shared = Path::new("/dev/shm").join(format!("{name}-other"));
        let own = Path::new("/dev/shm").join(format!("{name}-own"));
        for file in [&shared, &own] {
            fs::write(file, "memory").unwrap();
        }
        let datagrams = UnixDatagram::bind(root.join("datagrams")).unwrap();
        let streams = UnixListener::bind(root.join("streams")).unwrap();
        let owned =
            Command::new("chown").arg("-R").arg(uid.to_string()).args([&root, &shared, &own]).status();
        assert!(owned.unwrap().success());
        fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();

        let mut victim = Command::new("/bin/sleep");
        let victim = as_user(victim.arg("600"), uid).spawn().unwrap();
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (first, second) = (listen(), listen());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let place = Place {
            root,
            tcp: port(&first),
            other_tcp: port(&second),
            victim: victim.id() as usize,
            shared,
            own,
        };
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { place, uid, victim, _listeners: (first, second, udp, datagrams, streams) }
    }

    /// A policy that allows the folders `read` and `write`, and the program inside to start.
    fn spec(&self) -> SandboxSpec {
        let place = &self.place;
        let needs = needs::of_runtime(&place.program()).unwrap();
        SandboxSpec {
            read: vec![place.path("read")],
            write: vec![place.path("write")],
            execute: needs.execute.into_iter().collect(),
            needs: needs.read.into_iter().collect(),
            devices: needs.devices.into_iter().collect(),
            memory: Some(place.own.clone()),
            deny_read: vec![
                place.path("read/denied"),
                place.path("read/denied-folder"),
                place.path("write/deep/down/secret"),
                place.path("read/missing"),
                "/proc".into(),
                "/etc".into(),
            ],
            deny_write: vec![place.path("write/kept")],
            ..nothing()
        }
    }

    /// The launcher, about to become the program inside.
    fn launcher(&self, spec: Option<&SandboxSpec>) -> Command {
        let mut command = Command::new(self.place.path("launcher"));
        as_user(&mut command, self.uid)
            .arg(process::id().to_string())
            .args(spec.map(|spec| spec.argument().unwrap()))
            .arg("--")
            .arg(self.place.program())
            .args(["--exact", "prober", "--nocapture", "--test-threads=1"])
            .env(PLACE, self.place.environment())
            .current_dir(self.place.path("read"))
            .stdin(File::options().read(true).custom_flags(libc::O_DIRECTORY).open(&self.place.root).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What comes of attempts, by name.
    fn outcomes(
        &self,
        confinement: Confinement,
        spec: &SandboxSpec,
        names: &[&str],
    ) -> BTreeMap<String, i32> {
        let (spec, gives_up) = match confinement {
            Confinement::None => (None, None),
            Confinement::SandboxSpec => (Some(spec), None),
            Confinement::WithoutExec => (Some(spec), Some(EXEC)),
            Confinement::OfCalls => (None, Some(SIGNALS)),
        };
        let mut command = self.launcher(spec);
        command.env(PROBES, names.join(";")).envs(gives_up.map(|what| (GIVES_UP, what)));
        outcomes(command, names)
    }

    /// The same behind bubblewrap, which mounts something besides.
    fn behind_bubblewrap(
        &self,
        besides: impl Fn(&mut Command),
        spec: Option<&SandboxSpec>,
        names: &[&str],
    ) -> BTreeMap<String, i32> {
        let inner = self.launcher(spec);
        let mut command = Command::new("bwrap");
        besides(command.args(["--dev-bind", "/", "/"]));
        command
            .arg(self.place.path("launcher"))
            .arg("0")
            .args(inner.get_args().skip(1))
            .env(PLACE, self.place.environment())
            .env(PROBES, names.join(";"))
            .current_dir(self.place.path("read"));
        outcomes(command, names)
    }
}

/// Copies a program by a child. If this process wrote the copy, a process that another test is starting could
/// still have the descriptor that it was written by, and nobody can execute a file that is open for writing.
fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}

/// Runs the program inside, and reads the outcomes that it prints.
fn outcomes(mut command: Command, names: &[&str]) -> BTreeMap<String, i32> {
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let outcomes: BTreeMap<_, _> = stdout
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter_map(|(name, error)| Some((name.to_owned(), error.parse().ok()?)))
        .collect();
    let told: BTreeSet<_> = outcomes.keys().map(String::as_str).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told, names.iter().copied().collect(), "{}: {stdout} {stderr}", output.status);
    outcomes
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = fs::remove_dir_all(&self.place.root);
        let shared =
            [self.place.shared.clone(), self.place.shared.with_extension("filled"), self.place.own.clone()];
        for file in shared {
            let _ = fs::remove_file(file);
        }
    }
}

/// Has a command run as a user, if that is another one.
fn as_user(command: &mut Command, uid: u32) -> &mut Command {
    if uid == geteuid().as_raw() { command } else { command.uid(uid).gid(uid) }
}

/// Root and an ordinary user, or the one who runs the tests.
fn users() -> Vec<u32> {
    if geteuid().is_root() { vec![0, ORDINARY] } else { vec![geteuid().as_raw()] }
}

fn names(attempts: &[Attempt], uid: u32) -> Vec<&'static str> {
    let can = |who: Who| who == Anybody || uid == 0;
    attempts.iter().filter(|(_, who, _)| can(*who)).map(|(name, _, _)| *name).collect()
}

fn is_denied(error: i32) -> bool {
    DENIALS.contains(&error)
}

// What is to be.

#[test]
fn what_the_policy_denies_fails_and_would_not_without_it() {
    for uid in users() {
        let without = Stage::new(uid);
        let spec = without.spec();
        let without = without.outcomes(Confinement::None, &spec, &names(ATTEMPTS, uid));
        // A kernel may lack a call altogether, and then there is nothing to deny.
        let ineffective: Vec<_> =
            without.iter().filter(|(_, error)| is_denied(**error) && **error != libc::ENOSYS).collect();
        assert!(ineffective.is_empty(), "uid {uid}, without a policy: {ineffective:?}");

        let stage = Stage::new(uid);
        let every = names(ATTEMPTS, 0);
        let within = stage.outcomes(Confinement::WithoutExec, &stage.spec(), &every);
        let allowed: Vec<_> = within.iter().filter(|(_, error)| !is_denied(**error)).collect();
        assert!(allowed.is_empty(), "uid {uid}, with the policy: {allowed:?}");
    }
}

#[test]
fn no_process_is_started_from_the_first_instruction_on() {
    for uid in users() {
        let stage = Stage::new(uid);
        let names = ["start a process", "start a process by clone3", "start a thread"];
        let within = stage.outcomes(Confinement::SandboxSpec, &stage.spec(), &names);
        for (name, error) in &within {
            assert_eq!(is_denied(*error), name != "start a thread", "uid {uid}: {within:?}");
        }
    }
}

#[test]
fn what_the_policy_allows_works() {
    for uid in users() {
        let stage = Stage::new(uid);
        let outcomes = stage.outcomes(Confinement::WithoutExec, &stage.spec(), &names(PERMITTED, uid));
        let failed: Vec<_> = outcomes.iter().filter(|(_, error)| **error != 0).collect();
        assert!(failed.is_empty(), "uid {uid}: {failed:?}");
    }
}

#[test]
fn of_the_whole_file_system_denied_trees_are_hidden_but_for_what_the_runtime_needs() {
    for uid in users() {
        let stage = Stage::new(uid);
        let spec = SandboxSpec { read: vec!["/".into()], write: vec!["/".into()], ..stage.spec() };
        let denied = [
            "read a denied file",
            "list a denied folder",
            "read in a denied folder",
            "list processes",
            "write to a file that is kept",
            "replace the program",
            "move the folder of the program",
            "move the folder above a denied file",
        ];
        let outcomes = stage.outcomes(Confinement::WithoutExec, &spec, &denied);
        assert!(outcomes.values().all(|error| is_denied(*error)), "uid {uid}: {outcomes:?}");
        let hidden = ["read the environment of another process", "read the memory map of another process"];
        let outcomes = stage.outcomes(Confinement::WithoutExec, &spec, &hidden);
        assert!(outcomes.values().all(|error| *error == libc::ENOENT), "uid {uid}: {outcomes:?}");
        let allowed =
            ["read a file outside", "read the own maps", "read the machine's memory", "write to /dev/null"];
        let outcomes = stage.outcomes(Confinement::WithoutExec, &spec, &allowed);
        assert!(outcomes.values().all(|error| *error == 0), "uid {uid}: {outcomes:?}");
    }
}

#[test]
fn a_folder_that_is_listed_shows_what_is_granted_and_gives_access_to_nothing_else() {
    for uid in users() {
        let stage = Stage::new(uid);
        let spec = SandboxSpec { list: vec![stage.place.root.clone()], ..stage.spec() };
        let listing = "list a folder outside";
        let mut attempts = names(ATTEMPTS, uid);
        attempts.retain(|name| *name != listing);
        let outcomes = stage.outcomes(Confinement::WithoutExec, &spec, &attempts);
        let done: Vec<_> =
            outcomes.iter().filter(|(_, error)| !is_denied(**error) && **error != libc::ENOENT).collect();
        assert!(done.is_empty(), "uid {uid}: {done:?}");
        let outcomes = stage.outcomes(
            Confinement::WithoutExec,
            &spec,
            &[&names(PERMITTED, uid)[..], &[listing]].concat(),
        );
        let failed: Vec<_> = outcomes.iter().filter(|(_, error)| **error != 0).collect();
        assert!(failed.is_empty(), "uid {uid}: {failed:?}");
    }
}

#[test]
fn a_denial_holds_in_what_the_runtime_needs() {
    for uid in users() {
        let stage = Stage::new(uid);
        let mut spec = SandboxSpec { read: Vec::new(), ..stage.spec() };
        spec.needs.push(stage.place.path("read"));
        let within = stage.outcomes(Confinement::SandboxSpec, &spec, &["read a file", "read a denied file"]);
        assert_eq!(within["read a file"], 0, "uid {uid}: {within:?}");
        assert_eq!(within["read a denied file"], libc::EACCES, "uid {uid}: {within:?}");
    }
}

#[test]
fn a_denial_stands_although_the_way_there_was_closed() {
    for uid in users() {
        let stage = Stage::new(uid);
        fs::set_permissions(stage.place.path("write/deep/down"), Permissions::from_mode(0o0)).unwrap();
        let mut spec = stage.spec();
        spec.read.push(stage.place.path("write"));
        let names = ["read a denied file in a folder that was closed"];
        let within = stage.outcomes(Confinement::SandboxSpec, &spec, &names);
        assert!(within.values().all(|error| is_denied(*error)), "uid {uid}: {within:?}");
        let without = stage.outcomes(Confinement::None, &spec, &names);
        assert!(without.values().all(|error| *error == 0), "uid {uid}: {without:?}");
    }
}

#[test]
fn what_is_denied_by_one_path_is_denied_by_the_others() {
    let stage = Stage::new(geteuid().as_raw());
    let path = |relative| stage.place.path(relative);
    for (from, to) in [("read", "alias"), ("write", "written")] {
        fs::create_dir(path(to)).unwrap();
        assert!(path(from).is_dir());
    }
    let second = |command: &mut Command| {
        command.arg("--bind").args([path("read"), path("alias")]);
        command.arg("--bind").args([path("write"), path("written")]);
    };
    let mut spec = stage.spec();
    spec.write.push(path("written"));
    let by_the_other = SandboxSpec { read: vec![path("alias")], ..spec.clone() };
    for spec in [spec, by_the_other] {
        let denied = names(AROUND, ORDINARY);
        let denied: Vec<_> = denied.into_iter().filter(|name| name.contains("another path")).collect();
        let within = stage.behind_bubblewrap(second, Some(&spec), &denied);
        for (name, error) in &within {
            let is_allowed = name.contains("a file by another path");
            assert_eq!(*error == 0, is_allowed, "{within:?}");
        }
        let without = stage.behind_bubblewrap(second, None, &denied);
        assert!(without.values().all(|error| *error == 0), "{without:?}");
    }
}

#[test]
fn only_allowed_programs_run_and_nothing_that_was_written() {
    for uid in users() {
        let stage = Stage::new(uid);
        let mut spec = SandboxSpec { run: true, ..stage.spec() };
        spec.read.push(stage.place.path("write"));
        spec.read.push(fs::canonicalize("/bin").unwrap());
        let program = needs::of_program(Path::new("/bin/true")).unwrap();
        spec.execute.extend(program.execute);
        spec.needs.extend(program.read);
        let within = stage.outcomes(Confinement::SandboxSpec, &spec, &names(RUNNING, uid));
        for (name, error) in &within {
            assert_eq!(*error == 0, name == "run what is allowed", "uid {uid}: {within:?}");
        }
        let without = stage.outcomes(Confinement::None, &spec, &names(RUNNING, uid));
        assert!(without.values().all(|error| !is_denied(*error)), "uid {uid}: {without:?}");
    }
}

#[test]
fn of_tcp_the_listed_ports_can_be_used() {
    for uid in users() {
        let stage = Stage::new(uid);
        let sockets =
            Sockets { connect: Ports::These(vec![stage.place.tcp]), bind: Ports::All(false), udp: false };
        let spec = SandboxSpec { net: Net::Some(sockets), ..stage.spec() };
        let within = stage.outcomes(Confinement::SandboxSpec, &spec, &names(CONNECTING, uid));
        for (name, error) in &within {
            assert_eq!(*error == 0, name == "connect to the port", "uid {uid}: {within:?}");
            assert!(*error == 0 || is_denied(*error), "uid {uid}: {within:?}");
        }
        let spec = SandboxSpec { net: Net::All(true), unix: true, ..stage.spec() };
        let open = stage.outcomes(Confinement::SandboxSpec, &spec, &names(CONNECTING, uid));
        let denied: Vec<_> = open.iter().filter(|(_, error)| is_denied(**error)).collect();
        // No TCP but TCP: MPTCP knows no limits.
        assert!(denied.iter().all(|(name, _)| name.contains("MPTCP")), "uid {uid}: {open:?}");
        let without = stage.outcomes(Confinement::None, &spec, &names(CONNECTING, uid));
        assert!(without.values().all(|error| !is_denied(*error)), "uid {uid}: {without:?}");
    }
}

/// The exit status and the message of a launcher that refuses.
fn refusal(mut launcher: Command) -> (Option<i32>, String) {
    let output = launcher.env(PROBES, "").output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_policy_that_cannot_be_enforced_is_refused_before_exec() {
    let stage = Stage::new(geteuid().as_raw());
    let link = stage.place.path("read/swapped");
    symlink("/etc", &link).unwrap();
    for (spec, message) in [
        (SandboxSpec { write: vec![link.clone()], ..stage.spec() }, "a symbolic link has taken its place"),
        (
            SandboxSpec { deny_read: vec![link.join("passwd")], ..stage.spec() },
            "a symbolic link has taken its place",
        ),
        (
            SandboxSpec { read: vec!["/no/such/file".into()], ..stage.spec() },
            "/no/such/file cannot be opened",
        ),
        (
            SandboxSpec { read: vec!["/".into()], deny_read: vec!["/".into()], ..stage.spec() },
            "cannot be denied",
        ),
    ] {
        let (status, stderr) = refusal(stage.launcher(Some(&spec)));
        assert_eq!(status, Some(EXIT_NOT_CONFINED), "{stderr}");
        assert!(stderr.starts_with("knitting-launcher: ") && stderr.contains(message), "{stderr}");
    }
    let mut launcher = Command::new(stage.place.path("launcher"));
    launcher.args([&process::id().to_string(), "--sandbox={}", "--", "/bin/true"]);
    let (status, stderr) = refusal(launcher);
    assert_eq!(status, Some(EXIT_NOT_CONFINED));
    assert!(stderr.contains("the policy cannot be read"), "{stderr}");
}

/// Has a command run as if on a kernel without some calls.
fn without_calls<'a>(command: &'a mut Command, calls: &[c_long], errno: i32) -> &'a mut Command {
    filtered(command, calls.iter().map(|call| (*call, Vec::new())).collect(), errno)
}

/// Has a command run with calls failing that meet rules.
fn filtered(command: &mut Command, rules: BTreeMap<c_long, Vec<SeccompRule>>, errno: i32) -> &mut Command {
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch).unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    // SAFETY: between fork and exec it makes system calls with what was made before.
    unsafe { command.pre_exec(move || apply_filter(&program).map_err(|_| std::io::ErrorKind::Other.into())) }
}

#[test]
fn without_user_namespaces_denials_are_refused_unless_they_are_optional() {
    let stage = Stage::new(geteuid().as_raw());
    let without = |command: &mut Command| {
        without_calls(command, &[libc::SYS_unshare], libc::EPERM);
    };
    let mut launcher = stage.launcher(Some(&stage.spec()));
    without(&mut launcher);
    let (status, stderr) = refusal(launcher);
    assert_eq!(status, Some(EXIT_NOT_CONFINED));
    assert!(stderr.contains("no user namespace"), "{stderr}");

    let list = vec![stage.place.root.clone()];
    let spec = SandboxSpec { list, optional: vec![Layer::Masks, Layer::Metadata], ..stage.spec() };
    let mut launcher = stage.launcher(Some(&spec));
    without(&mut launcher);
    let probes = "read a file outside;list a folder outside;read a file;read the own maps";
    let output = launcher.env(PROBES, probes).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    for line in ["read a file outside=13", "list a folder outside=0", "read a file=0", "read the own maps=0"]
    {
        assert!(stdout.lines().any(|one| one == line), "{stdout}");
    }
}

#[test]
fn root_is_kept_in_without_a_user_namespace_too() {
    if !geteuid().is_root() {
        return;
    }
    let stage = Stage::new(0);
    let mut launcher = stage.launcher(Some(&stage.spec()));
    let new_user = SeccompCmpOp::MaskedEq(libc::CLONE_NEWUSER as u64);
    let new_user =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, new_user, libc::CLONE_NEWUSER as u64).unwrap();
    let rules = [(libc::SYS_unshare, vec![SeccompRule::new(vec![new_user]).unwrap()])];
    filtered(&mut launcher, rules.into(), libc::EPERM);
    let mut names = [names(ATTEMPTS, 0), names(PERMITTED, 0)].concat();
    // The filter by which there is no such namespace would kill for it.
    names.retain(|name| !name.contains("convention"));
    launcher.env(GIVES_UP, EXEC).env(PROBES, names.join(";"));
    for (name, error) in outcomes(launcher, &names) {
        let is_permitted = PERMITTED.iter().any(|(permitted, ..)| *permitted == name);
        assert!(if is_permitted { error == 0 } else { is_denied(error) }, "{name}: {error}");
    }
}

#[test]
fn where_landlock_lets_signals_pass_no_call_sends_any() {
    for uid in users() {
        let stage = Stage::new(uid);
        let denied = [
            "signal another process",
            "signal a thread of another process",
            "signal another process by descriptor",
            "queue a signal to another process",
            "have a descriptor signal another process",
            "have a socket signal another process",
            "have a socket signal another process, as BSD says it",
        ];
        let outcomes = stage.outcomes(Confinement::OfCalls, &nothing(), &denied);
        assert!(outcomes.values().all(|error| *error == libc::EPERM), "uid {uid}: {outcomes:?}");
        let outcomes =
            stage.outcomes(Confinement::OfCalls, &nothing(), &["signal itself", "signal its group"]);
        assert!(outcomes.values().all(|error| *error == 0), "uid {uid}: {outcomes:?}");
    }
}

/// Known, and said in SECURITY.md: a mask is over the file that was there.
#[test]
fn a_denied_file_that_the_host_replaces_can_be_read() {
    let stage = Stage::new(geteuid().as_raw());
    let mut child =
        stage.launcher(Some(&stage.spec())).env(PROBES, "read a denied file when told").spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut told = until_ready(&mut stdout);
    fs::rename(stage.place.path("read/file"), stage.place.path("read/denied")).unwrap();
    fs::write(stage.place.path("read/told"), "").unwrap();
    stdout.read_to_string(&mut told).unwrap();
    child.wait().unwrap();
    assert!(told.contains("read a denied file when told=0"), "{told}");
}

#[test]
fn without_landlock_rules_for_files_are_refused() {
    let stage = Stage::new(geteuid().as_raw());
    let mut launcher = stage.launcher(Some(&stage.spec()));
    without_calls(&mut launcher, &[libc::SYS_landlock_create_ruleset], libc::EOPNOTSUPP);
    let (status, stderr) = refusal(launcher);
    assert_eq!(status, Some(EXIT_NOT_CONFINED));
    assert!(stderr.contains("no Landlock"), "{stderr}");
}

#[test]
fn the_probe_tells_what_the_kernel_can() {
    let probe = |change: &dyn Fn(&mut Command)| {
        let mut launcher = Command::new(env!("CARGO_BIN_EXE_knitting-launcher"));
        change(launcher.arg("--probe"));
        let output = launcher.output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let kernel = probe(&|_| ());
    assert!(kernel["landlock"].as_u64().unwrap() >= 1 && kernel["mounts"].is_null(), "{kernel}");
    let old = probe(&|command| {
        without_calls(command, &[libc::SYS_unshare, libc::SYS_landlock_create_ruleset], libc::ENOSYS);
    });
    assert!(old["landlock"] == 0 && old["mounts"].is_string() && old["seccomp"] == true, "{old}");
}

/// What the program inside has written until it waits to be told.
fn until_ready(stdout: &mut impl Read) -> String {
    let mut told = String::new();
    while !told.contains("ready") {
        let mut bytes = [0; 256];
        let count = stdout.read(&mut bytes).unwrap();
        assert!(count > 0, "{told}");
        told.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    told
}

#[test]
fn what_procfs_has_forgotten_can_still_be_read() {
    // Only root can have the kernel forget names.
    if !geteuid().is_root() {
        return;
    }
    const FORGET_NAMES: &str = "2";
    let stage = Stage::new(0);
    let spec = stage.spec();
    let without_mounts = SandboxSpec { optional: vec![Layer::Masks, Layer::Metadata], ..stage.spec() };
    for (spec, has_mounts) in [(spec, true), (without_mounts, false)] {
        let mut launcher = stage.launcher(Some(&spec));
        if !has_mounts {
            without_calls(&mut launcher, &[libc::SYS_unshare], libc::EPERM);
        }
        let mut child = launcher.env(PROBES, "read procfs when told").spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut told = until_ready(&mut stdout);
        fs::write("/proc/sys/vm/drop_caches", FORGET_NAMES).unwrap();
        fs::write(stage.place.path("read/told"), "").unwrap();
        stdout.read_to_string(&mut told).unwrap();
        child.wait().unwrap();
        fs::remove_file(stage.place.path("read/told")).unwrap();
        assert!(told.contains("read procfs when told=0"), "with mounts: {has_mounts}: {told}");
    }
}

#[test]
fn the_sandbox_stands_behind_a_wrapper_too() {
    let stage = Stage::new(geteuid().as_raw());
    let names = ["read a file outside", "read a denied file", "read a file", "open a UDP socket"];
    let within = stage.behind_bubblewrap(|_| (), Some(&stage.spec()), &names);
    for (name, error) in &within {
        let expected = if name == "read a file" { 0 } else { libc::EACCES };
        assert_eq!(*error, expected, "{within:?}");
    }
}

#[test]
fn behind_a_wrapper_that_leaves_another_procfs_the_own_entry_is_found() {
    let stage = Stage::new(geteuid().as_raw());
    let names = ["read the own maps", "read the memory map of another process"];
    let apart = |command: &mut Command| {
        command.arg("--unshare-pid");
    };
    let within = stage.behind_bubblewrap(apart, Some(&stage.spec()), &names);
    assert_eq!(within["read the own maps"], 0, "{within:?}");
    assert_eq!(within["read the memory map of another process"], libc::EACCES, "{within:?}");
}

#[test]
fn a_user_namespace_that_is_of_no_use_is_not_entered() {
    // Whose number is not the one that strangers have there.
    if !geteuid().is_root() {
        return;
    }
    let stage = Stage::new(0);
    let spec = SandboxSpec { optional: vec![Layer::Masks, Layer::Metadata], ..stage.spec() };
    let names = ["be root", "read a file", "read a file outside"];
    let mut launcher = stage.launcher(Some(&spec));
    launcher.env(PROBES, names.join(";"));
    // As where AppArmor restricts them: one can be had, and its map cannot be written.
    let rules = Ruleset::default().handle_access(AccessFs::WriteFile).unwrap().create().unwrap();
    let mut rules = Some(rules);
    // SAFETY: between fork and exec it makes system calls with what was made before.
    unsafe {
        launcher.pre_exec(move || match rules.take().map(RulesetCreated::restrict_self) {
            Some(Ok(_)) => Ok(()),
            _ => Err(std::io::ErrorKind::Other.into()),
        })
    };
    let within = outcomes(launcher, &names);
    let expected = [("be root", 0), ("read a file", 0), ("read a file outside", libc::EACCES)];
    assert_eq!(within, expected.map(|(name, error)| (name.to_owned(), error)).into());
}
