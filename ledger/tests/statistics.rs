//! What a process allocated in all, against a model that keeps every allocation from birth to end.

mod traces;

use std::collections::BTreeMap;

use proptest::prelude::*;
use traces::{events, pools};
use ttmem_ledger::{Account, Amount, Change, Life, SHORT_LIFE, ShortLife, SourceStatistics, Statistics};
use ttmem_wire::{Event, EventKind, Memory, Target, flags, split_mark};

fn apply(account: &mut Account, event: &Event) {
    account.apply(event, |index| pools().get(index as usize).cloned());
}

fn mark(account: &mut Account, name: &str) {
    split_mark(name.as_bytes()).for_each(|event| apply(account, &event));
}

/// What became of an allocation.
#[derive(Clone, Copy, Debug)]
struct Past {
    memory: Memory,
    site: u32,
    cached: bool,
    size: u64,
    /// Marks before its birth, and events that made an allocation, its own among them.
    born: (u64, u64),
    /// The same before it was freed, and its bytes then.
    freed: Option<((u64, u64), u64)>,
}

/// Every allocation there ever was.
#[derive(Default)]
struct Model {
    pasts: Vec<Past>,
    /// Which of them are live: what is known of each, but for its bytes.
    live: Vec<(Life, usize)>,
    marks: u64,
    births: u64,
}

fn is_counted(life: &Life) -> bool {
    !life.region.memory.is_of_programs()
}

fn is_same(one: &Life, other: &Life) -> bool {
    let name = |life: &Life| (life.region.device, life.region.memory, life.allocator, life.region.address);
    name(one) == name(other)
}

impl Model {
    fn take(&mut self, change: &Change, is_free: bool) {
        let now = (self.marks, self.births);
        match change {
            Change::Born(life) if is_counted(life) => {
                let region = &life.region;
                self.live.push((*life, self.pasts.len()));
                self.pasts.push(Past {
                    memory: region.memory,
                    site: region.site,
                    cached: region.cached,
                    size: region.size,
                    born: now,
                    freed: None,
                });
            }
            Change::Gone(life) if is_counted(life) => {
                let at = self.live.iter().position(|(known, _)| is_same(known, life)).expect("it was born");
                let (_, past) = self.live.swap_remove(at);
                self.pasts[past].freed = is_free.then_some((now, life.region.size));
            }
            _ => {}
        }
    }

    fn short_lived(&self, past: &Past) -> Option<u64> {
        let (freed, size) = past.freed?;
        let is_short = if self.marks > 0 { past.born.0 == freed.0 } else { freed.1 - past.born.1 < SHORT_LIFE as u64 };
        is_short.then_some(size)
    }

    fn sources(&self) -> Vec<SourceStatistics> {
        let mut sources: BTreeMap<_, SourceStatistics> = BTreeMap::new();
        for past in &self.pasts {
            let source = sources.entry((past.memory, past.site, past.cached)).or_insert(SourceStatistics {
                memory: past.memory,
                site: past.site,
                size: Some(past.size),
                cached: past.cached,
                amount: Amount::default(),
                short_lived: Amount::default(),
            });
            source.size = source.size.filter(|&known| known == past.size);
            add(&mut source.amount, past.size);
            self.short_lived(past).into_iter().for_each(|size| add(&mut source.short_lived, size));
        }
        let mut sources: Vec<SourceStatistics> = sources.into_values().collect();
        sources.sort_by_key(|it| (it.memory, it.site, it.size, it.cached));
        sources
    }
}

fn add(amount: &mut Amount, bytes: u64) {
    *amount = Amount { allocations: amount.allocations + 1, bytes: amount.bytes + u128::from(bytes) };
}

fn sources(statistics: &Statistics) -> Vec<SourceStatistics> {
    statistics.top(usize::MAX, |_| ())
}

