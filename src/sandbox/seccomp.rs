//! System calls that no worker needs, and arguments that none may give. A denied call fails; nothing is
//! killed by it.
//!
//! ```text
//!   before exec    foreign calling conventions, calls newer than this file, the tables below, and new processes
//!   after attach   exec, over all threads (`give_up_exec`): starting the runtime took one
//! ```
//!
//! A filter sees numbers, never what a pointer points at. So clone3, which takes its flags by a pointer, does
//! not exist (the C libraries then use clone), nor does io_uring, which makes system calls of its own.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use nix::libc::{self, c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter, apply_filter_all_threads, sock_filter,
};

use super::spec::{Net, SandboxSpec};

/// Conditions that must all hold.
type Rule = Vec<Condition>;
/// For each call the rules under which it is denied: one of them must hold. No rules mean always.
type Rules = BTreeMap<c_long, Vec<Rule>>;

/// A condition of the argument with that number, of which 32 bits count.
#[derive(Debug, Clone, Copy)]
enum Condition {
    Is(u8, c_int),
    IsNot(u8, c_int),
    /// Of the bits in the mask, the given ones are set and no others.
    Bits {
        argument: u8,
        mask: c_int,
        value: c_int,
    },
}
use Condition::{Bits, Is, IsNot};

/// The newest call that this file knows. Calls have the same number on every architecture since
/// pidfd_send_signal (424).
const LAST_KNOWN: c_long = libc::SYS_mseal;
/// Calls of the x32 convention have this bit set.
const X32: u32 = 0x4000_0000;
/// The bits of a socket's type. Its flags are in higher bits.
const SOCKET_TYPES: c_int = 0xf;

/// Calls that fail with EPERM, whatever their arguments.
const NEVER: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // A group or session of its own would outlive the worker, whose group is killed.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    STATMOUNT,
    LISTMOUNT,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Files without a path, and watching what others do with theirs.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Memory and queues that are shared by number or name.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Keys.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Parts of the kernel that are large and that workers have little use for.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // The system.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
];

/// Not in libc yet.
const STATMOUNT: c_long = 457;
const LISTMOUNT: c_long = 458;

#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: c_long = 294;

/// Commands that no worker may give to a descriptor.
const IOCTLS_NEVER: &[c_int] = &[
    // Input that a terminal would take for its user's typing.
    libc::TIOCSTI as c_int,
    libc::TIOCLINUX as c_int,
    // To whom a socket sends signals. Landlock limits that since version 6, and fcntl can set it too.
    FIOSETOWN,
    SIOCSPGRP,
    // Copies of a whole tree, without the masks in it.
    BTRFS_IOC_SNAP_CREATE,
    BTRFS_IOC_SNAP_CREATE_V2,
    BCH_IOCTL_SUBVOLUME_CREATE,
];
/// Of asm-generic/sockios.h.
const FIOSETOWN: c_int = 0x8901;
const SIOCSPGRP: c_int = 0x8902;
/// Of linux/btrfs.h and bcachefs's bcachefs_ioctl.h.
const BTRFS_IOC_SNAP_CREATE: c_int = 0x5000_9401;
const BTRFS_IOC_SNAP_CREATE_V2: c_int = 0x5000_9417;
const BCH_IOCTL_SUBVOLUME_CREATE: c_int = 0x4020_bc10;

/// Of this architecture alone.
#[cfg(target_arch = "x86_64")]
const NEVER_HERE: &[c_long] = &[
    libc::SYS_inotify_init,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(target_arch = "aarch64")]
const NEVER_HERE: &[c_long] = &[KEXEC_FILE_LOAD];

/// Ways to start a process that have no flags.
#[cfg(target_arch = "x86_64")]
const FORKS: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(target_arch = "aarch64")]
const FORKS: &[c_long] = &[];

/// Flags of clone that no worker may give: namespaces, and a child of its parent instead of its own.
const CLONE_NEVER: [c_int; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_PARENT,
];

/// The argument that reads the personality and changes nothing.
const PERSONALITY_QUERY: c_int = -1;
const PRIORITY_OF_USER: c_int = libc::PRIO_USER as c_int;
/// `IOPRIO_WHO_USER` of linux/ioprio.h.
const IO_PRIORITY_OF_USER: c_int = 3;
/// `F_SETOWN_EX` of asm-generic/fcntl.h.
const F_SETOWN_EX: c_int = 15;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = libc::EM_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = libc::EM_AARCH64;
/// How filters know this architecture's own calls: 64 bits, little-endian (linux/audit.h).
const AUDIT_ARCH: u32 = MACHINE as u32 | 0x8000_0000 | 0x4000_0000;

