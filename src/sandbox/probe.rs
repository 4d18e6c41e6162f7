//! What a kernel can enforce, and which layers of a sandbox it can't.

use std::io;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::aliases::Mounts;
use super::path::Trees;
use super::spec::{Layer, SandboxSpec};
use super::{landlock, mounts, namespaces};
use crate::sys::rehearsal::rehearse;
use crate::sys::seccomp;

/// The launcher's argument that makes it print what the kernel can enforce.
pub const PROBE: &str = "--probe";

/// What this kernel can enforce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// Version of Landlock's interface; 0 without Landlock.
    pub landlock: u32,
    /// Why there can be no private mounts, if there can't.
    pub mounts: Option<String>,
    /// True if there is seccomp.
    pub seccomp: bool,
}

/// A layer that can't be enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub layer: Layer,
    /// Why, as the end of a sentence.
    pub reason: String,
}

impl Kernel {
    /// Asks the launcher at this path. The error says why it could not be executed, or what came instead of an
    /// answer.
    pub fn ask(launcher: &Path) -> io::Result<Self> {
        let output = Command::new(launcher).arg(PROBE).output()?;
        serde_json::from_slice(&output.stdout).map_err(|error| {
            io::Error::other(format!("it has not answered {PROBE} ({}): {error}", output.status))
        })
    }

    /// Finds out what this kernel can enforce, and enters namespaces if that is possible. It is for a process
    /// that is about to exec or to end. With `without`, which says that the process can do without
    /// namespaces, a child tries first: on some systems AppArmor allows a user namespace but nothing in it,
    /// and there is no way back.
    pub fn enter(without: bool) -> Self {
        let rehearsed = if without { rehearse(enter_namespaces) } else { Ok(()) };
        Self {
            landlock: landlock::version(),
            mounts: rehearsed.and_then(|()| enter_namespaces()).err(),
            seccomp: seccomp::is_available(),
        }
    }

    /// The layers of `spec` that this kernel can't enforce, whether they are optional or not.
    pub fn missing(&self, spec: &SandboxSpec) -> Vec<Missing> {
        let landlock = |version: u32, release: &str| {
            (self.landlock < version).then(|| match self.landlock {
                0 => "this kernel has no Landlock, or it is not switched on".to_owned(),
                now => {
                    format!("this needs Landlock {version} (Linux {release}), and there is Landlock {now}")
                }
            })
        };
        let no_mounts = self.mounts.as_ref().map(|reason| format!("there are no private mounts: {reason}"));
        let no_seccomp = || (!self.seccomp).then(|| "this kernel has no seccomp".to_owned());

        // Asked only without mounts, because it is a look at each path.
        let denied_within = || {
            let written = Trees::new(&spec.write);
            // If the mounts can't be read here, the launcher finds out later.
            let mounted = Mounts::read().unwrap_or_default();
            !mounts::masked(spec, &mounted, self.landlock > 0).is_empty()
                || spec.deny_write.iter().any(|path| written.cover(path))
        };
        // Landlock governs truncation since its version 3. Read-only mounts do too.
        let files = if no_mounts.is_some() { landlock(3, "6.2") } else { landlock(1, "5.13") };
        let signals = if spec.run || !self.seccomp { landlock(6, "6.12") } else { None };

        [
            (Layer::Masks, no_mounts.clone().filter(|_| denied_within())),
            (Layer::Metadata, no_mounts),
            (Layer::Files, files),
            (Layer::Tcp, landlock(4, "6.7").filter(|_| spec.limited_ports().is_some())),
            (Layer::Signals, signals),
            (Layer::AbstractSockets, landlock(6, "6.12").filter(|_| spec.unix)),
            (Layer::Syscalls, no_seccomp()),
        ]
        .into_iter()
        .filter_map(|(layer, reason)| reason.map(|reason| Missing { layer, reason }))
        .collect()
    }
}

/// Enters the namespaces, for good.
fn enter_namespaces() -> Result<(), String> {
    namespaces::enter()?;
    mounts::make_private()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::spec::{Net, Ports, Sockets};

    const LEAST: &str = r#"{"read":["/a"],"write":["/a/w"],"execute":[],"needs":[],"devices":[],"denyRead":[],"denyWrite":[],
        "net":false,"unix":false,"run":false,"optional":[]}"#;

    fn missing(kernel: (u32, bool, bool), change: impl FnOnce(&mut SandboxSpec)) -> Vec<Layer> {
        let mut spec = SandboxSpec::decode(LEAST).unwrap();
        change(&mut spec);
        let (landlock, has_mounts, seccomp) = kernel;
        let mounts = (!has_mounts).then(|| "forbidden".to_owned());
        Kernel { landlock, mounts, seccomp }.missing(&spec).into_iter().map(|missing| missing.layer).collect()
    }

    #[test]
    fn only_what_the_policy_asks_for_can_be_missing() {
        assert_eq!(missing((7, true, true), |_| ()), []);
        assert_eq!(missing((1, true, true), |_| ()), []);
        assert_eq!(missing((7, false, true), |_| ()), [Layer::Metadata]);
        assert_eq!(missing((7, true, true), |spec| spec.deny_read = vec!["/a/b".into()]), []);
    }

    #[test]
    fn denials_within_what_is_allowed_need_mounts() {
        let kernel = (7, false, true);
        let within = [Layer::Masks, Layer::Metadata];
        assert_eq!(missing(kernel, |spec| spec.deny_read = vec!["/a/b".into()]), within);
        assert_eq!(missing(kernel, |spec| spec.deny_write = vec!["/a/w/b".into()]), within);
        // Nothing there is allowed in the first place.
        assert_eq!(missing(kernel, |spec| spec.deny_read = vec!["/b".into()]), [Layer::Metadata]);
        assert_eq!(missing(kernel, |spec| spec.deny_write = vec!["/a/b".into()]), [Layer::Metadata]);
    }

    #[test]
    fn an_older_landlock_lacks_what_came_later() {
        let ports = |spec: &mut SandboxSpec| {
            let connect = Ports::These(vec![443]);
            spec.net = Net::Some(Sockets { connect, bind: Ports::All(false), udp: false });
        };
        assert_eq!(missing((0, true, true), |_| ()), [Layer::Files]);
        assert_eq!(missing((2, false, true), |_| ()), [Layer::Metadata, Layer::Files]);
        assert_eq!(missing((3, true, true), ports), [Layer::Tcp]);
        assert_eq!(missing((4, true, true), ports), []);
        assert_eq!(missing((5, true, true), |spec| spec.run = true), [Layer::Signals]);
        assert_eq!(missing((5, true, true), |spec| spec.unix = true), [Layer::AbstractSockets]);
    }

    #[test]
    fn without_seccomp_much_is_missing() {
        assert_eq!(missing((5, true, false), |_| ()), [Layer::Signals, Layer::Syscalls]);
        assert_eq!(missing((7, true, false), |_| ()), [Layer::Syscalls]);
    }
}
