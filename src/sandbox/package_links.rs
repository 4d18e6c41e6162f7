//! The symbolic links in a folder of packages. Such a folder may hold thousands of packages and hundreds of
//! scopes, and the host's event loop waits while they are looked at. So what a folder held is known as long as
//! the folder is unchanged.
//!
//! A folder that was changed a moment ago may be changed again without another time, because file systems have
//! clocks with coarse ticks. It is not remembered.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long ago a folder must have been changed to be remembered. The coarsest ticks are two seconds.
const SETTLED: Duration = Duration::from_secs(5);

/// What a folder held.
#[derive(Debug, Clone, Default)]
struct Held {
    links: Vec<PathBuf>,
    scopes: Vec<PathBuf>,
}

/// Distinguishes a folder from one that was changed or replaced: device, inode, and the times of its last change.
type State = (u64, u64, (i64, i64), (i64, i64));

static KNOWN: LazyLock<Mutex<HashMap<PathBuf, (State, Held)>>> = LazyLock::new(Mutex::default);

/// The links in `folder` and in its scopes, such as `@types`. None if this user may not read it or it is no
/// folder, because then nothing can be imported from it.
pub fn links_in(folder: &Path) -> Vec<PathBuf> {
    let Held { mut links, scopes } = held_by(folder);
    for scope in scopes {
        links.extend(links_in(&scope));
    }
    links
}

fn held_by(folder: &Path) -> Held {
    // Before the look, so that a later change is not taken for known.
    let Ok(metadata) = fs::metadata(folder) else { return Held::default() };
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    let state = (metadata.dev(), metadata.ino(), (metadata.mtime(), metadata.mtime_nsec()), changed);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, held)) = known.get(folder).filter(|(known, _)| *known == state) {
        return held.clone();
    }
    let held = look_into(folder);
    if is_settled(metadata.ctime()) {
        known.insert(folder.to_owned(), (state, held.clone()));
    } else {
        known.remove(folder);
    }
    held
}

/// True if this time, in seconds since 1970, is not a moment ago.
fn is_settled(changed: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let changed = Duration::from_secs(changed.unsigned_abs());
    now.checked_sub(changed).is_some_and(|age| age > SETTLED)
}

fn look_into(folder: &Path) -> Held {
    let mut held = Held::default();
    let Ok(entries) = fs::read_dir(folder) else { return held };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            held.links.push(entry.path());
        } else if kind.is_dir() && entry.file_name().as_encoded_bytes().starts_with(b"@") {
            held.scopes.push(entry.path());
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_of_packages_and_of_scopes_are_found_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("knitting-links-{}", std::process::id()));
        fs::create_dir_all(folder.join("@scope/package")).unwrap();
        fs::create_dir_all(folder.join("package")).unwrap();
        fs::write(folder.join("@file"), "").unwrap();
        for link in ["linked", "@linked", "@scope/linked", "package/inner"] {
            symlink("/", folder.join(link)).unwrap();
        }
        let links = || {
            let mut links = links_in(&folder);
            links.sort();
            links
        };
        let expected = |names: &[&str]| names.iter().map(|name| folder.join(name)).collect::<Vec<_>>();
        assert_eq!(links(), expected(&["@linked", "@scope/linked", "linked"]));
        assert!(links_in(&folder.join("@file")).is_empty());
        // At once, within the tick of any clock.
        fs::remove_file(folder.join("@scope/linked")).unwrap();
        symlink("/", folder.join("@scope/other")).unwrap();
        assert_eq!(links(), expected(&["@linked", "@scope/other", "linked"]));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_what_was_changed_long_ago_is_settled() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        assert!(is_settled(0) && is_settled(now - 60));
        assert!(!is_settled(now) && !is_settled(now + 60));
    }
}
