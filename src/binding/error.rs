//! Errors as JavaScript gets them.

use std::io;

use napi::{Error, Status};

/// An error that says why something that JavaScript passed can't be used.
pub fn refused(message: String) -> Error {
    Error::new(Status::InvalidArg, message)
}

/// An error that says what the system did not give.
pub fn system(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::new(Status::GenericFailure, format!("cannot set up {what}: {error}"))
}

/// An error whose whole message is `what`.
pub fn failed(what: impl std::fmt::Display) -> Error {
    Error::new(Status::GenericFailure, what.to_string())
}
