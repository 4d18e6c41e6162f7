//! What a worker may do, as data. The host makes it of the user's options, and the launcher reads it.
//!
//! It travels as JSON in one argument of the launcher, which exec replaces. An unknown field is an error: a
//! rule must not be lost because one side does not know it.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Linux refuses a longer argument (MAX_ARG_STRLEN, 32 pages), its NUL included.
const MAX_ARGUMENT_BYTES: usize = 128 * 1024;

/// What stands before the JSON in the launcher's argument.
pub const ARGUMENT: &str = "--sandbox=";

/// Path of procfs.
pub const PROC: &str = "/proc";
/// The worker's own entry there.
pub const OWN_PROC: &str = "/proc/self";

/// What a worker may do. Every path is absolute and free of symbolic links; `/proc/self` means the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxSpec {
    /// Files and trees that may be read.
    pub read: Vec<PathBuf>,
    /// Folders that may be listed, so that what is granted in them is found. If there are mounts, such a folder
    /// shows nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<PathBuf>,
    /// Files and trees that may be written. Does not let them be read.
    pub write: Vec<PathBuf>,
    /// Files and trees that may be executed, and read.
    pub execute: Vec<PathBuf>,
    /// Files and trees that the runtime itself reads, also if they are denied.
    pub needs: Vec<PathBuf>,
    /// Devices that the runtime itself reads and writes, also if they are denied.
    pub devices: Vec<PathBuf>,
    /// Names under which the runtime looks for all this: symbolic links, and paths at which nothing is. They are
    /// so also in a folder that is denied, and grant nothing.
    #[serde(default)]
    pub names: Vec<PathBuf>,
    /// The file of the worker's memory, if that has a name. It may be read and written, also if it is denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<PathBuf>,
    /// Files and trees that may be neither read nor written, whatever is allowed. One that does not exist is
    /// skipped.
    pub deny_read: Vec<PathBuf>,
    /// Files and trees that may not be written, whatever is allowed. One that does not exist is skipped.
    pub deny_write: Vec<PathBuf>,
    /// The network.
    pub net: Net,
    /// True if it may use UNIX sockets that have an address. No rule can say which.
    pub unix: bool,
    /// True if it may start processes, of what it may execute.
    pub run: bool,
    /// The layers that the kernel need not enforce.
    pub optional: Vec<Layer>,
}

/// What a worker may do over the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Net {
    /// Everything by TCP and UDP, or nothing.
    All(bool),
    /// Some of it.
    Some(Sockets),
}

/// Sockets that a worker may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sockets {
    /// To which TCP ports it may connect.
    pub connect: Ports,
    /// At which TCP ports it may listen.
    pub bind: Ports,
    /// True if it may use UDP. No rule can say with whom.
    pub udp: bool,
}

/// Some TCP ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ports {
    /// All or none.
    All(bool),
    /// These.
    These(Vec<u16>),
}

/// A part of the specification that a kernel may be unable to enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// Denials within what is allowed.
    Masks,
    /// The metadata of what may not be written: mode, owner, times, attributes.
    Metadata,
    /// What is read, written and executed.
    Files,
    /// Lists of TCP ports.
    Tcp,
    /// Signals to other processes.
    Signals,
    /// Abstract UNIX sockets of other processes, where UNIX sockets are allowed.
    AbstractSockets,
    /// The system calls that no worker needs, sockets, new processes.
    Syscalls,
}

impl SandboxSpec {
    /// Reads a specification from JSON. The error is a sentence.
    pub fn decode(json: &str) -> Result<Self, String> {
        let spec: Self =
            serde_json::from_str(json).map_err(|error| format!("the policy cannot be read: {error}"))?;
        if let Some(path) = spec.paths().find(|path| !is_plain(path)) {
            return Err(format!("the policy's path {} is not absolute and normal", path.display()));
        }
        Ok(spec)
    }

    /// The specification as an argument of the launcher. The error is a sentence: it is too long.
    pub fn argument(&self) -> Result<String, String> {
        let json = serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain data: {error}"));
        let argument = format!("{ARGUMENT}{json}");
        let excess = (argument.len() + 1).saturating_sub(MAX_ARGUMENT_BYTES);
        match excess {
            0 => Ok(argument),
            _ => Err(format!(
                "the permission's paths are {excess} bytes longer than Linux allows an argument to be"
            )),
        }
    }

    /// True if it may use any network.
    pub fn has_network(&self) -> bool {
        self.net != Net::All(false)
    }

    /// The TCP ports that it may connect to and listen at, if they are limited by number.
    pub fn limited_ports(&self) -> Option<&Sockets> {
        match &self.net {
            Net::Some(sockets) if !(sockets.connect.are_all() && sockets.bind.are_all()) => Some(sockets),
            _ => None,
        }
    }

    /// True if a path may be neither read nor written.
    pub fn denies_reading(&self, path: &Path) -> bool {
        self.deny_read.iter().any(|denied| path.starts_with(denied))
    }

    /// True if a path may not be written.
    pub fn denies_writing(&self, path: &Path) -> bool {
        self.denies_reading(path) || self.deny_write.iter().any(|denied| path.starts_with(denied))
    }

