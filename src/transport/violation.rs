//! Violations: what an honest peer never does.

use std::fmt;

/// Something that an honest peer never does. The lane on which it happened is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A cursor moved backwards, or further than the ring is long.
    Cursor,
    /// A slot names a call that is not in flight, or an earlier use of its id.
    UnknownCall,
    /// A slot has a kind, a role or flags that do not exist.
    UnknownKind,
    /// A slot does for its call something that the call does not expect: an item without a stream, credit
    /// without a stream, a second beginning of a stream.
    Unexpected,
    /// A stream's sender has sent more than it had credit for, or its receiver has given more credit than it
    /// may.
    Credit,
    /// A slot's length or offset points outside the arena.
    OutOfRange,
    /// It has rung the bell more often than this side has listened for it.
    Rings,
    /// It has closed its end of the bell and lives on: it can't be woken any more.
    Deaf,
    /// The shared memory is gone, see [`super::sigbus`].
    Lost,
}

impl Violation {
    /// A sentence for the error that reports the violation.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Cursor => "a ring cursor left its range",
            Self::UnknownCall => "a completion names a call that is not in flight",
            Self::UnknownKind => "a completion has an unknown kind",
            Self::Unexpected => "a completion does for its call what that call does not expect",
            Self::Credit => "a stream went beyond its credit",
            Self::OutOfRange => "a completion's payload lies outside the arena",
            Self::Deaf => "the worker's end of the bell was closed, descriptor 4 at its start",
            Self::Rings => "the bell was rung more often than its host has listened for it",
            Self::Lost => "the shared memory is gone (it was truncated, or there is no memory left for it)",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explain())
    }
}

impl std::error::Error for Violation {}
