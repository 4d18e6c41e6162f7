//! What a worker writes to its stdout and stderr, on its way to the host.
//!
//! ```text
//!   worker --pipe--> lines --Inherit--> queue --> the host's own stream, by whole lines, never waiting for its reader
//!                      |----Pipe------> events, so many bytes of them at a time as the host has not taken yet
//!                      '----Ignore----> nowhere
//!   the last of stderr is kept in any case, for errors
//! ```
//!
//! While the queue or the events are full, the pipe is not read. The pipe fills, the worker that floods it
//! waits, and the host's memory stays bounded.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::host_output::{HostOutput, Written};

/// Bytes of a worker's stderr that are kept for errors.
pub const STDERR_TAIL_BYTES: usize = 8 * 1024;
/// A line longer than this is passed on in pieces.
pub const LINE_BYTES: usize = 16 * 1024;
/// Lines that come while so many bytes wait for the host's stream are dropped. Only workers that end can
/// cause this, over a hundred of them at once. The pipes of others are not read above [`LINE_BYTES`].
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// If more bytes than this are in events that the host has not taken yet, a worker's pipes are not read.
const UNTAKEN_BYTES: usize = 256 * 1024;
/// About what an event takes up beside its bytes. A worker that writes one byte at a time makes an event of
/// each.
const EVENT_BYTES: usize = 512;

/// What becomes of a worker's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// It goes to the host's own streams.
    Inherit,
    /// It becomes events.
    Pipe,
    /// It is dropped.
    Ignore,
}

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 1.
    Stdout = 0,
    /// Descriptor 2.
    Stderr = 1,
}

impl Stream {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stdout, Self::Stderr];
}

/// The reading end of one of a worker's streams.
#[derive(Debug)]
pub struct Pipe {
    /// `None` once it is at its end.
    file: Option<File>,
    line: Vec<u8>,
    tail: Option<VecDeque<u8>>,
}

impl Pipe {
    /// A pipe that does not wait. Of stderr the tail is kept.
    pub fn new(file: File, stream: Stream) -> Self {
        Self { file: Some(file), line: Vec::new(), tail: (stream == Stream::Stderr).then(VecDeque::new) }
    }

    /// Reads what is there, at most about `most` bytes, and calls `lines` with whole lines. At the pipe's end
    /// it also passes on what stands after the last line. True if nothing is left in the pipe.
    pub fn read(&mut self, most: usize, mut lines: impl FnMut(&[u8])) -> bool {
        let mut buffer = [0; LINE_BYTES];
        let mut total = 0;
        while total < most {
            let Some(file) = &mut self.file else { return true };
            let bytes = match file.read(&mut buffer) {
                Ok(count @ 1..) => &buffer[..count],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Ok(0) | Err(_) => {
                    self.file = None;
                    self.finish(lines);
                    return true;
                }
            };
            total += bytes.len();
            if let Some(tail) = &mut self.tail {
                tail.extend(bytes);
                tail.drain(..tail.len().saturating_sub(STDERR_TAIL_BYTES));
            }
            self.line.extend_from_slice(bytes);
            let whole = self.line.iter().rposition(|&byte| byte == b'\n').map_or(0, |index| index + 1);
            let whole =
                if self.line.len() - whole > LINE_BYTES { whole_characters(&self.line) } else { whole };
            if whole > 0 {
                lines(&self.line[..whole]);
                self.line.drain(..whole);
            }
        }
        false
    }

    /// Passes on what stands after the last whole line, as a line.
    pub fn finish(&mut self, mut lines: impl FnMut(&[u8])) {
        if !self.line.is_empty() {
            self.line.push(b'\n');
            lines(&self.line);
            self.line.clear();
        }
    }

    /// The file to wait for. `None` once the pipe is at its end.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// The last bytes that came through it, if they were kept, as text.
    pub fn tail(&mut self) -> String {
        let mut tail = self.tail.take().unwrap_or_default();
        String::from_utf8_lossy(tail.make_contiguous()).into_owned()
    }
}

/// How many bytes of a piece are whole characters of UTF-8: a character at its end may be cut off.
fn whole_characters(piece: &[u8]) -> usize {
    let Some(last) = piece.iter().rposition(|&byte| byte & 0xC0 != 0x80) else { return piece.len() };
    let length = match piece[last] {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    };
    if piece.len() - last < length { last } else { piece.len() }
}

/// Whole lines on their way to one of the host's own streams.
#[derive(Debug, Default)]
pub struct Queue(VecDeque<u8>);

impl Queue {
    /// Adds lines, unless far too much is waiting.
    pub fn push(&mut self, lines: &[u8]) {
        if self.0.len() < QUEUE_BYTES {
            self.0.extend(lines);
        }
    }

    /// True if so much is waiting that no more should be read.
    pub fn is_full(&self) -> bool {
        self.0.len() > LINE_BYTES
    }

    /// True if nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes what the host's stream takes now. True if it took something, or will take nothing any more.
    pub fn write(&mut self, stream: Stream) -> bool {
        let before = self.0.len();
        self.write_to_host(stream);
        self.0.len() < before
    }

