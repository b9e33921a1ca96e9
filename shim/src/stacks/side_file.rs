//! The file beside the ring that says what the references in events stand for; its layout is [`ttmem_wire::sites`].
//!
//! Space is handed out by one compare-and-exchange, filled, and only then referred to. The file is sparse: pages are made
//! real before they are written, since a write to a page that a full file system cannot give would be SIGBUS.

use std::{
    ffi::CString,
    fs::OpenOptions,
    io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStringExt, fs::OpenOptionsExt},
    },
    path::Path,
    ptr,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use ttmem_wire::sites::{MAX_SITES_BYTES, SITES_HEADER_BYTES, SITES_MAGIC, SITES_VERSION, UNIT, reference};

/// What is made real at once.
const STEP: usize = 256 << 10;
/// What is made real in the beginning.
const FIRST_STEP: usize = 64 << 10;

/// The file, mapped for as long as the process lives.
pub(super) struct SideFile {
    base: *mut u8,
    size: usize,
    /// Bytes that may be written without fear.
    real: AtomicUsize,
    growing: AtomicBool,
    is_full: AtomicBool,
    path: CString,
}

// SAFETY: the mapping is never unmapped; its header is used through atomics alone, and each other byte is written by the
// one thread that was given it, before any other learns where it is.
unsafe impl Send for SideFile {}
// SAFETY: as above.
unsafe impl Sync for SideFile {}

/// Space for a record that nobody refers to yet.
pub(super) struct Space {
    at: *mut u8,
    length: usize,
    filled: usize,
    reference: u32,
}

impl SideFile {
    /// Makes the file. `ring` is the ring's own path.
    pub(super) fn create(ring: &Path, ring_id: u128) -> io::Result<Self> {
        let path = ttmem_ring::sites_path(ring);
        let size = size_within_limit()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&path)?;
        let made =
            file.set_len(size as u64).and_then(|()| reserve(&file, 0, FIRST_STEP)).and_then(|()| map(&file, size));
        let base = match made {
            Ok(base) => base,
            Err(error) => {
                let _ = std::fs::remove_file(&path);
                return Err(error);
            }
        };
        let path = CString::new(path.into_os_string().into_vec())?;
        let made = Self {
            base,
            size,
            real: AtomicUsize::new(FIRST_STEP),
            growing: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            path,
        };
        let words = [SITES_MAGIC, SITES_VERSION.into(), ring_id as u64, (ring_id >> 64) as u64];
        words.into_iter().enumerate().for_each(|(at, word)| made.header(at).store(word, Ordering::Relaxed));
        made.used().store(SITES_HEADER_BYTES as u64, Ordering::Release);
        Ok(made)
    }

    fn header(&self, word: usize) -> &AtomicU64 {
        debug_assert!(word < SITES_HEADER_BYTES / 8);
        // SAFETY: the header lies in the mapping, is page aligned, and is only used through atomics.
        unsafe { &*self.base.cast::<AtomicU64>().add(word) }
    }

    fn used(&self) -> &AtomicU64 {
        self.header(4)
    }

    /// Counts an event that goes without its site.
    pub(super) fn count_refused(&self) {
        self.header(5).fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it can take nothing any more.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Gives no more space.
    pub(super) fn close(&self) {
        self.is_full.store(true, Ordering::Relaxed);
    }

    /// Space for a record of so many bytes; `None` if there is none, or another thread is just making some.
    pub(super) fn space(&self, length: usize) -> Option<Space> {
        let length = length.next_multiple_of(UNIT);
        let mut used = self.used().load(Ordering::Relaxed);
        loop {
            let end = (used as usize).checked_add(length)?;
            if self.is_full() || end > self.size {
                self.close();
                return None;
            }
            // SYNC (G): Acquire, pairs with the Release in `grow`.
            if end > self.real.load(Ordering::Acquire) && !self.grow(end) {
                return None;
            }
            match self.used().compare_exchange_weak(used, end as u64, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    let at = used as usize;
                    // SAFETY: `at + length` is within the mapping, as was just checked.
                    let place = unsafe { self.base.add(at) };
                    return Some(Space { at: place, length, filled: 0, reference: reference(at)? });
                }
                Err(now) => used = now,
            }
        }
    }

    /// Makes the file real up to `end` and somewhat further.
    #[cold]
    fn grow(&self, end: usize) -> bool {
        // SYNC (G): one thread at a time; who comes meanwhile does not wait.
        if self.growing.swap(true, Ordering::AcqRel) {
            return false;
        }
        let from = self.real.load(Ordering::Relaxed);
        let to = (end.max(from + STEP)).next_multiple_of(4096).min(self.size);
        let is_real = from >= end || self.populate(from, to - from);
        if is_real {
            self.real.fetch_max(to, Ordering::Release);
        } else {
            self.close();
        }
        self.growing.store(false, Ordering::Release);
        is_real
    }

    fn populate(&self, from: usize, length: usize) -> bool {
        const MADV_POPULATE_WRITE: libc::c_int = 23;
        // SAFETY: the range lies in our mapping; an error changes nothing.
        if unsafe { libc::madvise(self.base.add(from).cast(), length, MADV_POPULATE_WRITE) } == 0 {
            return true;
        }
        // SAFETY: errno is this thread's own.
        if unsafe { *libc::__errno_location() } != libc::EINVAL {
            return false;
        }
        // A kernel before 5.14.
        // SAFETY: the path is NUL-terminated, and the descriptor our own until it is closed.
        unsafe {
            let fd = libc::open(self.path.as_ptr(), libc::O_RDWR | libc::O_NOFOLLOW | libc::O_CLOEXEC);
            if fd < 0 {
                return false;
            }
            let error = libc::posix_fallocate(fd, from as libc::off_t, length as libc::off_t);
            libc::close(fd);
            error == 0
        }
    }
}

impl Space {
    /// Appends bytes; those that do not fit are left out.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let taken = bytes.len().min(self.length - self.filled);
        // SAFETY: the space is ours alone, and `filled + taken` bytes of it are there.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.add(self.filled), taken) };
        self.filled += taken;
    }

    pub(super) fn put_word(&mut self, word: u64) {
        self.put(&word.to_le_bytes());
    }

    /// What the record is called. Whoever is told it may read the record: tell it with Release.
    pub(super) fn reference(&self) -> u32 {
        self.reference
    }
}

/// A file size limit would end the host with SIGXFSZ.
fn size_within_limit() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let size = usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX).min(MAX_SITES_BYTES) & !4095;
    if size < FIRST_STEP { Err(io::Error::from_raw_os_error(libc::EFBIG)) } else { Ok(size) }
}

fn reserve(file: &std::fs::File, from: usize, length: usize) -> io::Result<()> {
    // SAFETY: the descriptor is valid; the call gives its error.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), from as libc::off_t, length as libc::off_t) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn map(file: &std::fs::File, size: usize) -> io::Result<*mut u8> {
    // SAFETY: a new shared mapping at an address of the kernel's choice, checked before use. A forked child does not get it.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let memory = libc::mmap(ptr::null_mut(), size, protection, libc::MAP_SHARED, file.as_raw_fd(), 0);
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        if libc::madvise(memory, size, libc::MADV_DONTFORK) != 0 {
            let error = io::Error::last_os_error();
            libc::munmap(memory, size);
            return Err(error);
        }
        Ok(memory.cast())
    }
}
