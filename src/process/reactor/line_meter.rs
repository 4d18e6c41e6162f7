//! Counts the lines of one worker, if its messages are limited.

use std::sync::Arc;
use std::time::Instant;

use crate::process::message_rate::{Flood, MessageRate};
use crate::process::output::Stream;

/// The lines of a worker on their way into its account. A pipe that was not read for a while, because there
/// was no room for more or because this process was stopped, holds the lines of all that time.
pub struct LineMeter {
    rate: Arc<MessageRate>,
    pipes: [Seen; 2],
    /// True once the worker has sent too much.
    pub is_flooded: bool,
}

/// What is known of a pipe.
struct Seen {
    /// When it was empty.
    empty_at: Instant,
    /// Since when it is watched, if it is.
    watched_since: Option<Instant>,
}

impl LineMeter {
    /// A meter for pipes that are empty and watched from now on.
    pub fn new(rate: Arc<MessageRate>) -> Self {
        let now = Instant::now();
        let pipes = Stream::ALL.map(|_| Seen { empty_at: now, watched_since: Some(now) });
        Self { rate, pipes, is_flooded: false }
    }

    /// A pipe is watched again.
    pub fn watched(&mut self, stream: Stream) {
        self.pipes[stream as usize].watched_since = Some(Instant::now());
    }

    /// Counts lines that were read. `looked` is when the reactor last heard of all watched pipes that were not
    /// empty, and `is_empty` whether nothing is left in the pipe. Returns what is too much.
    pub fn count(&mut self, stream: Stream, lines: u64, looked: Instant, is_empty: bool) -> Option<Flood> {
        let pipe = &mut self.pipes[stream as usize];
        if pipe.watched_since.take().is_some_and(|since| since <= looked) {
            pipe.empty_at = looked;
        }
        let now = Instant::now();
        let flood = self.rate.count(lines, pipe.empty_at, now);
        if is_empty {
            pipe.empty_at = now;
        }
        self.is_flooded |= flood.is_some();
        flood
    }
}

/// Number of lines in what a pipe passes on. A piece of a long line counts as one.
pub fn lines_in(lines: &[u8]) -> u64 {
    lines.split_inclusive(|&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const OUT: Stream = Stream::Stdout;

    fn meter(limit: u64) -> LineMeter {
        LineMeter::new(Arc::new(MessageRate::new(limit)))
    }

    fn ago(time: Duration) -> Instant {
        Instant::now().checked_sub(time).unwrap()
    }

    /// A meter whose pipe was last known to be empty so long ago.
    fn after(limit: u64, silence: Duration) -> LineMeter {
        let mut meter = meter(limit);
        let then = ago(silence);
        meter.pipes = Stream::ALL.map(|_| Seen { empty_at: then, watched_since: Some(then) });
        meter
    }

    #[test]
    fn each_line_and_each_piece_counts() {
        for (text, count) in [("", 0), ("\n", 1), ("a\nb\n", 2), ("a\nb", 2), ("piece", 1)] {
            assert_eq!(lines_in(text.as_bytes()), count, "{text:?}");
        }
    }

    #[test]
    fn both_streams_have_one_account() {
        let mut meter = meter(10);
        assert_eq!(meter.count(OUT, 6, Instant::now(), true), None);
        let flood = meter.count(Stream::Stderr, 6, Instant::now(), true);
        assert_eq!(flood, Some(Flood { messages: 12, seconds: 1 }));
        assert!(meter.is_flooded);
    }

    #[test]
    fn a_pipe_that_was_watched_was_empty_at_the_last_look() {
        let minute = Duration::from_secs(60);
        // The reactor has heard nothing of the pipe until now, and then of a burst.
        assert!(after(10, minute).count(OUT, 11, Instant::now(), true).is_some());
        // Nobody has looked for a minute: this process was stopped.
        assert_eq!(after(10, minute).count(OUT, 600, ago(minute), true), None);
    }

    #[test]
    fn a_pipe_that_was_not_watched_holds_the_lines_of_all_that_time() {
        let mut meter = after(10, Duration::from_secs(5));
        meter.pipes[OUT as usize].watched_since = None;
        assert_eq!(meter.count(OUT, 30, Instant::now(), false), None);
        // It is watched again, but holds more from the same time.
        meter.watched(OUT);
        assert_eq!(meter.count(OUT, 20, ago(Duration::from_millis(1)), true), None);
        // Now it was empty.
        assert_eq!(meter.count(OUT, 10, Instant::now(), true), None);
        assert!(meter.count(OUT, 1, Instant::now(), true).is_some());
    }
}
