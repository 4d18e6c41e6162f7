//! What it means when the system refuses: which limit was reached, in words for the user.

use std::io;
use std::path::Path;

use nix::libc::{EAGAIN, EMFILE, ENFILE, ENOMEM, ENOSPC};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// A limit that was reached: a stable code, and a sentence that names the limit.
#[derive(Debug, PartialEq, Eq)]
pub struct Limit {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub advice: String,
}

/// The code of a refusal that is explained by no limit.
pub const OTHER: &str = "KNITTING_SYSTEM";

/// The limit behind an error of the system's, if it is known.
pub fn limit_of(error: &io::Error) -> Option<Limit> {
    let limit = |code, advice: String| Some(Limit { code, advice });
    match (error.raw_os_error(), error.kind()) {
        (Some(EMFILE), _) => limit(
            "KNITTING_NO_DESCRIPTORS",
            format!(
                "This process may open {} files (RLIMIT_NOFILE, `ulimit -n`)",
                soft(Resource::RLIMIT_NOFILE)
            ),
        ),
        (Some(ENFILE), _) => {
            limit("KNITTING_NO_DESCRIPTORS", "The system has as many files open as fs.file-max allows".into())
        }
        (Some(EAGAIN), _) => limit(
            "KNITTING_NO_THREADS",
            format!(
                "This user may have {} threads and processes (RLIMIT_NPROC, `ulimit -u`); a container or service \
                 may have its own limit (pids.max of its cgroup)",
                soft(Resource::RLIMIT_NPROC)
            ),
        ),
        (Some(ENOSPC), _) | (_, io::ErrorKind::StorageFull) => limit(
            "KNITTING_NO_MEMORY",
            "Memory with a name is limited by the size of /dev/shm (docker and podman: --shm-size)".into(),
        ),
        (Some(ENOMEM), _) | (_, io::ErrorKind::OutOfMemory) => limit(
            "KNITTING_NO_MEMORY",
            format!(
                "This process may map {} bytes (RLIMIT_AS, `ulimit -v`) in as many places as vm.max_map_count allows",
                soft(Resource::RLIMIT_AS)
            ),
        ),
        (_, io::ErrorKind::NotFound) if !Path::new("/proc/self/fd").exists() => {
            limit("KNITTING_NO_PROC", "This needs /proc, which is not mounted here".into())
        }
        _ => None,
    }
}

/// The error, with the limit behind it if that is known.
pub fn explain(error: &io::Error) -> String {
    match limit_of(error) {
        Some(Limit { advice, .. }) => format!("{error}. {advice}"),
        None => error.to_string(),
    }
}

fn soft(resource: Resource) -> String {
    match getrlimit(resource) {
        Ok((RLIM_INFINITY, _)) | Err(_) => "any number of".into(),
        Ok((limit, _)) => limit.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_reached_is_named() {
        let named =
            |errno| limit_of(&io::Error::from_raw_os_error(errno)).map(|limit| (limit.code, limit.advice));
        let (code, advice) = named(EMFILE).unwrap();
        assert_eq!(code, "KNITTING_NO_DESCRIPTORS");
        assert!(advice.contains("ulimit -n"), "{advice}");
        assert_eq!(named(EAGAIN).unwrap().0, "KNITTING_NO_THREADS");
        assert_eq!(named(ENOSPC).unwrap().0, "KNITTING_NO_MEMORY");
        assert_eq!(named(ENOMEM).unwrap().0, "KNITTING_NO_MEMORY");
        assert_eq!(named(nix::libc::ENOENT), None, "there is a /proc");
        assert_eq!(explain(&io::Error::other("as it is")), "as it is");
    }
}
