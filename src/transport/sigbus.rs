//! SIGBUS: a guard by which the host lives on when memory that it shares goes away.
//!
//! ```text
//!   a peer truncates a segment, or punches holes into it and uses up the memory that they would need again
//!   the host touches it -> SIGBUS -> is the address in a live segment?
//!     yes: mark the segment as lost; private zeros take the place of all of it; the access is repeated
//!     no:  the handler that was there before gets it
//!   a lane asks for the mark after it has read, and before it believes: Violation::Lost
//! ```
//!
//! The whole segment is replaced, and not only the missing page. Each page would become a mapping of its own,
//! a process may have some 65000 of those, and a peer that punches every other page could use them up. One
//! fault is enough: from then on the peer shares nothing with the host.
//!
//! The signal can meet any thread at any point, so the handler takes no lock and allocates nothing. It reads
//! a list that only grows: its entries are reused and never freed.

use std::ffi::c_void;
use std::io;
use std::iter;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, fence};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc::{self, BUS_ADRERR, BUS_MCEERR_AO, SIG_DFL, SIG_IGN, SIGBUS, c_int, siginfo_t};

use crate::sys::{memory, signals};

/// Bytes of the unit in which addresses are counted here. A page is a multiple of it.
const GRANULE_BYTES: usize = 4096;
/// Bits of a packed range that hold its length in granules: 64 GiB. The other bits hold its first granule.
const COUNT_BITS: u32 = 24;
/// The packed range of an entry that nobody uses: no granule is in it.
const FREE: u64 = 0;

/// What the handler knows of one segment.
#[derive(Debug)]
struct Entry {
    /// Where it is mapped, packed into one word so that the handler never sees half of a change.
    range: AtomicU64,
    lost: AtomicBool,
    next: Option<&'static Entry>,
}

/// The entry that was made last.
static ENTRIES: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

/// Held while an entry is taken and while the handler is installed. The handler itself never takes it.
static CHANGING: Mutex<()> = Mutex::new(());

