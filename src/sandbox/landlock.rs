//! Landlock limits what a worker may read, write and execute, and which TCP ports it may use. It keeps
//! signals and abstract sockets to the processes that the worker itself has started.

use std::mem;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, RestrictSelf, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::io::dup;

use super::path::{explain, open};
use super::spec::{Net, PROC, Ports, SandboxSpec};

/// The version whose rights this file names. An older kernel gets the rights that it knows; `probe` says what
/// is missing then.
const KNOWN: ABI = ABI::V6;

/// Version of Landlock's interface in this kernel; 0 without Landlock.
pub fn version() -> u32 {
    // A ruleset without a restriction only reports what the kernel has.
    let status = RestrictSelf::default().no_new_privs(false).apply().map(|status| status.landlock);
    match status {
        Ok(LandlockStatus::Available { effective_abi, kernel_abi }) => {
            kernel_abi.unwrap_or(effective_abi as i32).unsigned_abs()
        }
        _ => 0,
    }
}

/// Restricts this thread, and everything that it executes and starts, to what `spec` grants. With
/// `pin_procfs`, descriptors that stay open pin the inodes of procfs, if no mounts do that. The error is a
/// sentence.
pub fn restrict(spec: &SandboxSpec, pin_procfs: bool) -> Result<(), String> {
    let failed = |error: RulesetError| format!("Landlock refuses the policy: {error}");
    let reading: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let executing = reading | AccessFs::Execute;
    // A process without capabilities can't make devices.
    let writing =
        AccessFs::from_write(KNOWN) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;

    let mut rules = Vec::new();
    let granted = |path: &&PathBuf| !spec.denies_reading(path);
    rules.extend(spec.read.iter().filter(granted).map(|path| (path, reading)));
    rules.extend(spec.list.iter().map(|path| (path, AccessFs::ReadDir.into())));
    rules.extend(spec.execute.iter().map(|path| (path, executing)));
    rules.extend(spec.write.iter().filter(|path| !spec.denies_writing(path)).map(|path| (path, writing)));
    rules.extend(spec.needs.iter().map(|path| (path, reading)));
    rules.extend(spec.devices.iter().map(|path| (path, device)));
    rules.extend(spec.memory.iter().map(|path| (path, AccessFs::ReadFile | AccessFs::WriteFile)));

    let mut ruleset = begin(spec).map_err(failed)?;
    for (path, access) in rules {
        let file = open(path).map_err(|errno| explain(path, errno))?;
        if pin_procfs && path.starts_with(PROC) {
            // Open for as long as the process lives, past exec.
            mem::forget(dup(&file).map_err(|errno| explain(path, errno))?);
        }
        ruleset = ruleset.add_rule(PathBeneath::new(file, access)).map_err(failed)?;
    }
    for (ports, access) in ports(spec) {
        for port in ports.listed() {
            ruleset = ruleset.add_rule(NetPort::new(*port, access)).map_err(failed)?;
        }
    }
    match ruleset.restrict_self().map_err(failed)?.ruleset {
        RulesetStatus::NotEnforced => Err("Landlock has not taken the policy on".into()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

/// A ruleset that denies everything that the specification has rules about.
fn begin(spec: &SandboxSpec) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?;
    for (_, access) in ports(spec) {
        ruleset = ruleset.handle_access(access)?;
    }
    ruleset.scope(Scope::from_all(KNOWN))?.create()
}

/// The ports of each right that has limits.
fn ports(spec: &SandboxSpec) -> Vec<(&Ports, AccessNet)> {
    const NONE: &Ports = &Ports::All(false);
    let (connect, bind) = match &spec.net {
        Net::All(true) => return Vec::new(),
        Net::All(false) => (NONE, NONE),
        Net::Some(sockets) => (&sockets.connect, &sockets.bind),
    };
    let rights = [(connect, AccessNet::ConnectTcp), (bind, AccessNet::BindTcp)];
    rights.into_iter().filter(|(ports, _)| !ports.are_all()).collect()
}
