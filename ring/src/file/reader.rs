//! The other side: opens the ring file of another process, alive or dead.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use std::time::{Duration, Instant};

use memmap2::MmapOptions;
use ttmem_wire::{HEADER_BYTES, Header, HeaderError, Pool, Record};

use super::{map::Mapped, tail_lock, truncation::TruncationGuard};
use crate::{
    layout::Slot,
    queue::{Recovery, recover},
    ring::batch_limit,
    sync::Ordering,
    sys::{self, Clock, ClockMap, effective_uid, flock},
    wakeup::WaitSet,
};

/// How long a reader waits for the process itself to end its checkpoint.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(200);

/// And until it has noted that it has it.
const NOTE_PATIENCE: Duration = Duration::from_millis(1);

/// Why a file can't be read as a ring.
#[derive(Debug)]
pub enum OpenError {
    /// The system refused.
    Io(io::Error),
    /// It belongs to another user, who could cut it short under the reader.
    Owner(u32),
    /// It is not a plain file.
    NotAFile,
    /// It is no ring file, or not one of this version.
    Header(HeaderError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Owner(uid) => write!(f, "it belongs to user {uid}; a ring is read by its own user only"),
            Self::NotAFile => write!(f, "not a plain file"),
            Self::Header(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Another reader drains this ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyDrained {
    /// Its process id, as it wrote it down.
    pub pid: u32,
}

impl fmt::Display for AlreadyDrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another reader (pid {}) drains this ring", self.pid)
    }
}

impl std::error::Error for AlreadyDrained {}

/// The counts that a ring keeps of itself, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events that got a sequence number.
    pub claimed: u64,
    /// Events that did not, since the queue was full.
    pub dropped_full: u64,
    /// Events that came while the ring was being made.
    pub dropped_early: u64,
    /// Records ever put into the ring.
    pub head: u64,
    /// Records ever taken out of it by draining readers.
    pub tail: u64,
    /// Allocations that a graph capture only pretended to make.
    pub pretended: u64,
    /// Programs launched.
    pub programs: u64,
}

impl Counters {
    /// Events lost without ever being written.
    pub fn dropped(&self) -> u64 {
        self.dropped_full.saturating_add(self.dropped_early)
    }

    /// Events that were reported at all.
    pub fn reported(&self) -> u64 {
        self.claimed.saturating_add(self.dropped())
    }
}

/// Reads one ring file.
///
/// It starts at the ring's tail. Reading moves nothing in the file, so any number of readers can look; one of them may
/// take [`RingReader::lock_for_draining`] and [`RingReader::release`] what it has read.
#[derive(Debug)]
pub struct RingReader {
    /// Before the mapping, which must not go first.
    guard: TruncationGuard,
    mapped: Mapped,
    file: File,
    path: PathBuf,
    position: u64,
    draining: bool,
    missed: u64,
}

