//! The kernel keeps a worker process within its permissions, whatever the worker runs. The launcher applies
//! this before exec, so that it binds every thread that the runtime will ever have.
//!
//! ```text
//!   spec           the rules, as data
//!   probe          what this kernel can enforce of them
//!   namespaces     a user namespace, for the right to have private mounts
//!   mounts, masks  everything read-only but what may be written; denied paths hidden
//!   aliases        the other paths at which the same files can be seen
//!   capabilities   none, for good
//!   landlock       files, TCP ports, signals
//!   seccomp        system calls
//!   needs          what a runtime must be granted to start
//!   package_links  packages that lie elsewhere
//!   lookahead      looks such things up before they are asked for
//! ```
//!
//! A worker runs with everything that its `SandboxSpec` asks for, or not at all. What a kernel can't enforce
//! must be named as `optional`.

use std::fs;
use std::path::Path;

pub mod aliases;
pub mod capabilities;
pub mod landlock;
pub mod lookahead;
pub mod masks;
pub mod mounts;
pub mod namespaces;
pub mod needs;
pub mod package_links;
pub mod path;
pub mod probe;
pub mod seccomp;
pub mod spec;

use probe::Kernel;
use spec::{Layer, OWN_PROC, PROC, SandboxSpec};

/// The version of Landlock that first limits signals.
const SCOPES_SIGNALS: u32 = 6;

/// Confines this process, which has one thread and is about to exec, to `spec`. The error is a sentence.
pub fn apply(spec: SandboxSpec) -> Result<(), String> {
    let own = std::process::id().cast_signed();
    // Not by the process's number, because a wrapper may have left the procfs of another PID namespace there.
    let entry = fs::read_link(OWN_PROC).map_err(|error| format!("{OWN_PROC} cannot be read: {error}"))?;
    let own_proc = Path::new(PROC).join(entry);
    let spec = spec.of_process(&own_proc);
    let kernel = Kernel::enter(spec.optional.contains(&Layer::Metadata));
    if let Some(unmet) = kernel.missing(&spec).into_iter().find(|unmet| !spec.optional.contains(&unmet.layer))
    {
        return Err(format!(
            "the permission asks for {} and there is none: {}",
            unmet.layer.description(),
            unmet.reason
        ));
    }
    let has_landlock = kernel.landlock > 0;
    if kernel.mounts.is_none() {
        mounts::arrange(&spec, &own_proc, has_landlock)?;
    }
    capabilities::drop_all()?;
    if has_landlock {
        landlock::restrict(&spec, kernel.mounts.is_some())?;
    }
    if kernel.seccomp {
        seccomp::restrict(&spec, own, kernel.landlock >= SCOPES_SIGNALS)?;
    }
    Ok(())
}
