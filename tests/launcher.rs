//! The launcher, run as a host runs it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Pid, setpgid};

const ROLE: &str = "KNITTING_TEST_GROUP";
const WATCHDOG: Duration = Duration::from_secs(20);

/// The children of this process, by the thread that was there before it had others.
fn children() -> Vec<i32> {
    let pid = process::id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// A zombie counts as gone.
fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn gone(pid: i32) {
    let deadline = Instant::now() + WATCHDOG;
    while lives(pid) {
        assert!(Instant::now() < deadline, "{pid} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The wrapper: puts its watchdog into another group, leaves a process in its own, and ends.
fn wrapper(group: i32) {
    let watchdog = children()[0];
    setpgid(Pid::from_raw(watchdog), Pid::from_raw(group)).unwrap();
    let left =
        Command::new("sleep").arg("1000").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap().id();
    fs::write(std::env::var("KNITTING_TEST_FILE").unwrap(), format!("{watchdog} {left}")).unwrap();
}

#[test]
fn a_watchdog_that_was_moved_to_another_group_kills_its_own() {
    if let Ok(group) = std::env::var(ROLE) {
        return wrapper(group.parse().unwrap());
    }
    let mut bystander = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let file = std::env::temp_dir().join(format!("knitting-launcher-{}", process::id()));
    let status = Command::new(env!("CARGO_BIN_EXE_knitting-launcher"))
        .args([&process::id().to_string(), "--watchdog=0", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_watchdog_that_was_moved_to_another_group_kills_its_own", "--test-threads=1"])
        .env(ROLE, bystander.id().to_string())
        .env("KNITTING_TEST_FILE", &file)
        .stdout(Stdio::null())
        .process_group(0)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let written = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let (watchdog, left) = written.split_once(' ').unwrap();
    gone(watchdog.parse().unwrap());
    let survived = bystander.try_wait().unwrap().is_none();
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    assert!(survived, "a bystander was killed");
    gone(left.parse().unwrap());
}
