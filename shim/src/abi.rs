//! The C ABI: what a C or C++ program calls. Safe from any thread, never blocking, never failing towards the caller.
//!
//! cbindgen makes include/ttmem.h of this file; the comments here are the header's.

use std::{
    ffi::{CStr, c_char},
    time::Duration,
};

use ttmem_wire::{Event, EventKind, MAX_MARK_BYTES, Memory, Target, flags, split_mark};

use crate::{
    capture::{Site, guarded, record, record_inline, tracker},
    control,
    flush::flush,
    flusher::wake_flusher,
    fork_guard,
    memory_request::{self, MemoryFigures},
    region::{self, Kind},
    startup,
};

/// A device id for report_deallocation: whichever device has the buffer.
pub const TTMEM_ANY_DEVICE: i32 = -1;

/// A buffer of `size` bytes came to life on device `device_id`. `buffer_type` has tt-metal's values (DRAM 0, L1 1,
/// SYSTEM_MEMORY 2, L1_SMALL 3, TRACE 4); any other is kept and shown as unknown(N). `buffer_id` names the buffer in
/// report_deallocation; it is its address where it has one. The same id reported again while it lives is one more owner
/// of the same bytes.
#[unsafe(no_mangle)]
pub extern "C" fn report_allocation(device_id: i32, size: u64, buffer_type: u8, buffer_id: u64) {
    guarded(|| {
        let event = Event {
            kind: EventKind::Allocate,
            memory: Some(Memory::from_buffer_type(0)),
            target: Target::Device(device_id),
            address: buffer_id,
            size,
            ..Event::default()
        };
        record_inline(event, buffer_type, Site::Here);
    });
}

/// An owner freed buffer `buffer_id` on device `device_id`, or on whichever device has it (TTMEM_ANY_DEVICE). The id
/// names no memory: where the same id lives in two memories of a device, the younger one is freed. A free that matches
/// nothing is counted and shown, and changes no total.
#[unsafe(no_mangle)]
pub extern "C" fn report_deallocation(device_id: i32, buffer_id: u64) {
    guarded(|| {
        let event = Event {
            kind: EventKind::Free,
            memory: None,
            target: Target::Device(device_id),
            address: buffer_id,
            ..Event::default()
        };
        record_inline(event, 0, Site::Given);
    });
}

/// A program placed a circular buffer of `size` bytes at L1 address `address` on `num_cores` cores of the device. One that
/// is globally allocated lies inside a buffer that is counted already.
#[unsafe(no_mangle)]
pub extern "C" fn track_allocate_cb(
    num_cores: u32,
    address: u64,
    size: u64,
    is_globally_allocated: bool,
    device_id: i32,
) {
    guarded(|| {
        let event = Event {
            kind: EventKind::CbAllocate,
            memory: Some(Memory::CircularBuffer),
            flags: if is_globally_allocated { flags::GLOBALLY_ALLOCATED } else { 0 },
            target: Target::Device(device_id),
            extra: num_cores,
            address,
            size,
            ..Event::default()
        };
        record_inline(event, 0, Site::Here);
    });
}

/// All circular buffers of the device are gone.
#[unsafe(no_mangle)]
pub extern "C" fn track_deallocate_cb(device_id: i32) {
    guarded(|| {
        let event = Event {
            kind: EventKind::CbFreeAll,
            memory: Some(Memory::CircularBuffer),
            target: Target::Device(device_id),
            ..Event::default()
        };
        record_inline(event, 0, Site::Given);
    });
}

/// The device was closed: what is live on it is released. That is no free by its owner: what the owner never freed is leftover.
#[unsafe(no_mangle)]
pub extern "C" fn ttmem_device_closed(device_id: i32) {
    guarded(|| {
        let event = Event { kind: EventKind::DeviceClosed, target: Target::Device(device_id), ..Event::default() };
        record_inline(event, 0, Site::Given);
    });
}

/// Notes a moment under a name (UTF-8, at most 255 bytes; a longer one is cut). Reports show the memory at each mark.
///
/// # Safety
/// `name` is a NUL-terminated string, or null, which does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ttmem_mark(name: *const c_char) {
    // SAFETY: the caller gives a NUL-terminated string, or null.
    let Some(bytes) = (unsafe { text(name) }) else { return };
    guarded(|| {
        if let Some(tracker) = tracker() {
            split_mark(bytes).for_each(|part| record(tracker, part, Site::Given));
        }
    });
}

