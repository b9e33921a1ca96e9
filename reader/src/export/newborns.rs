//! Lives that just began: which tensor they are is known only by the events that follow.

use std::collections::HashMap;

use ttmem_ledger::Life;
use ttmem_wire::Event;

/// A life whose beginning is not written yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newborn {
    pub(super) life: Life,
    /// Where it is drawn.
    pub(super) track: u64,
    pub(super) time_ns: u64,
}

/// Those of the last event of each process.
#[derive(Debug, Default)]
pub(super) struct Newborns(HashMap<usize, (u64, Vec<Newborn>)>);

impl Newborns {
    /// Adds one of an event.
    pub(super) fn add(&mut self, process: usize, number: u64, newborn: Newborn) {
        let (of, newborns) = self.0.entry(process).or_default();
        *of = number;
        newborns.push(newborn);
    }

    /// Notes the tensor of those that lie there; further ones are views.
    pub(super) fn note_tensor(&mut self, process: usize, event: &Event, devices: &[i32]) {
        let Some((_, newborns)) = self.0.get_mut(&process) else { return };
        for region in newborns.iter_mut().map(|newborn| &mut newborn.life.region) {
            let is_there = Some(region.memory) == event.memory && region.address == event.address;
            if is_there && region.tensor == 0 && devices.contains(&region.device) {
                region.tensor = event.site;
            }
        }
    }

    /// Takes those of a process, unless they are of this event.
    pub(super) fn take_older(&mut self, process: usize, number: u64) -> Vec<Newborn> {
        match self.0.get_mut(&process) {
            Some((of, newborns)) if *of != number => std::mem::take(newborns),
            _ => Vec::new(),
        }
    }

    /// Takes those of a process.
    pub(super) fn take(&mut self, process: usize) -> Vec<Newborn> {
        self.0.get_mut(&process).map(|(_, newborns)| std::mem::take(newborns)).unwrap_or_default()
    }
}
