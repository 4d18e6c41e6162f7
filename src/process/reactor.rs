//! The reactor: the one thread of a host process that starts its workers and watches them.
//!
//! ```text
//!   JavaScript thread --commands--> reactor --events--> the sink each launch came with
//!                                   epoll: command bell | pidfd and stderr of each worker | kill deadlines
//! ```
//!
//! It runs while there is anything to watch, and starts the workers itself because their death signal follows the
//! thread that started them. It never touches a segment. A worker that ends is reaped here, with its whole group.
//! Every worker is a direct child: its pidfd tells of its death, and the host does not wait for its owner lock.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::host_stderr::{HostStderr, Written};
use super::launch::{Launch, LaunchError, Launched};

/// Bytes of a worker's stderr that are kept for errors.
pub const STDERR_TAIL_BYTES: usize = 8 * 1024;
/// A line longer than this is passed on in pieces.
const LINE_BYTES: usize = 16 * 1024;
/// What is read of a worker's stderr at once: a flood is taken in portions, so that other workers get their turn.
const PORTION_BYTES: usize = 4 * LINE_BYTES;
/// What is read of an ended worker's stderr: as much as a pipe can hold. More comes from somebody outside the worker's
/// group who has it still, and may never end.
const LAST_BYTES: usize = 1024 * 1024;
/// Lines that come while this much waits for the host's stderr are not passed on. Only workers that end can bring it
/// about, the others wait at [`LINE_BYTES`].
const OUTPUT_BYTES: usize = 256 * 1024;
/// How long to wait before the host's stderr is tried again when it takes nothing.
const STDERR_RETRY: Duration = Duration::from_millis(20);
/// How many milliseconds a reactor that ends waits for each worker that it has killed.
const LAST_WAIT_MILLIS: u16 = 1000;

/// What happened to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It runs.
    Spawned {
        /// Its process id.
        pid: i32,
    },
    /// It could not be started.
    Failed {
        /// Why.
        message: String,
        /// Another attempt could succeed.
        transient: bool,
    },
    /// It has ended and is reaped.
    Exited {
        /// Exit status, if it exited.
        code: Option<i32>,
        /// Name of the signal, if one killed it.
        signal: Option<&'static str>,
        /// The last of what it wrote to stderr.
        stderr_tail: String,
    },
}

/// Receives a worker's events, on the reactor's thread.
pub type Sink = Box<dyn Fn(Event) + Send>;

/// Names a worker to the reactor.
pub type WorkerId = u64;

enum Command {
    Launch { id: WorkerId, launch: Launch, lock: File, sink: Sink },
    Kill { id: WorkerId, grace: Duration },
}

struct Inbox {
    commands: SegQueue<Command>,
    bell: EventFd,
}

static RUNNING: Mutex<Option<Arc<Inbox>>> = Mutex::new(None);

/// Starts a worker. `lock` holds the host's owner lock on its segment and is kept until the worker has ended.
pub fn launch(id: WorkerId, launch: Launch, lock: File, sink: Sink) -> io::Result<()> {
    submit(Command::Launch { id, launch, lock, sink })
}

/// Kills a worker and its group after `grace`, unless it has ended by then.
pub fn kill(id: WorkerId, grace: Duration) -> io::Result<()> {
    submit(Command::Kill { id, grace })
}

fn running() -> std::sync::MutexGuard<'static, Option<Arc<Inbox>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn submit(command: Command) -> io::Result<()> {
    let mut running = running();
    let inbox = match &*running {
        Some(inbox) => inbox.clone(),
        // Without a reactor there is no worker either.
        None if !matches!(command, Command::Launch { .. }) => return Ok(()),
        None => {
            let inbox = Arc::new(Inbox::new()?);
            let epoll = inbox.epoll()?;
            // A reactor takes the lock when it is dropped: it must not exist here, where it is held.
            let of_thread = inbox.clone();
            std::thread::Builder::new()
                .name("knitting-reactor".into())
                .spawn(move || Reactor::new(of_thread, epoll).run())?;
            running.insert(inbox).clone()
        }
    };
    inbox.commands.push(command);
    inbox.bell.write(1)?;
    Ok(())
}

