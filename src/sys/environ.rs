//! Taking a variable out of the environment for good.
//!
//! `delete process.env.X` only forgets the pointer: the string stays in the block that the kernel laid out at
//! exec, and `/proc/self/environ` shows it. So the string itself is overwritten.

use std::ffi::{CStr, CString};

/// Removes `name` from the environment, overwrites the string it stood in, and returns its value.
/// `None` if the variable is not set or its value is not UTF-8 (it is erased all the same).
///
/// Call it while no other thread uses the environment: at the start of a worker.
pub fn take_variable(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: `name` is a C string; the result is null or a C string that stays until the environment is
    // changed, which nobody but us does during a worker's start.
    let value = unsafe { nix::libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string (see above).
    let length = unsafe { CStr::from_ptr(value) }.to_bytes().len();
    // SAFETY: as above; the copy is made before anything is erased.
    let copy = unsafe { CStr::from_ptr(value) }.to_str().map(str::to_owned).ok();
    // SAFETY: `name` is a C string. This drops the pointer from `environ` and leaves the string where it is.
    unsafe { nix::libc::unsetenv(name.as_ptr()) };
    let entry_length = name.as_bytes().len() + 1 + length;
    // SAFETY: `getenv` points behind `NAME=` of one writable string, which runs to the NUL we measured.
    unsafe {
        let entry = value.sub(name.as_bytes().len() + 1);
        std::ptr::write_bytes(entry, 0, entry_length);
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_taken_variable_is_gone_from_the_initial_block() {
        const NAME: &str = "KNITTING_TEST_TAKE";
        if std::env::var_os("KNITTING_TEST_CHILD").is_some() {
            assert!(std::fs::read("/proc/self/environ").unwrap().windows(6).any(|w| w == b"s3cret"));
            assert_eq!(take_variable(NAME).as_deref(), Some("s3cret"));
            assert_eq!(take_variable(NAME), None);
            assert!(std::env::var_os(NAME).is_none());
            let block = std::fs::read("/proc/self/environ").unwrap();
            assert!(!block.windows(6).any(|w| w == b"s3cret"));
            assert!(!block.windows(NAME.len()).any(|w| w == NAME.as_bytes()));
            return;
        }
        // The initial block is laid out at exec, so the proof needs a process of its own.
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["sys::environ", "--test-threads=1"])
            .envs([(NAME, "s3cret"), ("KNITTING_TEST_CHILD", "1")])
            .status()
            .unwrap();
        assert!(status.success());
    }
}
