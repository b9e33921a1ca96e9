//! Time stamps: the time stamp counter where it is invariant, else `CLOCK_MONOTONIC`; and from ticks back to nanoseconds.

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
    /// The best clock of this machine.
    pub fn detect() -> Self {
        if counter_is_invariant() { Self::Counter } else { Self::Monotonic }
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
    fn this_machines_clock_runs_forward() {
        let clock = Clock::detect();
        let before = clock.now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(clock.now() > before);
    }
}
