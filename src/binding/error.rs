//! Errors as JavaScript gets them.

use std::io;

use napi::{Error, Status};

/// An error about what this side was given.
pub fn refused(message: String) -> Error {
    Error::new(Status::InvalidArg, message)
}

/// An error that says what could not be had of the system.
pub fn system(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::new(Status::GenericFailure, format!("cannot set up {what}: {error}"))
}

/// An error of which `what` says everything.
pub fn failed(what: impl std::fmt::Display) -> Error {
    Error::new(Status::GenericFailure, what.to_string())
}
