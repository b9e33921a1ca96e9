//! Stretches of time, measured: what was live at their beginning, the most within, what was made within and left behind.
//!
//! Nobody pays for a window that is not open. The sums keep a peak anyway: at each end of a window that peak is taken out and
//! begun anew, so it is the peak of a segment, and a window's is the highest of its segments. What comes to life is written
//! down only while a window is open, by name; what of it lives at the end was left behind, since an address that serves again
//! is written down again. Names of what is gone are weeded out now and then, so the list stays as short as what is live.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use crate::{
    Amount, LiveRegion, State,
    live::sort_largest_first,
    places::Places,
    region::Key,
    totals::{RunningTotals, Sums, is_count, narrow},
};

/// Windows that may be open at once: each costs something at each end of any other.
pub const MAX_OPEN_WINDOWS: usize = 256;

/// Names that are written down before the first weeding.
const WEED_FROM: usize = 8192;

/// Which window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowId(u64);

/// What a window saw in one memory of one device. Bytes are on that device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSums {
    /// Bytes live when it was opened.
    pub begin_bytes: u64,
    /// Regions (or circular buffers) live then.
    pub begin_buffers: u64,
    /// Bytes live at its end (or now).
    pub end_bytes: u64,
    /// Regions live at its end.
    pub end_buffers: u64,
    /// The most that was live within.
    pub peak_bytes: u64,
    /// The same in each bank; `None` if that was not known all the time.
    pub peak_bytes_per_bank: Option<u64>,
    /// The most that was live within, above what was at its beginning, and without what inner windows that are kept apart
    /// added.
    pub own_peak_bytes: u64,
    /// Bytes at its end less those at its beginning, without what inner windows that are kept apart added.
    pub own_growth_bytes: i64,
    /// Reports of an allocation within.
    pub allocations: u64,
    /// Frees within.
    pub frees: u64,
    /// What closing the device released within.
    pub released_at_close: u64,
    /// What came to life within and lives on: neither of the next two. Circular buffers are in none of them.
    pub left_behind: Amount,
    /// Of a program that the program cache keeps.
    pub left_cached: Amount,
    /// Made within an inner window that is kept apart, and not the program cache's.
    pub left_apart: Amount,
}

/// What a window saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// By device, then memory; where nothing was and nothing happened is left out.
    pub sums: Vec<(i32, Memory, WindowSums)>,
    /// The regions of `left_behind`, largest first.
    pub left_behind: Vec<LiveRegion>,
}

/// The windows that are open.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Windows {
    /// In the order in which they were opened.
    open: Vec<Open>,
    born: Vec<Born>,
    weed_at: usize,
    opened: u64,
    /// The youngest open window that is kept apart, 0 for none.
    apart: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Open {
    number: u64,
    is_apart: bool,
    /// Where its part of `born` begins.
    first: usize,
    /// By the index of the sums. What has sums only since it was opened may be missing at the end.
    rows: Vec<Row>,
}

/// What came to life, and the youngest window kept apart that was open then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Born {
    key: Key,
    apart: u64,
}

/// One memory of one device. Sums that are new had nothing before.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Row {
    begin_bytes: u128,
    begin_regions: u64,
    allocations: u64,
    frees: u64,
    released_at_close: u64,
    peak_bytes: u128,
    peak_bytes_per_bank: u128,
    banks_were_unknown: bool,
    /// What does not count as its own: what was live at the beginning, and what was added apart since.
    base: i128,
    own_peak: u128,
    /// Bytes live when the segment began.
    segment_bytes: u128,
}

impl Row {
    fn new(totals: &RunningTotals) -> Self {
        Self {
            begin_bytes: totals.bytes,
            begin_regions: totals.regions,
            allocations: totals.allocations,
            frees: totals.frees,
            released_at_close: totals.released_at_close,
            peak_bytes: totals.bytes,
            peak_bytes_per_bank: totals.bytes_per_bank,
            banks_were_unknown: totals.regions_without_banks > 0,
            base: signed(totals.bytes),
            own_peak: 0,
            segment_bytes: totals.bytes,
        }
    }

