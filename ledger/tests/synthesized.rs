//! An account that is fed synthesized events holds what the other one holds, and goes on as it does.

mod traces;

use proptest::prelude::*;
use traces::{TRACE, cases, events, pools};
use ttmem_ledger::{Account, LiveRegion};
use ttmem_wire::{ANY_DEVICE, Event, Fact, MAX_POOLS, Memory, Part, Pool, Target, split_mark};

/// Behind room for a tick for each synthesized event.
const START: u64 = 10_000;

/// All pools that events can name.
fn known(index: u32) -> Option<Pool> {
    pools().get(index as usize).cloned()
}

/// What is live, but for the moments and what was before.
fn live(account: &Account) -> Vec<LiveRegion> {
    let now = |region| LiveRegion { allocated_at_ticks: 0, reports: 0, thread: 0, ..region };
    let mut live: Vec<LiveRegion> = account.ledger().iter_live().map(now).collect();
    live.sort_by_key(|region| format!("{region:?}"));
    live
}

/// Bytes and number of what is live, where something is.
fn sums(account: &Account) -> Vec<(i32, Memory, u64, u64)> {
    let sums = account.ledger().totals().into_iter();
    let sums = sums.map(|(device, memory, totals)| (device, memory, totals.live_bytes, totals.live_buffers));
    sums.filter(|sums| sums.3 > 0).collect()
}

fn copied(account: &Account) -> Account {
    let synthesized = account.synthesize(START, 7);
    let mut copy = Account::new(false);
    account.pools().for_each(|(index, pool)| copy.learn_pool(index, pool.clone()));
    for (index, pool) in synthesized.pools {
        assert!(account.pool(index).is_none() && (index as usize) < MAX_POOLS);
        copy.learn_pool(index, pool);
    }
    // As a recording has them.
    let records: Vec<_> = synthesized.events.iter().map(Event::encode).collect();
    copy.take(&records, |_| None, |_| {});
    copy
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_copy_holds_the_same_and_goes_on(trace in prop::collection::vec(events(), 1..TRACE as usize), at in any::<prop::sample::Index>()) {
        let (mut account, at) = (Account::new(false), at.index(trace.len()));
        let step = |account: &mut Account, (step, event): (usize, &Event)| {
            account.apply(&Event { ticks: START + step as u64, thread: 7, ..*event }, known);
        };
        trace.iter().enumerate().take(at).for_each(|event| step(&mut account, event));
        let mut copy = copied(&account);
        prop_assert_eq!(live(&copy), live(&account));
        prop_assert_eq!(sums(&copy), sums(&account));
        prop_assert_eq!(copy.ledger().anomalies(), Default::default());
        // A free that names no device means any of those that are alike.
        for event in trace.iter().enumerate().skip(at).filter(|(_, event)| event.target != Target::Device(ANY_DEVICE)) {
            step(&mut account, event);
            step(&mut copy, event);
            prop_assert_eq!(sums(&copy), sums(&account), "after {:?}", event);
        }
    }
}

#[test]
fn facts_come_along_and_the_past_does_not() {
    let mut account = Account::new(false);
    let facts = [Fact::Rank(3), Fact::Ttnn("0.82.0".to_owned()), Fact::Unseen(Part::Tensors)];
    let marks = facts.iter().map(Fact::mark).chain(["step 1".to_owned(), "\u{1f}region:begin:1:decode".to_owned()]);
    marks.for_each(|mark| split_mark(mark.as_bytes()).for_each(|event| account.apply(&event, |_| None)));
    let copy = copied(&account);
    assert_eq!(copy.facts(), account.facts());
    assert_eq!((copy.marks().len(), copy.spans().open(copy.ledger()).count()), (0, 0));
}

#[test]
fn a_mesh_is_one_event_and_a_part_of_it_is_one_for_each_chip() {
    let mut account = Account::new(false);
    let allocate =
        Event { memory: Some(Memory::Dram), target: Target::Pool(0), size: 64, holder: 1, ..Event::default() };
    account.apply(&allocate, known);
    assert_eq!(account.synthesize(0, 1).events.len(), 1);
    account.apply(&Event { kind: ttmem_wire::EventKind::DeviceClosed, target: Target::Device(0), ..allocate }, known);
    let synthesized = account.synthesize(0, 1);
    assert_eq!((synthesized.events.len(), synthesized.pools.len()), (2, 2), "a pool for each chip");
    assert_eq!(sums(&copied(&account)), sums(&account));
}