/// Filters the calls of this thread, and of what it executes and starts. `own` is this process's id; without
/// `scoped_signals` Landlock does not keep signals in. The error is a sentence.
pub fn restrict(spec: &SandboxSpec, own: c_int, scoped_signals: bool) -> Result<(), String> {
    let mut denied = baseline(own);
    if !spec.run {
        for (call, rules) in new_processes() {
            denied.entry(call).or_default().extend(rules);
        }
    }
    if !scoped_signals && !spec.run {
        denied.extend(signals(own));
    }
    for (rules, errno) in [
        (denied, libc::EPERM),
        (network(spec), libc::EACCES),
        (BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS),
    ] {
        apply_filter(&compile(rules, errno)?).map_err(|error| format!("seccomp: {error}"))?;
    }
    Ok(())
}

/// Denies every thread of this process the calls that execute a file. The error is a sentence.
pub fn give_up_exec() -> Result<(), String> {
    let rules = [libc::SYS_execve, libc::SYS_execveat].iter().map(always).collect();
    apply_filter_all_threads(&compile(rules, libc::EPERM)?).map_err(|error| format!("seccomp: {error}"))
}

fn always(call: &c_long) -> (c_long, Vec<Rule>) {
    (*call, Vec::new())
}

fn baseline(own: c_int) -> Rules {
    let mut rules: Rules = NEVER.iter().chain(NEVER_HERE).map(always).collect();
    let bit = |argument, bit| vec![Bits { argument, mask: bit, value: bit }];
    let of_others = |argument| vec![IsNot(argument, 0), IsNot(argument, own)];
    rules.insert(libc::SYS_clone, CLONE_NEVER.map(|flag| bit(0, flag)).into());
    rules.insert(libc::SYS_personality, vec![vec![IsNot(0, PERSONALITY_QUERY)]]);
    rules.insert(libc::SYS_ioctl, IOCTLS_NEVER.iter().map(|command| vec![Is(1, *command)]).collect());
    // Limits, cores and priorities of other processes, which the user may change.
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setattr,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
    ] {
        rules.insert(call, vec![of_others(0)]);
    }
    for (call, of_user) in
        [(libc::SYS_setpriority, PRIORITY_OF_USER), (libc::SYS_ioprio_set, IO_PRIORITY_OF_USER)]
    {
        rules.insert(call, vec![vec![Is(0, of_user)], of_others(1)]);
    }
    rules
}

/// The calls that start a process and not a thread.
fn new_processes() -> Rules {
    let mut rules: Rules = FORKS.iter().map(always).collect();
    rules.insert(libc::SYS_clone, vec![vec![Bits { argument: 0, mask: libc::CLONE_THREAD, value: 0 }]]);
    rules
}

/// Signals to any process but this one, which starts no processes.
fn signals(own: c_int) -> Rules {
    let mut rules: Rules = [libc::SYS_tkill, libc::SYS_pidfd_send_signal].iter().map(always).collect();
    // Zero and the negative are its group.
    rules.insert(libc::SYS_kill, vec![vec![IsNot(0, own), IsNot(0, -own), IsNot(0, 0)]]);
    for call in [libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo] {
        rules.insert(call, vec![vec![IsNot(0, own)]]);
    }
    // Signals that a descriptor sends.
    rules.insert(libc::SYS_fcntl, vec![vec![Is(1, libc::F_SETOWN)], vec![Is(1, F_SETOWN_EX)]]);
    rules
}