    /// Takes in the segment that `totals` are in.
    fn see(&mut self, totals: &RunningTotals, is_apart: bool) {
        self.peak_bytes = self.peak_bytes.max(totals.peak_bytes);
        self.peak_bytes_per_bank = self.peak_bytes_per_bank.max(totals.peak_bytes_per_bank);
        self.banks_were_unknown |= totals.banks_were_unknown;
        if is_apart {
            let change = signed(totals.bytes).saturating_sub(signed(self.segment_bytes));
            self.base = self.base.saturating_add(change);
        } else {
            let above = signed(totals.peak_bytes).saturating_sub(self.base);
            self.own_peak = self.own_peak.max(u128::try_from(above).unwrap_or(0));
        }
        self.segment_bytes = totals.bytes;
    }

    fn sums(&self, totals: &RunningTotals) -> WindowSums {
        WindowSums {
            begin_bytes: narrow(self.begin_bytes),
            begin_buffers: self.begin_regions,
            end_bytes: narrow(totals.bytes),
            end_buffers: totals.regions,
            peak_bytes: narrow(self.peak_bytes),
            peak_bytes_per_bank: (!self.banks_were_unknown).then(|| narrow(self.peak_bytes_per_bank)),
            own_peak_bytes: narrow(self.own_peak),
            own_growth_bytes: (signed(totals.bytes) - self.base).clamp(i64::MIN.into(), i64::MAX.into()) as i64,
            allocations: totals.allocations.saturating_sub(self.allocations),
            frees: totals.frees.saturating_sub(self.frees),
            released_at_close: totals.released_at_close.saturating_sub(self.released_at_close),
            ..WindowSums::default()
        }
    }
}

fn signed(bytes: u128) -> i128 {
    i128::try_from(bytes).unwrap_or(i128::MAX)
}

impl Windows {
    pub(crate) fn any_is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// A region came to life while a window is open.
    #[cold]
    pub(crate) fn note(&mut self, key: Key, places: &Places) {
        if self.born.len() >= self.weed_at {
            self.weed(places);
        }
        self.born.push(Born { key, apart: self.apart });
    }

    /// Leaves the latest entry of each region that lives.
    fn weed(&mut self, places: &Places) {
        let mut seen = HashSet::with_capacity(self.born.len());
        let mut keep: Vec<bool> =
            self.born.iter().rev().map(|born| seen.insert(born.key) && places.has(&born.key)).collect();
        keep.reverse();
        let mut kept_before = Vec::with_capacity(keep.len() + 1);
        let mut kept = 0;
        for &is_kept in &keep {
            kept_before.push(kept);
            kept += usize::from(is_kept);
        }
        kept_before.push(kept);
        for window in &mut self.open {
            window.first = kept_before[window.first];
        }
        let mut keep = keep.into_iter();
        self.born.retain(|_| keep.next().unwrap_or(true));
        self.weed_at = WEED_FROM.max(2 * kept);
    }

    /// The end of a segment: every open window takes its peak in.
    fn begin_segment(&mut self, sums: &mut Sums) {
        for (at, totals) in sums.all_mut().iter_mut().enumerate() {
            let mut is_apart = false;
            for window in self.open.iter_mut().rev() {
                if window.rows.len() <= at {
                    window.rows.resize(at + 1, Row::default());
                }
                window.rows[at].see(totals, is_apart);
                is_apart |= window.is_apart;
            }
            totals.begin_segment();
        }
    }

    pub(crate) fn open(&mut self, is_apart: bool, sums: &mut Sums) -> Option<WindowId> {
        if self.open.len() >= MAX_OPEN_WINDOWS {
            return None;
        }
        self.begin_segment(sums);
        if self.open.is_empty() {
            self.weed_at = WEED_FROM;
        }
        self.opened += 1;
        let number = self.opened;
        let rows = sums.all_mut().iter().map(Row::new).collect();
        self.open.push(Open { number, is_apart, first: self.born.len(), rows });
        if is_apart {
            self.apart = number;
        }
        Some(WindowId(number))
    }

