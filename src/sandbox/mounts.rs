//! The file system as the worker sees it.
//!
//! ```text
//!   everything         read-only: also modes, owners, times and attributes, of which Landlock knows nothing
//!   write              a mount of its own, writable; noexec if processes may be started, so that none runs what
//!                      was written
//!   denyWrite, what the runtime needs, what may be executed: within these a mount of its own, read-only
//!   denyRead           a mask, see `masks`. What the runtime needs shows through, under its usual names
//!   list               a mask that can be listed, in which all that is granted shows through, and nothing else
//!   needs in procfs    a mount of its own: Landlock ties a rule to an inode, and procfs makes a new inode for a name
//!                      that the kernel has forgotten; the kernel does not forget mount points
//! ```
//!
//! A mount point can't be renamed. But the folder that holds it could be renamed, and another folder put in
//! its place for the next worker to find. So the folders between a writable tree and a denied path in it are
//! mount points too.
//!
//! Everything is cloned before anything changes, and put in place from the root down.

use std::collections::BTreeMap;
use std::env;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{OpenTreeFlags, open_tree};

use super::aliases::Mounts;
use super::masks::{Masks, Name};
use super::path::{Trees, explain, link, open, standing};
use super::spec::{OWN_PROC, PROC, SandboxSpec};
use crate::sys::mounts::{NO_DEVICES, NO_EXECUTE, NO_SUID, READ_ONLY, attach, set_attributes, set_private};

/// What a file or tree becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Writable,
    ReadOnly,
    Masked,
    /// Masked too, but what shows through can be listed.
    Listed,
}

/// What each path becomes. Parents come before their children. A path that is not in the plan is like its
/// nearest parent in the plan.
#[derive(Debug, Default)]
struct Plan(BTreeMap<PathBuf, Kind>);

const ROOT: &str = "/";

/// The paths that need a mask: those that are denied within what is granted or needed, by any of their paths.
/// If there is Landlock, it denies the rest.
pub fn masked(spec: &SandboxSpec, mounts: &Mounts, landlocked: bool) -> Vec<PathBuf> {
    let granted = Trees::new(spec.granted());
    let needs = Trees::new(&spec.needs);
    let is_within_granted = |path: &PathBuf| granted.cover(path) || needs.cover_folder_of(path);
    let places = spec.deny_read.iter().map(|denied| mounts.everywhere(denied));
    places.filter(|places| !landlocked || places.iter().any(is_within_granted)).flatten().collect()
}

/// Cuts this mount namespace off from all others. The error is a sentence.
pub fn make_private() -> Result<(), String> {
    set_private(open_root()?.as_fd()).map_err(|errno| format!("mounts cannot be changed: {}", errno.desc()))
}

/// Arranges the mounts of this process, which has a mount namespace of its own. `own_proc` is its entry in
/// procfs. The error is a sentence.
pub fn arrange(spec: &SandboxSpec, own_proc: &Path, landlocked: bool) -> Result<(), String> {
    let folder =
        env::current_dir().map_err(|error| format!("the working directory is not known: {error}"))?;
    let plan = Plan::new(spec, own_proc, &folder, &Mounts::read()?, landlocked)?;
    let mut names: Vec<Name> = spec.names.iter().map(|name| (name.clone(), link(name))).collect();
    // Programs know their own entry in procfs by this name.
    names.push((OWN_PROC.into(), own_proc.strip_prefix(PROC).ok().map(Path::to_owned)));
    let mut trees = Vec::with_capacity(plan.0.len());
    let mut masks = Masks::default();
    for (path, kind) in &plan.0 {
        let tree = match kind {
            Kind::Masked | Kind::Listed => {
                let names: Vec<_> =
                    names.iter().filter(|(name, _)| plan.nearest(name) == Some(path)).collect();
                masks.make(path, &plan.directly_in(path), &names, *kind == Kind::Listed)?
            }
            Kind::Writable | Kind::ReadOnly if path == Path::new(ROOT) => continue,
            Kind::Writable | Kind::ReadOnly => clone(path)?,
        };
        set_attributes(tree.as_fd(), attributes(*kind, spec)).map_err(|errno| {
            format!("the mount at {} cannot be changed: {}", path.display(), errno.desc())
        })?;
        trees.push((path, tree));
    }
    masks.finish()?;

    // Landlock limits the devices there, and some of them are needed.
    let of_root = attributes(plan.of_root(), spec) & !NO_DEVICES;
    set_attributes(open_root()?.as_fd(), of_root)
        .map_err(|errno| format!("the mount at / cannot be changed: {}", errno.desc()))?;
    for (path, tree) in trees {
        let place = open(path).map_err(|errno| explain(path, errno))?;
        attach(tree.as_fd(), place.as_fd())
            .map_err(|error| format!("{} cannot be mounted: {error}", path.display()))?;
    }
    // The path may lead through other mounts now.
    env::set_current_dir(&folder)
        .map_err(|error| format!("the working directory {} cannot be entered: {error}", folder.display()))
}

