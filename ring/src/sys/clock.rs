//! Time stamps: the time stamp counter where it is invariant, else `CLOCK_MONOTONIC`; and from ticks back to nanoseconds.

use std::sync::atomic::{AtomicBool, Ordering};

use ttmem_wire::{CLOCK_MONOTONIC, CLOCK_TSC, Header};

/// Which clock stamps the events of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The processor's counter: one instruction.
    Counter,
    /// `clock_gettime(CLOCK_MONOTONIC)`, ns.
    Monotonic,
}

impl Clock {
    /// The best clock of this machine: its counter, where that runs at one rate on all cores, and the kernel says so too.
    pub fn detect() -> Self {
        let counts = !COUNTER_FORBIDDEN.load(Ordering::Relaxed) && counter_is_invariant() && kernel_trusts_counter();
        if counts { Self::Counter } else { Self::Monotonic }
    }

    /// From now on this process takes `CLOCK_MONOTONIC` for the best clock.
    pub fn forbid_counter() {
        // SYNC: Relaxed; who forbids it does so before it, or a thread that it starts, makes a ring.
        COUNTER_FORBIDDEN.store(true, Ordering::Relaxed);
    }

    /// The header's code of this clock.
    pub fn code(self) -> u64 {
        match self {
            Self::Counter => CLOCK_TSC,
            Self::Monotonic => CLOCK_MONOTONIC,
        }
    }

    /// Now, in this clock's ticks.
    #[inline(always)]
    pub fn now(self) -> u64 {
        match self {
            Self::Counter => counter(),
            Self::Monotonic => monotonic_ns(),
        }
    }

    /// This clock and `CLOCK_MONOTONIC` at one moment: ticks, ns. Read in turns; those count between which least time went
    /// by, so that a thread that is put aside in the middle does not make a clock that is milliseconds off.
    pub fn with_monotonic(self) -> (u64, u64) {
        match self {
            Self::Monotonic => {
                let ns = monotonic_ns();
                (ns, ns)
            }
            Self::Counter => between(counter, monotonic_ns),
        }
    }
}

/// How often two clocks are read in turns. The second time is already some 60 ns wide.
const TURNS: usize = 8;

/// `outer` and `inner` at one moment.
fn between(outer: impl Fn() -> u64, inner: impl Fn() -> u64) -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    let mut before = outer();
    for _ in 0..TURNS {
        let read = inner();
        let after = outer();
        let width = after.saturating_sub(before);
        if width < best.0 {
            best = (width, before + width / 2, read);
        }
        before = after;
    }
    (best.1, best.2)
}

static COUNTER_FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// Whether Linux, which watches the counter, lets it count. It takes one that went wrong from the list; where there is no
/// list, the processor's word is taken.
#[cfg(target_arch = "x86_64")]
fn kernel_trusts_counter() -> bool {
    const SOURCES: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
    std::fs::read_to_string(SOURCES).map_or(true, |sources| lists_counter(&sources))
}

#[cfg(target_arch = "x86_64")]
fn lists_counter(sources: &str) -> bool {
    // Guests have sources that are made of the counter.
    sources.trim().is_empty()
        || sources.split_whitespace().any(|source| source.contains("tsc") || source == "kvm-clock")
}