impl RingReader {
    /// Opens a ring file of the user's own.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(OpenError::NotAFile);
        }
        if metadata.uid() != effective_uid() {
            return Err(OpenError::Owner(metadata.uid()));
        }
        let mut page = Vec::with_capacity(HEADER_BYTES);
        Read::by_ref(&mut file).take(HEADER_BYTES as u64).read_to_end(&mut page)?;
        let header = Header::decode(&page, metadata.len()).map_err(OpenError::Header)?;
        // The size that was checked, whatever the file has become since.
        let raw = MmapOptions::new().len(metadata.len() as usize).map_raw(&file)?;
        let guard = TruncationGuard::new(raw.as_ptr(), raw.len());
        let mapped = Mapped::new(raw, header).ok_or(OpenError::Header(HeaderError::Field("file size")))?;
        let position = mapped.reader().tail.0.load(Ordering::Acquire);
        Ok(Self { guard, mapped, file, path: path.to_path_buf(), position, draining: false, missed: 0 })
    }

    /// Whether the file was found truncated: nothing more can be read then, and what was read since the last look is of no use.
    /// [`RingReader::read`] and [`RingReader::recover`] give nothing of that.
    pub fn is_truncated(&self) -> bool {
        self.guard.has_struck()
    }

    /// What the first page says.
    pub fn header(&self) -> &Header {
        self.mapped.header()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the process still puts events into its ring: it has not stopped, and the lock that dies with its mapping is held. A
    /// shared lock is tried, so that two readers that ask at once do not take each other for the process.
    pub fn is_alive(&self) -> bool {
        if self.has_stopped() {
            return false;
        }
        match flock(&self.file, libc::LOCK_SH) {
            Ok(()) => {
                let _ = flock(&self.file, libc::LOCK_UN);
                false
            }
            Err(error) => error.raw_os_error() == Some(libc::EWOULDBLOCK),
        }
    }

    /// Makes this reader the one that drains. The lock ends with the reader, however that ends.
    ///
    /// # Errors
    /// [`AlreadyDrained`] if another has it.
    pub fn lock_for_draining(&mut self) -> Result<(), AlreadyDrained> {
        let page = self.mapped.reader();
        let since = Instant::now();
        while !tail_lock::take(&self.file) {
            let pid = page.pid.0.load(Ordering::Relaxed) as u32;
            // The process itself has it while it writes a checkpoint, which takes some milliseconds; it may not have noted so yet.
            let patience = if pid == self.header().pid { CHECKPOINT_PATIENCE } else { NOTE_PATIENCE };
            if since.elapsed() >= patience {
                return Err(AlreadyDrained { pid });
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        page.note_holder(std::process::id());
        self.position = page.tail.0.load(Ordering::Acquire);
        self.draining = true;
        Ok(())
    }

    /// Appends up to `max` records that have come since the last call; returns how many.
    pub fn read(&mut self, out: &mut Vec<Record>, max: usize) -> usize {
        let slots = self.mapped.ring();
        // SYNC (E): Acquire, pairs with the Release store of the head in `RingWriter::publish`.
        let head = self.mapped.flusher().head.0.load(Ordering::Acquire);
        // A head more than a ring ahead of us is no head that the protocol can reach (or, for a reader that only looks, it
        // means that a draining reader and the flusher have lapped us): go to the oldest record that can still be there.
        let behind = head.wrapping_sub(self.position);
        if behind > slots.len() as u64 {
            let oldest = head.saturating_sub(slots.len() as u64);
            self.missed = self.missed.saturating_add(oldest.saturating_sub(self.position));
            self.position = oldest.max(self.position.min(head));
        }
        let count = head.saturating_sub(self.position).min(max as u64);
        let first = out.len();
        out.extend((self.position..self.position + count).map(|at| record(slots, at)));
        if self.is_truncated() {
            out.truncate(first);
            return 0;
        }
        self.position += count;
        if self.draining {
            return count as usize;
        }
        self.drop_overwritten(out, first, count)
    }

    /// For a reader that only looks: what a draining reader released meanwhile may have been overwritten while it was
    /// copied, and is gone from this view. Returns how many are left.
    fn drop_overwritten(&mut self, out: &mut Vec<Record>, first: usize, count: u64) -> usize {
        // SYNC (J): Acquire, pairs with the Release fences of the writer: a copy of a newer record comes with the tail that let it in.
        std::sync::atomic::fence(Ordering::Acquire);
        let tail = self.mapped.reader().tail.0.load(Ordering::Acquire);
        let gone = tail.saturating_sub(self.position - count).min(count);
        self.missed = self.missed.saturating_add(gone);
        out.drain(first..first + gone as usize);
        (count - gone) as usize
    }

    /// Passes over all below `position`, which a checkpoint has. False, and nothing is done, if the ring never came so far.
    pub fn skip_to(&mut self, position: u64) -> bool {
        let reached = self.mapped.flusher().head.0.load(Ordering::Acquire) >= position;
        if reached {
            self.position = self.position.max(position);
        }
        reached
    }

    /// For a reader that only looks, and has missed records: goes back to the ring's tail, and has missed nothing.
    pub fn look_again(&mut self) {
        // SYNC (D): Acquire, pairs with the Release store that moved the tail: the checkpoint that is found now goes so far.
        self.position = self.mapped.reader().tail.0.load(Ordering::Acquire);
        self.missed = 0;
    }

    /// Records that were read and not released.
    pub fn unreleased(&self) -> u64 {
        self.position.saturating_sub(self.mapped.reader().tail.0.load(Ordering::Acquire))
    }

    /// Whether this reader drains.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Gives what was read back to the producer. Does nothing for a reader that only looks.
    pub fn release(&mut self) {
        if self.draining {
            // SYNC (D): Release, pairs with the flusher's Acquire load of the tail: our copies are made.
            self.mapped.reader().tail.0.store(self.position, Ordering::Release);
        }
    }

    /// Has `set` wait for this ring too: parks this reader if it drains, and does not wait if it only looks.
    pub fn wait_in<'a>(&'a self, set: &mut WaitSet<'a>) {
        if self.draining {
            set.park(self.mapped.flusher(), self.mapped.reader(), self.position);
        } else {
            set.set_ready();
        }
    }

    /// What the queue of a dead process still holds: call it when [`RingReader::is_alive`] has said no and
    /// [`RingReader::read`] gives nothing more. Nothing is taken out: the next reader finds the same.
    pub fn recover(&mut self, out: &mut Vec<Record>) -> Recovery {
        let slots = self.mapped.ring();
        let head = self.mapped.flusher().head.0.load(Ordering::Acquire);
        let recent = head.min(batch_limit(slots.len()) as u64);
        let in_ring: Vec<u64> = (head - recent..head).map(|at| record(slots, at).words[0]).collect();
        let first = out.len();
        let recovery = recover(self.mapped.queue(), &in_ring, out);
        if self.is_truncated() {
            out.truncate(first);
            return Recovery::default();
        }
        recovery
    }

    /// Records that this reader never saw, because a draining reader took them first.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Where this reader is: records of the ring that lie behind it.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The ring's counts of itself.
    pub fn counters(&self) -> Counters {
        let producers = self.mapped.producers();
        let claimed = self.mapped.queue().claimed();
        Counters {
            claimed: claimed.saturating_sub(self.mapped.flusher().skipped()),
            dropped_full: producers.dropped_full.0.load(Ordering::Relaxed),
            dropped_early: producers.dropped_early.0.load(Ordering::Relaxed),
            head: self.mapped.flusher().head.0.load(Ordering::Acquire),
            tail: self.mapped.reader().tail.0.load(Ordering::Acquire),
            pretended: producers.pretended.0.load(Ordering::Relaxed),
            programs: producers.programs.0.load(Ordering::Relaxed),
        }
    }

    /// The pool of this index.
    pub fn pool(&self, index: u32) -> Option<Pool> {
        self.mapped.pools().get(index)
    }

    /// Asks the process to stop tracking, as `ttmem_stop` does. Its flusher sees it within a second.
    pub fn ask_to_stop(&self) {
        self.mapped.reader().ask_to_stop();
    }

    /// Whether the process stopped tracking before it ended.
    pub fn has_stopped(&self) -> bool {
        self.mapped.flusher().has_stopped()
    }

    /// The exit code with which the process ran its exit handlers, if it came so far.
    pub fn exit_status(&self) -> Option<i32> {
        self.mapped.flusher().exit_status()
    }

    /// What an allocator was asked for when the process ended, as out-of-memory events: the last words of one that an
    /// uncaught exception ended. They are no events that were reported, and are counted nowhere.
    pub fn open_requests(&self) -> Vec<Record> {
        self.mapped.producers().open_requests()
    }

    /// From this ring's ticks to time. On the boot that the ring is of, this machine's clocks give the second reading;
    /// else the flusher's last.
    pub fn clock(&self) -> ClockMap {
        let header = self.header();
        let noted = self.mapped.flusher().clock();
        let clock = Clock::detect();
        if header.boot_id == sys::boot_id() && header.clock == clock.code() {
            let map = ClockMap::new(header, Some(clock.with_monotonic()));
            // A program that runs under emulation has another counter than we.
            if noted.is_none_or(|noted| map.agrees_with(noted)) {
                return map;
            }
        }
        ClockMap::new(header, noted)
    }
}

impl Drop for RingReader {
    /// By hand: a child that another thread forks holds the open file, and so the lock, until it execs.
    fn drop(&mut self) {
        if self.draining {
            tail_lock::drop(&self.file);
        }
    }
}

fn record(slots: &[Slot], at: u64) -> Record {
    Record { words: slots[at as usize & (slots.len() - 1)].copy() }
}
