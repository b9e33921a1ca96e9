//! What the close of a device does.

use super::{
    Ledger, MAX_LISTED, life,
    placing::{note_gone, sums_of},
    seen,
};
use crate::{Change, State, place::Place, region::Key};

/// Devices that a program closes one after the other: the first close looks at what lives on all of them.
const CLOSES_AT_ONCE: u64 = 64;

impl Ledger {
    pub(super) fn close(&mut self, device: i32) {
        self.release(device, None);
        let Self { programs, sums, changes, .. } = self;
        for (memory, of_kind) in programs.iter_mut() {
            of_kind.close(device, |mut member, left| {
                if left.count() == 0 {
                    return;
                }
                let totals = sums_of(&mut member, memory, sums);
                totals.released_at_close += left.count();
                totals.set(0, 0);
                if let Some(changes) = changes {
                    note_gone(changes, (device, memory), left.entries_by_program(), State::ReleasedAtClose);
                    changes.push(Change::Footprint { device, memory, bytes: 0 });
                }
            });
        }
    }

    /// Releases what is left on a device, or what is left there of one allocator's.
    pub(super) fn release(&mut self, device: i32, allocator: Option<u32>) {
        self.closed.begin();
        // What the close releases was live until now.
        let live = self.sums.live();
        if self.growth.has_news(live) && self.sums.live_on(device) * CLOSES_AT_ONCE >= live {
            self.slice();
        }
        let taken = self.places.take(device, allocator);
        self.note_close(device, &taken);
        let mut left = Vec::new();
        for (key, place, at) in taken {
            place.each_holder(|address, id, count| {
                self.closed.remember(Key { address, ..key }, id, count);
                if let Some(by_holder) = &mut self.by_holder {
                    by_holder.remove(id, Key { address, ..key });
                }
            });
            let mut regions: Vec<_> = place.regions().collect();
            regions.sort_unstable_by_key(|&(address, _)| address);
            for (address, region) in regions {
                let extent = region.extent();
                if let Some(changes) = &mut self.changes {
                    changes.push(Change::Gone(life(Key { address, ..key }, region, State::ReleasedAtClose)));
                }
                self.sums[at].released_at_close += 1;
                self.sums[at].remove(extent, region.made_by());
                self.released.count += 1;
                self.released.bytes += u128::from(extent.bytes);
                self.released.cached += u64::from(region.is_cached());
                if self.released.regions.len() < MAX_LISTED {
                    self.released.regions.push(region.shown(Key { address, ..key }, State::ReleasedAtClose));
                }
            }
            left.push((key.memory, at));
        }
        // Not before all that was taken is out of the sums.
        for (memory, at) in left {
            if self.sums[at].peak.is_due() {
                self.settle_peak(device, memory, at);
            }
        }
    }

    /// Closes of one device are a loop: what each releases.
    fn note_close(&mut self, device: i32, taken: &[(Key, Place, usize)]) {
        let allocations = self.sums.allocations(device);
        if self.allocations_at_close.insert(device, allocations) != Some(allocations) && allocations > 0 {
            let released =
                taken.iter().flat_map(|(key, place, _)| place.regions().map(|(_, region)| seen(key, region)));
            self.growth.close(device, released);
        }
    }
}
