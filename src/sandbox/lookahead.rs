//! Answers that are looked up before they are asked for, each in a thread of its own.
//!
//! ```text
//!   createPool -> begin(executable)   the event loop goes on: options, tasks, paths
//!                 take(executable)    the answer, as soon as it is there
//! ```
//!
//! Reading a runtime's libraries and asking the launcher about the kernel take milliseconds, which the host's
//! event loop would spend waiting.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// An answer that nobody has asked for in so long is given to nobody: a pool that was begun has come to nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Look-ups of one kind, by the path that each is about.
pub struct Lookahead<T> {
    running: LazyLock<Mutex<HashMap<PathBuf, Running<T>>>>,
}

struct Running<T> {
    since: Instant,
    handle: JoinHandle<T>,
}

impl<T: Send + 'static> Lookahead<T> {
    /// No look-up yet.
    pub const fn new() -> Self {
        Self { running: LazyLock::new(Mutex::default) }
    }

    /// Begins to look up the answer for `path`, unless that has begun. Where the system has no thread left, nothing
    /// begins, and `take` looks the answer up itself.
    pub fn begin(&self, path: PathBuf, look_up: fn(&Path) -> T) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(&path).is_none_or(|begun| begun.since.elapsed() > LONGEST_WAIT) {
            let key = path.clone();
            let looking = thread::Builder::new().name("knitting-look".into());
            if let Ok(handle) = looking.spawn(move || look_up(&path)) {
                running.insert(key, Running { since: Instant::now(), handle });
            }
        }
    }

    /// The answer that `begin` was called for, or a fresh one. Each answer is given once: what it is about may change.
    pub fn take(&self, path: &Path, look_up: fn(&Path) -> T) -> T {
        let begun = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        begun
            .filter(|begun| begun.since.elapsed() <= LONGEST_WAIT)
            .and_then(|begun| begun.handle.join().ok())
            .unwrap_or_else(|| look_up(path))
    }
}

impl<T: Send + 'static> Default for Lookahead<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static LOOKS: AtomicUsize = AtomicUsize::new(0);

    fn look(path: &Path) -> (usize, PathBuf) {
        (LOOKS.fetch_add(1, Ordering::Relaxed), path.to_owned())
    }

    #[test]
    fn an_answer_is_looked_up_once_and_given_once() {
        let answers = Lookahead::new();
        let path = Path::new("/a");
        answers.begin(path.into(), look);
        answers.begin(path.into(), look);
        assert_eq!(answers.take(path, look), (0, path.into()));
        assert_eq!(answers.take(path, look), (1, path.into()));
        assert_eq!(answers.take(Path::new("/b"), look), (2, "/b".into()));
    }

    #[test]
    fn a_look_that_fails_is_made_again() {
        fn fails_elsewhere(_: &Path) -> bool {
            assert_ne!(thread::current().name(), Some("knitting-look"));
            true
        }
        let answers = Lookahead::new();
        answers.begin("/c".into(), fails_elsewhere);
        assert!(answers.take(Path::new("/c"), fails_elsewhere));
    }
}
