//! Patterns that are worth a sentence: what the accounting lacks, and what the ledger found.

use ttmem_ledger::Finding;
use ttmem_wire::Part;

use super::{Allocation, Held, alike::alike};
use crate::{Told, tested};

/// A pattern.
#[derive(Clone, Debug)]
pub enum Observation {
    /// So many events never reached the reader.
    EventsLost(u64),
    /// So many events went to another reader.
    DrainedElsewhere(u64),
    /// More or fewer events than reported are accounted for.
    Miscounted {
        /// What the program reported.
        reported: u64,
        /// What is accounted for.
        known: u64,
    },
    /// So many events are of a kind that this version does not know.
    UnreadableEvents(u64),
    /// So many events name no known device or memory.
    UnattributedEvents(u64),
    /// So many allocations have no call site since there were too many.
    SitesFull(u64),
    /// What this build of tt-metal does not show, or not all of.
    PartsUnseen(Vec<Part>),
    /// ttnn of this version was never tested.
    BuildUntested(String),
    /// What the ledger found.
    Ledger(Finding),
    /// Circular buffers live on devices for which no release was ever reported, on each alike.
    NoCircularBufferRelease {
        /// The devices.
        devices: Vec<i32>,
        /// How many circular buffers.
        buffers: u64,
    },
    /// Allocations that are live beside a captured trace that is older.
    AfterTrace {
        /// How many, and their bytes; over all devices.
        held: Held,
        /// The largest.
        largest: Box<Allocation>,
    },
    /// Copies of tensors that are live beside what they may have been made of.
    Redundant {
        /// How many, and the bytes that are there twice; over all devices.
        held: Held,
        /// The largest copy.
        largest: Box<Allocation>,
    },
}

/// All of a process, the accounting's first.
pub(super) fn observations(told: &Told<'_>) -> Vec<Observation> {
    let ledger = told.account.ledger();
    let (counts, anomalies) = (told.counts, ledger.anomalies());
    let known = counts.drained.saturating_add(counts.lost);
    let mut all = Vec::new();
    let mut note = |number: u64, pattern: fn(u64) -> Observation| {
        if number > 0 {
            all.push(pattern(number));
        }
    };
    note(counts.lost, Observation::EventsLost);
    note(counts.drained_elsewhere, Observation::DrainedElsewhere);
    if told.is_over && counts.reported != known {
        all.push(Observation::Miscounted { reported: counts.reported, known });
    }
    let mut note = |number: u64, pattern: fn(u64) -> Observation| {
        if number > 0 {
            all.push(pattern(number));
        }
    };
    note(told.account.unreadable(), Observation::UnreadableEvents);
    note(anomalies.unknown_pools.saturating_add(anomalies.without_memory), Observation::UnattributedEvents);
    note(told.account.sites().refused(), Observation::SitesFull);
    let facts = told.account.facts();
    if !facts.unseen.is_empty() {
        all.push(Observation::PartsUnseen(facts.unseen.clone()));
    }
    all.extend(
        facts.ttnn.iter().filter(|version| !tested::is_tested(version)).cloned().map(Observation::BuildUntested),
    );
    let (unreleased, others): (Vec<Finding>, Vec<Finding>) =
        ledger.findings().into_iter().partition(|finding| matches!(finding, Finding::NoCircularBufferRelease { .. }));
    all.extend(others.into_iter().map(Observation::Ledger));
    let unreleased = unreleased.into_iter().filter_map(|finding| match finding {
        Finding::NoCircularBufferRelease { device, buffers } => Some((device, buffers)),
        _ => None,
    });
    let groups = alike(unreleased, |one| one.0, |one| one.1);
    all.extend(
        groups
            .into_iter()
            .map(|group| Observation::NoCircularBufferRelease { devices: group.devices, buffers: group.first.1 }),
    );
    all
}
