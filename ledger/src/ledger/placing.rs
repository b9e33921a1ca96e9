//! What programs place, and how it goes.

use ttmem_wire::{Event, Memory};

use super::Ledger;
use crate::{
    Change, Life, State,
    alike::Member,
    program_memory::ProgramBuffer,
    totals::{RunningTotals, Sums, narrow},
};

impl Ledger {
    pub(super) fn place(&mut self, event: &Event, devices: &[i32]) {
        let Self { programs, sums, changes, .. } = self;
        let (memory, of_kind) = programs.of_event(event);
        of_kind.place(devices, event, |members, on_device, changed| {
            let gone = changed.gone.count();
            if on_device.count() == 0 && gone == 0 {
                // Cores of a buffer that is gone.
                return;
            }
            let bytes = on_device.footprint();
            for member in &mut *members {
                let totals = sums_of(member, memory, sums);
                totals.allocations += changed.placed;
                totals.frees += gone;
                totals.set(on_device.count(), bytes);
            }
            let Some(changes) = changes else { return };
            for &Member { device, .. } in &*members {
                note_gone(changes, (device, memory), changed.gone.buffers(), State::Live);
                if let Some(placed) = on_device.last_of(event.holder).filter(|_| changed.placed > 0) {
                    let region = placed.shown(device, memory, State::Live);
                    changes.push(Change::Born(Life { region, allocator: 0, program: event.holder }));
                }
                changes.push(Change::Footprint { device, memory, bytes: narrow(bytes) });
            }
        });
    }

    pub(super) fn free_placed(&mut self, devices: &[i32], event: &Event) {
        let Self { programs, sums, changes, .. } = self;
        let (memory, of_kind) = programs.of_event(event);
        of_kind.take(devices, event.holder, |members, on_device, gone| {
            let count = gone.count();
            if count == 0 {
                return;
            }
            let bytes = on_device.footprint();
            for member in members {
                let totals = sums_of(member, memory, sums);
                totals.frees += count;
                totals.set(on_device.count(), bytes);
                if let Some(changes) = changes {
                    note_gone(changes, (member.device, memory), gone.buffers(), State::Live);
                    changes.push(Change::Footprint { device: member.device, memory, bytes: narrow(bytes) });
                }
            }
        });
    }

    /// A free that names no device: what programs have placed there on any.
    pub(super) fn free_placed_everywhere(&mut self, event: &Event) {
        let (_, of_kind) = self.programs.of_event(event);
        of_kind.note_release_of_all();
        let devices: Vec<i32> = of_kind.devices().map(|(device, _)| device).collect();
        self.free_placed(&devices, event);
    }
}

/// The sums of a device's program memory, which are looked up once.
pub(super) fn sums_of<'a>(member: &mut Member, memory: Memory, sums: &'a mut Sums) -> &'a mut RunningTotals {
    let at = *member.sums.get_or_insert_with(|| sums.index_of(member.device, memory));
    &mut sums[at]
}

pub(super) fn note_gone<'a>(
    changes: &mut Vec<Change>,
    (device, memory): (i32, Memory),
    gone: impl Iterator<Item = (u64, &'a ProgramBuffer)>,
    state: State,
) {
    changes.extend(gone.map(|(program, buffer)| {
        Change::Gone(Life { region: buffer.shown(device, memory, state), allocator: 0, program })
    }));
}
