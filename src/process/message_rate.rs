//! How many messages a worker sends in a second: the account of a worker whose rate is limited.
//!
//! A second begins with the first message after the last one is over, so a worker that stays within the limit
//! in any second never exceeds it. Whoever counts messages says since when they can have been waiting for
//! him. What was sent while he did not look counts for all the seconds in which it can have been sent:
//!
//! ```text
//!   seen at once       |--- second: at most `limit` ---|      |--- the next ---|
//!   waited to be seen  |--------- 2.4 seconds: at most 3 * `limit` --------|
//! ```

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// The account of one worker, for all threads that count what it sends.
#[derive(Debug)]
pub struct MessageRate {
    /// Messages in a second.
    limit: u64,
    /// The last second that has begun.
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    since: Instant,
    messages: u64,
}

/// More messages than may be sent in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    /// How many were sent.
    pub messages: u64,
    /// Within how many seconds, at least 1.
    pub seconds: u64,
}

impl MessageRate {
    /// An account without messages.
    pub fn new(limit: u64) -> Self {
        Self { limit, current: Mutex::new(None) }
    }

    /// Counts messages that were sent after `from`, and at `now` at the latest. Returns what is too much.
    pub fn count(&self, messages: u64, from: Instant, now: Instant) -> Option<Flood> {
        if messages == 0 {
            return None;
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let current = match &mut *current {
            Some(current) if from < current.since + SECOND => {
                // The other messages of a longer time, seen by another thread and forgotten, are forgiven.
                current.since = current.since.min(from);
                current.messages += messages;
                current
            }
            over => over.insert(Current { since: from, messages }),
        };
        let elapsed = now.saturating_duration_since(current.since).as_nanos();
        let seconds = (elapsed.div_ceil(SECOND.as_nanos()) as u64).max(1);
        let flood = Flood { messages: current.messages, seconds };
        (flood.messages > self.limit.saturating_mul(seconds)).then_some(flood)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 100;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    /// Counts as many messages every 10 ms, each seen at once, and returns the first excess.
    fn steady(rate: &MessageRate, start: Instant, each: u64, millis: u64) -> Option<Flood> {
        (0..millis / 10).find_map(|step| {
            let now = at(start, step * 10);
            rate.count(each, now, now)
        })
    }

    #[test]
    fn what_stays_at_the_limit_is_never_too_much() {
        let start = Instant::now();
        assert_eq!(steady(&MessageRate::new(LIMIT), start, LIMIT / 100, 60_000), None);
        // A whole second's worth at once, every second.
        let rate = MessageRate::new(LIMIT);
        for second in 0..60 {
            let now = at(start, second * 1_000);
            assert_eq!(rate.count(LIMIT, now, now), None);
        }
    }

    #[test]
    fn the_first_message_above_the_limit_is_told() {
        let now = Instant::now();
        let rate = MessageRate::new(LIMIT);
        assert_eq!(rate.count(LIMIT, now, now), None);
        assert_eq!(rate.count(1, now, now), Some(Flood { messages: LIMIT + 1, seconds: 1 }));
        let twice = steady(&MessageRate::new(LIMIT), now, 2, 1_000);
        assert_eq!(twice, Some(Flood { messages: LIMIT + 2, seconds: 1 }));
    }

    #[test]
    fn a_quiet_time_that_was_watched_earns_nothing() {
        let start = Instant::now();
        let rate = MessageRate::new(LIMIT);
        assert_eq!(rate.count(1, start, start), None);
        let later = at(start, 60_000);
        assert!(rate.count(LIMIT + 1, later, later).is_some());
    }

    #[test]
    fn what_waited_to_be_seen_counts_for_the_time_in_which_it_was_sent() {
        let start = Instant::now();
        let rate = MessageRate::new(LIMIT);
        // Five seconds of lines that were seen, and of other messages that were not.
        assert_eq!(steady(&rate, start, 1, 5_000), None);
        assert_eq!(rate.count(4 * LIMIT, start, at(start, 5_000)), None);
        // In two portions, and too many.
        let rate = MessageRate::new(LIMIT);
        assert_eq!(rate.count(5 * LIMIT, start, at(start, 5_000)), None);
        let flood = Flood { messages: 6 * LIMIT, seconds: 5 };
        assert_eq!(rate.count(LIMIT, start, at(start, 5_000)), Some(flood));
    }

    #[test]
    fn what_follows_a_time_without_a_look_is_judged_by_itself() {
        let start = Instant::now();
        let rate = MessageRate::new(LIMIT);
        let end = at(start, 5_000);
        assert_eq!(rate.count(LIMIT, start, end), None);
        assert_eq!(rate.count(LIMIT, end, end), None);
        assert!(rate.count(1, end, end).is_some());
    }

    #[test]
    fn a_worker_that_never_lets_up_is_not_forgiven_for_long() {
        // The host never sees everything, so it can't tell when the messages were sent.
        let start = Instant::now();
        let rate = MessageRate::new(LIMIT);
        let told = (1..=100).find(|&step| rate.count(64, start, at(start, step * 10)).is_some());
        assert_eq!(told, Some(2));
    }
}
