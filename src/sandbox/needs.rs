//! What a program must be granted to start at all: its interpreter and its shared libraries, and for a
//! JavaScript runtime also the files in which it looks up its own limits and the machine's. Files that do not
//! exist here are left out.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, StringTable};
use object::{Endianness, ReadRef};

use super::spec::{OWN_PROC, PROC};

/// Files that something needs. `/proc/self` means whoever has the need. Every path but those of `names` exists
/// and has no symbolic links.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files and trees it reads.
    pub read: BTreeSet<PathBuf>,
    /// Files it executes, itself among them.
    pub execute: BTreeSet<PathBuf>,
    /// Devices it reads and writes.
    pub devices: BTreeSet<PathBuf>,
    /// What it meets on its way to them: symbolic links, and names under which there is nothing. No folder above
    /// is a symbolic link.
    pub names: BTreeSet<PathBuf>,
}

/// The files that a runtime reads in its own entry of procfs.
const OWN: &[&str] = &["cgroup", "maps", "stat", "statm", "status"];
/// Other names of what is in its own entry of procfs. They lead there and grant nothing.
const OWN_NAMES: &[&str] =
    &["/dev/fd", "/dev/stderr", "/dev/stdin", "/dev/stdout", "/etc/mtab", "/proc/mounts", "/proc/net"];
/// The files in which a runtime finds the machine's memory, cores and time.
const MACHINE: &[&str] = &[
    "/dev/random",
    "/dev/urandom",
    "/etc/localtime",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/mmap_min_addr",
    "/proc/sys/vm/overcommit_memory",
    "/proc/uptime",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/usr/share/zoneinfo",
];
/// The configuration of OpenSSL in its usual places. Node does not start if it is there and can't be read.
const OPENSSL: &[&str] = &[
    "/etc/crypto-policies/back-ends/opensslcnf.config",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ssl/openssl.cnf",
    "/usr/lib/ssl/openssl.cnf",
    "/usr/local/ssl/openssl.cnf",
];
/// The files of name resolution and of the certificates that TLS trusts.
const NETWORK: &[&str] = &[
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
];
/// The files of a cgroup that hold its limits, in both versions of cgroups.
const LIMITS: &[&str] = &[
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.max",
    "memory.current",
    "memory.high",
    "memory.limit_in_bytes",
    "memory.max",
    "memory.soft_limit_in_bytes",
    "memory.usage_in_bytes",
];
const CGROUPS: &str = "/sys/fs/cgroup";

/// Folders in which every dynamic linker looks, beside those of its configuration.
const LIBRARY_FOLDERS: &[&str] = &["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"];
const LINKER_CONFIGURATION: &str = "/etc/ld.so.conf";
/// The last is a folder of links, through which programs and libraries that have several versions are found.
const LINKER_FILES: &[&str] = &["/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/alternatives"];
/// How many interpreters may be scripts themselves, one after the other.
const MAX_INTERPRETERS: usize = 4;

/// The needs of a JavaScript runtime that does not use the network.
pub fn of_runtime(executable: &Path) -> io::Result<Needs> {
    let mut needs = of_program(executable)?;
    let own = OWN.iter().map(|name| Path::new(OWN_PROC).join(name));
    // These files are the worker's, so their paths must not be resolved in this process.
    needs.read.extend(own.filter(|path| path.exists()));
    needs.names.extend(OWN_NAMES.iter().flat_map(|name| follow(Path::new(name)).names));
    for name in [MACHINE, OPENSSL].into_iter().flatten() {
        needs.add_read(name);
    }
    needs.read.extend(cgroup_limits());
    needs.devices.extend(existing("/dev/null"));
    Ok(needs)
}

/// Adds what it takes to use the network.
pub fn add_network(needs: &mut Needs) {
    for name in NETWORK {
        needs.add_read(name);
    }
}

impl Needs {
    /// Adds what is read under this name, and the name itself if it is not the file's own.
    fn add_read(&mut self, name: impl AsRef<Path>) {
        let Followed { file, names } = follow(name.as_ref());
        self.read.extend(file);
        self.names.extend(names);
    }

    /// Adds what is executed under this name, and the name itself if it is not the file's own.
    fn add_execute(&mut self, name: impl AsRef<Path>) {
        let Followed { file, names } = follow(name.as_ref());
        self.execute.extend(file);
        self.names.extend(names);
    }
}