    /// True if a path lies in a folder that may be listed.
    pub fn lists(&self, path: &Path) -> bool {
        self.list.iter().any(|folder| path.starts_with(folder))
    }

    /// True if a path lies in a writable tree and is not denied to reading. It may be denied to writing.
    pub fn lets_write(&self, path: &Path) -> bool {
        self.write.iter().any(|tree| path.starts_with(tree)) && !self.denies_reading(path)
    }

    /// The same specification for the process whose entry in procfs is `own_proc`.
    #[must_use]
    pub fn of_process(mut self, own_proc: &Path) -> Self {
        let of_all = [
            &mut self.read,
            &mut self.list,
            &mut self.write,
            &mut self.execute,
            &mut self.needs,
            &mut self.devices,
            &mut self.deny_read,
            &mut self.deny_write,
        ];
        for path in of_all.into_iter().flatten() {
            if let Ok(within) = path.strip_prefix(OWN_PROC) {
                *path = own_proc.components().chain(within.components()).collect();
            }
        }
        self
    }

    /// The paths that the user grants. A denial is stronger.
    pub fn granted(&self) -> impl Iterator<Item = &Path> {
        [&self.read, &self.write, &self.execute].into_iter().flatten().map(PathBuf::as_path)
    }

    /// The paths that the worker can't run without. They are stronger than a denial.
    pub fn essential(&self) -> impl Iterator<Item = &Path> {
        [&self.needs, &self.devices, &self.execute]
            .into_iter()
            .flatten()
            .chain(&self.memory)
            .map(PathBuf::as_path)
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        let denied = [&self.deny_read, &self.deny_write].into_iter().flatten().map(PathBuf::as_path);
        let others = [&self.list, &self.names].into_iter().flatten().map(PathBuf::as_path);
        self.granted().chain(self.essential()).chain(denied).chain(others)
    }
}

impl Layer {
    /// Its name in the JSON.
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).ok();
        name.as_ref().and_then(Value::as_str).map_or_else(|| unreachable!("a plain name"), str::to_owned)
    }

    /// What it is, in words for an error.
    pub fn description(self) -> &'static str {
        match self {
            Self::Masks => "denials within what is allowed",
            Self::Metadata => "protection of the metadata of what may not be written",
            Self::Files => "rules for files",
            Self::Tcp => "rules for TCP ports",
            Self::Signals => "protection of other processes from signals",
            Self::AbstractSockets => "protection of other processes' abstract sockets",
            Self::Syscalls => "rules for system calls",
        }
    }
}

impl Ports {
    /// True if these are all ports.
    pub fn are_all(&self) -> bool {
        *self == Self::All(true)
    }

    /// The ports by number. Empty if they are all or none.
    pub fn listed(&self) -> &[u16] {
        match self {
            Self::All(_) => &[],
            Self::These(ports) => ports,
        }
    }
}

/// Absolute, without `.`, `..` and NUL: two such paths can be compared.
fn is_plain(path: &Path) -> bool {
    let normal: PathBuf =
        path.components().filter(|part| matches!(part, Component::RootDir | Component::Normal(_))).collect();
    path.is_absolute()
        && normal.as_os_str() == path.as_os_str()
        && !path.as_os_str().as_encoded_bytes().contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = r#"{"read":["/a"],"write":[],"execute":[],"needs":[],"devices":[],"denyRead":[],"denyWrite":[],
        "net":false,"unix":false,"run":false,"optional":[]}"#;

    #[test]
    fn a_policy_survives_the_argument() {
        let mut spec = SandboxSpec::decode(LEAST).unwrap();
        spec.net =
            Net::Some(Sockets { connect: Ports::These(vec![443]), bind: Ports::All(false), udp: true });
        spec.optional = vec![Layer::AbstractSockets];
        spec.memory = Some("/dev/shm/a".into());
        let argument = spec.argument().unwrap();
        assert_eq!(SandboxSpec::decode(argument.strip_prefix(ARGUMENT).unwrap()).unwrap(), spec);
    }

    #[test]
    fn a_rule_that_is_not_known_is_an_error() {
        for (from, to) in [
            ("\"run\"", "\"runs\""),
            ("\"unix\":false", "\"unix\":false,\"more\":1"),
            ("\"net\":false", "\"net\":{\"connect\":[1],\"bind\":[],\"udp\":false,\"icmp\":true}"),
            ("\"optional\":[]", "\"optional\":[\"everything\"]"),
        ] {
            assert!(SandboxSpec::decode(&LEAST.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_compared_is_an_error() {
        for path in ["a", "/a/../b", "/a/./b", "/a/", "//a", ""] {
            assert!(
                SandboxSpec::decode(&LEAST.replace("/a", path)).unwrap_err().contains("not absolute"),
                "{path}"
            );
        }
    }

    #[test]
    fn a_policy_too_long_for_an_argument_is_refused() {
        let mut spec = SandboxSpec::decode(LEAST).unwrap();
        spec.read = vec![PathBuf::from("/".to_owned() + &"x".repeat(MAX_ARGUMENT_BYTES))];
        assert!(spec.argument().is_err());
    }
}
