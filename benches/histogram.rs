//! Exact histograms of short times, and the clock that they are taken with.

use ttmem_ring::{Clock, monotonic_ns};

/// Ticks up to this are counted one by one; longer times are kept as they are.
const FINE: usize = 16_384;

/// How often each number of ticks was seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    fine: Vec<u64>,
    long: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { fine: vec![0; FINE], long: Vec::new(), count: 0 }
    }
}

impl Histogram {
    /// Counts one time, in ticks.
    pub fn add(&mut self, ticks: u64) {
        self.count += 1;
        match self.fine.get_mut(ticks as usize) {
            Some(bucket) => *bucket += 1,
            None => self.long.push(ticks),
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.fine.iter_mut().zip(&other.fine).for_each(|(bucket, times)| *bucket += times);
        self.long.extend_from_slice(&other.long);
        self.count += other.count;
    }

    /// The time below which this share of all times lies, in ticks.
    pub fn quantile(&mut self, share: f64) -> u64 {
        let mut left = (self.count as f64 * share) as u64;
        for (ticks, &times) in self.fine.iter().enumerate() {
            if left < times {
                return ticks as u64;
            }
            left -= times;
        }
        self.long.sort_unstable();
        self.long.get(left as usize).or(self.long.last()).copied().unwrap_or(0)
    }
}

/// Nanoseconds of one tick of this machine's clock, measured over 50 ms.
pub fn ns_per_tick() -> f64 {
    let clock = Clock::detect();
    let (ticks, ns) = (clock.now(), monotonic_ns());
    std::thread::sleep(std::time::Duration::from_millis(50));
    (monotonic_ns() - ns) as f64 / (clock.now() - ticks) as f64
}

/// The middle of these values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
