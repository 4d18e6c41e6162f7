//! What processes and threads use, as procfs tells it: memory and processor time.
//!
//! A worker that may start programs is all processes of its group: what a program of the worker's uses is the
//! worker's. A process that has left the group is not found here, and is not killed with the worker either.
//!
//! The memory of a process is RssAnon + VmSwap. Pages that are shared with the host, such as those of a lane,
//! are RssShmem, and the code of the runtime is RssFile.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use nix::unistd::{Pid, SysconfVar, getpgid, sysconf};

/// The processes of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The worker's own process.
    pub worker: Pid,
    /// The group that its programs are in. `None` if it can't start any.
    pub group: Option<Pid>,
}

/// The groups of all processes that can be seen from here, looked up when somebody asks for the first time.
#[derive(Debug, Default)]
pub struct Groups(Option<HashMap<Pid, Vec<Pid>>>);

/// The memory of one process, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// What it uses and nobody else does, swapped memory included.
    pub private: u64,
    /// What it may write to, used or not, as RLIMIT_DATA counts it.
    pub data: u64,
}

impl Family {
    /// Bytes of memory that the worker uses. `None` if its own process can't be seen.
    pub fn memory(&self, groups: &mut Groups) -> Option<u64> {
        let own = memory_of(self.worker)?.private;
        let others = self.others(groups).filter_map(memory_of).map(|memory| memory.private);
        Some(own + others.sum::<u64>())
    }

    /// Processor time that the worker has used, with that of its programs that have ended. `None` if its own
    /// process can't be seen.
    pub fn processor_time(&self, groups: &mut Groups) -> Option<Duration> {
        let own = processor_time_of(self.worker)?;
        Some(own + self.others(groups).filter_map(processor_time_of).sum())
    }

    fn others(&self, groups: &mut Groups) -> impl Iterator<Item = Pid> {
        let members = self.group.map(|group| groups.members(group).to_vec()).unwrap_or_default();
        let own = self.worker;
        members.into_iter().filter(move |&pid| pid != own)
    }
}

impl Groups {
    fn members(&mut self, group: Pid) -> &[Pid] {
        self.0.get_or_insert_with(all).get(&group).map_or(&[], Vec::as_slice)
    }
}

/// All groups. To ask for the group of a process costs a tenth of reading one of its files.
fn all() -> HashMap<Pid, Vec<Pid>> {
    let mut groups = HashMap::<Pid, Vec<Pid>>::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw);
        if let Some(pid) = pid
            && let Ok(group) = getpgid(Some(pid))
        {
            groups.entry(group).or_default().push(pid);
        }
    }
    groups
}

/// The memory of a process. `None` if there is none of that number here.
pub fn memory_of(pid: Pid) -> Option<Memory> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let mut memory = Memory::default();
    for line in status.split(|&byte| byte == b'\n') {
        match line.iter().position(|&byte| byte == b':').map(|colon| line.split_at(colon)) {
            Some((b"RssAnon" | b"VmSwap", value)) => memory.private += bytes(value),
            Some((b"VmData", value)) => memory.data = bytes(value),
            _ => {}
        }
    }
    // A zombie has none, and a kernel thread has no such lines.
    Some(memory)
}

/// The bytes that a value such as `:   123 kB` means.
fn bytes(value: &[u8]) -> u64 {
    value
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
        * 1024
}

/// Processor time that a process has used, with that of its children that it has waited for. The system counts
/// in hundredths of a second.
fn processor_time_of(pid: Pid) -> Option<Duration> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may have anything in it.
    let rest = &stat[stat.iter().rposition(|&byte| byte == b')')? + 1..];
    let fields = std::str::from_utf8(rest).ok()?.split_ascii_whitespace();
    let ticks: u64 = fields.skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK).ok()?? as u64;
    Some(Duration::from_millis(ticks * 1000 / per_second))
}

/// Processor time that a thread of this process has used.
pub fn processor_time_of_thread(thread: Pid) -> Option<Duration> {
    let schedule = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
    schedule.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use memmap2::MmapMut;
    use nix::unistd::{getpid, gettid};

    const MEBIBYTE: u64 = 1024 * 1024;

    #[test]
    fn private_memory_counts_once_it_is_touched_and_shared_memory_does_not() {
        let private = || memory_of(getpid()).unwrap().private;
        let before = private();
        let mut untouched = MmapMut::map_anon(64 << 20).unwrap();
        let file = crate::sys::memory::anonymous_file("shared").unwrap();
        file.set_len(64 << 20).unwrap();
        // SAFETY: nobody else has the file.
        let mut shared = unsafe { MmapMut::map_mut(&file) }.unwrap();
        shared.fill(1);
        // Other tests run beside this one.
        assert!(private() < before + 48 * MEBIBYTE, "{} of {before}", private());
        untouched.fill(1);
        assert!(private() >= before.saturating_sub(16 * MEBIBYTE) + 64 * MEBIBYTE);
        assert!(memory_of(getpid()).unwrap().data > 64 * MEBIBYTE);
    }

    #[test]
    fn the_programs_of_a_worker_count_as_the_worker() {
        let script = "sh -c 'echo ready; sleep 1000' & wait";
        let mut worker = Command::new("sh");
        let worker = worker.args(["-c", script]).process_group(0).stdout(Stdio::piped());
        let mut worker = worker.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(worker.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_raw(worker.id().cast_signed());
        let alone = Family { worker: pid, group: None };
        let together = Family { worker: pid, group: Some(pid) };
        let memory = |family: Family| family.memory(&mut Groups::default()).unwrap();
        assert!(memory(alone) > 0);
        assert!(memory(together) > memory(alone));
        assert!(together.processor_time(&mut Groups::default()).is_some());
        let _ = nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGKILL);
        worker.wait().unwrap();
        assert_eq!(alone.memory(&mut Groups::default()), None);
    }

    #[test]
    fn processor_time_grows_with_work() {
        let time = || processor_time_of_thread(gettid());
        let before = time().unwrap();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        assert!(time().unwrap() > before);
        assert!(processor_time_of(getpid()).is_some());
        assert_eq!(processor_time_of_thread(Pid::from_raw(i32::MAX)), None);
    }
}