impl Inbox {
    fn new() -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { commands: SegQueue::new(), bell })
    }

    /// An epoll that hears the bell.
    fn epoll(&self) -> io::Result<Epoll> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&self.bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        Ok(epoll)
    }
}

struct Worker {
    pid: Pid,
    pidfd: OwnedFd,
    stderr: Option<File>,
    tail: VecDeque<u8>,
    line: Vec<u8>,
    lock: File,
    kill_at: Option<Instant>,
    sink: Sink,
}

struct Reactor {
    inbox: Arc<Inbox>,
    epoll: Epoll,
    workers: HashMap<WorkerId, Worker>,
    /// Whole lines on their way to the host's stderr.
    output: VecDeque<u8>,
    /// Workers whose stderr was read and is not watched at the moment.
    paused: Vec<WorkerId>,
}

const BELL: u64 = u64::MAX;
const STDERR_BIT: u64 = 1 << 63;

fn stderr_event(id: WorkerId) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT, id | STDERR_BIT)
}

impl Reactor {
    fn new(inbox: Arc<Inbox>, epoll: Epoll) -> Self {
        Self { inbox, epoll, workers: HashMap::new(), output: VecDeque::new(), paused: Vec::new() }
    }

    fn run(mut self) {
        // A host's stderr without a reader is an error to us, whatever the host does about the signal. Workers inherit
        // the mask; the launcher clears it.
        let _ = SigSet::from(Signal::SIGPIPE).thread_block();
        let mut events = [EpollEvent::empty(); 64];
        loop {
            while let Some(command) = self.inbox.commands.pop() {
                self.obey(command);
            }
            self.kill_overdue();
            self.write_output();
            self.resume_reading();
            if self.workers.is_empty() && self.output.is_empty() {
                let mut running = running();
                if self.inbox.commands.is_empty() {
                    *running = None;
                    return;
                }
                continue;
            }
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                // Blind: what is left is ended and told by `drop`.
                Err(_) => return,
            };
            for event in &events[..count] {
                match event.data() {
                    BELL => {
                        let _ = self.inbox.bell.read();
                    }
                    data if data & STDERR_BIT != 0 => self.read_stderr(data & !STDERR_BIT),
                    id => self.reap(id),
                }
            }
        }
    }

    fn timeout(&self) -> EpollTimeout {
        let now = Instant::now();
        let deadline = self.workers.values().filter_map(|worker| worker.kill_at).min();
        let mut wait = deadline.map(|at| at.saturating_duration_since(now));
        if !self.output.is_empty() {
            wait = Some(wait.map_or(STDERR_RETRY, |wait| wait.min(STDERR_RETRY)));
        }
        match wait {
            // Rounded up, so that the deadline has passed when the wait is over.
            Some(wait) => {
                EpollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(EpollTimeout::MAX)
            }
            None => EpollTimeout::NONE,
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Launch { id, launch, lock, sink } => match self.start(id, launch) {
                Ok(Launched { pid, pidfd, stderr, .. }) => {
                    sink(Event::Spawned { pid: pid.as_raw() });
                    let stderr = Some(File::from(OwnedFd::from(stderr)));
                    let (tail, line) = (VecDeque::new(), Vec::new());
                    let worker = Worker { pid, pidfd, stderr, tail, line, lock, kill_at: None, sink };
                    self.workers.insert(id, worker);
                }
                Err(LaunchError { message, transient }) => sink(Event::Failed { message, transient }),
            },
            Command::Kill { id, grace } => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    let at = Instant::now() + grace;
                    worker.kill_at = Some(worker.kill_at.map_or(at, |earlier| earlier.min(at)));
                }
            }
        }
    }

    fn start(&self, id: WorkerId, launch: Launch) -> Result<Launched, LaunchError> {
        let launched = launch.start()?;
        match self.watch(id, &launched) {
            Ok(()) => Ok(launched),
            Err(error) => {
                launched.discard();
                Err(LaunchError::new("watch the process", &error))
            }
        }
    }

    fn watch(&self, id: WorkerId, launched: &Launched) -> io::Result<()> {
        fcntl(&launched.stderr, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        self.epoll.add(&launched.pidfd, EpollEvent::new(EpollFlags::EPOLLIN, id))?;
        self.epoll.add(&launched.stderr, stderr_event(id))?;
        Ok(())
    }

    fn kill_overdue(&mut self) {
        let now = Instant::now();
        for worker in self.workers.values_mut() {
            if worker.kill_at.is_some_and(|at| at <= now) {
                worker.kill_at = None;
                worker.kill();
            }
        }
    }

    /// Reads what the worker wrote; keeps the tail, and passes whole lines on.
    fn read_stderr(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if self.output.len() > LINE_BYTES {
            self.paused.push(id);
        } else if worker.read_available(PORTION_BYTES, &mut self.output) {
            // At its end. Closing it takes it out of epoll too.
            worker.stderr = None;
        } else {
            self.paused.push(id);
        }
    }

    /// Watches again what was read. While the host's stderr takes nothing the pipes are left alone: they fill, their
    /// workers wait, and memory stays bounded.
    fn resume_reading(&mut self) {
        if self.output.len() > LINE_BYTES {
            return;
        }
        for id in self.paused.drain(..) {
            if let Some(stderr) = self.workers.get(&id).and_then(|worker| worker.stderr.as_ref()) {
                let _ = self.epoll.modify(stderr, &mut stderr_event(id));
            }
        }
    }

    fn write_output(&mut self) {
        if self.output.is_empty() {
            return;
        }
        let stderr = io::stderr();
        let host = HostStderr::open(stderr.as_fd());
        while !self.output.is_empty() {
            let (first, _) = self.output.as_slices();
            match host.write(first) {
                Written::Taken(count) => drop(self.output.drain(..count)),
                Written::Full => return,
                Written::Closed => return self.output.clear(),
            }
        }
    }

    fn reap(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        match waitid(Id::PIDFd(worker.pidfd.as_fd()), ended | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => return,
            // Reaped by somebody else in this process: the number may be anybody's by now.
            Err(Errno::ECHILD) => {}
            _ => worker.kill(),
        }
        let status = waitid(Id::PIDFd(worker.pidfd.as_fd()), ended);
        let Some(mut worker) = self.workers.remove(&id) else { return };
        worker.read_available(LAST_BYTES, &mut self.output);
        if !worker.line.is_empty() {
            worker.line.push(b'\n');
            pass_on(worker.line.drain(..), &mut self.output);
        }
        let (code, signal) = match status {
            Ok(WaitStatus::Exited(_, code)) => (Some(code), None),
            Ok(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal.as_str())),
            // Reaped by somebody else: it is gone, and more cannot be known.
            _ => (None, None),
        };
        let stderr_tail = worker.take_tail();
        // The descriptors close, and with them epoll forgets it, before anybody hears of it.
        let sink = worker.sink;
        drop((worker.pidfd, worker.stderr, worker.lock));
        sink(Event::Exited { code, signal, stderr_tail });
    }
}

