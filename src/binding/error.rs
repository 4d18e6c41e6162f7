//! Errors as JavaScript gets them.

use std::fmt::Display;
use std::io;

use napi::{Error, Status};

use crate::sys::limits;

/// An error that says why something that JavaScript passed can't be used.
pub fn refused(message: String) -> Error {
    Error::new(Status::InvalidArg, message)
}

/// An error that says what the system did not give.
pub fn system(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::new(Status::GenericFailure, format!("cannot set up {what}: {error}"))
}

/// An error that says what the start of a worker has failed to do, after a code: `KNITTING_NO_THREADS: ...`. The
/// JavaScript side makes an error with that code of it.
pub fn unavailable(what: impl Display) -> impl Fn(io::Error) -> Error {
    move |error| {
        let code = limits::limit_of(&error).map_or(limits::OTHER, |limit| limit.code);
        let message = format!("{code}: cannot {what}: {}", limits::explain(&error));
        Error::new(Status::GenericFailure, message)
    }
}

/// An error whose whole message is `what`.
pub fn failed(what: impl Display) -> Error {
    Error::new(Status::GenericFailure, what.to_string())
}
