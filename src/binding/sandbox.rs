//! What the host asks of the kernel layer before it starts a worker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use napi::{Error, Result};
use napi_derive::napi;

use super::launch::refused;
use crate::sandbox::needs::{self, Needs};
use crate::sandbox::policy::Policy;
use crate::sandbox::probe::{Kernel, Missing, PROBE};

/// What this kernel can enforce.
#[napi(object)]
pub struct SandboxProbe {
    /// Version of Landlock's interface; 0 without Landlock.
    pub landlock: u32,
    /// Why there can be no private mounts; null if there can.
    pub mounts: Option<String>,
    /// Whether there is seccomp.
    pub seccomp: bool,
}

/// A layer of a policy that can't be enforced.
#[napi(object)]
pub struct MissingLayer {
    /// Name of the layer.
    pub layer: String,
    /// Why, as the end of a sentence.
    pub reason: String,
}

/// What a program must be granted to start.
#[napi(object)]
pub struct ProgramNeeds {
    /// Files and trees that it reads.
    pub read: Vec<String>,
    /// Files that it executes.
    pub execute: Vec<String>,
    /// Devices that it reads and writes.
    pub devices: Vec<String>,
}

/// Asks the launcher what this kernel can enforce.
#[napi]
pub fn probe_sandbox(launcher: String) -> Result<SandboxProbe> {
    let output = Command::new(&launcher)
        .arg(PROBE)
        .output()
        .map_err(|error| refused(format!("cannot execute {launcher}: {error}")))?;
    let Kernel { landlock, mounts, seccomp } = serde_json::from_slice(&output.stdout).map_err(|error| {
        refused(format!("{launcher} {PROBE} has not answered ({}): {error}", output.status))
    })?;
    Ok(SandboxProbe { landlock, mounts, seccomp })
}

/// What of a policy such a kernel can't enforce, whether it is optional or not.
#[napi]
pub fn sandbox_missing(sandbox: String, probe: SandboxProbe) -> Result<Vec<MissingLayer>> {
    let policy = Policy::decode(&sandbox).map_err(refused)?;
    let SandboxProbe { landlock, mounts, seccomp } = probe;
    let missing = Kernel { landlock, mounts, seccomp }.missing(&policy);
    Ok(missing
        .into_iter()
        .map(|Missing { layer, reason }| MissingLayer { layer: layer.name(), reason })
        .collect())
}

/// The needs of a runtime, with the network's if it may use that.
#[napi]
pub fn runtime_needs(executable: String, net: bool) -> Result<ProgramNeeds> {
    needs::of_runtime(Path::new(&executable), net)
        .map(Into::into)
        .map_err(|error| unreadable(&executable, &error))
}

/// The needs of any program.
#[napi]
pub fn program_needs(executable: String) -> Result<ProgramNeeds> {
    needs::of_program(Path::new(&executable)).map(Into::into).map_err(|error| unreadable(&executable, &error))
}

impl From<Needs> for ProgramNeeds {
    fn from(needs: Needs) -> Self {
        Self { read: texts(needs.read), execute: texts(needs.execute), devices: texts(needs.devices) }
    }
}

fn texts(paths: BTreeSet<PathBuf>) -> Vec<String> {
    paths.into_iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

fn unreadable(executable: &str, error: &std::io::Error) -> Error {
    refused(format!("cannot find out what {executable} needs: {error}"))
}