/// Begins a region: a stretch of the program with a name (UTF-8, some 220 bytes; a longer one is cut). Reports show what was
/// allocated, freed and left behind in it, by any thread, and its peak. Returns the number that ttmem_region_end takes, or 0 if
/// no events are taken. Regions may be nested, may overlap, and may end on another thread.
///
/// # Safety
/// `name` is a NUL-terminated string, or null, which does nothing and returns 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ttmem_region_begin(name: *const c_char) -> u64 {
    // SAFETY: the caller gives a NUL-terminated string, or null.
    unsafe { text(name) }.map_or(0, |name| region::begin(Kind::Within, name))
}

/// Begins a region whose allocations count for it alone, and not for the regions around it: for a cache that happens to be
/// filled there. Else as ttmem_region_begin.
///
/// # Safety
/// `name` is a NUL-terminated string, or null, which does nothing and returns 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ttmem_region_begin_apart(name: *const c_char) -> u64 {
    // SAFETY: the caller gives a NUL-terminated string, or null.
    unsafe { text(name) }.map_or(0, |name| region::begin(Kind::Apart, name))
}

/// Ends the region of this number; 0, or one that has ended, does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ttmem_region_end(region: u64) {
    region::end(region);
}

/// The bytes of a name, as many as a mark has at most and one more, so that a cut can be seen; `None` of null.
///
/// # Safety
/// `name` is null or a NUL-terminated string that outlives what is returned.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a [u8]> {
    if name.is_null() {
        return None;
    }
    // SAFETY: a NUL-terminated string; no more than MAX_MARK_BYTES + 1 of it are looked at.
    let length = unsafe { libc::strnlen(name, MAX_MARK_BYTES + 1) };
    // SAFETY: `length` bytes were just found to be readable.
    Some(unsafe { std::slice::from_raw_parts(name.cast::<u8>(), length) })
}

/// Whether events are taken.
#[unsafe(no_mangle)]
pub extern "C" fn ttmem_enabled() -> bool {
    startup::is_on()
}

/// Starts tracking in a process that did not preload the library: tt-metal's calls come to it from now on, of all libraries that are
/// loaded and that are loaded later. What an allocator holds by then is reported as allocated before, without call sites. The ring is
/// made in `folder`, or in that of TTMEM_DIR if it is null. Returns whether events are taken; where they are already, it only looks at
/// libraries that were loaded meanwhile. Not for signal handlers.
///
/// # Safety
/// `folder` is null or a NUL-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ttmem_start(folder: *const c_char) -> bool {
    let mut is_on = false;
    guarded(|| {
        // SAFETY: as promised.
        let folder = (!folder.is_null()).then(|| unsafe { CStr::from_ptr(folder) });
        is_on = control::start(folder);
    });
    is_on
}

/// Stops tracking: waits until all that was reported before is in the ring, and ends the ring. Calls go to tt-metal alone from now on,
/// where ttmem_start had them come here. ttmem_start begins anew, with another ring. Not for signal handlers.
#[unsafe(no_mangle)]
pub extern "C" fn ttmem_stop() {
    guarded(control::stop);
}

/// Waits until all that was reported before is in the ring, at most `timeout_ms` milliseconds; returns whether it is. Not
/// needed for safety: what was reported is in shared memory at once and survives the process.
#[unsafe(no_mangle)]
pub extern "C" fn ttmem_flush(timeout_ms: u32) -> bool {
    let mut flushed = true;
    guarded(|| {
        if let Some(tracker) = fork_guard::tracker() {
            flushed =
                flush(tracker, Duration::from_millis(timeout_ms.into()), || wake_flusher(tracker.flusher.state()));
        }
    });
    flushed
}

/// One memory of a device. Bytes are on the device, over all its banks. The names are those of JAX's `memory_stats`.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct ttmem_memory {
    /// In: sizeof(struct ttmem_memory) as the caller knows it. Out: how many bytes were filled.
    pub size: u64,
    /// Banks of the memory; 0 before an allocator of the device was seen, and then the limit and the block are 0 too.
    pub banks: u64,
    /// Bytes that there are.
    pub bytes_limit: u64,
    /// Bytes that allocations take, rounded up as the allocator does.
    pub bytes_in_use: u64,
    /// The most that they ever took.
    pub peak_bytes_in_use: u64,
    /// The largest free block: a buffer of so many bytes finds room, spread over all banks.
    pub largest_free_block_bytes: u64,
    /// Allocations so far, those that were freed included.
    pub num_allocs: u64,
}

