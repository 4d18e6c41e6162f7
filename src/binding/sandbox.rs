//! What the host asks about the kernel and about programs before it starts a worker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use napi::{Error, Result};
use napi_derive::napi;

use super::error::{refused, unavailable};
use crate::sandbox::lookahead::Lookahead;
use crate::sandbox::needs::{self, Needs};
use crate::sandbox::package_links::links_in;
use crate::sandbox::probe::{Kernel, Missing};
use crate::sandbox::spec::{Layer, SandboxSpec};

/// What a kernel can enforce.
#[napi(object)]
pub struct SandboxProbe {
    /// Version of Landlock's interface; 0 without Landlock.
    pub landlock: u32,
    /// Why there can be no private mounts, if there can't.
    pub mounts: Option<String>,
    /// True if there is seccomp.
    pub seccomp: bool,
}

/// A part of what the kernel enforces. What each is: see `Layer` in `src/sandbox/spec.rs`.
#[napi(string_enum = "camelCase")]
pub enum KernelLayer {
    /// Denials within what is allowed.
    Masks,
    /// The metadata of what may not be written.
    Metadata,
    /// What is read, written and executed.
    Files,
    /// Lists of TCP ports.
    Tcp,
    /// Signals to other processes.
    Signals,
    /// Abstract UNIX sockets of other processes.
    AbstractSockets,
    /// System calls, sockets, new processes.
    Syscalls,
}

/// A layer of a sandbox that can't be enforced.
#[napi(object)]
pub struct MissingLayer {
    /// Which layer.
    pub layer: KernelLayer,
    /// Why, as the end of a sentence.
    pub reason: String,
}

/// What a program must be granted to start. All paths but `names` are there and have no symbolic links;
/// `/proc/self` means the worker.
#[napi(object)]
pub struct ProgramNeeds {
    /// Files and trees that it reads.
    pub read: Vec<String>,
    /// Files that it executes, itself among them.
    pub execute: Vec<String>,
    /// Devices that it reads and writes.
    pub devices: Vec<String>,
    /// Symbolic links on the way to these files, and names under which it looks for files that are not there.
    pub names: Vec<String>,
}

static KERNELS: Lookahead<std::io::Result<Kernel>> = Lookahead::new();
static RUNTIMES: Lookahead<std::io::Result<Needs>> = Lookahead::new();

/// Begins to look up, in threads of their own, what `runtimeNeeds` and `probeSandbox` will be asked: the first for
/// `executable`, the second for `launcher`, which is left out where that is known already.
#[napi]
pub fn look_ahead(executable: String, launcher: Option<String>) {
    RUNTIMES.begin(executable.into(), needs::of_runtime);
    if let Some(launcher) = launcher {
        KERNELS.begin(launcher.into(), Kernel::ask);
    }
}

/// Asks the launcher at this path what this kernel can enforce. It takes a few milliseconds.
#[napi]
pub fn probe_sandbox(launcher: String) -> Result<SandboxProbe> {
    let kernel = KERNELS.take(Path::new(&launcher), Kernel::ask);
    let Kernel { landlock, mounts, seccomp } = kernel.map_err(unavailable(format!("execute {launcher}")))?;
    Ok(SandboxProbe { landlock, mounts, seccomp })
}

/// The layers of a sandbox that such a kernel can't enforce, whether they are optional or not. `sandbox` is a
/// `SandboxSpec` as JSON.
#[napi]
pub fn sandbox_missing(sandbox: String, probe: SandboxProbe) -> Result<Vec<MissingLayer>> {
    let spec = SandboxSpec::decode(&sandbox).map_err(refused)?;
    let SandboxProbe { landlock, mounts, seccomp } = probe;
    let missing = Kernel { landlock, mounts, seccomp }.missing(&spec);
    Ok(missing
        .into_iter()
        .map(|Missing { layer, reason }| MissingLayer { layer: layer.into(), reason })
        .collect())
}

/// What a runtime must be granted to start, with what it takes to use the network if it may.
#[napi]
pub fn runtime_needs(executable: String, net: bool) -> Result<ProgramNeeds> {
    let found = RUNTIMES.take(Path::new(&executable), needs::of_runtime);
    let mut needs = found.map_err(|error| unreadable(&executable, error))?;
    if net {
        needs::add_network(&mut needs);
    }
    Ok(needs.into())
}

/// What any program must be granted to start.
#[napi]
pub fn program_needs(executable: String) -> Result<ProgramNeeds> {
    needs::of_program(Path::new(&executable)).map(Into::into).map_err(|error| unreadable(&executable, error))
}

/// True if there is a symbolic link at a path, false if there is something else. Nothing if there is nothing or it
/// can't be seen. `lstatSync` of Node says the same in four times the time, and a policy asks about dozens of paths.
#[napi(ts_return_type = "boolean | null")]
pub fn is_link(path: String) -> Option<bool> {
    std::fs::symlink_metadata(path).ok().map(|metadata| metadata.is_symlink())
}

/// The paths of the symbolic links in a folder of packages and in its scopes; none if it can't be read.
#[napi]
pub fn package_links(folder: String) -> Vec<String> {
    let links = links_in(Path::new(&folder));
    links.into_iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

impl From<Layer> for KernelLayer {
    fn from(layer: Layer) -> Self {
        match layer {
            Layer::Masks => Self::Masks,
            Layer::Metadata => Self::Metadata,
            Layer::Files => Self::Files,
            Layer::Tcp => Self::Tcp,
            Layer::Signals => Self::Signals,
            Layer::AbstractSockets => Self::AbstractSockets,
            Layer::Syscalls => Self::Syscalls,
        }
    }
}

impl From<Needs> for ProgramNeeds {
    fn from(needs: Needs) -> Self {
        let Needs { read, execute, devices, names } = needs;
        Self { read: texts(read), execute: texts(execute), devices: texts(devices), names: texts(names) }
    }
}

fn texts(paths: BTreeSet<PathBuf>) -> Vec<String> {
    paths.into_iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

fn unreadable(executable: &str, error: std::io::Error) -> Error {
    unavailable(format!("find out what {executable} needs"))(error)
}
