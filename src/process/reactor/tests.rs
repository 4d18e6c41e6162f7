use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::epoll::Epoll;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::child::GIVEN_UP;
use super::command::Command;
use super::event_loop::EventLoop;
use super::inbox::{Inbox, running};
use super::line_meter::lines_in;
use super::{
    Event, EventHandler, KillMode, LaunchRequest, MemoryLimit, WorkerId, attached, kill, watch_memory,
};
use crate::process::launch::{Launch, Role};
use crate::process::message_rate::MessageRate;
use crate::process::output::{STDERR_TAIL_BYTES, Stdio, Stream};
use crate::process::owner_lock::{self, Owner};
use crate::sys::pidfd;
use crate::transport::layout::Geometry;
use crate::transport::segment::Segment;

const WATCHDOG: Duration = Duration::from_secs(20);
static NEXT: AtomicU64 = AtomicU64::new(1);

fn null() -> File {
    File::options().read(true).write(true).open("/dev/null").unwrap()
}

fn request(argv: &[&str], on_event: EventHandler) -> LaunchRequest {
    let launch = Launch {
        argv: argv.iter().map(|&argument| argument.into()).collect(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: None,
        stdin: null().into(),
        reads_stdout: true,
        role: Role::Worker,
    };
    LaunchRequest { launch, lock: null(), stdio: Stdio::Inherit, messages: None, on_event }
}

fn on_event() -> (EventHandler, Receiver<Event>) {
    let (tell, told) = channel();
    (Box::new(move |event| tell.send(event).unwrap()), told)
}

fn start(argv: &[&str]) -> (WorkerId, Receiver<Event>) {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (on_event, told) = on_event();
    super::launch(id, request(argv, on_event)).unwrap();
    (id, told)
}

/// A reactor without a thread, which does what the test says. It is not the running one.
fn idle_reactor() -> EventLoop {
    let inbox = Inbox::new().unwrap();
    let epoll = inbox.epoll().unwrap();
    EventLoop::new(Arc::new(inbox), epoll)
}

fn launch_command(id: WorkerId, script: &str) -> (Command, Receiver<Event>) {
    let (on_event, told) = on_event();
    (Command::Launch { id, request: Box::new(request(&["/bin/sh", "-c", script], on_event)) }, told)
}

fn shell(script: &str) -> (WorkerId, Receiver<Event>) {
    start(&["/bin/sh", "-c", script])
}

fn exit(events: &Receiver<Event>) -> (Option<i32>, Option<&'static str>, String) {
    loop {
        match events.recv_timeout(WATCHDOG).unwrap() {
            Event::Spawned { pid } => assert!(pid > 0),
            Event::Exited { code, signal, stderr_tail, .. } => return (code, signal, stderr_tail),
            other => panic!("{other:?}"),
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
    kill(id, Duration::from_millis(300), KillMode::Prompt).unwrap();
    let (_, signal, tail) = exit(&events);
    assert_eq!(signal, Some("SIGKILL"));
    assert!(started.elapsed() >= Duration::from_millis(300));
    let child: i32 = tail.trim().parse().unwrap();
    let gone = Instant::now() + WATCHDOG;
    // A zombie whose new parent has not looked yet counts as gone.
    while std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
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
        kill(flood, Duration::ZERO, KillMode::Prompt).unwrap();
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
    let Event::Failed { message, retryable } = told.recv_timeout(WATCHDOG).unwrap() else {
        panic!("it started")
    };
    assert!(message.contains("/no/such/launcher") && !retryable, "{message}");
}

#[test]
fn what_cannot_be_watched_does_not_run() {
    let mut reactor = idle_reactor();
    reactor.epoll = Epoll(null().into());
    let (command, told) = launch_command(1, "sleep 1000");
    reactor.handle(command);
    let failed = told.try_recv().unwrap();
    assert!(matches!(failed, Event::Failed { retryable: false, .. }), "{failed:?}");
    assert!(reactor.workers.is_empty());
}

/// Launches `script` on `reactor` and waits until it has ended, without telling the reactor.
fn ended(reactor: &mut EventLoop, id: WorkerId, script: &str) -> Receiver<Event> {
    let (command, told) = launch_command(id, script);
    reactor.handle(command);
    assert!(matches!(told.try_recv(), Ok(Event::Spawned { .. })));
    let worker = &reactor.workers[&id];
    let mut ready = [PollFd::new(worker.child.pidfd.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut ready, 20_000u16), Ok(1));
    told
}

#[test]
fn nobody_to_kill_is_no_error_and_starts_nothing() {
    const CHILD: &str = "KNITTING_TEST_NO_REACTOR";
    if std::env::var_os(CHILD).is_some() {
        kill(1, Duration::ZERO, KillMode::Prompt).unwrap();
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
    reactor.handle(command);
    let Ok(Event::Spawned { pid }) = running.try_recv() else { panic!("it did not start") };
    let (command, queued) = launch_command(2, "exit 0");
    reactor.inbox.commands.push(command);
    reactor.inbox.commands.push(Command::Kill { id: 1, grace: WATCHDOG, mode: KillMode::Orderly });
    drop(reactor);
    assert!(matches!(running.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
    assert!(matches!(queued.try_recv(), Ok(Event::Failed { retryable: true, .. })));
    assert!(nix::sys::signal::kill(Pid::from_raw(pid), None).is_err(), "the worker is still there");
}

#[test]
fn a_reactor_without_its_epoll_ends() {
    let mut reactor = idle_reactor();
    let (command, told) = launch_command(1, "exec sleep 1000");
    reactor.handle(command);
    reactor.epoll = Epoll(null().into());
    reactor.run();
    assert!(matches!(told.try_recv(), Ok(Event::Spawned { .. })));
    assert!(matches!(told.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
}

#[test]
fn what_an_ended_worker_wrote_last_is_kept() {
    let mut reactor = idle_reactor();
    // A pipe holds 64 KiB, and nobody reads it before the worker has ended.
    let script = "head -c 60000 /dev/zero | tr '\\0' '\\n' >&2; echo end >&2";
    let told = ended(&mut reactor, 1, script);
    reactor.reap(1);
    let Ok(Event::Exited { code: Some(0), stderr_tail, .. }) = told.try_recv() else {
        panic!("it did not end well")
    };
    assert!(stderr_tail.ends_with("end\n"));
}

#[test]
fn lines_become_events_before_the_end_is_told() {
    let (on_event, told) = on_event();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let script = "echo one; echo two >&2; printf three";
    let request = LaunchRequest { stdio: Stdio::Pipe, ..request(&["/bin/sh", "-c", script], on_event) };
    super::launch(id, request).unwrap();
    let mut lines = [Vec::new(), Vec::new()];
    loop {
        match told.recv_timeout(WATCHDOG).unwrap() {
            Event::Output { stream, lines: more, .. } => lines[stream as usize].extend(more),
            Event::Exited { stderr_tail, .. } => break assert_eq!(stderr_tail, "two\n"),
            Event::Spawned { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lines, [b"one\nthree\n".to_vec(), b"two\n".to_vec()]);
}

#[test]
fn a_flood_waits_until_its_events_are_taken() {
    let (on_event, told) = on_event();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let request = LaunchRequest { stdio: Stdio::Pipe, ..request(&["/bin/sh", "-c", "exec yes"], on_event) };
    super::launch(id, request).unwrap();
    let mut untaken = Vec::new();
    let mut bytes = 0;
    while let Ok(event) = told.recv_timeout(Duration::from_millis(500)) {
        if let Event::Output { lines, receipt, .. } = event {
            bytes += lines.len();
            untaken.push(receipt);
        }
    }
    assert!(bytes > 0 && bytes < 4 * 1024 * 1024, "{bytes} bytes");
    drop(untaken);
    assert!(matches!(told.recv_timeout(WATCHDOG), Ok(Event::Output { .. })), "it goes on");
    kill(id, Duration::ZERO, KillMode::Prompt).unwrap();
    drop(told.iter().find(|event| matches!(event, Event::Exited { .. })).unwrap());
}

#[test]
fn a_worker_that_sends_too_much_is_told_once_and_not_read_any_more() {
    let (on_event, told) = on_event();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let messages = Some(Arc::new(MessageRate::new(100)));
    let request = request(&["/bin/sh", "-c", "exec yes"], on_event);
    super::launch(id, LaunchRequest { stdio: Stdio::Pipe, messages, ..request }).unwrap();
    let mut lines = 0;
    let flood = loop {
        match told.recv_timeout(WATCHDOG).unwrap() {
            Event::Output { lines: more, .. } => lines += lines_in(&more),
            Event::Flooded(flood) => break flood,
            Event::Spawned { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(flood.messages > 100 * flood.seconds, "{flood:?}");
    assert_eq!(lines, flood.messages);
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "it is held up");
    kill(id, Duration::ZERO, KillMode::Prompt).unwrap();
    let events: Vec<_> = told.iter().collect();
    assert!(!events.iter().any(|event| matches!(event, Event::Flooded(_))));
    assert!(matches!(events.last(), Some(Event::Exited { signal: Some("SIGKILL"), .. })));
}

#[test]
fn output_that_is_ignored_is_not_counted() {
    let (on_event, told) = on_event();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let messages = Some(Arc::new(MessageRate::new(100)));
    let script = "yes | head -n 1000 >&2";
    let request =
        LaunchRequest { stdio: Stdio::Ignore, messages, ..request(&["/bin/sh", "-c", script], on_event) };
    super::launch(id, request).unwrap();
    assert_eq!(exit(&told).0, Some(0));
}

#[test]
fn a_number_that_may_be_somebody_elses_is_not_killed() {
    use std::os::unix::process::CommandExt;
    let mut reactor = idle_reactor();
    let told = ended(&mut reactor, 1, "exit 3");
    let mut bystander = process::Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let worker = reactor.workers.get_mut(&1).unwrap();
    nix::sys::wait::waitpid(worker.child.pid, None).unwrap();
    worker.child.pid = Pid::from_raw(bystander.id() as i32);
    worker.kill();
    reactor.reap(1);
    assert!(matches!(told.try_recv(), Ok(Event::Exited { code: None, signal: None, .. })));
    std::thread::sleep(Duration::from_millis(50));
    assert!(bystander.try_wait().unwrap().is_none(), "a bystander was killed");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

/// This test binary as a worker of the test `name`, in which `role` says what it is to do.
fn this_test_as(name: &str, role: &str) -> LaunchRequest {
    let this = std::env::current_exe().unwrap();
    let name = format!("process::reactor::tests::{name}");
    let (on_event, _) = on_event();
    let mut request = request(&[this.to_str().unwrap(), "--exact", &name, "--test-threads=1"], on_event);
    request.launch.env.push((ROLE.into(), role.into()));
    request
}

const ROLE: &str = "KNITTING_TEST_REACTOR_ROLE";

/// Traces its parent, of whose end nobody else is told then, for as long as it lives itself.
fn trace_parent() {
    let traced = i32::from(ptrace::seize(nix::unistd::getppid(), ptrace::Options::empty()).is_err());
    // Not captured, as what a macro prints would be.
    writeln!(io::stderr(), "{traced} {}", process::id()).unwrap();
    loop {
        std::thread::park();
    }
}

/// Has itself traced by a process outside its group, and ends.
fn be_traced(name: &str) {
    use std::os::unix::process::CommandExt;
    // An error where nobody keeps processes from tracing others.
    let _ = pidfd::let_any_process_trace();
    let mut tracer = process::Command::new(std::env::current_exe().unwrap());
    let tracer = only_this_test(&mut tracer, name).env(ROLE, "tracer").process_group(0);
    let mut tracer = tracer.stderr(process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(tracer.stderr.take().unwrap()).read_line(&mut line).unwrap();
    write!(io::stderr(), "{line}").unwrap();
    process::exit(3);
}

#[test]
fn a_worker_that_somebody_keeps_from_being_reaped_is_given_up() {
    const NAME: &str = "a_worker_that_somebody_keeps_from_being_reaped_is_given_up";
    match std::env::var(ROLE).as_deref() {
        Ok("tracer") => return trace_parent(),
        Ok(_) => return be_traced(NAME),
        Err(_) => {}
    }
    let (on_event, told) = on_event();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let started = Instant::now();
    super::launch(id, LaunchRequest { on_event, ..this_test_as(NAME, "traced") }).unwrap();
    let (code, signal, tail) = exit(&told);
    assert!(started.elapsed() >= GIVEN_UP, "{code:?} {signal:?}: {tail}");
    assert_eq!((code, signal), (None, None));
    let (traced, tracer) = tail.trim().split_once(' ').unwrap();
    assert_eq!(traced, "0", "it could not be traced");
    nix::sys::signal::kill(Pid::from_raw(tracer.parse().unwrap()), Signal::SIGKILL).unwrap();
}

/// A process of the test `name`, which writes its number to stderr, and that of a process that it has started.
fn inner_process(name: &str, role: &str) {
    use std::os::unix::process::CommandExt;
    let mut inner = process::Command::new(std::env::current_exe().unwrap());
    let inner = only_this_test(&mut inner, name).env(ROLE, role).process_group(0);
    inner.spawn().unwrap().wait().unwrap();
}

/// Attaches to the memory on descriptor 0, maps it if it is to be `honest`, and starts another process.
fn work(honest: bool) {
    let lock = owner_lock::reopen(io::stdin()).unwrap();
    let _mapped = honest.then(|| memmap2::MmapRaw::map_raw(&lock).unwrap());
    owner_lock::hold(&lock, Owner::Worker).unwrap();
    owner_lock::show_process(&lock).unwrap();
    let mut started = process::Command::new("sleep").arg("1000").spawn().unwrap();
    writeln!(io::stderr(), "{} {}", process::id(), started.id()).unwrap();
    started.wait().unwrap();
}

/// Launches a wrapper of the test `name`, with a worker in a group of its own, and waits for that.
fn launch_wrapper(name: &str, role: &str) -> (WorkerId, Receiver<Event>, Vec<i32>) {
    let (_, memory) = Segment::create(Geometry::new(1).unwrap()).unwrap();
    let lock = owner_lock::reopen(&memory).unwrap();
    let (on_event, told) = on_event();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut request = LaunchRequest { on_event, lock, stdio: Stdio::Pipe, ..this_test_as(name, role) };
    request.launch.role = Role::Wrapper;
    request.launch.stdin = memory;
    super::launch(id, request).unwrap();
    loop {
        let event = told.recv_timeout(WATCHDOG).unwrap();
        if let Event::Output { stream: Stream::Stderr, lines, .. } = event {
            let line = String::from_utf8(lines).unwrap();
            let pids = line.split_whitespace().map(|pid| pid.parse().expect(&line)).collect();
            return (id, told, pids);
        }
    }
}

fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_worker_behind_a_wrapper_is_killed_with_its_group_whether_it_has_told_of_itself_or_not() {
    const NAME: &str =
        "a_worker_behind_a_wrapper_is_killed_with_its_group_whether_it_has_told_of_itself_or_not";
    match std::env::var(ROLE).as_deref() {
        Ok("wrapper") => return inner_process(NAME, "worker"),
        Ok(_) => return work(true),
        Err(_) => {}
    }
    for tells in [true, false] {
        let (id, told, pids) = launch_wrapper(NAME, "wrapper");
        if tells {
            attached(id).unwrap();
            let attached = told.iter().find(|event| matches!(event, Event::Attached { .. })).unwrap();
            assert!(matches!(attached, Event::Attached { pid: Some(pid) } if pid == pids[0]));
        }
        kill(id, Duration::ZERO, KillMode::Prompt).unwrap();
        let exited = told.iter().find(|event| matches!(event, Event::Exited { .. })).unwrap();
        assert!(matches!(exited, Event::Exited { lives_on: false, .. }), "{exited:?}");
        let gone = Instant::now() + WATCHDOG;
        while pids.iter().any(|&pid| lives(pid)) {
            assert!(Instant::now() < gone, "of {pids:?} some are left");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_process_that_does_not_use_the_memory_is_neither_told_of_nor_killed() {
    const NAME: &str = "a_process_that_does_not_use_the_memory_is_neither_told_of_nor_killed";
    match std::env::var(ROLE).as_deref() {
        Ok("wrapper") => return inner_process(NAME, "bystander"),
        Ok(_) => return work(false),
        Err(_) => {}
    }
    let (id, told, pids) = launch_wrapper(NAME, "wrapper");
    attached(id).unwrap();
    let attached = told.iter().find(|event| matches!(event, Event::Attached { .. })).unwrap();
    assert!(matches!(attached, Event::Attached { pid: None }), "{attached:?}");
    kill(id, Duration::ZERO, KillMode::Prompt).unwrap();
    assert!(told.iter().any(|event| matches!(event, Event::Outlives)));
    assert!(pids.iter().all(|&pid| lives(pid)), "a bystander was killed");
    for pid in pids {
        nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    assert!(told.iter().any(|event| matches!(event, Event::Exited { lives_on: false, .. })));
}

const MEBIBYTE: u64 = 1024 * 1024;

fn limit(mebibytes: u64) -> MemoryLimit {
    let every = Duration::from_millis(10);
    MemoryLimit { bytes: mebibytes * MEBIBYTE, every, bound: None, has_programs: true }
}

/// A shell that does so, in a group with its programs, once it has said so.
fn started(script: &str) -> (WorkerId, Receiver<Event>) {
    let (on_event, told) = on_event();
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let request = LaunchRequest { stdio: Stdio::Pipe, ..request(&["/bin/sh", "-c", script], on_event) };
    super::launch(id, request).unwrap();
    drop(told.iter().find(|event| matches!(event, Event::Output { .. })).unwrap());
    (id, told)
}

fn watched(told: &Receiver<Event>) -> Option<u64> {
    match told.iter().find(|event| matches!(event, Event::Watched { .. })) {
        Some(Event::Watched { memory }) => memory,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_that_is_over_its_memory_limit_is_told_of_once_and_lives_on() {
    let (id, told) = started("x=$(head -c 24000000 /dev/zero | tr '\\0' x); echo holds >&2; sleep 1000");
    watch_memory(id, limit(20)).unwrap();
    assert!(watched(&told).is_some_and(|memory| memory > 20 * MEBIBYTE));
    let exceeded = told.recv_timeout(WATCHDOG).unwrap();
    assert!(matches!(exceeded, Event::Exceeded { is_far: false, .. }), "{exceeded:?}");
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "something else was told");
    kill(id, Duration::ZERO, KillMode::Prompt).unwrap();
    exit(&told);
}

#[test]
fn a_worker_that_is_far_over_its_memory_limit_is_killed() {
    let grows = "sleep 0.3; x=$(head -c 64000000 /dev/zero | tr '\\0' x); sleep 1000";
    // In the worker itself, and in a program that it has started.
    for script in [format!("echo begins >&2; {grows}"), format!("echo begins >&2; (:; {grows}) & wait")] {
        let (id, told) = started(&script);
        watch_memory(id, limit(16)).unwrap();
        assert!(watched(&told).is_some_and(|memory| memory < 16 * MEBIBYTE));
        let exceeded = told.iter().find(|event| matches!(event, Event::Exceeded { is_far: true, .. }));
        assert!(
            exceeded.is_some_and(
                |event| matches!(event, Event::Exceeded { memory, .. } if memory > 16 * MEBIBYTE)
            )
        );
        assert_eq!(exit(&told).1, Some("SIGKILL"));
    }
}

#[test]
fn a_worker_that_cannot_be_seen_is_not_watched() {
    const NAME: &str = "a_worker_that_cannot_be_seen_is_not_watched";
    match std::env::var(ROLE).as_deref() {
        Ok("wrapper") => return inner_process(NAME, "bystander"),
        Ok(_) => return work(false),
        Err(_) => {}
    }
    let (id, told, pids) = launch_wrapper(NAME, "wrapper");
    attached(id).unwrap();
    watch_memory(id, limit(1)).unwrap();
    assert_eq!(watched(&told), None);
    kill(id, Duration::ZERO, KillMode::Prompt).unwrap();
    for pid in pids {
        nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    assert!(told.iter().any(|event| matches!(event, Event::Exited { .. })));
}
