//! A live region: bytes that somebody holds, at one address of one memory of one device.

use serde::{Deserialize, Serialize};
use ttmem_wire::{Event, EventKind, Memory, OnCore, flags};

use crate::{LiveRegion, State, peak::MadeBy, totals::Extent};

/// What a region is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) address: u64,
    pub(crate) device: i32,
    pub(crate) memory: Memory,
    /// The allocator's number in its pool, 0 for none. A submesh has an allocator of its own, which hands out the same
    /// addresses of the same chips as its parent's: two regions, each in its own books. Of a part of a buffer on one core the
    /// [`OnCore::code`] stands here.
    pub(crate) allocator: u32,
}

impl Key {
    /// The core that has the address for itself.
    pub(crate) fn core(&self) -> Option<OnCore> {
        OnCore::from_code(self.allocator)
    }
}

/// A region in the table: compact, since there are many. The usual holders lie in it: one with an id and any number
/// without. Further ones with an id are in a table of their own, see [`crate::holders`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    size: u64,
    per_bank: u64,
    pub(crate) ticks: u64,
    /// The id of a holder, 0 for none.
    pub(crate) holder: u64,
    /// Holders without an id.
    pub(crate) anonymous: u32,
    /// Holders in the other table.
    pub(crate) further: u32,
    pub(crate) reports: u32,
    thread: u32,
    labels: Labels,
}

/// Call site and tensor, 24 bits each, and the flags of the first report.
#[derive(Clone, Copy, Debug)]
struct Labels(u64);

const LABEL_BITS: u32 = 24;
const LABEL: u64 = (1 << LABEL_BITS) - 1;

impl Labels {
    fn new(site: u32, tensor: u32, flags: u16) -> Self {
        let [site, tensor] = [site, tensor].map(|label| u64::from(label) & LABEL);
        Self(site | tensor << LABEL_BITS | u64::from(flags) << (2 * LABEL_BITS))
    }

    fn site(self) -> u32 {
        (self.0 & LABEL) as u32
    }

    fn tensor(self) -> u32 {
        (self.0 >> LABEL_BITS & LABEL) as u32
    }

    fn flags(self) -> u16 {
        (self.0 >> (2 * LABEL_BITS)) as u16
    }
}

/// A region with its address, in a cache line of its own: an event touches that one. With the table of addresses, 100,000 of
/// them cost less than 120 bytes each.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Entry {
    pub(crate) address: u64,
    pub(crate) region: Region,
}

const _: () = assert!(size_of::<Entry>() == 64);

/// Stands for "bytes a bank not known".
const UNKNOWN: u64 = u64::MAX;

impl Region {
    pub(crate) fn new(event: &Event) -> Self {
        Self {
            size: event.size,
            per_bank: event.size_per_bank.unwrap_or(UNKNOWN),
            ticks: event.ticks,
            holder: event.holder,
            anonymous: u32::from(event.holder == 0),
            further: 0,
            reports: 1,
            thread: event.thread,
            labels: Labels::new(event.site, 0, event.flags),
        }
    }

    /// Numbers that it is saved as.
    pub(crate) const FIELDS: usize = 11;

    pub(crate) fn fields(&self) -> [u64; Self::FIELDS] {
        let Self { size, per_bank, ticks, holder, anonymous, further, reports, thread, labels } = *self;
        // Unknown is a small number then.
        let per_bank = per_bank.wrapping_add(1);
        let small = [anonymous, further, reports, thread, labels.site(), labels.tensor()].map(u64::from);
        let [anonymous, further, reports, thread, site, tensor] = small;
        [size, per_bank, ticks, holder, anonymous, further, reports, thread, site, tensor, labels.flags().into()]
    }

    /// What was saved; `None` if no region can have been.
    pub(crate) fn from_fields(fields: [u64; Self::FIELDS]) -> Option<Self> {
        let [size, per_bank, ticks, holder, anonymous, further, reports, thread, site, tensor, flags] = fields;
        let narrow = |number: u64| u32::try_from(number).ok();
        let label = |number: u64| narrow(number).filter(|_| number <= LABEL);
        Some(Self {
            size,
            per_bank: per_bank.wrapping_sub(1),
            ticks,
            holder,
            anonymous: narrow(anonymous)?,
            further: narrow(further)?,
            reports: narrow(reports)?,
            thread: narrow(thread)?,
            labels: Labels::new(label(site)?, label(tensor)?, u16::try_from(flags).ok()?),
        })
    }

    pub(crate) fn extent(&self) -> Extent {
        Extent { bytes: self.size, per_bank: (self.per_bank != UNKNOWN).then_some(self.per_bank) }
    }

    /// Whether it lies beside the banks of all allocators: tt-metal hands out such L1 past them, core by core.
    pub(crate) fn is_past_allocators(&self, key: &Key) -> bool {
        self.per_bank == 0 && key.core().is_some()
    }

    /// Whether it lies on a core that belongs to no allocator.
    pub(crate) fn is_on_service_core(&self) -> bool {
        self.labels.flags() & flags::SERVICE_CORE != 0
    }

    pub(crate) fn made_by(&self) -> MadeBy {
        MadeBy { site: self.site(), cached: self.is_cached() }
    }

    /// The call site that made it, 0 for none.
    pub(crate) fn site(&self) -> u32 {
        self.labels.site()
    }

    /// The tensor that it was made for, 0 for none.
    pub(crate) fn tensor(&self) -> u32 {
        self.labels.tensor()
    }

    /// The first tensor over it is the one that it was made for; those that follow are views.
    pub(crate) fn describe(&mut self, tensor: u32) {
        if self.tensor() == 0 {
            self.labels = Labels::new(self.site(), tensor, self.labels.flags());
        }
    }

    /// The report that made it, but for its target, its address and its holder.
    pub(crate) fn event(&self, memory: Memory) -> Event {
        Event {
            kind: EventKind::Allocate,
            memory: Some(memory),
            thread: self.thread,
            flags: self.labels.flags(),
            size: self.size,
            size_per_bank: self.extent().per_bank,
            site: self.site(),
            ..Event::default()
        }
    }

    /// Another report of the same bytes: the larger extent holds.
    pub(crate) fn widen(&mut self, event: &Event) {
        self.size = self.size.max(event.size);
        if let Some(reported) = event.size_per_bank {
            let known = if self.per_bank == UNKNOWN { 0 } else { self.per_bank };
            self.per_bank = known.max(reported);
        }
    }

    /// Holders with an id.
    pub(crate) fn identified(&self) -> u32 {
        self.further.saturating_add(u32::from(self.holder != 0))
    }

    pub(crate) fn holders(&self) -> u32 {
        self.identified().saturating_add(self.anonymous)
    }

    /// Whether it was made for a program that the cache keeps.
    pub(crate) fn is_cached(&self) -> bool {
        self.labels.flags() & flags::FOR_PROGRAM != 0
    }

    pub(crate) fn shown(&self, key: Key, state: State) -> LiveRegion {
        let extent = self.extent();
        LiveRegion {
            device: key.device,
            memory: key.memory,
            address: key.address,
            size: extent.bytes,
            size_per_bank: extent.per_bank,
            core: key.core(),
            holders: self.holders(),
            reports: self.reports,
            state,
            allocated_at_ticks: self.ticks,
            thread: self.thread,
            site: self.site(),
            tensor: self.tensor(),
            num_cores: 0,
            globally_allocated: false,
            preallocated: self.labels.flags() & flags::PREALLOCATED != 0,
            cached: self.is_cached(),
        }
    }
}