/// Guards one mapping while it lives.
#[derive(Debug)]
pub struct Guard(&'static Entry);

impl Guard {
    /// Guards the mapping of `bytes` at `start`. Drop the guard before the mapping.
    pub fn over(start: NonNull<u8>, bytes: usize) -> io::Result<Self> {
        let range = pack(start.as_ptr().expose_provenance(), bytes)
            .ok_or_else(|| io::Error::other("the system has put the segment where no guard can stand"))?;
        let _changing = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
        install()?;
        let free = entries().find(|entry| entry.range.load(Ordering::Relaxed) == FREE);
        let entry = free.unwrap_or_else(add_entry);
        entry.lost.store(false, Ordering::Relaxed);
        // Last, because the mark of the entry's former user must be gone before the handler can set it for
        // this one.
        entry.range.store(range, Ordering::Release);
        Ok(Self(entry))
    }

    /// True once the mapping has been replaced. It holds for everything that the calling thread read before.
    pub fn lost(&self) -> bool {
        // The mark is set before the zeros are there. The fence, which is no instruction on x86, keeps the
        // order of the reads: a thread that has read such a zero sees the mark.
        fence(Ordering::Acquire);
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Marks the mapping as lost because it is known to miss memory, although nobody has touched that yet.
    pub fn give_up(&self) {
        self.0.lost.store(true, Ordering::SeqCst);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.range.store(FREE, Ordering::Release);
    }
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    // SAFETY: null or an entry, which is never freed.
    let newest: Option<&'static Entry> = unsafe { ENTRIES.load(Ordering::Acquire).as_ref() };
    iter::successors(newest, |entry| entry.next)
}

/// Adds an entry. The caller holds `CHANGING`.
fn add_entry() -> &'static Entry {
    let entry = Entry { range: AtomicU64::new(FREE), lost: AtomicBool::new(false), next: entries().next() };
    let entry = Box::leak(Box::new(entry));
    ENTRIES.store(entry, Ordering::Release);
    entry
}

/// `None` if the range is too long, too high up, or begins within a granule.
fn pack(start: usize, bytes: usize) -> Option<u64> {
    let (first, count) = ((start / GRANULE_BYTES) as u64, bytes.div_ceil(GRANULE_BYTES) as u64);
    let fits =
        start.is_multiple_of(GRANULE_BYTES) && first < 1 << (64 - COUNT_BITS) && count < 1 << COUNT_BITS;
    fits.then_some(first << COUNT_BITS | count)
}

/// The first granule of a packed range, and how many there are.
fn unpack(range: u64) -> (u64, u64) {
    (range >> COUNT_BITS, range & ((1 << COUNT_BITS) - 1))
}

/// The action of the signal before this guard was installed.
struct Previous {
    action: libc::sigaction,
    /// True once the handler has been called, if it asked to be called only once.
    spent: AtomicBool,
}

/// Null until the handler is installed. What it points to is never freed.
static PREVIOUS: AtomicPtr<Previous> = AtomicPtr::new(ptr::null_mut());

/// Installs the handler unless it is there. The caller holds `CHANGING`.
fn install() -> io::Result<()> {
    let action = signals::action(SIGBUS)?;
    let ours = on_bus_error as *const () as libc::sighandler_t;
    let is_function = !matches!(action.sa_sigaction, SIG_DFL | SIG_IGN);
    // A handler that was installed after ours may pass on the faults that are not for it. If ours were
    // installed once more, faults could go round in a circle. But if the signal was reset to its default,
    // nobody passes anything on.
    if action.sa_sigaction == ours || (is_function && !PREVIOUS.load(Ordering::Relaxed).is_null()) {
        return Ok(());
    }
    // An earlier handler gets its signals with the flags that it asked for. Ours runs on an alternative stack
    // if the thread has one, because the stacks of some runtimes are too small.
    let kept =
        if is_function { action.sa_flags & (libc::SA_RESTART | libc::SA_NODEFER) } else { libc::SA_RESTART };
    let mut guarding = signals::action_of(ours, libc::SA_SIGINFO | libc::SA_ONSTACK | kept);
    if is_function {
        guarding.sa_mask = action.sa_mask;
    }
    let previous = Previous { action, spent: AtomicBool::new(false) };
    // Before the handler is installed, which needs it.
    PREVIOUS.store(Box::leak(Box::new(previous)), Ordering::Release);
    // SAFETY: the handler does async-signal-safe things only; the addon is never unloaded (it is linked with
    // nodelete).
    unsafe { signals::set_action(SIGBUS, &guarding) }?;
    Ok(())
}

extern "C" fn on_bus_error(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel passes a valid structure. The address is valid if the code says that memory was
    // missing, and is used in that case only.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    let helped = code == BUS_ADRERR && replace_segment(address);
    Errno::set_raw(errno);
    if !helped {
        hand_on(signal, info, context, code);
    }
}

/// Replaces the live segment around `address`. False if there is none, or the system refuses.
fn replace_segment(address: usize) -> bool {
    let granule = (address / GRANULE_BYTES) as u64;
    for entry in entries() {
        let (first, count) = unpack(entry.range.load(Ordering::Acquire));
        if granule.wrapping_sub(first) >= count {
            continue;
        }
        // Before the zeros, see `Guard::lost`. A thread that touches a segment keeps it alive, so the entry
        // still belongs to that segment.
        entry.lost.store(true, Ordering::SeqCst);
        let page = memory::page_bytes();
        let whole = (first as usize * GRANULE_BYTES, count as usize * GRANULE_BYTES);
        // The page alone, if the system does not promise as much memory as the whole segment could take.
        return [whole, (address / page * page, page)].into_iter().any(|(start, bytes)| {
            // SAFETY: the pages belong to a live segment, and every use of a segment is prepared for any
            // bytes.
            NonNull::new(ptr::with_exposed_provenance_mut(start))
                .is_some_and(|start| unsafe { memory::replace(start, bytes) }.is_ok())
        });
    }
    false
}

/// Does with a signal that is not for this guard what would have happened without it.
fn hand_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void, code: c_int) {
    // A signal for an access comes again when the access is repeated. One that another process sent does not.
    let recurs = code > 0 && code != BUS_MCEERR_AO;
    // SAFETY: null, or what `install` has leaked.
    let Some(previous) = (unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() }) else { return };
    let action = &previous.action;
    let once = action.sa_flags & libc::SA_RESETHAND != 0;
    let spent = once && previous.spent.swap(true, Ordering::SeqCst);
    match action.sa_sigaction {
        // The kernel does not let a process ignore an access that failed.
        SIG_IGN if !recurs => {}
        function if !spent && !matches!(function, SIG_DFL | SIG_IGN) => {
            // SAFETY: whoever set the action vouched for its function, whose type the flag tells.
            unsafe {
                if action.sa_flags & libc::SA_SIGINFO != 0 {
                    type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
                    let handler: Handler = std::mem::transmute(function);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(c_int) = std::mem::transmute(function);
                    handler(signal);
                }
            }
        }
        _ => {
            // SAFETY: the default action runs no code of ours. It can't fail for this signal.
            let _ = unsafe { signals::set_action(signal, &signals::action_of(SIG_DFL, 0)) };
            if !recurs {
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGBUS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::layout::{CHUNK_BYTES, Geometry, Word};
    use crate::transport::segment::Segment;
    use std::fs::File;
    use std::num::NonZero;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::FileExt;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus, Stdio};
    use std::sync::atomic::{AtomicU32, AtomicUsize};
    use std::time::{Duration, Instant};

    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::sys::mman::{MapFlags, ProtFlags, mmap};
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::signal::{Signal, raise};

    const ROLE: &str = "KNITTING_TEST_FAULT";
    const WATCHDOG: Duration = Duration::from_secs(60);
    const PAGE: usize = 4096;

    /// Runs the test `name` of this module alone in a process of its own, where `role` returns the one it was
    /// given. Not with a core dump.
    fn in_a_process(name: &str, role: &str) -> ExitStatus {
        let name = format!("transport::sigbus::tests::{name}");
        let mut this = Command::new(std::env::current_exe().unwrap());
        this.args(["--exact", &name, "--test-threads=1"]).env(ROLE, role);
        let mut child = this.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + WATCHDOG;
        loop {
            match child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > deadline => child.kill().unwrap(),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn role() -> Option<String> {
        let role = std::env::var(ROLE).ok();
        if role.is_some() {
            setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
        }
        role
    }

    fn survives(name: &str) {
        let status = in_a_process(name, "alone");
        assert!(status.success(), "{status}");
    }

    fn dies(name: &str, role: &str) {
        let status = in_a_process(name, role);
        assert_eq!(status.signal(), Some(SIGBUS), "as {role}: {status}");
    }

    fn unsealed() -> (Segment, File) {
        Segment::create_unsealed(Geometry::new(4 * CHUNK_BYTES).unwrap())
    }

    fn read(at: NonNull<u8>) -> u8 {
        // SAFETY: every caller has something mapped there.
        unsafe { at.read_volatile() }
    }

    /// A page without memory behind it, at `place` or anywhere. It belongs to no segment.
    fn missing_page(place: *mut u8) -> NonNull<u8> {
        let empty = memfd_create("empty", MFdFlags::MFD_CLOEXEC).unwrap();
        let flags = MapFlags::MAP_SHARED
            | if place.is_null() { MapFlags::empty() } else { MapFlags::MAP_FIXED_NOREPLACE };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, in nobody's place.
        let page =
            unsafe { mmap(NonZero::new(place.addr()), NonZero::new(PAGE).unwrap(), access, flags, empty, 0) };
        page.unwrap().cast()
    }

    #[test]
    fn a_truncated_segment_reads_as_zeros_and_takes_writes() {
        if role().is_none() {
            return survives("a_truncated_segment_reads_as_zeros_and_takes_writes");
        }
        let ((segment, file), (other, _)) = (unsealed(), unsealed());
        other.word(Word::Stop).store(7, Ordering::Relaxed);
        segment.word(Word::Stop).store(7, Ordering::Relaxed);
        file.set_len(0).unwrap();
        assert!(!segment.lost());
        Errno::set_raw(123);
        assert_eq!(segment.word(Word::Stop).load(Ordering::Relaxed), 0);
        assert_eq!(Errno::last_raw(), 123);
        assert!(segment.lost());
        let end = segment.at(segment.geometry().segment_bytes() - 1);
        // SAFETY: the last byte of the segment.
        unsafe { end.write_volatile(5) };
        assert_eq!(read(end), 5);
        assert_eq!(other.word(Word::Stop).load(Ordering::Relaxed), 7);
        assert!(!other.lost());
        drop(segment);
        // The entry is used again.
        let (later, file) = unsealed();
        assert!(!later.lost());
        file.set_len(PAGE as u64).unwrap();
        later.word(Word::Stop).store(1, Ordering::Relaxed);
        assert!(!later.lost());
        assert_eq!(read(later.at(PAGE)), 0);
        assert!(later.lost());
        assert_eq!(later.word(Word::Stop).load(Ordering::Relaxed), 0, "the whole segment goes");
    }

    #[test]
    fn what_is_not_for_the_guard_does_what_it_would_without() {
        const NAME: &str = "what_is_not_for_the_guard_does_what_it_would_without";
        let Some(role) = role() else {
            for role in ["elsewhere", "elsewhere, by default", "elsewhere, ignored", "after its end", "sent"]
            {
                dies(NAME, role);
            }
            let status = in_a_process(NAME, "sent, ignored");
            return assert!(status.success(), "{status}");
        };
        // Rust's own handler is there otherwise.
        for (name, disposition) in [("default", SIG_DFL), ("sent", SIG_DFL), ("ignored", SIG_IGN)] {
            if role.contains(name) {
                // SAFETY: no function.
                unsafe { signals::set_action(SIGBUS, &signals::action_of(disposition, 0)) }.unwrap();
            }
        }
        let (segment, _file) = unsealed();
        if role.contains("sent") {
            return raise(Signal::SIGBUS).unwrap();
        }
        let start = segment.at(0).as_ptr();
        let ended = role == "after its end";
        let _alive = (!ended).then_some(segment);
        read(missing_page(if ended { start } else { ptr::null_mut() }));
    }

    static CALLS: AtomicU32 = AtomicU32::new(0);
    static MISSING: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn helpful(_: c_int) {
        CALLS.fetch_add(1, Ordering::SeqCst);
        let page = NonNull::new(ptr::with_exposed_provenance_mut(MISSING.load(Ordering::SeqCst))).unwrap();
        // SAFETY: the test's own page.
        unsafe { memory::replace(page, PAGE) }.unwrap();
    }

    extern "C" fn helpful_with_information(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: as for `on_bus_error`.
        let address = unsafe { (*info).si_addr() } as usize;
        assert!(address == MISSING.load(Ordering::SeqCst) && !context.is_null());
        helpful(signal);
    }

    #[test]
    fn an_earlier_handler_gets_what_is_not_for_the_guard() {
        const NAME: &str = "an_earlier_handler_gets_what_is_not_for_the_guard";
        let Some(role) = role() else {
            for role in ["plain", "informed"] {
                let status = in_a_process(NAME, role);
                assert!(status.success(), "{role}: {status}");
            }
            return dies(NAME, "once");
        };
        let action = match role.as_str() {
            "plain" => signals::action_of(helpful as *const () as usize, 0),
            "once" => signals::action_of(helpful as *const () as usize, libc::SA_RESETHAND),
            _ => signals::action_of(helpful_with_information as *const () as usize, libc::SA_SIGINFO),
        };
        // SAFETY: the handlers count and map.
        unsafe { signals::set_action(SIGBUS, &action) }.unwrap();
        let (segment, file) = unsealed();
        for round in 1..=3 {
            let page = missing_page(ptr::null_mut());
            MISSING.store(page.as_ptr().expose_provenance(), Ordering::SeqCst);
            assert_eq!(read(page), 0);
            assert_eq!(CALLS.load(Ordering::SeqCst), round);
            assert!(!segment.lost());
        }
        file.set_len(0).unwrap();
        assert_eq!(read(segment.at(0)), 0);
        assert!(segment.lost());
        assert_eq!(CALLS.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn a_signal_that_was_reset_is_guarded_again_with_the_next_segment() {
        if role().is_none() {
            return survives("a_signal_that_was_reset_is_guarded_again_with_the_next_segment");
        }
        drop(unsealed());
        // SAFETY: no function.
        unsafe { signals::set_action(SIGBUS, &signals::action_of(SIG_DFL, 0)) }.unwrap();
        let (segment, file) = unsealed();
        file.set_len(0).unwrap();
        assert_eq!(read(segment.at(0)), 0);
    }

    #[test]
    fn where_the_whole_cannot_be_replaced_page_by_page_is() {
        if role().is_none() {
            return survives("where_the_whole_cannot_be_replaced_page_by_page_is");
        }
        let (segment, file) = unsealed();
        // Whoever may lock no more than half a segment cannot map a whole one once all that is new is to be
        // locked.
        let limit = segment.geometry().segment_bytes() as u64 / 2;
        setrlimit(Resource::RLIMIT_MEMLOCK, limit, limit).unwrap();
        const NOBODY: libc::uid_t = 65_534;
        // SAFETY: both take numbers only. The first is the bare call: this thread alone is to be
        // nobody, who may not lock more than the limit. Only root has to become that.
        unsafe {
            let is_nobody = libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) == 0;
            assert!(is_nobody || !nix::unistd::geteuid().is_root());
            assert_eq!(libc::mlockall(libc::MCL_FUTURE), 0);
        }
        file.set_len(0).unwrap();
        let end = segment.geometry().segment_bytes() - PAGE;
        assert_eq!((read(segment.at(0)), read(segment.at(end))), (0, 0));
        assert!(segment.lost());
        file.set_len(segment.geometry().segment_bytes() as u64).unwrap();
        file.write_all_at(&[7], 0).unwrap();
        file.write_all_at(&[7], PAGE as u64).unwrap();
        assert_eq!((read(segment.at(0)), read(segment.at(PAGE))), (0, 7));
    }

    #[test]
    fn threads_that_come_go_and_fault_do_not_disturb_each_other() {
        if role().is_none() {
            return survives("threads_that_come_go_and_fault_do_not_disturb_each_other");
        }
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    let (kept, _file) = unsealed();
                    kept.word(Word::Stop).store(thread + 1, Ordering::Relaxed);
                    for round in 0..500 {
                        let (segment, file) = unsealed();
                        if round % 3 == 0 {
                            file.set_len(0).unwrap();
                            // Two threads meet the same fault.
                            std::thread::scope(|scope| {
                                scope.spawn(|| assert_eq!(read(segment.at(PAGE)), 0));
                                assert_eq!(read(segment.at(0)), 0);
                                assert!(segment.lost());
                            });
                        } else {
                            assert_ne!(read(segment.at(0)), 0, "the magic is not there");
                            assert!(!segment.lost());
                        }
                    }
                    assert_eq!(kept.word(Word::Stop).load(Ordering::Relaxed), thread + 1);
                    assert!(!kept.lost());
                });
            }
        });
        assert!(entries().count() <= 8, "entries are used again");
    }

    #[test]
    fn a_hole_is_no_loss_while_there_is_memory() {
        let (segment, file) = unsealed();
        segment.word(Word::Stop).store(7, Ordering::Relaxed);
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: takes numbers only.
        assert_eq!(unsafe { libc::fallocate(file.as_raw_fd(), mode, 0, PAGE as i64) }, 0);
        assert_eq!(segment.word(Word::Stop).load(Ordering::Relaxed), 0);
        assert!(!segment.lost());
    }

    #[test]
    fn a_range_is_packed_whole_or_not_at_all() {
        let (start, bytes) = (0x7f12_3456_7000, 513 * 1024 * 1024 + 1);
        let (first, count) = unpack(pack(start, bytes).unwrap());
        assert_eq!((first, count), (0x7_f123_4567, 513 * 256 + 1));
        assert_eq!(pack(start + 1, bytes), None);
        assert_eq!(pack(1 << 52, bytes), None);
        assert_eq!(pack(start, 64 << 30), None);
        assert_eq!(unpack(FREE).1, 0);
    }
}
