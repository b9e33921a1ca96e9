//! From the first event to the end: how the ring and the tracker are made, and what is noted at exit.

use std::{
    ffi::{c_int, c_void},
    panic::catch_unwind,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use ttmem_ring::{Clock, CreateOptions, QUEUE_SLOTS, RingFile};
use ttmem_wire::Fact;

use crate::{
    complain,
    config::{self, Config},
    facts, fired, flush,
    flusher::{self, Flusher},
    fork_guard::{self, GUARD},
    full_queue::FullQueue,
    mode,
    nap::Patience,
    past_allocators::PastAllocators,
    pool_cache::PoolCache,
    pool_sets::PoolSets,
    stacks::{self, Stacks},
    thread,
    tracker::Tracker,
    turn::Turns,
};

/// How long an event waits for the ring to be made. It takes about a millisecond.
const START_PATIENCE: Duration = Duration::from_secs(2);

// Runs in every process that inherits LD_PRELOAD, compilers by the dozen: it must cost next to nothing.
#[ctor::ctor(unsafe)]
fn constructor() {
    initialise();
}

/// Reads the environment, once; libc and atomics only.
#[cold]
fn initialise() {
    config::remember();
    let is_on = !config::is_disabled();
    if mode::initialise(is_on) && is_on {
        if !config::stacks_are_off() {
            stacks::find_python();
        }
        // SAFETY: the function has the wanted signature and lives as long as the library, which is never unloaded.
        unsafe { on_exit(at_exit, ptr::null_mut()) };
    }
}

/// Whether events are taken, or will be once there are any.
pub(crate) fn is_on() -> bool {
    mode::get().unwrap_or_else(|| {
        initialise();
        mode::get() == Some(true)
    })
}

/// The tracker, made now if this is the first event. `None`: tracking is off, or this event is counted as come too early.
#[cold]
#[inline(never)]
pub(crate) fn start() -> Option<&'static Tracker> {
    if !is_on() {
        return None;
    }
    thread::keeping_errno(|| {
        if !GUARD.arm() {
            mode::turn_off(format_args!(
                "the kernel refuses a page that is wiped on fork (it must be Linux 4.14 or later)"
            ));
            return None;
        }
        if GUARD.starting.swap(1, Ordering::Relaxed) == 0
            && let Err(error) = flusher::spawn(run_flusher)
        {
            mode::turn_off(format_args!("cannot start the flusher thread: {error}"));
        }
        wait_for_start()
    })
}

/// The ring is made on the flusher's own thread, never on that of an event, whose stack may be small. So even an event in a
/// signal handler may wait here: the thread that it waits for is another. Waiting in vain happens once; later events are
/// counted as come too early until the ring is there.
fn wait_for_start() -> Option<&'static Tracker> {
    let mut patience = Patience::new(START_PATIENCE);
    while is_on() {
        if let Some(tracker) = fork_guard::tracker() {
            return Some(tracker);
        }
        if GUARD.waited_in_vain.load(Ordering::Relaxed) != 0 || !patience.nap(Duration::from_micros(20)) {
            GUARD.waited_in_vain.store(1, Ordering::Relaxed);
            GUARD.early.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    None
}

/// The flusher's thread: makes ring and tracker, and then flushes until the end.
extern "C" fn run_flusher(_: *mut c_void) -> *mut c_void {
    let flushed = catch_unwind(|| {
        if let Some(flusher) = make() {
            flusher.run();
        }
    });
    if flushed.is_err() {
        mode::turn_off(format_args!("an error inside ttmem; please report it"));
    }
    ptr::null_mut()
}

/// Makes ring and tracker, and lets the waiting events through. Gives what the flusher runs on.
fn make() -> Option<&'static mut Flusher> {
    let (config, complaints) = Config::read();
    complaints.iter().for_each(|complaint| complain::once(format_args!("{complaint}")));
    if config.kernel_clock {
        Clock::forbid_counter();
    }
    let options = CreateOptions {
        folder: &config.folder,
        ring_bytes: config.ring_bytes,
        queue_slots: QUEUE_SLOTS,
        producer: env!("CARGO_PKG_VERSION"),
    };
    let ring = match RingFile::create(&options) {
        Ok(ring) => ring,
        Err(error) => {
            mode::turn_off(format_args!(
                "{error}; set TTMEM_DIR to a folder of your own with 8 MiB free, or TTMEM_DISABLE=1"
            ));
            return None;
        }
    };
    let full_queue: &'static FullQueue = Box::leak(Box::new(FullQueue::new(config.on_full)));
    let (requests, received) = crossbeam_channel::bounded(flush::CAPACITY);
    let flusher = Box::leak(Box::new(Flusher::new(ring.clone(), received, full_queue, config.checkpoints)));
    let tracker = Tracker {
        queue: ring.queue(),
        full_queue,
        requests,
        clock: ring.clock(),
        process: ring.header().pid,
        producers: ring.producers(),
        flusher: ring.flusher(),
        pools: ring.pools(),
        pool_cache: PoolCache::new(),
        pool_sets: PoolSets::new(),
        past_allocators: PastAllocators::default(),
        first_sight: Turns::new(),
        build_is_known: AtomicBool::new(false),
        stacks: Stacks::create(config.stacks, &ring),
        _flusher: ptr::from_ref(flusher) as usize,
        _parents: Tracker::latest(),
    };
    let tracker = tracker.keep();
    tracker.producers.count_early(GUARD.early.swap(0, Ordering::Relaxed));
    if let Some(rank) = config.rank {
        facts::note(tracker, &Fact::Rank(rank));
    }
    // Before threads of the host go on, which may fork: in the child, what only this stack refers to looks like a leak.
    drop((config, complaints));
    GUARD.open(tracker);
    Some(flusher)
}

/// Events that came too early since the tracker was made: counted where the reader sees them.
pub(crate) fn settle_early(tracker: &Tracker) {
    if GUARD.early.load(Ordering::Relaxed) != 0 {
        tracker.producers.count_early(GUARD.early.swap(0, Ordering::Relaxed));
    }
}

unsafe extern "C" {
    /// glibc's: like atexit, and the handler learns the exit code.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}

/// Notes the exit code. Registered by the constructor, so it runs after the program's own handlers. It waits for nothing and
/// frees nothing: late events still come, and what the flusher has not drained lies in the queue, where the reader finds it.
extern "C" fn at_exit(code: c_int, _: *mut c_void) {
    match fork_guard::tracker() {
        Some(tracker) => {
            settle_early(tracker);
            tracker.flusher.set_exited(code);
        }
        None if is_on() => fired::complain_if_nothing_fired(),
        None => {}
    }
}
