//! An account that is saved and restored after every event is the account that saw everything; and no bytes do harm.

mod traces;

use proptest::prelude::*;
use traces::{events, pools};
use ttmem_ledger::{Account, MAX_MARKS_KEPT};
use ttmem_wire::{Event, EventKind, Memory, Target, split_mark};

/// All that can be asked of an account.
fn told(account: &Account) -> String {
    let ledger = account.ledger();
    format!(
        "{:?}",
        (
            (ledger.totals(), ledger.live(), ledger.live_count(), ledger.released_at_close()),
            (ledger.anomalies(), ledger.out_of_memory(), ledger.findings(), ledger.growth()),
            (account.spans().closed().collect::<Vec<_>>(), account.spans().open(ledger).collect::<Vec<_>>()),
            (account.spans().not_listed(), account.spans().has_moment("\u{1f}sync:1"), ledger.peaks()),
            (account.marks(), account.marks_forgotten(), account.unreadable(), account.pools().collect::<Vec<_>>()),
        )
    )
}

fn saved(account: &Account) -> Vec<u8> {
    account.save(Vec::new()).expect("an account can be saved")
}

fn restored(account: &Account) -> Account {
    Account::restore(&saved(account), false).expect("what was saved")
}

/// Any event, a mark, or an end of a region of the program: the names are such that some are one series, and one goes over
/// two records.
fn anything() -> impl Strategy<Value = Vec<Event>> {
    let marks = prop_oneof![Just("step 1"), Just("step 22"), Just("a name that is longer than one record can carry")];
    prop_oneof![
        12 => events().prop_map(|event| vec![event]),
        1 => marks.prop_map(|name| split_mark(name.as_bytes()).collect()),
        2 => regions().prop_map(|mark| split_mark(mark.as_bytes()).collect()),
    ]
}

/// Regions that nest, go over each other's ends, and are begun or ended alone.
fn regions() -> impl Strategy<Value = String> {
    let kinds = prop_oneof![Just("region:begin"), Just("region:apart"), Just("region:end"), Just("sync")];
    (kinds, 0..3).prop_map(|(kind, id)| match kind {
        "region:begin" | "region:apart" => format!("\u{1f}{kind}:{id}:name"),
        kind => format!("\u{1f}{kind}:{id}"),
    })
}

fn apply(account: &mut Account, event: &Event) {
    account.apply(event, |index| pools().get(index as usize).cloned());
}

fn trace() -> impl Strategy<Value = Vec<Event>> {
    let numbered = |events: Vec<Vec<Event>>| {
        let events = events.into_iter().flatten().enumerate();
        events.map(|(step, event)| Event { ticks: step as u64 + event.ticks, ..event }).collect()
    };
    prop::collection::vec(anything(), 1..120).prop_map(numbered)
}

fn config() -> ProptestConfig {
    let steps = std::env::var("TTMEM_MODEL_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(20_000_u64);
    let cases = u32::try_from(steps.div_ceil(60)).unwrap_or(u32::MAX);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn an_account_goes_on_after_every_event_as_if_nothing_had_been(trace in trace(), once in 0_usize..120) {
        let (mut whole, mut always, mut at_once) = (Account::new(false), Account::new(false), Account::new(false));
        for (step, event) in trace.iter().enumerate() {
            for account in [&mut whole, &mut always, &mut at_once] {
                apply(account, event);
            }
            always = restored(&always);
            if step == once {
                at_once = restored(&at_once);
            }
            let expected = told(&whole);
            prop_assert_eq!(&told(&always), &expected, "always, after step {}: {:?}", step, event);
            prop_assert_eq!(&told(&at_once), &expected, "once, after step {}: {:?}", step, event);
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_make_an_account_that_goes_on(
        trace in trace(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (before, after) = trace.split_at(trace.len() / 2);
        let mut account = Account::new(false);
        before.iter().for_each(|event| apply(&mut account, event));
        let mut bytes = saved(&account);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(mut account) = Account::restore(&bytes, false) {
            after.iter().for_each(|event| apply(&mut account, event));
            told(&account);
            // It may have become what no events can give: then it is refused.
            let _ = Account::restore(&saved(&account), false);
        }
    }
}

fn mark(account: &mut Account, name: &str) {
    split_mark(name.as_bytes()).for_each(|event| apply(account, &event));
}

#[test]
fn the_newest_marks_are_kept() {
    let mut account = Account::new(false);
    for number in 0..MAX_MARKS_KEPT + 300 {
        mark(&mut account, &format!("step {number}"));
        account.forget_old_marks(100);
        assert!(account.marks().len() <= MAX_MARKS_KEPT + 100);
    }
    account.forget_old_marks(0);
    let marks = restored(&account).marks().to_vec();
    assert_eq!((marks.len(), account.marks_forgotten()), (MAX_MARKS_KEPT, 300));
    assert_eq!((&*marks[0].name, &*marks[MAX_MARKS_KEPT - 1].name), ("step 300", "step 10299"));
    assert_eq!(account.ledger().growth().len(), 0);
}

#[test]
fn marks_with_many_sums_are_fewer() {
    let mut account = Account::new(false);
    for device in 0..1000 {
        let event = Event {
            kind: EventKind::Allocate,
            memory: Some(Memory::Dram),
            target: Target::Device(device),
            size: 8,
            ..Event::default()
        };
        apply(&mut account, &event);
    }
    for number in 0..150 {
        mark(&mut account, &format!("step {number}"));
    }
    account.forget_old_marks(0);
    assert_eq!((account.marks().len(), account.marks_forgotten()), (100, 50));
    assert_eq!(told(&restored(&account)), told(&account));
}

#[test]
fn a_live_region_takes_few_bytes() {
    let mut account = Account::new(false);
    for number in 0..100_000 {
        let event = Event {
            kind: EventKind::Allocate,
            memory: Some(Memory::Dram),
            target: Target::Device(0),
            ticks: 1 << 50 | number,
            thread: 123_456,
            address: number << 12,
            size: 1 << 20,
            size_per_bank: Some(1 << 17),
            holder: number + 1,
            ..Event::default()
        };
        apply(&mut account, &event);
    }
    let bytes = saved(&account).len();
    assert!(bytes < 100_000 * 40, "{bytes}");
}