impl Worker {
    /// Kills the worker, which may have left its group, and what is in the group. While it is not reaped its number
    /// cannot be anybody else's; the pidfd knows.
    fn kill(&self) {
        // EPERM is possible for a worker that has changed its user; the rest of its group may still be ours.
        if rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL)
            != Err(rustix::io::Errno::SRCH)
        {
            let _ = killpg(self.pid, Signal::SIGKILL);
        }
    }

    fn take_tail(&mut self) -> String {
        String::from_utf8_lossy(std::mem::take(&mut self.tail).make_contiguous()).into_owned()
    }

    /// Moves what stderr has now, about `most` bytes, into the tail, and whole lines to `output`. True at its end.
    fn read_available(&mut self, most: usize, output: &mut VecDeque<u8>) -> bool {
        let Some(stderr) = &mut self.stderr else { return true };
        let mut buffer = [0; LINE_BYTES];
        let mut total = 0;
        while total < most {
            let bytes = match stderr.read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            };
            total += bytes.len();
            self.tail.extend(bytes);
            self.tail.drain(..self.tail.len().saturating_sub(STDERR_TAIL_BYTES));
            self.line.extend_from_slice(bytes);
            let whole = self.line.iter().rposition(|&byte| byte == b'\n').map_or(0, |index| index + 1);
            let whole = if self.line.len() - whole > LINE_BYTES { self.line.len() } else { whole };
            pass_on(self.line.drain(..whole), output);
        }
        false
    }
}

