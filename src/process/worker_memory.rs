//! The memory of a lane, and how its worker gets at it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use super::shm_name::{self, Name, Named};
use crate::transport::layout::Geometry;
use crate::transport::segment::Segment;

/// How a lane's worker gets at its memory. There is one worker, so it is used once.
#[derive(Debug)]
pub enum WorkerMemory {
    /// By this descriptor.
    Sealed(OwnedFd),
    /// By the name of a file.
    Named {
        /// The file's path.
        path: String,
        /// The file, in which the host holds its owner lock already.
        lock: File,
    },
}

/// Creates a segment, and what its worker needs to get at it. With a `name_prefix` the segment has a name
/// that begins with it, which is there until the [`Name`] is dropped.
pub fn create(
    geometry: Geometry,
    name_prefix: Option<&str>,
) -> io::Result<(Segment, WorkerMemory, Option<Name>)> {
    let Some(prefix) = name_prefix else {
        let (segment, descriptor) = Segment::create(geometry)?;
        return Ok((segment, WorkerMemory::Sealed(descriptor), None));
    };
    let (segment, Named { name, lock }) = shm_name::create(prefix, geometry)?;
    let path = name.path().to_string_lossy().into_owned();
    Ok((segment, WorkerMemory::Named { path, lock }, Some(name)))
}
