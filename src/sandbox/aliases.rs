//! Other paths to the same file. Landlock's rules are about files, by whatever path they are reached, but a
//! mask or a read-only mount stands at one path. So if a file system, or a part of it, is mounted at several
//! places, what is denied at one path is denied at the others too.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxFlags, statx};

use super::path::open;
use super::spec::OWN_PROC;

/// The mounts that this process sees, of file systems that are mounted more than once.
#[derive(Debug, Default)]
pub struct Mounts {
    all: Vec<Mount>,
    /// The numbers of the mounts that paths are in, as far as that was asked: most paths are asked for twice.
    known: RefCell<HashMap<PathBuf, Option<u64>>>,
}

#[derive(Debug)]
struct Mount {
    id: u64,
    /// Names the file system.
    device: String,
    /// The part of the file system that is visible there, as a path within the file system.
    root: PathBuf,
    /// Where.
    point: PathBuf,
}

impl Mounts {
    /// Asks the kernel. The error is a sentence.
    pub fn read() -> Result<Self, String> {
        let file = Path::new(OWN_PROC).join("mountinfo");
        let table = fs::read(&file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        Ok(Self::parse(&table))
    }

    /// Reads lines such as `36 35 98:0 /root /point rw,noatime - ext4 /dev/sda rw`, see
    /// proc_pid_mountinfo(5).
    fn parse(table: &[u8]) -> Self {
        let mounts = table.split(|byte| *byte == b'\n').filter_map(|line| {
            let mut fields = line.split(|byte| *byte == b' ');
            let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
            let device = String::from_utf8_lossy(fields.nth(1)?).into_owned();
            Some(Mount { id, device, root: unescape(fields.next()?), point: unescape(fields.next()?) })
        });
        let mut mounts: Vec<Mount> = mounts.collect();
        let mut times = HashMap::<String, usize>::new();
        for mount in &mounts {
            *times.entry(mount.device.clone()).or_default() += 1;
        }
        mounts.retain(|mount| times[&mount.device] > 1);
        Self { all: mounts, known: RefCell::default() }
    }

    /// The path, and the other paths to the same files and to parts of them.
    pub fn everywhere(&self, path: &Path) -> Vec<PathBuf> {
        let home = if self.all.is_empty() { None } else { self.mount_of(path) };
        let others = home.into_iter().flat_map(|home| self.candidates(path, home));
        // What is mounted over another mount hides it.
        let seen = others.filter(|(mount, alias)| self.mount_of(alias) == Some(mount.id));
        std::iter::once(path.to_owned()).chain(seen.map(|(_, alias)| alias)).collect()
    }

    /// The number of the mount that a path is in, or would be if it existed.
    fn mount_of(&self, path: &Path) -> Option<u64> {
        if let Some(known) = self.known.borrow().get(path) {
            return *known;
        }
        let found = match open(path) {
            Ok(file) => number_of(&file),
            Err(_) => path.parent().and_then(|folder| self.mount_of(folder)),
        };
        self.known.borrow_mut().insert(path.to_owned(), found);
        found
    }

    /// The other paths at which a path's files would be visible if no mount were hidden by another. `home` is
    /// the number of the mount that the path is in.
    fn candidates(&self, path: &Path, home: u64) -> Vec<(&Mount, PathBuf)> {
        let home = self.all.iter().find(|mount| mount.id == home);
        let place = home.and_then(|home| Some((home, moved(path, &home.point, &home.root)?)));
        let Some((home, within)) = place else { return Vec::new() };
        let same = self.all.iter().filter(|mount| mount.device == home.device);
        let seen = same.filter_map(|mount| {
            let part = || mount.root.starts_with(&within).then(|| mount.point.clone());
            Some((mount, moved(&within, &mount.root, &mount.point).or_else(part)?))
        });
        seen.filter(|(_, alias)| !alias.starts_with(path)).collect()
    }
}

/// `path` with `to` in the place of `from`, if it begins with `from`.
fn moved(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    Some(to.components().chain(rest.components()).collect())
}

/// The number of the mount that a file is in.
fn number_of(file: &OwnedFd) -> Option<u64> {
    let status = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    Some(status.stx_mnt_id)
}

/// A path without the octal numbers that stand for white space and backslashes.
fn unescape(field: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..3).filter(|_| *first == b'\\');
        let number = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(number.unwrap_or(*first));
        rest = if number.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(plain).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r"
22 28 0:20 / /proc rw - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 28 8:1 /srv/project /work\040space rw - ext4 /dev/sda1 rw
31 28 8:1 /srv/project/secret/deep /shown rw - ext4 /dev/sda1 rw
32 28 8:2 /srv/project /other rw - ext4 /dev/sda2 rw";

    fn candidates(path: &str, home: u64) -> Vec<String> {
        let mounts = Mounts::parse(TABLE.as_bytes());
        mounts
            .candidates(Path::new(path), home)
            .into_iter()
            .map(|(_, alias)| alias.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_file_is_seen_wherever_its_file_system_or_a_part_with_it_is_mounted() {
        assert_eq!(candidates("/srv/project/secret", 28), ["/work space/secret", "/shown"]);
        assert_eq!(candidates("/work space/secret", 30), ["/srv/project/secret", "/shown"]);
        assert_eq!(candidates("/srv/project", 28), ["/work space", "/shown"]);
        assert_eq!(
            candidates("/shown/file", 31),
            ["/srv/project/secret/deep/file", "/work space/secret/deep/file"]
        );
    }

    #[test]
    fn another_file_system_or_another_part_of_it_is_none_of_its_places() {
        assert!(candidates("/srv/other", 28).is_empty());
        assert!(candidates("/other/secret", 32).is_empty());
        assert!(candidates("/proc/1", 22).is_empty());
        assert!(candidates("/srv/project", 99).is_empty());
    }
}
