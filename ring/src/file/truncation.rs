//! The guard of a reader whose ring file, or another, is truncated while it is mapped.
//!
//! Where a mapping has no file behind it any more, a load raises SIGBUS (mmap(2)), and another process may truncate a file at any
//! moment. The handler of this module replaces such a mapping by zeroed memory of the reader's own, and marks it as truncated. The load
//! then goes on. A reader looks at the mark after it has copied something, and drops the copy.
//!
//! Readers alone install the handler. libttmem.so lives in processes of others, and sets none.

use std::{
    fs, mem,
    ops::Range,
    ptr,
    sync::{
        Mutex, Once, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use ttmem_wire::PAGE;

/// A mapping that the handler may replace, until the guard is dropped. Drop it before the mapping.
#[derive(Debug)]
pub(crate) struct TruncationGuard(&'static Entry);

/// Where a guarded mapping lies.
#[derive(Debug, Default)]
struct Entry {
    /// The address, which begins a page, and in the bits below that the number of pages: one word, so that the handler reads no half of
    /// it. 0 while the entry is unused.
    /// SYNC: Relaxed. The handler runs on the thread that loads from the mapping, and that thread was given the guard with it.
    place: AtomicU64,
    /// SYNC: Relaxed; set by the thread that looks at it, in the handler.
    is_truncated: AtomicBool,
    next: OnceLock<&'static Self>,
}

/// The list of all entries, which are used again and never freed: the handler walks it without a lock.
static FIRST: Entry = Entry { place: AtomicU64::new(0), is_truncated: AtomicBool::new(false), next: OnceLock::new() };

/// Held by those that take an entry; never by the handler.
static TAKING: Mutex<()> = Mutex::new(());

static INSTALL: Once = Once::new();

/// Bits of an address that count pages: enough for [`ttmem_wire::MAX_RING_FILE_BYTES`]. A page has 12 of them, so the address
/// is shifted for the others; user space has 56 bits at most.
const COUNT_BITS: u32 = 20;
const PAGE_BITS: u32 = PAGE.trailing_zeros();

impl TruncationGuard {
    /// Guards the whole mapping of so many bytes.
    ///
    /// # Panics
    /// If it is larger than any ring file.
    pub(crate) fn new(start: *const u8, bytes: usize) -> Self {
        let pages = bytes.div_ceil(PAGE) as u64;
        assert!(pages >> COUNT_BITS == 0, "a ring file of {pages} pages");
        INSTALL.call_once(install);
        let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = &FIRST;
        while entry.place.load(Ordering::Relaxed) != 0 {
            entry = entry.next.get_or_init(|| Box::leak(Box::default()));
        }
        entry.is_truncated.store(false, Ordering::Relaxed);
        entry.place.store((start.addr() as u64) << (COUNT_BITS - PAGE_BITS) | pages, Ordering::Relaxed);
        Self(entry)
    }

    /// Whether the mapping was replaced: what was read from it since the last look is of no use.
    pub(crate) fn has_struck(&self) -> bool {
        self.0.is_truncated.load(Ordering::Relaxed)
    }
}

impl Drop for TruncationGuard {
    fn drop(&mut self) {
        self.0.place.store(0, Ordering::Relaxed);
    }
}

/// Guards of files that somebody else's code maps to read them: modules, whose symbols are looked up. Drop them before the mappings.
#[derive(Debug)]
pub struct MappedFiles {
    _guards: Vec<TruncationGuard>,
}

impl MappedFiles {
    /// Calls `open`, and guards the files that it maps to read them.
    pub fn guarding<T>(open: impl FnOnce() -> T) -> (Self, T) {
        let before = mapped_to_read();
        let opened = open();
        let new = mapped_to_read().into_iter().filter(|place| !before.contains(place));
        let fits = new.filter(|place| (place.len() / PAGE) >> COUNT_BITS == 0);
        let guards =
            fits.map(|place| TruncationGuard::new(ptr::without_provenance(place.start), place.len())).collect();
        (Self { _guards: guards }, opened)
    }
}

/// The shared mappings of this process that are read and not written, by proc_pid_maps(5).
fn mapped_to_read() -> Vec<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let place = |line: &str| {
        let (start, rest) = line.split_once('-')?;
        let (end, rest) = rest.split_once(' ')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        rest.starts_with("r--s").then_some(number(start)?..number(end)?)
    };
    maps.lines().filter_map(place).collect()
}

fn install() {
    // SAFETY: an all-zero sigaction is a valid value of this plain C struct.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = on_bus_error as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler is async-signal-safe: it loads atomics and makes system calls. Without it, SIGBUS ends the process as before.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) };
}

/// Returns to the load where it was of a guarded mapping. Any other SIGBUS ends the process, as it would without a handler.
extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to a handler with SA_SIGINFO, and an address in one of a fault.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    if code == libc::BUS_ADRERR && replace(address) {
        return;
    }
    // SAFETY: both are async-signal-safe. The signal is blocked until the handler returns, and then does what it does by default.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Replaces the guarded mapping that this address lies in; false if there is none.
fn replace(address: usize) -> bool {
    let mut entry = Some(&FIRST);
    while let Some(Entry { place, is_truncated, next }) = entry {
        let place = place.load(Ordering::Relaxed);
        let start = (place >> COUNT_BITS << PAGE_BITS) as usize;
        let bytes = (place as usize & ((1 << COUNT_BITS) - 1)) * PAGE;
        if (start..start + bytes).contains(&address) {
            is_truncated.store(true, Ordering::Relaxed);
            return put_zeros(start, bytes);
        }
        entry = next.get().copied();
    }
    false
}

fn put_zeros(start: usize, bytes: usize) -> bool {
    // SAFETY: errno is the thread's own, and is given back as it was.
    let errno = unsafe { *libc::__errno_location() };
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the range is a mapping that a guard stands for, so it is mapped and of the reader's own until the guard is dropped.
    // What lies in it is atomics, whose values may change at any time. The kernel does both steps under one lock.
    let mapped = unsafe { libc::mmap(ptr::without_provenance_mut(start), bytes, protection, flags, -1, 0) };
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    mapped != libc::MAP_FAILED
}