fn pass_on(lines: impl Iterator<Item = u8>, output: &mut VecDeque<u8>) {
    if output.len() < OUTPUT_BYTES {
        output.extend(lines);
    }
}

impl Drop for Reactor {
    /// However the thread ends: whoever waits for a worker hears that it is gone, and the next launch gets a new reactor.
    fn drop(&mut self) {
        let mut running = running();
        if running.as_ref().is_some_and(|inbox| Arc::ptr_eq(inbox, &self.inbox)) {
            *running = None;
        }
        drop(running);
        for (_, mut worker) in self.workers.drain() {
            worker.kill();
            let mut ended = [PollFd::new(worker.pidfd.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut ended, LAST_WAIT_MILLIS);
            let _ = waitid(Id::PIDFd(worker.pidfd.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
            worker.read_available(LAST_BYTES, &mut self.output);
            let stderr_tail = worker.take_tail();
            (worker.sink)(Event::Exited { code: None, signal: None, stderr_tail });
        }
        while let Some(command) = self.inbox.commands.pop() {
            if let Command::Launch { sink, .. } = command {
                let message = "cannot start a worker: the reactor has ended".into();
                sink(Event::Failed { message, transient: true });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    const WATCHDOG: Duration = Duration::from_secs(20);
    static NEXT: AtomicU64 = AtomicU64::new(1);

    fn null() -> File {
        File::options().read(true).write(true).open("/dev/null").unwrap()
    }

    fn launch_of(argv: &[&str]) -> Launch {
        let env = vec![("PATH".into(), "/usr/bin:/bin".into())];
        Launch { argv: argv.iter().map(|&argument| argument.into()).collect(), env, memory: null().into() }
    }

    fn sink() -> (Sink, Receiver<Event>) {
        let (tell, told) = channel();
        (Box::new(move |event| tell.send(event).unwrap()), told)
    }

    fn start(argv: &[&str]) -> (WorkerId, Receiver<Event>) {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (sink, told) = sink();
        super::launch(id, launch_of(argv), null(), sink).unwrap();
        (id, told)
    }

    /// A reactor without a thread, which does what the test says. It is not the running one.
    fn idle_reactor() -> Reactor {
        let inbox = Inbox::new().unwrap();
        let epoll = inbox.epoll().unwrap();
        Reactor::new(Arc::new(inbox), epoll)
    }

    fn launch_command(id: WorkerId, script: &str) -> (Command, Receiver<Event>) {
        let (sink, told) = sink();
        (Command::Launch { id, launch: launch_of(&["/bin/sh", "-c", script]), lock: null(), sink }, told)
    }

    fn shell(script: &str) -> (WorkerId, Receiver<Event>) {
        start(&["/bin/sh", "-c", script])
    }

    fn exit(events: &Receiver<Event>) -> (Option<i32>, Option<&'static str>, String) {
        loop {
            match events.recv_timeout(WATCHDOG).unwrap() {
                Event::Spawned { pid } => assert!(pid > 0),
                Event::Exited { code, signal, stderr_tail } => return (code, signal, stderr_tail),
                failed @ Event::Failed { .. } => panic!("{failed:?}"),
            }
        }
    }

    #[test]
    fn an_exit_brings_its_code_and_the_tail_of_stderr() {
        let (_, events) = shell("echo first >&2; printf no-newline >&2; exit 7");
        assert_eq!(exit(&events), (Some(7), None, "first\nno-newline".into()));
    }

    #[test]
    fn a_signal_is_named() {
        let (_, events) = shell("kill -ABRT $$");
        assert_eq!(exit(&events), (None, Some("SIGABRT"), String::new()));
    }

    #[test]
    fn the_tail_is_bounded() {
        let (_, events) = shell("head -c 200000 /dev/zero | tr '\\0' x >&2; echo end >&2");
        let (code, _, tail) = exit(&events);
        assert_eq!((code, tail.len()), (Some(0), STDERR_TAIL_BYTES));
        assert!(tail.ends_with("end\n"));
    }

    #[test]
    fn killing_takes_the_whole_group_and_waits_for_grace() {
        let (id, events) = shell("sleep 1000 & echo $! >&2; wait");
        let started = Instant::now();
        kill(id, Duration::from_millis(300)).unwrap();
        let (_, signal, tail) = exit(&events);
        assert_eq!(signal, Some("SIGKILL"));
        assert!(started.elapsed() >= Duration::from_millis(300));
        let child: i32 = tail.trim().parse().unwrap();
        let gone = Instant::now() + WATCHDOG;
        // A zombie whose new parent has not looked yet counts as gone.
        while std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        {
            assert!(Instant::now() < gone, "the worker's child survived");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets the test binary run one test of this module, with a reactor of its own.
    fn only_this_test<'a>(command: &'a mut process::Command, name: &str) -> &'a mut process::Command {
        let name = format!("process::reactor::tests::{name}");
        command.args(["--exact", &name, "--test-threads=1"]).stdout(process::Stdio::null())
    }

    /// Keeps a terminal open that it never reads, and runs its arguments with that as stderr.
    const UNREAD_TERMINAL: &str = "import os, subprocess, sys; _, terminal = os.openpty(); \
                                   sys.exit(subprocess.call(sys.argv[1:], stderr=terminal))";

    #[test]
    fn a_host_stderr_that_nobody_reads_stops_nothing() {
        const CHILD: &str = "KNITTING_TEST_UNREAD_STDERR";
        if std::env::var_os(CHILD).is_some() {
            let (flood, flood_events) = shell("while :; do echo flood; done >&2");
            std::thread::sleep(Duration::from_millis(500));
            let (_, events) = shell("exit 7");
            assert_eq!(exit(&events).0, Some(7));
            kill(flood, Duration::ZERO).unwrap();
            assert_eq!(exit(&flood_events).1, Some("SIGKILL"));
            return;
        }
        let this = std::env::current_exe().unwrap();
        let run = |command: &mut process::Command| {
            only_this_test(command, "a_host_stderr_that_nobody_reads_stops_nothing").env(CHILD, "1").status()
        };
        let (_unread, pipe) = io::pipe().unwrap();
        assert!(run(process::Command::new(&this).stderr(pipe)).unwrap().success(), "a pipe");
        let (_unread, socket) = std::os::unix::net::UnixStream::pair().unwrap();
        let socket = OwnedFd::from(socket);
        assert!(run(process::Command::new(&this).stderr(socket)).unwrap().success(), "a socket");
        // Safe Rust cannot unlock a new terminal, Python can.
        match run(process::Command::new("python3").args(["-c", UNREAD_TERMINAL]).arg(&this)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            status => assert!(status.unwrap().success(), "a terminal"),
        }
    }

    #[test]
    fn a_missing_launcher_is_told() {
        let (_, told) = start(&["/no/such/launcher"]);
        let Event::Failed { message, transient } = told.recv_timeout(WATCHDOG).unwrap() else {
            panic!("it started")
        };
        assert!(message.contains("/no/such/launcher") && !transient, "{message}");
    }

    #[test]
    fn what_cannot_be_watched_does_not_run() {
        let mut reactor = idle_reactor();
        reactor.epoll = Epoll(null().into());
        let (command, told) = launch_command(1, "sleep 1000");
        reactor.obey(command);
        let failed = told.try_recv().unwrap();
        assert!(matches!(failed, Event::Failed { transient: false, .. }), "{failed:?}");
        assert!(reactor.workers.is_empty());
    }

    /// Launches `script` on `reactor` and waits until it has ended, without telling the reactor.
    fn ended(reactor: &mut Reactor, id: WorkerId, script: &str) -> Receiver<Event> {
        let (command, told) = launch_command(id, script);
        reactor.obey(command);
        assert!(matches!(told.try_recv(), Ok(Event::Spawned { .. })));
        let worker = &reactor.workers[&id];
        let mut ready = [PollFd::new(worker.pidfd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ready, 20_000u16), Ok(1));
        told
    }

    #[test]
    fn nobody_to_kill_is_no_error_and_starts_nothing() {
        const CHILD: &str = "KNITTING_TEST_NO_REACTOR";
        if std::env::var_os(CHILD).is_some() {
            kill(1, Duration::ZERO).unwrap();
            assert!(running().is_none());
            return;
        }
        let mut this = process::Command::new(std::env::current_exe().unwrap());
        let this = only_this_test(&mut this, "nobody_to_kill_is_no_error_and_starts_nothing");
        assert!(this.env(CHILD, "1").status().unwrap().success());
    }

    #[test]
    fn a_reactor_that_ends_tells_everybody() {
        let mut reactor = idle_reactor();
        let (command, running) = launch_command(1, "exec sleep 1000");
        reactor.obey(command);
        let Ok(Event::Spawned { pid }) = running.try_recv() else { panic!("it did not start") };
        let (command, queued) = launch_command(2, "exit 0");
        reactor.inbox.commands.push(command);
        reactor.inbox.commands.push(Command::Kill { id: 1, grace: WATCHDOG });
        drop(reactor);
        assert!(matches!(running.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
        assert!(matches!(queued.try_recv(), Ok(Event::Failed { transient: true, .. })));
        assert!(nix::sys::signal::kill(Pid::from_raw(pid), None).is_err(), "the worker is still there");
    }

    #[test]
    fn a_reactor_without_its_epoll_ends() {
        let mut reactor = idle_reactor();
        let (command, told) = launch_command(1, "exec sleep 1000");
        reactor.obey(command);
        reactor.epoll = Epoll(null().into());
        reactor.run();
        assert!(matches!(told.try_recv(), Ok(Event::Spawned { .. })));
        assert!(matches!(told.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
    }

    #[test]
    fn what_ended_workers_leave_is_bounded_and_its_end_is_kept() {
        let mut reactor = idle_reactor();
        for id in 0..10 {
            // A pipe holds 64 KiB, and nobody reads it before the worker has ended.
            let script = "head -c 60000 /dev/zero | tr '\\0' '\\n' >&2; echo end >&2";
            let told = ended(&mut reactor, id, script);
            reactor.reap(id);
            let Ok(Event::Exited { code: Some(0), stderr_tail, .. }) = told.try_recv() else {
                panic!("it did not end well")
            };
            assert!(stderr_tail.ends_with("end\n"));
            assert!(reactor.output.len() < OUTPUT_BYTES + 2 * LINE_BYTES);
        }
        assert!(reactor.output.len() >= OUTPUT_BYTES);
    }

    #[test]
    fn a_large_pipe_is_read_to_its_end() {
        let mut reactor = idle_reactor();
        let (command, told) = launch_command(1, "head -c 500000 /dev/zero | tr '\\0' x >&2; echo end >&2");
        // Room for all of it before the worker writes, so that the end lies far behind the first portion.
        let Command::Launch { id, launch, lock, sink } = command else { unreachable!() };
        let launched = reactor.start(id, launch).unwrap();
        fcntl(&launched.stderr, FcntlArg::F_SETPIPE_SZ(LAST_BYTES as i32)).unwrap();
        let Launched { pid, pidfd, stderr, .. } = launched;
        let stderr = Some(File::from(OwnedFd::from(stderr)));
        let (tail, line) = (VecDeque::new(), Vec::new());
        let mut ready = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut ready, 20_000u16), Ok(1));
        reactor.workers.insert(id, Worker { pid, pidfd, stderr, tail, line, lock, kill_at: None, sink });
        reactor.reap(id);
        let Ok(Event::Exited { stderr_tail, .. }) = told.try_recv() else { panic!("it was not reaped") };
        assert!(stderr_tail.ends_with("xend\n"));
    }

    #[test]
    fn a_number_that_may_be_somebody_elses_is_not_killed() {
        use std::os::unix::process::CommandExt;
        let mut reactor = idle_reactor();
        let told = ended(&mut reactor, 1, "exit 3");
        let mut bystander = process::Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let worker = reactor.workers.get_mut(&1).unwrap();
        nix::sys::wait::waitpid(worker.pid, None).unwrap();
        worker.pid = Pid::from_raw(bystander.id() as i32);
        worker.kill();
        reactor.reap(1);
        assert!(matches!(told.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
        std::thread::sleep(Duration::from_millis(50));
        assert!(bystander.try_wait().unwrap().is_none(), "a bystander was killed");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
