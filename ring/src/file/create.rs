//! Makes the ring file of this process.

use std::{
    ffi::{CString, OsStr},
    fmt,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use memmap2::MmapRaw;
use ttmem_wire::{HEADER_BYTES, Header, MAX_POOLS, PAGE, RECORD_WORDS, WRITER_PAGES};

use super::{FolderError, ensure_folder, map::Mapped, tail_lock};
use crate::{
    layout::{FlusherPage, PoolTable, ProducerPage},
    queue::Queue,
    ring::{Drain, RingWriter},
    sys::{self, Clock, check, check_size_limit, effective_uid, flock, identity},
};

/// Bytes of the ring if nobody says otherwise: 65,536 events.
pub const DEFAULT_RING_BYTES: u64 = 4 << 20;

/// The smallest ring.
pub const MIN_RING_BYTES: u64 = PAGE as u64;

/// Slots of the queue: what can wait while the flusher sleeps, or gets no processor.
pub const QUEUE_SLOTS: u64 = 32_768;

const SLOT_BYTES: u64 = (RECORD_WORDS * 8) as u64;

/// What to make.
#[derive(Clone, Debug)]
pub struct CreateOptions<'a> {
    /// The folder; made if missing.
    pub folder: &'a Path,
    /// Bytes of the ring; rounded down to a power of two, at least [`MIN_RING_BYTES`].
    pub ring_bytes: u64,
    /// Slots of the queue; a power of two, at least 64.
    pub queue_slots: u64,
    /// The shim's version.
    pub producer: &'a str,
}

/// Why there is no ring.
#[derive(Debug)]
pub struct CreateError {
    /// What was being done.
    pub doing: &'static str,
    /// To what.
    pub path: PathBuf,
    /// What went wrong.
    pub cause: FolderError,
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.doing, self.path.display(), self.cause)
    }
}

impl std::error::Error for CreateError {}

/// The ring file of this process, mapped for as long as the process lives.
///
/// The lock on the file lives exactly as long as the mapping: the descriptor that took it is closed, the mapping keeps the
/// open file. A reader that gets the lock knows that the process is gone.
#[derive(Clone, Debug)]
pub struct RingFile {
    mapped: &'static Mapped,
    clock: Clock,
    path: PathBuf,
    /// Device and number of the file.
    identity: (u64, u64),
}

/// The tail lock of this process's own ring: no reader drains it meanwhile.
#[derive(Debug)]
pub struct TailLock {
    file: File,
}

impl Drop for TailLock {
    fn drop(&mut self) {
        tail_lock::drop(&self.file);
    }
}

impl RingFile {
    /// Makes, reserves, initialises and locks the file, and then gives it its name.
    ///
    /// The mapping is never unmapped: threads may write to it until the last instruction of the process.
    ///
    /// # Errors
    /// [`CreateError`] says what could not be done; nothing is left behind then.
    pub fn create(options: &CreateOptions<'_>) -> Result<Self, CreateError> {
        // The program may change its folder before the path is used again.
        let path = std::path::absolute(options.folder).unwrap_or_else(|_| options.folder.to_path_buf());
        let fail = |doing| {
            let path = path.clone();
            move |cause: io::Error| CreateError { doing, path, cause: cause.into() }
        };
        let folder = ensure_folder(options.folder).map_err(|cause| CreateError {
            doing: "use folder",
            path: path.clone(),
            cause,
        })?;
        let clock = Clock::detect();
        let header = header(options, clock);
        let file = unnamed_file(&folder).map_err(fail("make a file in"))?;
        reserve(&file, header.file_bytes).map_err(fail("reserve memory in"))?;
        let name = format!("{}-{:016x}.{}", header.pid, header.ring_id as u64, super::RING_EXTENSION);
        let raw = MmapRaw::map_raw(&file).map_err(fail("map a file in"))?;
        let mapped = Mapped::new(raw, header)
            .ok_or_else(|| io::Error::other("sizes do not fit"))
            .map_err(fail("lay out a ring in"))?;
        mapped.keep_from_children().map_err(fail("keep from children the ring in"))?;
        mapped.write_header();
        show_life(&file).map_err(fail("lock a file in"))?;
        give_name(&file, &folder, &name).map_err(fail("name a file in"))?;
        let metadata = file.metadata().map_err(fail("look at a file in"))?;
        let identity = identity(&metadata);
        Ok(Self { mapped: Box::leak(Box::new(mapped)), clock, path: path.join(name), identity })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its first page says.
    pub fn header(&self) -> &'static Header {
        self.mapped.header()
    }

