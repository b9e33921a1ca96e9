//! Bytes that claim to be an account's: they are refused, or make an account that goes on and can be saved again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ttmem_ledger::Account;
use ttmem_wire::{Record, Snapshot};

fuzz_target!(|bytes: &[u8]| {
    let _ = Snapshot::decode(bytes, 0);
    // The first bytes are events for afterwards.
    let (events, saved) = bytes.split_at(bytes.len().min(640) / 2);
    let Ok(mut account) = Account::restore(saved, false) else { return };
    let (events, _) = events.as_chunks::<64>();
    let word = |event: &[u8; 64], at: usize| u64::from_le_bytes(std::array::from_fn(|byte| event[at * 8 + byte]));
    let records: Vec<Record> = events.iter().map(|event| Record { words: std::array::from_fn(|at| word(event, at)) }).collect();
    account.take(&records, |_| None, |_| {});
    let ledger = account.ledger();
    let _ = (ledger.totals(), ledger.live(), ledger.findings(), ledger.growth(), ledger.peaks());
    let spans = account.spans();
    let _ = (spans.closed().count(), spans.open(ledger).count(), account.named_sites().count());
    let again = account.save(Vec::new()).expect("an account can be saved");
    Account::restore(&again, false).expect("what was saved can be restored");
});