#[cfg(not(target_arch = "x86_64"))]
fn kernel_trusts_counter() -> bool {
    true
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has RDTSC, and `detect` chose it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "x86_64")]
fn counter_is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    const INVARIANT_TSC: u32 = 1 << 8;
    __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & INVARIANT_TSC != 0
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn counter() -> u64 {
    let ticks: u64;
    // SAFETY: CNTVCT_EL0 is readable from user space on Linux; reading it has no side effect.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

#[cfg(target_arch = "aarch64")]
fn counter_is_invariant() -> bool {
    true
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter() -> u64 {
    monotonic_ns()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn counter_is_invariant() -> bool {
    false
}

/// `CLOCK_MONOTONIC`, ns.
pub fn monotonic_ns() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME`, ns since 1970.
pub fn realtime_ns() -> u64 {
    read_clock(libc::CLOCK_REALTIME)
}

/// `CLOCK_REALTIME` at this time of `CLOCK_MONOTONIC`, which is now or was just before.
pub(crate) fn realtime_at(monotonic: u64) -> u64 {
    let (at, realtime) = between(monotonic_ns, realtime_ns);
    realtime.saturating_sub(at.saturating_sub(monotonic))
}

fn read_clock(id: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec to write to; these clocks always exist.
    unsafe { libc::clock_gettime(id, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// From a ring's ticks to nanoseconds: the line through two readings of both clocks.
#[derive(Clone, Copy, Debug)]
pub struct ClockMap {
    ticks: u64,
    monotonic: u64,
    realtime: u64,
    delta_ticks: u64,
    delta_ns: u64,
}

impl ClockMap {
    /// The map of a ring whose header and a later reading `(ticks, CLOCK_MONOTONIC ns)` are known. Without a later
    /// reading a counter's ticks are taken for nanoseconds: right in order, not in length.
    pub fn new(header: &Header, later: Option<(u64, u64)>) -> Self {
        let (delta_ticks, delta_ns) = later
            .and_then(|(ticks, ns)| {
                let delta_ticks = ticks.checked_sub(header.clock_start)?;
                let delta_ns = ns.checked_sub(header.monotonic_start_ns)?;
                (header.clock == CLOCK_TSC && delta_ticks > 0 && delta_ns > 0).then_some((delta_ticks, delta_ns))
            })
            .unwrap_or((1, 1));
        Self {
            ticks: header.clock_start,
            monotonic: header.monotonic_start_ns,
            realtime: header.realtime_start_ns,
            delta_ticks,
            delta_ns,
        }
    }

    /// Whether a reading of a ring's own is near this line: else it is a line of another clock, as that of the machine which
    /// emulates the ring's.
    pub fn agrees_with(&self, (ticks, ns): (u64, u64)) -> bool {
        let apart = self.monotonic_ns(ticks).abs_diff(ns);
        apart <= 1_000_000 + ns.abs_diff(self.monotonic) / 1_000
    }

    /// The map of which [`ClockMap::points`] are known. Points that cannot be right, since the second is not later than the
    /// first, are taken as far as they go: ticks are nanoseconds from the first on.
    pub fn through([(ticks, realtime), (later_ticks, later_realtime)]: [(u64, u64); 2]) -> Self {
        let delta_ticks = later_ticks.checked_sub(ticks).filter(|&delta| delta > 0);
        let delta_ns = later_realtime.checked_sub(realtime).filter(|&delta| delta > 0);
        let (delta_ticks, delta_ns) = delta_ticks.zip(delta_ns).unwrap_or((1, 1));
        Self { ticks, monotonic: 0, realtime, delta_ticks, delta_ns }
    }

    /// Two points of the line, the earlier one first: ticks, and `CLOCK_REALTIME` in ns since 1970.
    pub fn points(&self) -> [(u64, u64); 2] {
        let later = (self.ticks.saturating_add(self.delta_ticks), self.realtime.saturating_add(self.delta_ns));
        [(self.ticks, self.realtime), later]
    }

    /// `CLOCK_MONOTONIC` at `ticks`, ns.
    pub fn monotonic_ns(&self, ticks: u64) -> u64 {
        self.shift(self.monotonic, ticks)
    }

    /// `CLOCK_REALTIME` at `ticks`, ns since 1970.
    pub fn realtime_ns(&self, ticks: u64) -> u64 {
        self.shift(self.realtime, ticks)
    }

    fn shift(&self, start: u64, ticks: u64) -> u64 {
        let since = i128::from(ticks) - i128::from(self.ticks);
        let ns = since * i128::from(self.delta_ns) / i128::from(self.delta_ticks);
        u64::try_from((i128::from(start) + ns).max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_through_both_readings_and_beyond() {
        let header = Header {
            clock: CLOCK_TSC,
            clock_start: 1_000,
            monotonic_start_ns: 50,
            realtime_start_ns: 7_000,
            ..Header::default()
        };
        let map = ClockMap::new(&header, Some((4_000, 1_050)));
        assert_eq!(map.monotonic_ns(1_000), 50);
        assert_eq!(map.monotonic_ns(4_000), 1_050);
        assert_eq!(map.realtime_ns(7_000), 9_000);
        assert_eq!(map.monotonic_ns(0), 0, "never below zero");
        let again = ClockMap::through(map.points());
        assert_eq!((again.realtime_ns(7_000), again.realtime_ns(1_000)), (9_000, 7_000));
        assert_eq!(ClockMap::through([(5, 9), (5, 3)]).realtime_ns(7), 11);
    }

    #[test]
    fn a_line_of_another_clock_is_known_by_the_rings_own_reading() {
        let header = Header { clock: CLOCK_TSC, clock_start: 1_000, monotonic_start_ns: 50, ..Header::default() };
        let second = 1_000_000_000;
        let map = ClockMap::new(&header, Some((1_000 + 3 * second, 50 + second)));
        assert!(map.agrees_with((1_000 + 6 * second, 50 + 2 * second)));
        assert!(!map.agrees_with((1_000 + 6 * second, 50 + 3 * second)));
    }

    #[test]
    fn readings_of_two_clocks_are_of_one_moment() {
        for clock in [Clock::detect(), Clock::Monotonic] {
            let (first, first_ns) = clock.with_monotonic();
            std::thread::sleep(std::time::Duration::from_millis(40));
            let (last, last_ns) = clock.with_monotonic();
            let header =
                Header { clock: clock.code(), clock_start: first, monotonic_start_ns: first_ns, ..Header::default() };
            let map = ClockMap::new(&header, Some((last, last_ns)));
            // The best of several: this thread may be put aside between the two reads.
            let apart = |_| {
                let (before, ticks, after) = (monotonic_ns(), clock.now(), monotonic_ns());
                let at = map.monotonic_ns(ticks);
                before.saturating_sub(at).max(at.saturating_sub(after))
            };
            let apart = (0..100).map(apart).min().unwrap();
            assert!(apart < 1_000, "{apart} ns between {clock:?} and CLOCK_MONOTONIC");
        }
        let now = monotonic_ns();
        assert!(realtime_at(now).abs_diff(realtime_ns()) < 1_000_000_000);
    }

    #[test]
    fn in_a_clock_that_is_read_in_turns_the_narrowest_turn_counts() {
        let times = std::cell::Cell::new(0);
        // Each read takes 10; the first turn is interrupted for 1,000.
        let read = || {
            times.set(times.get() + if times.get() == 10 { 1_000 } else { 10 });
            times.get()
        };
        let (outer, inner) = between(read, read);
        assert!(inner > 1_000, "{inner}");
        assert_eq!(outer, inner);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_counter_that_the_kernel_took_from_its_list_is_not_trusted() {
        assert!(lists_counter("tsc hpet acpi_pm \n"));
        assert!(lists_counter("hyperv_clocksource_tsc_page\n"));
        assert!(lists_counter(""));
        assert!(!lists_counter("hpet acpi_pm \n"));
    }

    #[test]
    fn this_machines_clock_runs_forward() {
        let clock = Clock::detect();
        let before = clock.now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(clock.now() > before);
    }
}