/// The needs of any program: an executable file or a script.
pub fn of_program(executable: &Path) -> io::Result<Needs> {
    let mut needs = Needs::default();
    let mut next = Some(executable.to_owned());
    for _ in 0..MAX_INTERPRETERS {
        let Some(name) = next.take() else { break };
        let path = fs::canonicalize(&name)?;
        let mut head = [0; 256];
        let length = File::open(&path)?.read(&mut head)?;
        next = if let Some(Interpreter { program, searched }) = script_interpreter(&head[..length]) {
            if searched.is_some() {
                needs.add_execute(&program);
            }
            Some(searched.unwrap_or(program))
        } else {
            add_libraries(&path, &mut needs)?;
            None
        };
        needs.add_execute(name);
    }
    if !needs.execute.is_empty() {
        for name in LINKER_FILES {
            needs.add_read(name);
        }
    }
    Ok(needs)
}

/// What runs a script.
struct Interpreter {
    program: PathBuf,
    /// The program that `env` would find for it.
    searched: Option<PathBuf>,
}

/// Reads a `#!` line.
fn script_interpreter(head: &[u8]) -> Option<Interpreter> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let program = PathBuf::from(words.next()?);
    let searched = (program.file_name()? == "env")
        .then(|| words.find(|word| !word.starts_with('-') && !word.contains('=')).and_then(find_on_path))
        .flatten();
    Some(Interpreter { program, searched })
}

fn find_on_path(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(is_program)
}

/// What an ELF file says of itself.
#[derive(Debug, Default)]
struct Linkage {
    interpreter: Option<PathBuf>,
    libraries: Vec<String>,
    /// The folders in which its libraries are searched first.
    folders: Vec<PathBuf>,
}

/// Adds a file's interpreter and the folders of its libraries and of theirs. Libraries that a native addon
/// loads later lie in the same folders.
fn add_libraries(program: &Path, needs: &mut Needs) -> io::Result<()> {
    let folders = library_folders();
    let mut seen = BTreeSet::new();
    let mut files = vec![program.to_owned()];
    while let Some(file) = files.pop() {
        let Some(linkage) = linkage(&file)? else { continue };
        if let Some(interpreter) = linkage.interpreter {
            needs.add_execute(interpreter);
        }
        for name in linkage.libraries {
            let mut places = linkage.folders.iter().chain(&folders).map(|folder| folder.join(&name));
            let found = places.find(|place| place.exists()).map(|place| follow(&place));
            // The linker reports that better than this code could.
            let Some(Followed { file: Some(library), names }) = found else { continue };
            needs.names.extend(names);
            if seen.insert(library.clone()) {
                needs.read.extend(library.parent().map(Path::to_owned));
                files.push(library);
            }
        }
    }
    // What is in such a folder is there by all of its names.
    needs.names.retain(|name| !needs.read.iter().any(|folder| name.starts_with(folder)));
    Ok(())
}

/// Reads the dynamic section of an ELF file; `None` if it has none that can be read, or is of another word
/// size.
fn linkage(path: &Path) -> io::Result<Option<Linkage>> {
    let file = ReadCache::new(File::open(path)?);
    Ok(read_linkage(&file, path.parent().unwrap_or(Path::new("/"))))
}

fn read_linkage<'data>(file: impl ReadRef<'data>, origin: &Path) -> Option<Linkage> {
    let header = FileHeader64::<Endianness>::parse(file).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, file).ok()?;
    let mut linkage = Linkage::default();
    for segment in segments {
        if let Ok(Some(interpreter)) = segment.interpreter(endian, file) {
            linkage.interpreter = Some(OsStr::from_bytes(interpreter).into());
        }
        let Ok(Some(entries)) = segment.dynamic(endian, file) else { continue };
        let value =
            |tag| entries.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
        let address = value(elf::DT_STRTAB)?;
        let holder = segments.iter().find(|segment| {
            let start = segment.p_vaddr(endian);
            (start..start.saturating_add(segment.p_filesz(endian))).contains(&address)
                && segment.p_type(endian) == elf::PT_LOAD
        })?;
        let offset = holder.p_offset(endian).checked_add(address - holder.p_vaddr(endian))?;
        let strings = StringTable::new(file, offset, offset.checked_add(value(elf::DT_STRSZ)?)?);
        for entry in entries {
            let text = || {
                let text = strings.get(entry.val32(endian)?).ok()?;
                Some(String::from_utf8_lossy(text).into_owned())
            };
            match entry.tag(endian) {
                elf::DT_NEEDED => linkage.libraries.extend(text()),
                elf::DT_RPATH | elf::DT_RUNPATH => {
                    let origin = origin.to_string_lossy();
                    let folders = text()?.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
                    linkage.folders.extend(env::split_paths(&folders));
                }
                _ => {}
            }
        }
    }
    Some(linkage)
}