/// `None` for a mark.
fn steps(marks: u32) -> impl Strategy<Value = Vec<Option<Event>>> {
    let event = (events(), 0_u32..3).prop_map(|(event, site)| Event { site: site * 8, ..event });
    let step = prop_oneof![50 => event.prop_map(Some), marks => Just(None)];
    prop::collection::vec(step, 1..700)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn statistics_are_those_of_all_allocations_there_ever_were(trace in prop_oneof![steps(0), steps(5)]) {
        let (mut account, mut model) = (Account::new(false), Model::default());
        account.keep_statistics();
        account.ledger_mut().note_changes();
        let mut changes = Vec::new();
        for (at, event) in trace.iter().enumerate() {
            let Some(event) = event else {
                mark(&mut account, "step");
                model.marks += 1;
                continue;
            };
            apply(&mut account, &Event { ticks: at as u64, ..*event });
            account.ledger_mut().take_changes(&mut changes);
            let is_birth = |change: &Change| matches!(change, Change::Born(life) if is_counted(life));
            model.births += u64::from(changes.iter().any(is_birth));
            changes.iter().for_each(|change| model.take(change, event.kind == EventKind::Free));
        }
        let statistics = account.ledger().statistics().unwrap();
        let expected = model.sources();
        prop_assert_eq!(sources(statistics), expected.clone());
        prop_assert_eq!(statistics.short_life() == ShortLife::Mark, model.marks > 0);
        let memories: BTreeMap<_, _> = statistics.memories().collect();
        for (memory, of) in &memories {
            let of_sources = |amount: fn(&SourceStatistics) -> Amount| {
                expected.iter().filter(|it| it.memory == *memory).map(amount).fold(Amount::default(), |all, more| {
                    Amount { allocations: all.allocations + more.allocations, bytes: all.bytes + more.bytes }
                })
            };
            prop_assert_eq!(of.amount, of_sources(|it| it.amount));
            prop_assert_eq!(of.short_lived, of_sources(|it| it.short_lived));
            for (power, &count) in of.sizes.iter().enumerate() {
                let is_in = |past: &&Past| past.memory == *memory && (u128::from(past.size.max(1)) >> power) == 1;
                prop_assert_eq!(count, model.pasts.iter().filter(is_in).count() as u64, "2^{}", power);
            }
        }
        let all = statistics.all();
        prop_assert_eq!(all.amount.allocations, model.pasts.len() as u64);
        prop_assert_eq!(all.sizes.iter().sum::<u64>(), all.amount.allocations);
        prop_assert!(statistics.are_whole() && statistics.others() == Amount::default());
    }
}

fn event(kind: EventKind, address: u64, size: u64, site: u32) -> Event {
    let target = Target::Device(0);
    Event { kind, memory: Some(Memory::Dram), target, address, size, site, ticks: address, ..Event::default() }
}

#[test]
fn nobody_pays_who_does_not_ask_and_who_asks_late_is_told() {
    let mut account = Account::new(false);
    apply(&mut account, &event(EventKind::Allocate, 1, 10, 8));
    assert!(account.ledger().statistics().is_none());
    account.keep_statistics();
    apply(&mut account, &event(EventKind::Free, 1, 0, 0));
    apply(&mut account, &event(EventKind::Allocate, 2, u64::MAX, 8));
    let statistics = account.ledger().statistics().unwrap();
    assert!(!statistics.are_whole());
    let all = statistics.all();
    assert_eq!((all.amount, all.sizes[63]), (Amount { allocations: 1, bytes: u64::MAX.into() }, 1));
}

#[test]
fn sources_are_ranked_and_bounded() {
    let mut account = Account::new(false);
    account.keep_statistics();
    let mut address = 0;
    let mut allocate = |size, site, flags| {
        address += 1;
        apply(&mut account, &Event { flags, ..event(EventKind::Allocate, address, size, site) });
    };
    // More call sites than are told apart.
    (1..=70_000).for_each(|site| allocate(64, site, 0));
    (0..10).for_each(|_| allocate(1, 8, 0));
    (0..2).for_each(|_| allocate(1 << 30, 16, flags::FOR_PROGRAM));
    let statistics = account.ledger().statistics().unwrap();
    assert_eq!(statistics.sources(), 65_536);
    let frequent = statistics.top(1, |it| it.amount.allocations)[0];
    assert_eq!((frequent.site, frequent.size, frequent.amount.allocations), (8, None, 11));
    let others = statistics.others();
    assert_eq!(others.allocations, 70_000 - 65_536 + 2, "the cached ones of site 16 came too late");
    assert_eq!(statistics.all().amount.allocations, 70_012);
}

#[test]
fn without_marks_a_short_life_ends_before_so_many_further_allocations() {
    for (further, is_short) in [(SHORT_LIFE as u64 - 1, true), (SHORT_LIFE as u64, false)] {
        let mut account = Account::new(false);
        account.keep_statistics();
        (0..=300 + further).for_each(|address| apply(&mut account, &event(EventKind::Allocate, address, 8, 8)));
        apply(&mut account, &event(EventKind::Free, 300, 0, 0));
        let statistics = account.ledger().statistics().unwrap();
        assert_eq!(statistics.all().short_lived.allocations, u64::from(is_short), "{further} further ones");
        assert_eq!(statistics.short_life(), ShortLife::Allocations);
    }
}