    pub(crate) fn close(&mut self, id: WindowId, sums: &mut Sums, places: &Places) -> Option<Window> {
        let at = self.position(id)?;
        self.begin_segment(sums);
        let seen = self.see(at, sums, places);
        let closed = self.open.remove(at);
        if closed.is_apart {
            self.apart = self.open.iter().rev().find(|window| window.is_apart).map_or(0, |window| window.number);
        }
        if self.open.is_empty() {
            self.born = Vec::new();
        }
        Some(seen)
    }

    /// What a window has seen so far.
    pub(crate) fn look(&self, id: WindowId, sums: &Sums, places: &Places) -> Option<Window> {
        Some(self.see(self.position(id)?, sums, places))
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn are_sound(&self, sums: &Sums) -> bool {
        let memories = sums.indices().count();
        let youngest_apart = self.open.iter().rev().find(|window| window.is_apart).map_or(0, |window| window.number);
        self.open.len() <= MAX_OPEN_WINDOWS
            && is_count(self.opened)
            && self.apart == youngest_apart
            && (!self.open.is_empty() || self.born.is_empty())
            && self.open.is_sorted_by(|one, next| one.number < next.number && one.first <= next.first)
            && self.open.last().is_none_or(|last| last.number <= self.opened && last.first <= self.born.len())
            && self.open.iter().all(|window| window.rows.len() <= memories)
    }

    pub(crate) fn has(&self, id: WindowId) -> bool {
        self.position(id).is_some()
    }

    fn position(&self, id: WindowId) -> Option<usize> {
        self.open.binary_search_by_key(&id.0, |window| window.number).ok()
    }

    fn see(&self, at: usize, sums: &Sums, places: &Places) -> Window {
        let window = &self.open[at];
        let is_apart_now = self.open[at + 1..].iter().any(|inner| inner.is_apart);
        let mut seen: BTreeMap<(i32, Memory), WindowSums> = BTreeMap::new();
        for (device, memory, index) in sums.indices() {
            let totals = &sums[index];
            let mut row = window.rows.get(index).copied().unwrap_or_default();
            row.see(totals, is_apart_now);
            let sums = row.sums(totals);
            if sums != (WindowSums { peak_bytes_per_bank: sums.peak_bytes_per_bank, ..WindowSums::default() }) {
                seen.insert((device, memory), sums);
            }
        }
        // The latest entry of a region tells when it came to life.
        let latest: BTreeMap<Key, u64> = self.born[window.first..].iter().map(|born| (born.key, born.apart)).collect();
        let mut left_behind = Vec::new();
        for (key, apart) in latest {
            let Some(region) = places.shown(key.device, key.memory, key.address, key.allocator, State::Live) else {
                continue;
            };
            let sums = seen.entry((key.device, key.memory)).or_default();
            if region.cached {
                sums.left_cached.add(region.size);
            } else if apart > window.number {
                sums.left_apart.add(region.size);
            } else {
                sums.left_behind.add(region.size);
                left_behind.push(region);
            }
        }
        sort_largest_first(&mut left_behind);
        Window { sums: seen.into_iter().map(|((device, memory), sums)| (device, memory, sums)).collect(), left_behind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_what_is_gone_do_not_pile_up() {
        let (mut windows, mut sums, places) = (Windows::default(), Sums::default(), Places::default());
        let window = windows.open(false, &mut sums).unwrap();
        for address in 0..10 * WEED_FROM as u64 {
            windows.note(Key { address, device: 0, memory: Memory::Dram, allocator: 0 }, &places);
            assert!(windows.born.len() <= WEED_FROM);
        }
        assert_eq!(windows.close(window, &mut sums, &places), Some(Window::default()));
        assert!(!windows.any_is_open() && windows.born.capacity() == 0);
    }
}