fn attributes(kind: Kind, spec: &SandboxSpec) -> u64 {
    match kind {
        Kind::ReadOnly => READ_ONLY | NO_SUID,
        Kind::Writable if spec.run => NO_SUID | NO_DEVICES | NO_EXECUTE,
        Kind::Writable => NO_SUID | NO_DEVICES,
        Kind::Masked | Kind::Listed => READ_ONLY | NO_SUID | NO_DEVICES | NO_EXECUTE,
    }
}

impl Plan {
    fn new(
        spec: &SandboxSpec,
        own_proc: &Path,
        folder: &Path,
        mounts: &Mounts,
        landlocked: bool,
    ) -> Result<Self, String> {
        let mut wanted = BTreeMap::new();
        // Without Landlock everything can be listed anyway.
        if landlocked {
            wanted.extend(spec.list.iter().map(|path| (path.clone(), Kind::Listed)));
            // The process stays in its working directory, which it may not be allowed to read.
            let shown = spec.read.iter().map(PathBuf::as_path).chain([folder]);
            let shown =
                shown.filter(|path| spec.lists(path) && !spec.list.iter().any(|listed| listed == path));
            wanted.extend(shown.map(|path| (path.to_owned(), Kind::ReadOnly)));
        }
        let written = spec.write.iter().filter(|path| !spec.denies_writing(path));
        wanted.extend(written.map(|path| (path.clone(), Kind::Writable)));
        let kept = spec.deny_write.iter().map(PathBuf::as_path).chain(spec.essential());
        for path in kept.flat_map(|path| mounts.everywhere(path)).filter(|path| spec.lets_write(path)) {
            wanted.extend(standing(&path)?.map(|place| (place, Kind::ReadOnly)));
        }
        let masked = masked(spec, mounts, landlocked);
        for path in &masked {
            wanted.extend(standing(path)?.map(|place| (place, Kind::Masked)));
        }
        // If a mask hides the process's own entry in procfs, the runtime gets the whole entry back: the links
        // in it can't be mounted one by one.
        let own_entry = masked.iter().any(|mask| own_proc.starts_with(mask)).then_some(own_proc);
        wanted.extend(spec.essential().chain(own_entry).map(|path| (path.to_owned(), Kind::ReadOnly)));
        wanted.extend(spec.memory.iter().map(|path| (path.clone(), Kind::Writable)));
        if wanted.get(Path::new(ROOT)) == Some(&Kind::Masked) {
            return Err("the root of the file system cannot be denied".into());
        }

        let mut plan = Self::default();
        for (path, kind) in wanted {
            let above = plan.above(&path);
            if above == kind && !path.starts_with(PROC) {
                continue;
            }
            if above == Kind::Writable {
                let is_new = |step: &&Path| *step != Path::new(ROOT) && !plan.0.contains_key(*step);
                let between =
                    path.ancestors().skip(1).take_while(is_new).map(|step| (step.to_owned(), above));
                let between: Vec<_> = between.collect();
                plan.0.extend(between);
            }
            plan.0.insert(path, kind);
        }
        Ok(plan)
    }

    fn of_root(&self) -> Kind {
        self.0.get(Path::new(ROOT)).copied().unwrap_or(Kind::ReadOnly)
    }

    /// What the folder that holds a path becomes.
    fn above(&self, path: &Path) -> Kind {
        path.ancestors().skip(1).find_map(|above| self.0.get(above)).copied().unwrap_or(Kind::ReadOnly)
    }

    /// The path in the plan that decides what a path which is not in the plan becomes.
    fn nearest<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.ancestors().skip(1).find(|above| self.0.contains_key(*above))
    }

    /// The paths in the plan whose nearest parent in the plan is `path`.
    fn directly_in(&self, path: &Path) -> Vec<&Path> {
        self.0.keys().map(PathBuf::as_path).filter(|inner| self.nearest(inner) == Some(path)).collect()
    }
}

fn open_root() -> Result<OwnedFd, String> {
    open(Path::new(ROOT)).map_err(|errno| explain(Path::new(ROOT), errno))
}

