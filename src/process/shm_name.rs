//! A segment's name in shared memory, for workers that cannot inherit its descriptor.
//!
//! ```text
//!   create   a file without a name in /dev/shm, mode 0600 -> owner lock, header ->
//!            linked to <prefix>-<128 random bits>.knitting
//!   attach   the worker opens the name; the host unlinks it once the worker has said so, or when the lane closes
//!   sweep    a name of this user's whose host lock is free was left by a host that was killed: it is unlinked
//! ```
//!
//! The name appears after the lock is held, so a sweep never unlinks a live one. Linking fails if the name
//! exists, so nobody can put another file in its place.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK, O_TMPFILE};
use nix::unistd::{geteuid, linkat};

use super::owner_lock::{self, Owner};
use crate::sys::random;
use crate::transport::layout::{Geometry, MAGIC};
use crate::transport::segment::Segment;

/// Where Linux keeps shared memory that has a name, see shm_overview(7).
pub(super) const FOLDER: &str = "/dev/shm";
const RANDOM_BYTES: usize = 16;
/// The end of every name of this package's, which distinguishes them from those of other programs.
const SUFFIX: &str = ".knitting";
pub(super) const OWNER_ONLY: u32 = 0o600;

/// A segment that can be opened by name, and the host's owner lock on it.
#[derive(Debug)]
pub struct Named {
    /// The name, unlinked when this is dropped.
    pub name: Name,
    /// Holds the host's owner lock.
    pub lock: File,
}

/// A name in shared memory, unlinked when this is dropped. A worker that has attached does not need it any
/// more.
#[derive(Debug)]
pub struct Name(PathBuf);

impl Name {
    /// Its path, for the boot payload.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // An error means that the name is gone already.
        let _ = fs::remove_file(&self.0);
    }
}

/// Creates a segment under a fresh name that begins with `prefix`.
pub fn create(prefix: &str, geometry: Geometry) -> io::Result<(Segment, Named)> {
    let lock = File::options()
        .read(true)
        .write(true)
        .mode(OWNER_ONLY)
        .custom_flags(O_TMPFILE)
        .open(FOLDER)
        .map_err(|error| io::Error::new(error.kind(), format!("{FOLDER}: {error}")))?;
    owner_lock::hold(&lock, Owner::Host)?;
    let segment = Segment::create_in(&lock, owner_lock::reopen(&lock)?, geometry)?;
    let random: [u8; RANDOM_BYTES] = random::bytes()?;
    let path = Path::new(FOLDER).join(format!("{prefix}-{:032x}{SUFFIX}", u128::from_ne_bytes(random)));
    let unnamed = format!("/proc/self/fd/{}", lock.as_raw_fd());
    linkat(AT_FDCWD, unnamed.as_str(), AT_FDCWD, &path, AtFlags::AT_SYMLINK_FOLLOW)?;
    Ok((segment, Named { name: Name(path), lock }))
}

/// Opens what a boot payload names.
pub fn open(path: &str) -> io::Result<File> {
    File::options().read(true).write(true).custom_flags(O_NOFOLLOW).open(path)
}

/// Unlinks the names that killed hosts of this user have left. A file that can't be opened is left alone.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(FOLDER) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_ours) && is_orphaned(&entry.path()).unwrap_or(false) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// True if a file's name has the form that [`create`] gives.
fn is_ours(name: &str) -> bool {
    name.strip_suffix(SUFFIX).and_then(|name| name.rsplit_once('-')).is_some_and(|(prefix, random)| {
        let hexadecimal = random.bytes().all(|byte| byte.is_ascii_hexdigit());
        !prefix.is_empty() && random.len() == 2 * RANDOM_BYTES && hexadecimal
    })
}

/// True if it is a segment of this user's that no host holds.
fn is_orphaned(path: &Path) -> io::Result<bool> {
    let file = File::options().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    let mut magic = [0; size_of_val(&MAGIC)];
    if !metadata.is_file() || metadata.uid() != geteuid().as_raw() {
        return Ok(false);
    }
    match file.read_exact_at(&mut magic, 0) {
        Ok(()) if magic == MAGIC.to_ne_bytes() => Ok(!owner_lock::is_held(&file, Owner::Host)?),
        // A worker may have truncated it.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Ok(!owner_lock::is_held(&file, Owner::Host)?)
        }
        Ok(()) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry() -> Geometry {
        Geometry::new(1).unwrap()
    }

    #[test]
    fn a_name_leads_to_the_segment_until_it_is_dropped() {
        let (host, named) = create("knitting-test", geometry()).unwrap();
        let path = named.name.path().to_str().unwrap().to_owned();
        assert!(is_ours(path.rsplit_once('/').unwrap().1), "{path}");
        let file = open(&path).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, OWNER_ONLY);
        Segment::open(file, host.identity()).unwrap();
        drop(named.name);
        assert_eq!(open(&path).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn only_names_without_a_host_are_swept() {
        let (_held, held) = create("knitting-test", geometry()).unwrap();
        let (_orphan, Named { name, lock }) = create("knitting-test", geometry()).unwrap();
        let truncated = create("knitting-test", geometry()).unwrap().1;
        truncated.lock.set_len(0).unwrap();
        let strange = Path::new(FOLDER).join(format!("knitting-test-{:032x}{SUFFIX}", 0));
        fs::write(&strange, [1; 4096]).unwrap();
        sweep();
        assert!(open(truncated.name.path().to_str().unwrap()).is_ok());
        // A process that another test is starting may hold a dropped one until its exec.
        owner_lock::let_go(&lock, Owner::Host).unwrap();
        owner_lock::let_go(&truncated.lock, Owner::Host).unwrap();
        sweep();
        assert!(held.name.path().exists(), "a live name was swept");
        assert!(strange.exists(), "somebody else's file was swept");
        assert!(!name.path().exists() && !truncated.name.path().exists(), "an orphan was left");
        fs::remove_file(strange).unwrap();
    }

    #[test]
    fn what_looks_like_a_name_of_ours() {
        assert!(is_ours("knit-0123456789abcdef0123456789abcdef.knitting"));
        for name in [
            "",
            "-0123456789abcdef0123456789abcdef.knitting",
            "knit-0123456789abcdef0123456789abcdef",
            "knit-0123.knitting",
            "knit-zz23456789abcdef0123456789abcdef.knitting",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