/// Where the dynamic linker looks by itself.
fn library_folders() -> Vec<PathBuf> {
    let mut folders = configured_folders(Path::new(LINKER_CONFIGURATION), MAX_INTERPRETERS);
    folders.extend(LIBRARY_FOLDERS.iter().map(PathBuf::from));
    let maps = fs::read_to_string(Path::new(OWN_PROC).join("maps")).unwrap_or_default();
    folders.extend(built_in_folders(&maps));
    folders
}

/// The folders that are built into the linker, such as /lib/x86_64-linux-gnu. A small container has no file that
/// names them, but this process's C library is in one of them. The other one has the same name in /usr, or outside
/// of it. `maps` are the lines of proc_pid_maps(5).
fn built_in_folders(maps: &str) -> Vec<PathBuf> {
    let files =
        maps.lines().filter_map(|line| line.split_once('/')).map(|(_, path)| Path::new("/").join(path));
    let is_libc = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libc.so.") || (name.starts_with("libc-2.") && name.ends_with(".so"))
    };
    let Some(libc) = files.into_iter().find(is_libc) else { return Vec::new() };
    let Some(folder) = libc.parent() else { return Vec::new() };
    let other = folder.strip_prefix("/usr").map_or_else(
        |_| Path::new("/usr").join(folder.strip_prefix("/").unwrap_or(folder)),
        |within| Path::new("/").join(within),
    );
    vec![folder.to_owned(), other]
}

/// The folders that a file of the linker's configuration names, itself or by `include`.
fn configured_folders(file: &Path, depth: usize) -> Vec<PathBuf> {
    let Ok(text) = fs::read_to_string(file) else { return Vec::new() };
    let mut folders = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or("").trim()) {
        match line.strip_prefix("include ") {
            Some(_) if depth == 0 => {}
            Some(pattern) => {
                let included = included_files(&file.with_file_name(pattern.trim()));
                folders.extend(included.iter().flat_map(|file| configured_folders(file, depth - 1)));
            }
            None if line.starts_with('/') => folders.push(line.into()),
            None => {}
        }
    }
    folders
}

/// The files of a pattern such as `/etc/ld.so.conf.d/*.conf`, of the only form that is used: a star before
/// the ending.
fn included_files(pattern: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else { return Vec::new() };
    let name = name.to_string_lossy();
    let Some(ending) = name.strip_prefix('*') else { return vec![pattern.to_owned()] };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    files
}

/// The files with the limits of this process's cgroups and of the cgroups above them. Its workers are in the
/// same cgroups.
fn cgroup_limits() -> Vec<PathBuf> {
    let Ok(cgroups) = fs::read_to_string(Path::new(OWN_PROC).join("cgroup")) else { return Vec::new() };
    let mut found = Vec::new();
    for line in cgroups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controller), Some(path)) = (parts.next(), parts.next()) else { continue };
        // The hierarchy of version 2 has no name, and may be mounted in a folder of its own.
        let roots: &[PathBuf] = match controller {
            "" => &[CGROUPS.into(), Path::new(CGROUPS).join("unified")],
            name => &[Path::new(CGROUPS).join(name)],
        };
        for root in roots {
            let own = root.join(path.trim_start_matches('/'));
            let above = own.ancestors().take_while(|folder| folder.starts_with(root));
            found.extend(
                above.flat_map(|folder| LIMITS.iter().filter_map(|name| existing(folder.join(name)))),
            );
        }
    }
    found
}

/// How many symbolic links may stand on the way to a file. It is the kernel's limit.
const MAX_LINKS: usize = 40;

/// Where a path leads.
#[derive(Debug, Default, PartialEq, Eq)]
struct Followed {
    /// The path without symbolic links, if it is there.
    file: Option<PathBuf>,
    /// The symbolic links on the way, and the first name on it under which there is nothing.
    names: Vec<PathBuf>,
}

