//! Random bytes of the system's.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// `N` bytes that nobody can foretell. `N` is at most 256: so many come at once.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    const { assert!(N <= 256) };
    let mut bytes = [0; N];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
}
