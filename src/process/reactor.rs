//! The reactor: the one thread of a host process that starts its workers and watches them.
//!
//! ```text
//!   JavaScript thread --commands--> reactor --events--> the sink each launch came with
//!                                   epoll: command bell | pidfd and stderr of each worker | kill deadlines
//! ```
//!
//! It runs while there is anything to watch, and starts the workers itself because their death signal follows the
//! thread that started them. It never touches a segment. A worker that ends is reaped here, with its whole group.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_queue::SegQueue;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::host_stderr::{HostStderr, Written};
use super::launch::{Launch, LaunchError, Launched};
use super::owner_lock::{self, Owner};

/// Bytes of a worker's stderr that are kept for errors.
pub const STDERR_TAIL_BYTES: usize = 8 * 1024;
/// A line longer than this is passed on in pieces.
const LINE_BYTES: usize = 16 * 1024;
/// How long to wait before the host's stderr is tried again when it takes nothing.
const STDERR_RETRY: Duration = Duration::from_millis(20);

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
    Attached { id: WorkerId },
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

/// The worker holds its owner lock now: it counts as gone when it lets go of it.
pub fn attached(id: WorkerId) -> io::Result<()> {
    submit(Command::Attached { id })
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
        None => {
            let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
            let inbox = Arc::new(Inbox { commands: SegQueue::new(), bell });
            let reactor = Reactor::new(inbox.clone())?;
            std::thread::Builder::new().name("knitting-reactor".into()).spawn(move || reactor.run())?;
            running.insert(inbox).clone()
        }
    };
    inbox.commands.push(command);
    inbox.bell.write(1)?;
    Ok(())
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
    fn new(inbox: Arc<Inbox>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&inbox.bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        Ok(Self { inbox, epoll, workers: HashMap::new(), output: VecDeque::new(), paused: Vec::new() })
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
                Err(error) => unreachable!("epoll on descriptors of our own: {error}"),
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
            Command::Attached { id } => {
                if let Some(lock) = self.workers.get(&id).and_then(|worker| worker.lock.try_clone().ok()) {
                    watch_lock(id, lock);
                }
            }
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
        if worker.read_available(&mut self.output) {
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
            _ => {}
        }
        worker.kill();
        let status = waitid(Id::PIDFd(worker.pidfd.as_fd()), ended);
        let Some(mut worker) = self.workers.remove(&id) else { return };
        worker.read_available(&mut self.output);
        if !worker.line.is_empty() {
            worker.line.push(b'\n');
            self.output.extend(worker.line.drain(..));
        }
        let (code, signal) = match status {
            Ok(WaitStatus::Exited(_, code)) => (Some(code), None),
            Ok(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal.as_str())),
            // Reaped by somebody else: it is gone, and more cannot be known.
            _ => (None, None),
        };
        let stderr_tail = String::from_utf8_lossy(worker.tail.make_contiguous()).into_owned();
        // The descriptors close, and with them epoll forgets it, before anybody hears of it.
        let sink = worker.sink;
        drop((worker.pidfd, worker.stderr, worker.lock));
        sink(Event::Exited { code, signal, stderr_tail });
    }
}

impl Worker {
    /// Kills the worker, which may have left its group, and what is in the group. It is not reaped yet, so its number
    /// cannot be anybody else's.
    fn kill(&self) {
        // ESRCH is the only error possible, and good news.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL);
        let _ = killpg(self.pid, Signal::SIGKILL);
    }

    /// Moves what stderr has now into the tail, and whole lines to `output`. True at its end.
    fn read_available(&mut self, output: &mut VecDeque<u8>) -> bool {
        let Some(stderr) = &mut self.stderr else { return true };
        let mut buffer = [0; LINE_BYTES];
        // A flood is taken in portions, so that other workers get their turn.
        for _ in 0..4 {
            let bytes = match stderr.read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            };
            self.tail.extend(bytes);
            self.tail.drain(..self.tail.len().saturating_sub(STDERR_TAIL_BYTES));
            self.line.extend_from_slice(bytes);
            let whole = self.line.iter().rposition(|&byte| byte == b'\n').map_or(0, |index| index + 1);
            let whole = if self.line.len() - whole > LINE_BYTES { self.line.len() } else { whole };
            output.extend(self.line.drain(..whole));
        }
        false
    }
}

/// Kills the worker when it lets go of its owner lock: then it is gone, or not what it was.
fn watch_lock(id: WorkerId, lock: File) {
    let thread = std::thread::Builder::new().name("knitting-lock".into()).stack_size(64 * 1024);
    // Without the thread the pidfd still tells.
    let _ = thread.spawn(move || {
        if owner_lock::await_release(&lock, Owner::Worker).is_ok() {
            let _ = kill(id, Duration::ZERO);
        }
    });
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
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).unwrap();
        Reactor::new(Arc::new(Inbox { commands: SegQueue::new(), bell })).unwrap()
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
            let name = "process::reactor::tests::a_host_stderr_that_nobody_reads_stops_nothing";
            let arguments = ["--exact", name, "--test-threads=1"];
            command.args(arguments).env(CHILD, "1").stdout(process::Stdio::null()).status()
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
}
