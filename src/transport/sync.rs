//! What the ring and the doorbell are built of: atomics, threads and futexes. They are those of the standard
//! library and the kernel, or under `cfg(loom)` stand-ins, with which loom tries every order in which the
//! threads can come (see `model`).

#[cfg(not(loom))]
mod real {
    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
    pub use std::thread::{Builder, JoinHandle};

    pub use crate::sys::futex;
}

#[cfg(loom)]
mod modelled {
    pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
    pub use loom::thread::{Builder, JoinHandle};

    /// Sleeping on a word, by a mutex and a condition.
    pub mod futex {
        use std::sync::PoisonError;
        use std::time::Duration;

        use loom::sync::atomic::{AtomicU32, Ordering};
        use loom::sync::{Condvar, Mutex, MutexGuard};

        /// A sleeper: the words it sleeps on, by their addresses, and whether it has been woken.
        struct Sleeper {
            words: Vec<usize>,
            woken: bool,
        }

        loom::lazy_static! {
            static ref SLEEPERS: Mutex<Vec<Sleeper>> = Mutex::new(Vec::new());
            static ref WAKING: Condvar = Condvar::new();
        }

        fn address(word: &AtomicU32) -> usize {
            std::ptr::from_ref(word).addr()
        }

        fn sleepers() -> MutexGuard<'static, Vec<Sleeper>> {
            SLEEPERS.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// As the kernel: wakes every thread that sleeps on `word`.
        pub fn wake_all(word: &AtomicU32) {
            let mut sleepers = sleepers();
            for sleeper in sleepers.iter_mut().filter(|sleeper| sleeper.words.contains(&address(word))) {
                sleeper.woken = true;
            }
            WAKING.notify_all();
        }

        /// As the kernel, but there is no limit: a model in which nobody wakes a sleeper is to fail.
        pub fn wait(word: &AtomicU32, value: u32, _: Option<Duration>) {
            sleep(&[(word, value)]);
        }

        /// As the kernel.
        pub fn wait_for_either(words: [(&AtomicU32, u32); 2]) -> bool {
            sleep(&words);
            true
        }

        /// The look at the words and the falling asleep are one step for whoever wakes, as in the kernel.
        fn sleep(words: &[(&AtomicU32, u32)]) {
            let mut sleepers = sleepers();
            if words.iter().any(|(word, value)| word.load(Ordering::Relaxed) != *value) {
                return;
            }
            let own: Vec<_> = words.iter().map(|(word, _)| address(word)).collect();
            sleepers.push(Sleeper { words: own.clone(), woken: false });
            loop {
                sleepers = WAKING.wait(sleepers).unwrap_or_else(PoisonError::into_inner);
                if let Some(index) = sleepers.iter().position(|sleeper| sleeper.woken && sleeper.words == own)
                {
                    sleepers.remove(index);
                    return;
                }
            }
        }
    }
}

#[cfg(loom)]
pub use modelled::*;
#[cfg(not(loom))]
pub use real::*;