/// The sockets that are denied. Of those that are left, Landlock limits the TCP ports.
fn network(spec: &SandboxSpec) -> Rules {
    let mut rules = Rules::new();
    let mut families = Vec::new();
    let mut sockets = Vec::new();
    let of_type = |family, kind| vec![Is(0, family), Bits { argument: 1, mask: SOCKET_TYPES, value: kind }];
    if spec.has_network() {
        families.extend([libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK]);
        let udp = match &spec.net {
            Net::All(allowed) => *allowed,
            Net::Some(sockets) => sockets.udp,
        };
        for family in [libc::AF_INET, libc::AF_INET6] {
            for kind in
                (0..=SOCKET_TYPES).filter(|kind| ![libc::SOCK_STREAM, libc::SOCK_DGRAM].contains(kind))
            {
                sockets.push(of_type(family, kind));
            }
            // MPTCP and other protocols would evade a limit of TCP's ports.
            let other_than =
                |kind, protocol| [of_type(family, kind), vec![IsNot(2, 0), IsNot(2, protocol)]].concat();
            sockets.push(other_than(libc::SOCK_STREAM, libc::IPPROTO_TCP));
            sockets.push(if udp {
                other_than(libc::SOCK_DGRAM, libc::IPPROTO_UDP)
            } else {
                of_type(family, libc::SOCK_DGRAM)
            });
        }
        // Interfaces and routes, which resolvers ask for.
        sockets.push(vec![Is(0, libc::AF_NETLINK), IsNot(2, libc::NETLINK_ROUTE)]);
    }
    if spec.unix {
        families.push(libc::AF_UNIX);
    }
    sockets.push(families.iter().map(|family| IsNot(0, *family)).collect());
    rules.insert(libc::SYS_socket, if families.is_empty() { Vec::new() } else { sockets });

    // A pair of stream sockets reaches nobody else. A datagram socket, or a raw one, which is the same here,
    // could be connected to somebody else.
    let mut pairs = vec![vec![IsNot(0, libc::AF_UNIX)]];
    if !spec.unix {
        pairs.push(of_type(libc::AF_UNIX, libc::SOCK_DGRAM));
        pairs.push(of_type(libc::AF_UNIX, libc::SOCK_RAW));
    }
    rules.insert(libc::SYS_socketpair, pairs);

    if families.is_empty() {
        let needless =
            [libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4];
        rules.extend(needless.iter().map(always));
    }
    if let Some(sockets) = spec.limited_ports() {
        // TCP fast open connects without connect, and listen binds without bind.
        for (call, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            let fast_open = Bits { argument: flags, mask: libc::MSG_FASTOPEN, value: libc::MSG_FASTOPEN };
            rules.insert(call, vec![vec![fast_open]]);
        }
        if !sockets.bind.are_all() && sockets.bind.listed().is_empty() {
            rules.insert(libc::SYS_listen, Vec::new());
        }
    }
    rules
}

/// Compiles a filter that makes the calls that meet a rule fail with `errno`.
fn compile(rules: Rules, errno: c_int) -> Result<BpfProgram, String> {
    let failed = |error: seccompiler::BackendError| format!("seccomp cannot express the policy: {error}");
    let mut compiled = BTreeMap::new();
    for (call, rules) in rules {
        let rules: Result<Vec<_>, _> = rules.into_iter().map(compile_rule).collect();
        compiled.insert(call, rules.map_err(failed)?);
    }
    let arch = TargetArch::try_from(ARCH).map_err(failed)?;
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(compiled, SeccompAction::Allow, action, arch).map_err(failed)?;
    let program: BpfProgram = filter.try_into().map_err(failed)?;
    // Before seccompiler's program, which would kill what comes from another architecture.
    Ok([foreign_calls(), program].concat())
}

fn compile_rule(rule: Rule) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions: Result<Vec<_>, _> = rule
        .into_iter()
        .map(|condition| {
            let (argument, operator, value) = match condition {
                Is(argument, value) => (argument, SeccompCmpOp::Eq, value),
                IsNot(argument, value) => (argument, SeccompCmpOp::Ne, value),
                Bits { argument, mask, value } => {
                    (argument, SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned())), value)
                }
            };
            SeccompCondition::new(
                argument,
                SeccompCmpArgLen::Dword,
                operator,
                u64::from(value.cast_unsigned()),
            )
        })
        .collect();
    SeccompRule::new(conditions?)
}

/// Instructions that deny calls by another convention and do not know calls newer than this file.
fn foreign_calls() -> Vec<sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const IF_GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
    const IF_NOT_LESS: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const NUMBER_AT: u32 = 0;
    const ARCH_AT: u32 = 4;
    let step = |code, k, jt, jf| sock_filter { code, jt, jf, k };
    let fail = |errno: c_int| step(RETURN, libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(), 0, 0);
    vec![
        step(LOAD, ARCH_AT, 0, 0),
        step(IF_EQUAL, AUDIT_ARCH, 1, 0),
        fail(libc::EPERM),
        step(LOAD, NUMBER_AT, 0, 0),
        step(IF_NOT_LESS, X32, 0, 1),
        fail(libc::EPERM),
        step(IF_GREATER, LAST_KNOWN as u32, 0, 1),
        fail(libc::ENOSYS),
    ]
}