    /// The clock that stamps its events.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The queue.
    pub fn queue(&self) -> Queue<'static> {
        self.mapped.queue()
    }

    /// The pool table.
    pub fn pools(&self) -> PoolTable<'static> {
        self.mapped.pools()
    }

    /// The counters of the reporting threads.
    pub fn producers(&self) -> &'static ProducerPage {
        self.mapped.producers()
    }

    /// The flusher's page.
    pub fn flusher(&self) -> &'static FlusherPage {
        self.mapped.flusher()
    }

    /// Takes the tail lock, which readers drain under; `None` if one does. A descriptor for as long as it is held.
    ///
    /// # Errors
    /// If the file is no longer where it was made.
    pub fn lock_tail(&self) -> io::Result<Option<TailLock>> {
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&self.path)?;
        let metadata = file.metadata()?;
        if identity(&metadata) != self.identity {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !tail_lock::take(&file) {
            return Ok(None);
        }
        self.mapped.reader().note_holder(std::process::id());
        Ok(Some(TailLock { file }))
    }

    /// The drain of this file's queue into its ring, for the one flusher: call it once.
    pub fn drain(&self) -> Drain<'static> {
        let ring = RingWriter::new(self.mapped.flusher(), self.mapped.reader(), self.mapped.ring());
        Drain::new(self.mapped.queue(), ring)
    }
}

fn header(options: &CreateOptions<'_>, clock: Clock) -> Header {
    let power_of_two_below = |value: u64| 1 << value.max(1).ilog2();
    let ring_slots = power_of_two_below(options.ring_bytes.max(MIN_RING_BYTES) / SLOT_BYTES);
    let queue_slots = power_of_two_below(options.queue_slots.max(64));
    let pools_offset = (HEADER_BYTES + WRITER_PAGES * PAGE) as u64;
    let queue_offset = pools_offset + MAX_POOLS as u64 * SLOT_BYTES;
    let ring_offset = queue_offset + queue_slots * SLOT_BYTES;
    let pid = std::process::id();
    let (clock_start, monotonic_start_ns) = clock.with_monotonic();
    Header {
        file_bytes: ring_offset + ring_slots * SLOT_BYTES,
        pools_offset,
        queue_offset,
        queue_slots,
        ring_offset,
        ring_slots,
        pid,
        parent_pid: std::os::unix::process::parent_id(),
        uid: effective_uid(),
        process_start: sys::process_start(pid).unwrap_or(0),
        boot_id: sys::boot_id(),
        ring_id: sys::random_id(),
        clock: clock.code(),
        clock_start,
        monotonic_start_ns,
        realtime_start_ns: sys::realtime_at(monotonic_start_ns),
        producer: options.producer.to_owned(),
        command: sys::command_line(),
    }
}

fn unnamed_file(folder: &File) -> io::Result<File> {
    let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the descriptor and the path are valid for the call.
    let fd = check(unsafe { libc::openat(folder.as_raw_fd(), c".".as_ptr(), flags, 0o600) })?;
    // SAFETY: `fd` was just opened for us and nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Makes the space real: with a size alone, a full file system would answer a later write with SIGBUS.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    check_size_limit(bytes)?;
    // SAFETY: the descriptor is valid; the call has no other precondition. It returns the error, not errno.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, bytes as libc::off_t) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn show_life(file: &File) -> io::Result<()> {
    flock(file, libc::LOCK_EX)
}

fn give_name(file: &File, folder: &File, name: &str) -> io::Result<()> {
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let to = CString::new(OsStr::new(name).as_bytes())?;
    // SAFETY: both paths are NUL-terminated and the descriptors are valid for the call.
    let result = unsafe {
        libc::linkat(libc::AT_FDCWD, from.as_ptr(), folder.as_raw_fd(), to.as_ptr(), libc::AT_SYMLINK_FOLLOW)
    };
    check(result).map(drop)
}
