//! From the first event to the end: when the ring comes to be, and what is noted at exit.

use std::{
    ffi::{c_int, c_void},
    fmt,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use ttmem_ring::{Clock, CreateOptions, FlusherPage, PoolTable, ProducerPage, RingFile, STAGE_SLOTS, Stage};

use crate::{
    complain,
    config::{self, Config, OnFull},
    flusher::{self, Flusher},
    gate, interpose,
    pool_cache::PoolCache,
    pool_sets::PoolSets,
    stacks::{self, Stacks},
    thread,
};

/// What a process that reports events has. Never dropped: threads may be inside until the very end.
pub(crate) struct Tracker {
    pub(crate) stage: Stage<'static>,
    pub(crate) channel: Sender<u64>,
    pub(crate) clock: Clock,
    pub(crate) process: u32,
    pub(crate) on_full: OnFull,
    pub(crate) producers: &'static ProducerPage,
    pub(crate) flusher: &'static FlusherPage,
    pub(crate) pools: PoolTable<'static>,
    pub(crate) pool_cache: PoolCache,
    pub(crate) pool_sets: PoolSets,
    pub(crate) stacks: Option<&'static Stacks>,
}

/// 0: the constructor has not run. Inherited by forks, unlike the gate.
static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const ON: u8 = 1;
const OFF: u8 = 2;

/// How long an event waits for the ring to be made. It takes about a millisecond.
const START_PATIENCE: Duration = Duration::from_secs(2);

// Runs in every process that inherits LD_PRELOAD, compilers by the dozen: it must cost next to nothing.
#[ctor::ctor(unsafe)]
fn constructor() {
    initialise();
}

/// Reads the environment, once; libc and atomics only.
#[cold]
fn initialise() -> u8 {
    config::remember();
    let mode = if config::is_disabled() { OFF } else { ON };
    match MODE.compare_exchange(UNKNOWN, mode, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {
            if mode == ON {
                if !config::stacks_are_off() {
                    stacks::find_python();
                }
                // SAFETY: the function has the wanted signature and lives as long as the library, which is never unloaded.
                unsafe { on_exit(at_exit, std::ptr::null_mut()) };
            }
            mode
        }
        Err(first) => first,
    }
}

/// Whether events are taken, or will be once there are any.
pub(crate) fn is_on() -> bool {
    match MODE.load(Ordering::Relaxed) {
        UNKNOWN => initialise() == ON,
        mode => mode == ON,
    }
}

/// Ends tracking in this process, and says why.
#[cold]
pub(crate) fn turn_off(reason: fmt::Arguments<'_>) {
    // Said first: whoever waits for the ring goes on when it sees the mode, perhaps to the end of the process.
    if MODE.load(Ordering::Relaxed) != OFF {
        complain::once(format_args!("off: {reason}"));
        MODE.store(OFF, Ordering::Relaxed);
    }
}

/// See the module `switch`.
#[cfg(feature = "switch")]
pub(crate) fn switch(on: bool) {
    MODE.store(if on { ON } else { OFF }, Ordering::Relaxed);
}

/// The tracker, made now if this is the first event. `None`: tracking is off, or this event is counted as come too early.
#[cold]
#[inline(never)]
pub(crate) fn start() -> Option<&'static Tracker> {
    if !is_on() {
        return None;
    }
    thread::keeping_errno(|| {
        let Some(gate) = gate::make() else {
            turn_off(format_args!("the kernel refuses a page that is wiped on fork (it must be Linux 4.14 or later)"));
            return None;
        };
        if gate.starting.swap(1, Ordering::AcqRel) == 0
            && let Err(error) = flusher::spawn(gate)
        {
            turn_off(format_args!("cannot start the flusher thread: {error}"));
        }
        wait_for_start(gate)
    })
}

/// The ring is made on the flusher's own thread, never on that of an event, whose stack may be small. So even an event in a
/// signal handler may wait here: the thread that it waits for is another. Waiting in vain happens once; later events are
/// counted as come too early until the ring is there.
fn wait_for_start(gate: &gate::Gate) -> Option<&'static Tracker> {
    let since = Instant::now();
    while is_on() {
        if let Some(tracker) = gate::tracker() {
            return Some(tracker);
        }
        if since.elapsed() >= START_PATIENCE || gate.waited_in_vain.load(Ordering::Relaxed) != 0 {
            gate.waited_in_vain.store(1, Ordering::Relaxed);
            gate.early.fetch_add(1, Ordering::Relaxed);
            break;
        }
        std::thread::sleep(Duration::from_micros(20));
    }
    None
}

/// Makes ring and tracker, and lets the waiting events through. Gives what the flusher runs on.
pub(crate) fn make(gate: &'static gate::Gate) -> Option<Flusher> {
    let config = Config::read();
    if config.kernel_clock {
        Clock::forbid_counter();
    }
    let options = CreateOptions {
        folder: &config.folder,
        ring_bytes: config.ring_bytes,
        stage_slots: STAGE_SLOTS,
        producer: env!("CARGO_PKG_VERSION"),
    };
    let ring = match RingFile::create(&options) {
        Ok(ring) => ring,
        Err(error) => {
            turn_off(format_args!(
                "{error}; set TTMEM_DIR to a folder of your own with 8 MiB free, or TTMEM_DISABLE=1"
            ));
            return None;
        }
    };
    let (sender, receiver) = crossbeam_channel::bounded((STAGE_SLOTS / flusher::EVENTS_A_TOKEN) as usize);
    let flusher = Flusher::new(ring.clone(), receiver, config.folds);
    let tracker: &'static Tracker = Box::leak(Box::new(Tracker {
        stage: ring.stage(),
        channel: sender,
        clock: ring.clock(),
        process: ring.header().pid,
        on_full: config.on_full,
        producers: ring.producers(),
        flusher: ring.flusher(),
        pools: ring.pools(),
        pool_cache: PoolCache::new(),
        pool_sets: PoolSets::new(),
        stacks: Stacks::create(config.stacks, &ring),
    }));
    tracker.producers.count_early(gate.early.swap(0, Ordering::Relaxed));
    gate.open(tracker);
    Some(flusher)
}

/// Events that came too early since the tracker was made: counted where the reader sees them.
pub(crate) fn settle_early(tracker: &Tracker) {
    if let Some(gate) = gate::make()
        && gate.early.load(Ordering::Relaxed) != 0
    {
        tracker.producers.count_early(gate.early.swap(0, Ordering::Relaxed));
    }
}

unsafe extern "C" {
    /// glibc's: like atexit, and the handler learns the exit code.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}

/// Notes the exit code. Registered by the constructor, so it runs after the program's own handlers. It waits for nothing and
/// frees nothing: late events still come, and what the flusher has not moved lies in the stage, which the reader knows.
extern "C" fn at_exit(code: c_int, _: *mut c_void) {
    match gate::tracker() {
        Some(tracker) => {
            settle_early(tracker);
            tracker.flusher.set_exited(code);
        }
        None if is_on() => interpose::say_if_nothing_fired(),
        None => {}
    }
}