/// A copy of the mounts at and below a path, which is not attached anywhere yet.
fn clone(path: &Path) -> Result<OwnedFd, String> {
    let at = open(path).map_err(|errno| explain(path, errno))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(at, "", flags).map_err(|errno| format!("{} cannot be mounted: {errno}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::spec::Net;

    fn spec(change: impl FnOnce(&mut SandboxSpec)) -> SandboxSpec {
        let mut spec = SandboxSpec {
            read: Vec::new(),
            list: Vec::new(),
            write: Vec::new(),
            execute: Vec::new(),
            needs: Vec::new(),
            devices: Vec::new(),
            names: Vec::new(),
            memory: None,
            deny_read: Vec::new(),
            deny_write: Vec::new(),
            net: Net::All(false),
            unix: false,
            run: false,
            optional: Vec::new(),
        };
        change(&mut spec);
        spec
    }

    fn plan(change: impl FnOnce(&mut SandboxSpec)) -> Vec<(String, Kind)> {
        let plan =
            Plan::new(&spec(change), Path::new("/proc/1"), Path::new("/a/b"), &Mounts::default(), true)
                .unwrap();
        plan.0.into_iter().map(|(path, kind)| (path.to_str().unwrap().to_owned(), kind)).collect()
    }

    fn expected(entries: &[(&str, Kind)]) -> Vec<(String, Kind)> {
        entries.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect()
    }

    #[test]
    fn what_is_as_its_folder_needs_no_mount() {
        let plan = plan(|spec| {
            spec.needs = vec!["/usr/lib".into()];
            spec.write = vec!["/tmp".into(), "/tmp/a".into()];
            spec.deny_write = vec!["/usr".into()];
            // Outside of all that is granted: Landlock's.
            spec.deny_read = vec!["/etc".into()];
        });
        assert_eq!(plan, expected(&[("/tmp", Kind::Writable)]));
    }

    #[test]
    fn folders_above_what_is_denied_in_a_writable_tree_cannot_be_moved() {
        let plan = plan(|spec| {
            spec.write = vec!["/usr".into()];
            spec.execute = vec!["/usr/local/bin".into()];
        });
        assert_eq!(
            plan,
            expected(&[
                ("/usr", Kind::Writable),
                ("/usr/local", Kind::Writable),
                ("/usr/local/bin", Kind::ReadOnly)
            ])
        );
    }

    #[test]
    fn a_denial_stands_over_everything_but_what_the_runtime_needs() {
        let plan = plan(|spec| {
            spec.read = vec!["/".into()];
            spec.write = vec!["/".into(), "/usr/lib".into(), "/etc/ssl".into()];
            spec.deny_read = vec!["/etc".into(), "/etc/passwd".into(), "/no/such/path".into()];
            spec.deny_write = vec!["/usr".into(), "/etc/hosts".into()];
            spec.needs = vec!["/etc/ssl/openssl.cnf".into(), "/usr/lib".into()];
        });
        assert_eq!(
            plan,
            expected(&[
                ("/", Kind::Writable),
                ("/etc", Kind::Masked),
                ("/etc/ssl/openssl.cnf", Kind::ReadOnly),
                ("/usr", Kind::ReadOnly),
            ])
        );
    }

    #[test]
    fn behind_a_mask_of_procfs_the_own_entry_shows() {
        let plan = plan(|spec| {
            spec.read = vec!["/".into()];
            spec.deny_read = vec!["/proc".into(), "/proc/1/environ".into()];
            spec.needs = vec!["/proc/1/maps".into(), "/proc/meminfo".into()];
        });
        assert_eq!(
            plan,
            expected(&[
                ("/proc", Kind::Masked),
                ("/proc/1", Kind::ReadOnly),
                ("/proc/1/environ", Kind::Masked),
                ("/proc/1/maps", Kind::ReadOnly),
                ("/proc/meminfo", Kind::ReadOnly),
            ])
        );
    }

    #[test]
    fn a_folder_that_is_listed_shows_what_is_granted_and_the_working_directory() {
        let plan = plan(|spec| {
            spec.list = vec!["/a".into(), "/a/c".into()];
            spec.read = vec!["/a/c/d".into(), "/a/e".into(), "/b".into()];
            spec.write = vec!["/a/e".into()];
            spec.needs = vec!["/a/c/d/f".into(), "/a/c/g".into()];
        });
        assert_eq!(
            plan,
            expected(&[
                ("/a", Kind::Listed),
                ("/a/b", Kind::ReadOnly),
                ("/a/c/d", Kind::ReadOnly),
                ("/a/c/g", Kind::ReadOnly),
                ("/a/e", Kind::Writable),
            ])
        );
    }

    #[test]
    fn the_root_cannot_be_denied() {
        let spec = spec(|spec| {
            spec.read = vec!["/".into()];
            spec.deny_read = vec!["/".into()];
        });
        assert!(Plan::new(&spec, Path::new("/proc/1"), Path::new("/"), &Mounts::default(), true).is_err());
    }
}
