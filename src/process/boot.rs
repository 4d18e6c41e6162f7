//! The boot payload: what a process worker is started with.
//!
//! It travels in two environment variables: `KNITTING_PROCESS_WORKER`, which says that this is a worker, and
//! `KNITTING_PROCESS_WORKER_BOOT`, this structure as JSON. The worker removes both from its environment for
//! good.

use serde::{Deserialize, Serialize};

use crate::transport::segment::Identity;

/// Set to [`WORKER_MARK`] in a process worker until it has booted.
pub const WORKER_VARIABLE: &str = "KNITTING_PROCESS_WORKER";
/// Value of [`WORKER_VARIABLE`].
pub const WORKER_MARK: &str = "1";
/// Holds the boot payload until the worker has booted.
pub const BOOT_VARIABLE: &str = "KNITTING_PROCESS_WORKER_BOOT";

/// Exit status of a worker that refused its boot payload or its memory. Starting it again would end the same
/// way.
pub const EXIT_REFUSED: i32 = 121;

/// Linux refuses a longer environment string (MAX_ARG_STRLEN, 32 pages).
pub const MAX_VARIABLE_BYTES: usize = 128 * 1024;

/// Where a worker finds its segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// On descriptor 0.
    Inherited,
    /// In the file at this path.
    Named(String),
}

/// The boot payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The segment that the worker must find.
    pub segment: Identity,
    /// Where it is.
    pub memory: Memory,
    /// The host's process id and process group.
    pub host: (i32, i32),
    /// True if it may start programs. Otherwise it gives up exec once it has attached.
    pub runs: bool,
    /// What it is to run, as the host's JavaScript has written it.
    pub program: String,
}

impl Boot {
    /// The payload as the value of its variable. The error is the number of bytes by which it is too long.
    pub fn encode(&self) -> Result<String, usize> {
        let json = serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain data: {error}"));
        let bytes = BOOT_VARIABLE.len() + 1 + json.len() + 1;
        if bytes > MAX_VARIABLE_BYTES { Err(bytes - MAX_VARIABLE_BYTES) } else { Ok(json) }
    }

    /// Reads a payload.
    pub fn decode(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(program: &str) -> Boot {
        let segment = Identity { version: 1, arena_bytes: 1 << 28, nonce: [7; 16] };
        Boot { segment, memory: Memory::Inherited, host: (1, 1), runs: true, program: program.into() }
    }

    #[test]
    fn a_payload_survives_the_environment() {
        let boot = boot("{\"href\":\"file:///a%20b/\u{1f980}.js\"}");
        assert_eq!(Boot::decode(&boot.encode().unwrap()).unwrap(), boot);
    }

    #[test]
    fn a_payload_too_long_for_the_environment_is_refused() {
        assert!(boot(&"x".repeat(MAX_VARIABLE_BYTES)).encode().is_err());
    }

    #[test]
    fn what_is_not_a_payload_is_an_error() {
        for text in ["", "1", "{}", "[]", "{\"segment\":{}}"] {
            assert!(Boot::decode(text).is_err(), "{text}");
        }
    }
}