/// Fills `out` as far as its `size` says with what the memory of this buffer type holds and has left on the device, after all
/// that was reported before. Returns false, and fills in zeroes, where nothing is known of that memory or an event is missing.
/// Works without a reader. The library's thread adds it up: tens of milliseconds at first, then less than one. Not for
/// signal handlers.
///
/// # Safety
/// `out` is null (nothing happens) or points to `out->size` writable bytes, aligned as a struct ttmem_memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ttmem_memory(device_id: i32, buffer_type: u8, out: *mut ttmem_memory) -> bool {
    if out.is_null() {
        return false;
    }
    let mut figures = None;
    guarded(|| {
        if let Some(tracker) = fork_guard::tracker() {
            let memory = Memory::from_buffer_type(buffer_type);
            figures = memory_request::look(tracker, device_id, memory, || wake_flusher(tracker.flusher.state()));
        }
    });
    let mut memory = figures.map_or_else(ttmem_memory::empty, ttmem_memory::new);
    // SAFETY: as in `ttmem_stats`.
    unsafe {
        let room = usize::try_from((*out).size).unwrap_or(0).min(size_of::<ttmem_memory>());
        memory.size = room as u64;
        std::ptr::copy_nonoverlapping((&raw const memory).cast::<u8>(), out.cast::<u8>(), room);
    }
    figures.is_some()
}

impl ttmem_memory {
    fn empty() -> Self {
        Self {
            size: 0,
            banks: 0,
            bytes_limit: 0,
            bytes_in_use: 0,
            peak_bytes_in_use: 0,
            largest_free_block_bytes: 0,
            num_allocs: 0,
        }
    }

    fn new(MemoryFigures { totals, headroom }: MemoryFigures) -> Self {
        let banks = headroom.map_or(0, |headroom| u64::from(headroom.banks));
        let of_banks = |per_bank: Option<u64>, bytes| match per_bank {
            Some(per_bank) if banks > 0 => per_bank.saturating_mul(banks),
            _ => bytes,
        };
        Self {
            banks,
            bytes_limit: headroom.map_or(0, |headroom| headroom.capacity()),
            bytes_in_use: of_banks(totals.live_bytes_per_bank, totals.live_bytes),
            peak_bytes_in_use: of_banks(totals.peak_bytes_per_bank, totals.peak_bytes),
            largest_free_block_bytes: headroom.and_then(|headroom| headroom.largest_free_block()).unwrap_or(0),
            num_allocs: totals.allocations,
            ..Self::empty()
        }
    }
}

/// The version of the library, a static string.
#[unsafe(no_mangle)]
pub extern "C" fn ttmem_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    VERSION.as_ptr()
}

/// What the library counted in this process.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct ttmem_stats {
    /// In: sizeof(struct ttmem_stats) as the caller knows it. Out: how many bytes were filled.
    pub size: u64,
    /// Events reported so far.
    pub reported: u64,
    /// Events that were put into the ring so far.
    pub in_ring: u64,
    /// Events that are in the queue, on their way to it.
    pub pending: u64,
    /// Events that were dropped, and counted here exactly.
    pub dropped: u64,
}

/// Fills `out` as far as its `size` says. A program that was built with an older, shorter struct is served too.
///
/// # Safety
/// `out` is null (nothing happens) or points to `out->size` writable bytes, aligned as a struct ttmem_stats.
#[unsafe(no_mangle)]
#[allow(clippy::not_unsafe_ptr_arg_deref)]
pub unsafe extern "C" fn ttmem_stats(out: *mut ttmem_stats) {
    if out.is_null() {
        return;
    }
    let mut stats = ttmem_stats { size: 0, reported: 0, in_ring: 0, pending: 0, dropped: 0 };
    guarded(|| {
        if let Some(tracker) = fork_guard::tracker() {
            startup::settle_early(tracker);
            // The head first: it can only be behind what is claimed later.
            stats.in_ring = tracker.flusher.head();
            let claimed = tracker.queue.claimed().saturating_sub(tracker.flusher.skipped());
            stats.dropped = tracker.producers.dropped_full() + tracker.producers.dropped_early();
            stats.reported = claimed + stats.dropped;
            stats.pending = claimed.saturating_sub(stats.in_ring);
        }
    });
    // SAFETY: the caller says how many bytes there are, and no more than that are written.
    unsafe {
        let room = usize::try_from((*out).size).unwrap_or(0).min(size_of::<ttmem_stats>());
        stats.size = room as u64;
        std::ptr::copy_nonoverlapping((&raw const stats).cast::<u8>(), out.cast::<u8>(), room);
    }
}
