//! What made each peak, against a model that looks at all that is live after every event.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ttmem_ledger::{Account, Life, MAX_PEAK_SOURCES, PeakComposition, PeakSource};
use ttmem_wire::{Event, EventKind, Memory, Pool, Target, flags};

/// Pools of one device, of all, and of another allocator.
fn pool(index: u32) -> Option<Pool> {
    let pools = [(1, vec![0]), (1, vec![0, 1]), (2, vec![1])];
    pools.into_iter().map(|(allocator, chips)| Pool { allocator, chips }).nth(index as usize)
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Event),
    /// Saves the account, and goes on with what was saved.
    Restore,
}

/// An event of a time in which that many of 10 events allocate.
fn step(allocates: u32) -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        10 * allocates => Just(EventKind::Allocate),
        10 * (10 - allocates) => Just(EventKind::Free),
        1 => Just(EventKind::CbAllocate),
    ];
    let kind = prop_oneof![
        600 => kind,
        1 => Just(EventKind::DeviceClosed),
        2 => Just(EventKind::PoolReleased),
    ];
    let bits = prop_oneof![
        12 => Just(0),
        2 => Just(flags::FOR_PROGRAM),
        1 => Just(flags::PREALLOCATED),
        1 => Just(flags::ADDRESS_UNKNOWN),
    ];
    let memory = prop_oneof![4 => Just(Memory::Dram), 1 => Just(Memory::L1)];
    let event = (kind, 0_u32..3, bits, memory, 0_u64..150, 0_u64..8, 0_u32..6).prop_map(
        |(kind, pool, flags, memory, address, size, site)| {
            // One holder has many buffers: a free without an address lets go of all of them.
            let holder = if flags & flags::ADDRESS_UNKNOWN == 0 { address } else { address % 150 };
            let event = Event { kind, flags, address, size, holder, site: site * 8, ..Event::default() };
            Event { target: Target::Pool(pool), memory: Some(memory), ..event }
        },
    );
    prop_oneof![200 => event.prop_map(Step::Apply), 1 => Just(Step::Restore)]
}

/// Times in which memory fills, and times in which it empties.
fn trace() -> impl Strategy<Value = Vec<Step>> {
    let time = (1_u32..10).prop_flat_map(|allocates| prop::collection::vec(step(allocates), 1..250));
    prop::collection::vec(time, 1..10).prop_map(|times| times.into_iter().flatten().collect())
}

/// One memory, as far as events came.
#[derive(Default)]
struct Watched {
    peak: u64,
    ticks: u64,
    at_peak: Vec<Life>,
}

impl Watched {
    fn look(&mut self, live: Vec<Life>, ticks: u64) {
        let bytes = live.iter().map(|life| life.region.size).sum::<u64>();
        if bytes > self.peak {
            (self.peak, self.ticks, self.at_peak) = (bytes, ticks, live);
        }
    }

    fn composition(&self, (device, memory): (i32, Memory)) -> PeakComposition {
        let mut sources: Vec<PeakSource> = Vec::new();
        for Life { region, .. } in &self.at_peak {
            let (site, cached, size) = (region.site, region.cached, Some(region.size));
            let same = |known: &&mut PeakSource| {
                (known.site, known.cached) == (site, cached) && (site != 0 || known.size == size)
            };
            match sources.iter_mut().find(same) {
                Some(known) => {
                    known.size = if known.size == size { size } else { None };
                    known.allocations += 1;
                    known.bytes += region.size;
                }
                None => sources.push(PeakSource { site, size, cached, allocations: 1, bytes: region.size }),
            }
        }
        sources.sort_by_key(|it| (std::cmp::Reverse(it.bytes), it.site, it.cached, it.size));
        PeakComposition {
            device,
            memory,
            peak_bytes: self.peak,
            at_bytes: sources.iter().map(|source| source.bytes).sum(),
            allocations: self.at_peak.len() as u64,
            ticks: self.ticks,
            sources,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_peak_is_made_of_what_was_live_at_it(trace in trace()) {
        let mut account = Account::new(false);
        let mut watched: BTreeMap<(i32, Memory), Watched> = BTreeMap::new();
        for (ticks, step) in trace.into_iter().enumerate() {
            let ticks = ticks as u64 + 1;
            match step {
                Step::Apply(event) => account.apply(&Event { ticks, ..event }, pool),
                Step::Restore => {
                    let saved = account.save(Vec::new()).expect("an account can be saved");
                    account = Account::restore(&saved, false).expect("what was saved");
                }
            }
            let ledger = account.ledger();
            let mut live: BTreeMap<(i32, Memory), Vec<Life>> =
                ledger.totals().into_iter().map(|(device, memory, _)| ((device, memory), Vec::new())).collect();
            for life in ledger.lives() {
                live.entry((life.region.device, life.region.memory)).or_default().push(life);
            }
            live.retain(|&(_, memory), _| !memory.is_of_programs());
            for (name, live) in live {
                watched.entry(name).or_default().look(live, ticks);
            }
            let expected: Vec<PeakComposition> = watched
                .iter()
                .filter(|(_, watched)| watched.peak > 0)
                .map(|(&name, watched)| watched.composition(name))
                .collect();
            prop_assert_eq!(ledger.peaks(), expected, "after event {}", ticks);
        }
    }
}

fn event(kind: EventKind, address: u64, size: u64, site: u32) -> Event {
    let target = Target::Device(0);
    Event { kind, memory: Some(Memory::Dram), target, address, size, site, ticks: address, ..Event::default() }
}

#[test]
fn the_sources_of_a_peak_are_bounded_and_the_largest_are_kept() {
    let mut account = Account::new(false);
    for number in 0..1000_u32 {
        let event = event(EventKind::Allocate, number.into(), u64::from(number) + 1, 8 * (number + 1));
        account.apply(&event, |_| None);
    }
    for address in 0..1000 {
        account.apply(&event(EventKind::Free, address, 0, 0), |_| None);
    }
    let saved = account.save(Vec::new()).expect("an account can be saved");
    let account = Account::restore(&saved, false).expect("what was saved");
    let [peak] = &account.ledger().peaks()[..] else { panic!("one memory") };
    assert_eq!((peak.peak_bytes, peak.at_bytes, peak.allocations, peak.ticks), (500_500, 500_500, 1000, 999));
    assert_eq!(peak.sources.len(), MAX_PEAK_SOURCES);
    assert_eq!(
        peak.sources[0],
        PeakSource { site: 8000, size: Some(1000), cached: false, allocations: 1, bytes: 1000 }
    );
    let named: Vec<u32> = account.named_sites().collect();
    assert!(peak.sources.iter().all(|source| named.contains(&source.site)), "nothing else names them any more");
}

/// The log of a peak that was left a moment ago names sites that nothing live does.
#[test]
fn sites_of_a_peak_that_was_just_left_are_named() {
    let mut account = Account::new(false);
    account.apply(&event(EventKind::Allocate, 1, 10, 8), |_| None);
    account.apply(&event(EventKind::Free, 1, 0, 0), |_| None);
    assert_eq!(account.named_sites().collect::<Vec<_>>(), [8]);
    assert_eq!(account.ledger().peaks()[0].sources[0].site, 8);
}
