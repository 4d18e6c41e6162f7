//! Floors: what this machine takes for the steps that every call between two threads or processes consists of,
//! without any runtime around them. No worker pool on this machine can be faster.
//!
//! ```text
//!   floors [--quick]     prints [{ id, title, unit, figure, low, high } or { id, title, unit, reason }]
//! ```
//!
//! A figure is the median over rounds, between its quartiles. The floors take turns in the rounds, so that other
//! load affects all of them alike. Each round has a partner of its own, because a partner that spins would
//! disturb the other floors. Both sides are pinned to their cores: where the scheduler puts them decides more
//! than all the rest.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use knitting_native::sys::{fork, futex};
use knitting_native::transport::layout::{Geometry, Word};
use knitting_native::transport::segment::Segment;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getppid};
use serde::Serialize;

/// How long all of it takes.
const WHOLE: Duration = Duration::from_secs(3);
const QUICK: Duration = Duration::from_secs(1);
/// Parts of a round: what warms caches and clocks, and what counts.
const WARM: Duration = Duration::from_millis(2);
const COUNTED: Duration = Duration::from_millis(6);
/// Round trips between two looks at the clock, which takes as long as a cache line does.
const TRIPS_PER_LOOK: u32 = 32;
/// The number that has the partner end. No round trip comes as far.
const END: u32 = u32::MAX;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match measure(std::env::args().any(|argument| argument == "--quick")) {
        Ok(rows) => {
            println!("{rows}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("the floors can't be measured: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(quick: bool) -> Outcome<String> {
    let cores = cores()?;
    let here = *cores.first().ok_or("this process may run on no core")?;
    pin(here)?;
    let mut floors = floors(here, cores.get(1).copied());
    let count = floors.iter().filter(|floor| floor.round.is_ok()).count() as u32;
    let rounds = (if quick { QUICK } else { WHOLE }).div_duration_f32((WARM + COUNTED) * count) as u32;
    for _ in 0..rounds {
        for floor in &mut floors {
            if let Ok(round) = &floor.round {
                floor.figures.push(round()?);
            }
        }
    }
    let rows: Vec<_> = floors.into_iter().map(Floor::row).collect();
    Ok(serde_json::to_string_pretty(&rows)?)
}

// What is measured.

/// One round: its figure.
type Round = Box<dyn Fn() -> Outcome<f64>>;

struct Floor {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    /// Or why there is none on this machine.
    round: Result<Round, &'static str>,
    figures: Vec<f64>,
}

/// `there` is another core than `here`, if this process may run on one.
fn floors(here: usize, there: Option<usize>) -> Vec<Floor> {
    let across = there.ok_or("it needs two cores, and this process may run on one alone");
    let floor = |id, title, unit, round| Floor { id, title, unit, round, figures: Vec::new() };
    let trips = |id, title, kind: Partner, way: Way| {
        let core = if kind == Partner::SameCore { Ok(here) } else { across };
        let (unit, nanos) = if way == Way::Spin { ("ns", 1.0) } else { ("us", 1e3) };
        let round = core.map(|core| Box::new(move || Ok(way.round(kind, core)? / nanos)) as Round);
        floor(id, title, unit, round)
    };
    let copy = |id, title, bytes| floor(id, title, "GB/s", Ok(Box::new(move || copies(bytes)) as Round));
    vec![
        trips("line-threads", "cache line, threads that spin", Partner::Thread, Way::Spin),
        trips("line-processes", "cache line, processes that spin", Partner::Process, Way::Spin),
        trips("futex-threads", "futex, threads on two cores", Partner::Thread, Way::Futex),
        trips("futex-processes", "futex, processes on two cores", Partner::Process, Way::Futex),
        trips("futex-one-core", "futex, processes on one core", Partner::SameCore, Way::Futex),
        trips("socket-processes", "socket pair, processes on two cores", Partner::Process, Way::Socket),
        trips("socket-one-core", "socket pair, processes on one core", Partner::SameCore, Way::Socket),
        copy("copy-64k", "copy of 64 KiB, warm", 64 * KIB),
        copy("copy-1m", "copy of 1 MiB, warm", MIB),
        copy("copy-16m", "copy of 16 MiB, warm", 16 * MIB),
    ]
}

impl Floor {
    fn row(mut self) -> Row {
        self.figures.sort_by(f64::total_cmp);
        let quantile = |share: f64| self.figures.get((self.figures.len() as f64 * share) as usize).copied();
        Row {
            id: self.id,
            title: self.title,
            unit: self.unit,
            figure: quantile(0.5),
            low: quantile(0.25),
            high: quantile(0.75),
            reason: self.round.err(),
        }
    }
}

/// What is printed of a floor. Either there are figures or there is a reason.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    figure: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

// Round trips.

/// Who answers.
#[derive(Clone, Copy, PartialEq)]
enum Partner {
    /// A thread on another core.
    Thread,
    /// A process on another core.
    Process,
    /// A process on the same core.
    SameCore,
}

/// What carries the numbers.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// A word of shared memory that both sides read until it changes.
    Spin,
    /// The same word, on which they sleep meanwhile.
    Futex,
    /// A pair of sockets.
    Socket,
}

impl Way {
    /// Nanoseconds that a round trip takes.
    fn round(self, partner: Partner, core: usize) -> Outcome<f64> {
        if self == Self::Socket {
            let (mine, theirs) = UnixStream::pair()?;
            return with_partner(mine, theirs, partner, core);
        }
        let (segment, _) = Segment::create(Geometry::new(1).ok_or("no segment is as small")?)?;
        let mine = Shared { segment: Arc::new(segment), last: 0, sleeps: self == Self::Futex };
        let theirs = mine.clone();
        with_partner(mine, theirs, partner, core)
    }
}

/// One side of an exchange of numbers. Each number differs from the one before it.
trait Side {
    fn send(&mut self, number: u32) -> io::Result<()>;
    fn receive(&mut self) -> io::Result<u32>;
}

/// A word of shared memory.
#[derive(Clone)]
struct Shared {
    segment: Arc<Segment>,
    /// The number that was sent last.
    last: u32,
    sleeps: bool,
}

impl Side for Shared {
    fn send(&mut self, number: u32) -> io::Result<()> {
        self.last = number;
        let word = self.segment.word(Word::HostDoorbell);
        word.store(number, Ordering::Release);
        if self.sleeps {
            futex::wake_all(word);
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<u32> {
        let word = self.segment.word(Word::HostDoorbell);
        loop {
            // Without a pause in between, which would take longer than the cache line does.
            let number = word.load(Ordering::Acquire);
            if number != self.last {
                return Ok(number);
            }
            if self.sleeps {
                futex::wait(word, number, None);
            }
        }
    }
}

impl Side for UnixStream {
    fn send(&mut self, number: u32) -> io::Result<()> {
        self.write_all(&number.to_ne_bytes())
    }

    fn receive(&mut self) -> io::Result<u32> {
        let mut bytes = [0; size_of::<u32>()];
        self.read_exact(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }
}

/// Starts the partner on its core, measures, and has it end.
fn with_partner<S: Side + Send + 'static>(mine: S, theirs: S, partner: Partner, core: usize) -> Outcome<f64> {
    if partner == Partner::Thread {
        let thread = thread::spawn(move || pin(core).and_then(|()| answer(theirs)));
        let nanos = ask(mine)?;
        thread.join().map_err(|_| "the other thread has panicked")??;
        // The kernel lists it for a moment more, and only a process of one thread can be forked.
        while fs::read_dir("/proc/self/task")?.count() > 1 {
            thread::yield_now();
        }
        return Ok(nanos);
    }
    let parent = Pid::this();
    let child = fork::start_child(move || {
        let outcome = set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from).and_then(|()| {
            // It may have died before.
            if getppid() == parent { pin(core).and_then(|()| answer(theirs)) } else { Ok(()) }
        });
        i32::from(outcome.is_err())
    })?;
    let nanos = ask(mine)?;
    waitpid(child, None)?;
    Ok(nanos)
}

/// Answers each number with the next one.
fn answer(mut side: impl Side) -> io::Result<()> {
    loop {
        match side.receive()? {
            END => return Ok(()),
            number => side.send(number + 1)?,
        }
    }
}

fn ask(mut side: impl Side) -> Outcome<f64> {
    let mut number = 0;
    let nanos = time_each(TRIPS_PER_LOOK, || {
        side.send(number + 1)?;
        let answer = side.receive()?;
        number += 2;
        if answer == number { Ok(()) } else { Err(format!("{answer} came instead of {number}").into()) }
    })?;
    side.send(END)?;
    Ok(nanos)
}

// Copies.

/// Gigabytes per second, from one place to another.
fn copies(bytes: usize) -> Outcome<f64> {
    let from = vec![1_u8; bytes];
    let mut to = vec![0_u8; bytes];
    let nanos = time_each(1, || {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        Ok(())
    })?;
    Ok(bytes as f64 / nanos)
}

// The machine.

/// Nanoseconds that `work` takes, of which `count` are done between two looks at the clock.
fn time_each(count: u32, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut repeat = |limit| {
        let start = Instant::now();
        let mut done = 0_u32;
        loop {
            for _ in 0..count {
                work()?;
            }
            done += count;
            let elapsed = start.elapsed();
            if elapsed >= limit {
                return Ok(elapsed.as_nanos() as f64 / f64::from(done));
            }
        }
    };
    repeat(WARM)?;
    repeat(COUNTED)
}

/// The cores that this process may run on.
fn cores() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&core| allowed.is_set(core) == Ok(true)).collect())
}

/// Keeps the calling thread on one core.
fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cores)?)
}
