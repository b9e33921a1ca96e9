//! Live bytes over time, at every resolution that a terminal may want: 100 ms a column, twice that, and so on to hours.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use ttmem_wire::Memory;

use crate::View;

/// Time of one sample.
const TICK: Duration = Duration::from_millis(100);
/// Samples that are kept of each resolution: more than a terminal has columns.
const KEPT: usize = 512;
/// Resolutions, each half as fine as the one before: the coarsest has 29 hours a column.
const LEVELS: usize = 20;
/// Of a longer pause (a suspended machine) only so much is shown.
const LONGEST_PAUSE: u64 = 600;

/// One curve. Each sample is the most of its time.
#[derive(Clone, Debug, Default)]
struct Curve {
    levels: [VecDeque<u64>; LEVELS],
}

impl Curve {
    fn push(&mut self, tick: u64, value: u64) {
        for (level, samples) in self.levels.iter_mut().enumerate() {
            let begins = tick & ((1 << level) - 1) == 0;
            match samples.back_mut() {
                Some(last) if !begins => *last = (*last).max(value),
                _ => {
                    if samples.len() == KEPT {
                        samples.pop_front();
                    }
                    samples.push_back(value);
                }
            }
        }
    }
}

/// Live bytes of each memory: of all processes together, and of each that runs.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Samples so far.
    ticks: u64,
    /// The time of the last, in samples: pauses make it more.
    seen: u64,
    all: BTreeMap<Memory, Curve>,
    processes: BTreeMap<u32, BTreeMap<Memory, Curve>>,
}

/// What a graph shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Oldest first.
    pub(super) values: Vec<u64>,
    /// The time of one.
    pub(super) each: Duration,
}

impl History {
    /// Adds what is live `at` a time since the start.
    pub(super) fn push(&mut self, view: &View, at: Duration) {
        let now = (at.as_millis() / TICK.as_millis()) as u64 + 1;
        // A picture that came late stands for the time since the last.
        let missed = now.saturating_sub(self.seen).min(LONGEST_PAUSE);
        self.seen = self.seen.max(now);
        self.processes.retain(|pid, _| view.processes.iter().any(|process| process.pid == *pid));
        for memory in view.devices.iter().flat_map(|device| &device.memory) {
            self.all.entry(memory.memory).or_default();
        }
        for _ in 0..missed {
            let tick = self.ticks;
            for (&memory, curve) in &mut self.all {
                curve.push(tick, view.live_bytes(memory));
            }
            for process in &view.processes {
                let curves = self.processes.entry(process.pid).or_default();
                for &(_, memory, _) in &process.books {
                    curves.entry(memory).or_default();
                }
                for (&memory, curve) in curves {
                    let here = process.books.iter().filter(|book| book.1 == memory);
                    curve.push(tick, here.fold(0, |sum, book| sum.saturating_add(book.2.live_bytes)));
                }
            }
            self.ticks += 1;
        }
    }

    /// The memories that were ever used, DRAM and L1 always.
    pub(super) fn memories(&self) -> Vec<Memory> {
        let mut all = vec![Memory::Dram, Memory::L1];
        all.extend(self.all.keys().filter(|memory| ![Memory::Dram, Memory::L1].contains(memory)));
        all
    }

    /// The curve of a memory in at most `wide` columns: from the start, or at `zoom` halvings of that time. Of several processes
    /// the sum of what each had at most in the time of a column.
    pub(super) fn shown(&self, memory: Memory, processes: Option<&[u32]>, wide: usize, zoom: usize) -> Shown {
        let wide = wide.clamp(1, KEPT);
        let level = self.most_zoom(wide).saturating_sub(zoom);
        let curves: Vec<&Curve> = match processes {
            None => self.all.get(&memory).into_iter().collect(),
            Some(pids) => pids.iter().filter_map(|pid| self.processes.get(pid)?.get(&memory)).collect(),
        };
        let most = curves.iter().map(|curve| curve.levels[level].len()).max().unwrap_or(0).min(wide);
        let mut values = vec![0_u64; most];
        for curve in curves {
            for (sum, value) in values.iter_mut().rev().zip(curve.levels[level].iter().rev()) {
                *sum = sum.saturating_add(*value);
            }
        }
        Shown { values, each: TICK * (1 << level) }
    }

    /// The largest zoom that changes anything in so many columns: that of the finest resolution.
    pub(super) fn most_zoom(&self, wide: usize) -> usize {
        (0..LEVELS).find(|level| self.ticks >> level < wide.clamp(1, KEPT) as u64).unwrap_or(LEVELS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::example;

    fn after(seconds: u64, live: impl Fn(u64) -> u64) -> History {
        let mut history = History::default();
        for tick in 0..seconds * 10 {
            history.push(&example::one_process(7, live(tick)), TICK * tick as u32);
        }
        history
    }

    #[test]
    fn a_graph_has_the_whole_time_at_the_finest_resolution_that_fits() {
        let history = after(5, |tick| tick + 1);
        let shown = history.shown(Memory::Dram, None, 80, 0);
        assert_eq!((shown.values.len(), shown.values[49], shown.each), (50, 50, TICK));
        let shown = history.shown(Memory::Dram, None, 20, 0);
        assert_eq!((shown.values.len(), shown.values[0], shown.each), (13, 4, 4 * TICK), "the most of four");
        let closer = history.shown(Memory::Dram, None, 20, 1);
        assert_eq!((closer.values.len(), closer.values[19], closer.each), (20, 50, 2 * TICK));
        assert_eq!(history.shown(Memory::Dram, None, 20, 99).each, TICK);
    }

    #[test]
    fn a_peak_of_one_picture_is_seen_hours_later() {
        let history = after(4 * 3600, |tick| if tick == 77 { 1000 } else { 1 });
        let shown = history.shown(Memory::Dram, None, 200, 0);
        assert_eq!((shown.values.iter().max(), shown.each), (Some(&1000), TICK * 1024));
        assert!((100..200).contains(&shown.values.len()));
    }

    #[test]
    fn each_process_has_a_curve_of_its_own_and_pictures_that_came_late_fill_their_time() {
        let mut history = after(1, |_| 5);
        history.push(&example::one_process(8, 3), TICK * 20);
        let of = |pids: &[u32]| history.shown(Memory::Dram, Some(pids), 80, 0).values;
        assert_eq!((of(&[7]), of(&[8])), (vec![], vec![3; 11]), "of a process that is gone only the sum stays");
        assert_eq!(history.shown(Memory::Dram, None, 80, 0).values, [vec![5; 10], vec![3; 11]].concat());
        history.push(&example::one_process(8, 4), TICK * 1_000_000);
        assert_eq!(history.ticks, 21 + LONGEST_PAUSE);
    }
}
