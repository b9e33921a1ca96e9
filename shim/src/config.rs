//! What the environment asks for, read once, before the program can change it.

use std::{
    ffi::{CStr, OsStr, OsString, c_char},
    fmt,
    os::unix::ffi::OsStrExt,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
    time::Duration,
};

use ttmem_ring::{DEFAULT_RING_BYTES, MIN_RING_BYTES};
use ttmem_wire::RANK_VARIABLES;

/// The largest ring that may be asked for.
const MAX_RING_BYTES: u64 = 1 << 30;

/// The longest that a reporting thread may be made to wait.
const MAX_BLOCK_MS: u64 = 60_000;

/// A variable as it was when the library was loaded. The first environment of a process is never freed, so the pointer
/// stays good even if the program sets the variable later, on whichever thread.
pub(crate) struct Variable {
    name: &'static CStr,
    value: AtomicPtr<c_char>,
}

impl Variable {
    const fn new(name: &'static CStr) -> Self {
        Self { name, value: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Remembers the value; libc alone, for the constructor.
    fn remember(&self) {
        // SAFETY: the name is NUL-terminated; at load time no other thread changes the environment.
        let value = unsafe { libc::getenv(self.name.as_ptr()) };
        self.value.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> Option<&'static OsStr> {
        let value = self.value.load(Ordering::Relaxed);
        if value.is_null() {
            return None;
        }
        // SAFETY: it is a string of the process's first environment, which lives as long as the process.
        let text = unsafe { CStr::from_ptr(value) };
        (!text.is_empty()).then(|| OsStr::from_bytes(text.to_bytes()))
    }

    fn is(&self, wanted: &[&str]) -> bool {
        self.get().is_some_and(|value| wanted.iter().any(|&wanted| value == wanted))
    }
}

static DISABLE: Variable = Variable::new(c"TTMEM_DISABLE");
static TRACKING: Variable = Variable::new(c"TT_ALLOC_TRACKING_ENABLED");
static DIR: Variable = Variable::new(c"TTMEM_DIR");
static RUNTIME_DIR: Variable = Variable::new(c"XDG_RUNTIME_DIR");
static RING_BYTES: Variable = Variable::new(c"TTMEM_RING_BYTES");
static ON_FULL: Variable = Variable::new(c"TTMEM_ON_FULL");
static FOLD: Variable = Variable::new(c"TTMEM_FOLD");
static CLOCK: Variable = Variable::new(c"TTMEM_CLOCK");
static LOG: Variable = Variable::new(c"TTMEM_LOG");
static STACKS: Variable = Variable::new(c"TTMEM_STACKS");
static RANKS: [Variable; RANK_VARIABLES.len()] = {
    let [first, second, third, fourth, last] = RANK_VARIABLES;
    [Variable::new(first), Variable::new(second), Variable::new(third), Variable::new(fourth), Variable::new(last)]
};

/// The folder that whoever started tracking by hand asked for, in place of TTMEM_DIR.
static CHOSEN: Variable = Variable::new(c"TTMEM_DIR");

/// Remembers the folder for the next ring; `None` for that of the environment. The copy is never freed: a flusher may read it.
pub(crate) fn choose_folder(folder: Option<&CStr>) {
    // SAFETY: a NUL-terminated string.
    let copy = folder.map_or(ptr::null_mut(), |folder| unsafe { libc::strdup(folder.as_ptr()) });
    CHOSEN.value.store(copy, Ordering::Relaxed);
}

/// Reads the environment. For the constructor: libc and atomics only.
pub(crate) fn remember() {
    for variable in RANKS.iter().chain([
        &DISABLE,
        &TRACKING,
        &DIR,
        &RUNTIME_DIR,
        &RING_BYTES,
        &ON_FULL,
        &FOLD,
        &CLOCK,
        &LOG,
        &STACKS,
    ]) {
        variable.remember();
    }
}

/// Whether the user turned tracking off.
pub(crate) fn is_disabled() -> bool {
    (DISABLE.get().is_some() && !DISABLE.is(&["0", "false", "off", "no"])) || TRACKING.is(&["0"])
}

/// Whether the one line about what is wrong is unwanted too.
pub(crate) fn is_silent() -> bool {
    LOG.is(&["off", "none"])
}

/// Whether more than what is wrong is wanted.
pub(crate) fn is_talkative() -> bool {
    LOG.get().is_some() && !is_silent()
}

/// What a thread does when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFull {
    /// Waits while the flusher makes progress.
    Wait,
    /// Counts the event as lost and goes on.
    Drop,
    /// Waits, at most this long, and then drops.
    Block(Duration),
}

/// Which frames a call site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StackChoice {
    /// Python's and native ones.
    All,
    /// Python's alone.
    Python,
    /// Native ones alone.
    Native,
    /// There are no call sites.
    Off,
}