    fn write_to_host(&mut self, stream: Stream) {
        if self.is_empty() {
            return;
        }
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let host = HostOutput::open(match stream {
            Stream::Stdout => stdout.as_fd(),
            Stream::Stderr => stderr.as_fd(),
        });
        while !self.0.is_empty() {
            let (first, _) = self.0.as_slices();
            match host.write(first) {
                Written::Taken(count) => drop(self.0.drain(..count)),
                Written::Full => return,
                Written::Closed => return self.0.clear(),
            }
        }
    }
}

/// Has this process's own stdout and stderr make their writers wait, whatever a runtime has set.
pub fn block_own_streams() -> io::Result<()> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    for stream in [stdout.as_fd(), stderr.as_fd()] {
        let flags = OFlag::from_bits_retain(fcntl(stream, FcntlArg::F_GETFL)?);
        fcntl(stream, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    }
    Ok(())
}

/// The bytes of a worker's output in events that the host has not taken yet.
#[derive(Debug, Clone, Default)]
pub struct Untaken(Arc<AtomicUsize>);

impl Untaken {
    /// True if so much is under way that no more should be read.
    pub fn is_full(&self) -> bool {
        self.0.load(Ordering::Acquire) > UNTAKEN_BYTES
    }

    /// Counts an event of `bytes` until its receipt is dropped. Dropping the receipt calls `room` if that
    /// makes room.
    pub fn count(&self, bytes: usize, room: impl FnOnce() + Send + 'static) -> Receipt {
        let bytes = bytes + EVENT_BYTES;
        self.0.fetch_add(bytes, Ordering::AcqRel);
        Receipt { untaken: self.clone(), bytes, room: Some(Box::new(room)) }
    }
}

/// Belongs to an event with output; dropped when the host has taken it.
pub struct Receipt {
    untaken: Untaken,
    bytes: usize,
    room: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let before = self.untaken.0.fetch_sub(self.bytes, Ordering::AcqRel);
        if before > UNTAKEN_BYTES && !self.untaken.is_full() {
            self.room.take().into_iter().for_each(|room| room());
        }
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::OwnedFd;

    fn pipe(stream: Stream) -> (Pipe, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        (Pipe::new(File::from(OwnedFd::from(reader)), stream), writer)
    }

    #[test]
    fn lines_come_whole_and_the_rest_at_the_end() {
        let (mut pipe, mut writer) = pipe(Stream::Stderr);
        let mut seen = Vec::new();
        writer.write_all(b"one\ntw").unwrap();
        pipe.read(1000, |lines| seen.push(lines.to_vec()));
        assert!(pipe.file().is_some());
        writer.write_all(b"o\nthree").unwrap();
        pipe.read(1000, |lines| seen.push(lines.to_vec()));
        drop(writer);
        pipe.read(1000, |lines| seen.push(lines.to_vec()));
        assert!(pipe.file().is_none());
        assert_eq!(seen, [b"one\n".as_slice(), b"two\n", b"three\n"]);
        assert_eq!(pipe.tail(), "one\ntwo\nthree");
    }

    #[test]
    fn a_line_without_an_end_comes_in_pieces() {
        let (mut pipe, mut writer) = pipe(Stream::Stdout);
        let mut pieces = 0;
        for _ in 0..8 {
            writer.write_all(&[b'x'; LINE_BYTES]).unwrap();
            pipe.read(LINE_BYTES, |_| pieces += 1);
            assert!(pipe.line.len() <= LINE_BYTES);
        }
        assert!(pieces > 2);
        assert_eq!(pipe.tail(), "");
    }

    #[test]
    fn no_character_is_cut_in_two() {
        for line in ["é", "€", "😀", "a😀é€"] {
            let (mut pipe, mut writer) = pipe(Stream::Stdout);
            let text = format!("x{}", line.repeat(2 * LINE_BYTES / line.len()));
            writer.write_all(text.as_bytes()).unwrap();
            drop(writer);
            let mut seen = String::new();
            pipe.read(4 * LINE_BYTES, |piece| seen.push_str(std::str::from_utf8(piece).unwrap()));
            assert_eq!(seen.trim_end(), text);
        }
        assert_eq!(whole_characters(&[0xFF, 0x80]), 0);
        assert_eq!(whole_characters(&[0x80; 9]), 9);
        assert_eq!(whole_characters(b"plain"), 5);
    }

    #[test]
    fn many_small_events_are_too_much_as_well() {
        let untaken = Untaken::default();
        let receipts: Vec<_> = (0..1000).map(|_| untaken.count(1, || {})).collect();
        assert!(untaken.is_full());
        drop(receipts);
        assert!(!untaken.is_full());
    }

    #[test]
    fn room_is_told_once_when_enough_is_taken() {
        let untaken = Untaken::default();
        let (tell, told) = std::sync::mpsc::channel();
        let receipts: Vec<_> = (0..4)
            .map(|_| {
                let tell = tell.clone();
                untaken.count(UNTAKEN_BYTES / 2 - EVENT_BYTES, move || tell.send(()).unwrap())
            })
            .collect();
        assert!(untaken.is_full());
        let taken: Vec<_> =
            receipts.into_iter().map(|receipt| (drop(receipt), told.try_recv().is_ok()).1).collect();
        assert_eq!(taken, [false, true, false, false]);
        assert!(!untaken.is_full());
    }
}
