//! The symbolic links in a folder of packages. Such a folder may hold thousands of packages and hundreds of
//! scopes, and the host's event loop waits while they are looked at.

use std::fs;
use std::path::{Path, PathBuf};

/// The links in `folder` and in its scopes, such as `@types`. None if this user may not read it or it is no
/// folder, because then nothing can be imported from it.
pub fn links_in(folder: &Path) -> Vec<PathBuf> {
    let mut links = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return links };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            links.push(entry.path());
        } else if kind.is_dir() && entry.file_name().as_encoded_bytes().starts_with(b"@") {
            links.extend(links_in(&entry.path()));
        }
    }
    links
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
        let mut links = links_in(&folder);
        links.sort();
        assert_eq!(links, ["@linked", "@scope/linked", "linked"].map(|name| folder.join(name)));
        assert!(links_in(&folder.join("@file")).is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