impl StackChoice {
    pub(crate) fn python(self) -> bool {
        matches!(self, Self::All | Self::Python)
    }

    pub(crate) fn native(self) -> bool {
        matches!(self, Self::All | Self::Native)
    }
}

/// Whether call sites are surely unwanted; for the constructor, which prints nothing.
pub(crate) fn stacks_are_off() -> bool {
    STACKS.is(&["off", "0", "none"])
}

/// The settings of a ring.
pub(crate) struct Config {
    pub(crate) folder: std::path::PathBuf,
    pub(crate) ring_bytes: u64,
    pub(crate) on_full: OnFull,
    pub(crate) stacks: StackChoice,
    /// Whether the flusher writes checkpoints where nobody drains the ring.
    pub(crate) checkpoints: bool,
    /// Time stamps by the kernel's clock, though the processor's counter may do.
    pub(crate) kernel_clock: bool,
    /// The number of the process among those of its job, if its launcher gave it one.
    pub(crate) rank: Option<u32>,
}

/// A variable whose value makes no sense; the default is taken.
#[derive(Debug)]
pub(crate) struct Complaint {
    name: &'static CStr,
    value: &'static OsStr,
    wanted: &'static str,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = (self.name.to_string_lossy(), self.value.to_string_lossy());
        write!(f, "{name}={value}: not {}; the default is taken", self.wanted)
    }
}

impl Config {
    /// The settings that were remembered, and what is wrong with them.
    pub(crate) fn read() -> (Self, Vec<Complaint>) {
        let mut complaints = Vec::new();
        let owned = |variable: &Variable| variable.get().map(OsString::from);
        let config = Self {
            folder: ttmem_ring::folder_for(owned(&CHOSEN).or_else(|| owned(&DIR)), owned(&RUNTIME_DIR)),
            ring_bytes: RING_BYTES.parsed(
                DEFAULT_RING_BYTES,
                "a number of bytes from 4096 to 1 GiB",
                parse_bytes,
                &mut complaints,
            ),
            on_full: ON_FULL.parsed(
                OnFull::Wait,
                "wait, drop or block:<ms up to 60000>",
                parse_on_full,
                &mut complaints,
            ),
            kernel_clock: CLOCK.parsed(false, "monotonic or auto", parse_kernel_clock, &mut complaints),
            stacks: STACKS.parsed(StackChoice::All, "on, python, native or off", parse_stacks, &mut complaints),
            checkpoints: !FOLD.is(&["0", "false", "off", "no"]),
            rank: RANKS.iter().find_map(|variable| variable.get()?.to_str()?.trim().parse().ok()),
        };
        (config, complaints)
    }
}

impl Variable {
    fn parsed<T>(
        &self,
        default: T,
        wanted: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        complaints: &mut Vec<Complaint>,
    ) -> T {
        let Some(value) = self.get() else { return default };
        value.to_str().and_then(parse).unwrap_or_else(|| {
            complaints.push(Complaint { name: self.name, value, wanted });
            default
        })
    }
}

fn parse_bytes(text: &str) -> Option<u64> {
    text.parse().ok().filter(|bytes| (MIN_RING_BYTES..=MAX_RING_BYTES).contains(bytes))
}

fn parse_on_full(text: &str) -> Option<OnFull> {
    match text.strip_prefix("block:") {
        Some(ms) => ms.parse().ok().filter(|&ms| ms <= MAX_BLOCK_MS).map(|ms| OnFull::Block(Duration::from_millis(ms))),
        None if text == "wait" => Some(OnFull::Wait),
        None => (text == "drop").then_some(OnFull::Drop),
    }
}

fn parse_kernel_clock(text: &str) -> Option<bool> {
    match text {
        "monotonic" => Some(true),
        "auto" => Some(false),
        _ => None,
    }
}

fn parse_stacks(text: &str) -> Option<StackChoice> {
    Some(match text {
        "on" | "1" | "all" => StackChoice::All,
        "python" => StackChoice::Python,
        "native" => StackChoice::Native,
        "off" | "0" | "none" => StackChoice::Off,
        _ => return None,
    })
}