/// Follows an absolute path link by link. The links of procfs to a process's own entry are not followed: they
/// lead this process elsewhere than the worker.
fn follow(path: &Path) -> Followed {
    let mut names = Vec::new();
    let mut reached = PathBuf::new();
    let mut ahead = steps(path);
    while let Some(step) = ahead.pop() {
        reached.push(&step);
        if step == ".." {
            reached.pop();
            reached.pop();
            continue;
        }
        let target = match fs::symlink_metadata(&reached) {
            Ok(status) if !status.is_symlink() => continue,
            Ok(_) => fs::read_link(&reached),
            Err(error) => Err(error),
        };
        let is_own = reached.parent() == Some(Path::new(PROC))
            && ["self", "thread-self"].iter().any(|own| step == *own);
        match target {
            Ok(_) if is_own => return Followed { file: None, names },
            Ok(target) if names.len() < MAX_LINKS => {
                names.push(reached.clone());
                reached.pop();
                ahead.extend(steps(&target));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                names.push(reached);
                return Followed { file: None, names };
            }
            Ok(_) | Err(_) => return Followed { file: None, names },
        }
    }
    Followed { file: Some(reached), names }
}

/// The parts of a path, the last one first. The root is one of them if the path is absolute.
fn steps(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.rev().map(|part| part.as_os_str().to_owned()).collect()
}

/// The path without symbolic links, if it is there.
fn existing(path: impl AsRef<Path>) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder with files and links, gone at the end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("knitting-needs-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(fs::canonicalize(folder).unwrap())
        }

        fn path(&self, within: &str) -> PathBuf {
            self.0.join(within)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_path_is_followed_link_by_link_as_the_kernel_does() {
        let place = Place::new("links");
        fs::create_dir_all(place.path("run/resolver")).unwrap();
        fs::write(place.path("run/resolver/stub"), "").unwrap();
        fs::create_dir(place.path("etc")).unwrap();
        symlink("../run", place.path("etc/run")).unwrap();
        symlink(place.path("etc/run/resolver/../resolver/./stub"), place.path("etc/resolv")).unwrap();
        let found = follow(&place.path("etc/resolv"));
        assert_eq!(found.file, Some(place.path("run/resolver/stub")));
        assert_eq!(found.file, existing(place.path("etc/resolv")));
        assert_eq!(found.names, [place.path("etc/resolv"), place.path("etc/run")]);
        let plain = follow(&place.path("run/resolver"));
        assert_eq!(plain, Followed { file: Some(place.path("run/resolver")), names: vec![] });
    }

    #[test]
    fn what_is_not_there_is_a_name_too() {
        let place = Place::new("absent");
        symlink("nowhere/at/all", place.path("link")).unwrap();
        symlink("loop", place.path("loop")).unwrap();
        let nowhere = vec![place.path("nowhere")];
        assert_eq!(follow(&place.path("nowhere/at/all")), Followed { file: None, names: nowhere });
        let names = vec![place.path("link"), place.path("nowhere")];
        assert_eq!(follow(&place.path("link")), Followed { file: None, names });
        assert_eq!(follow(&place.path("loop")).file, None);
    }

    #[test]
    fn the_own_entry_of_procfs_is_not_taken_for_the_workers() {
        for name in ["/proc/self", "/proc/self/fd/0", "/proc/thread-self/stat"] {
            assert_eq!(follow(Path::new(name)), Followed::default());
        }
        assert_eq!(follow(Path::new("/proc/mounts")).names, [Path::new("/proc/mounts")]);
    }

    #[test]
    fn built_in_folders_are_those_of_the_c_library() {
        let at = |path: &str| {
            format!("7f00-7f10 r-xp 00028000 fe:00 1057 {path}\n7ffd-7ffe rw-p 00000000 00:00 0 [stack]\n")
        };
        let folders = |path: &str| built_in_folders(&at(path));
        let both = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"].map(PathBuf::from);
        assert_eq!(folders("/lib/x86_64-linux-gnu/libc.so.6"), both);
        assert_eq!(folders("/usr/lib/x86_64-linux-gnu/libc-2.31.so"), [both[1].clone(), both[0].clone()]);
        assert!(folders("/home/somebody/libc-client.so.2007").is_empty());
    }
}
