//! Bytes that claim to be an account's: they are refused, or make an account that goes on and can be saved again. And bytes that
//! claim to be a journal's, whose records it goes on with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ttmem_ledger::Account;
use ttmem_wire::{Journal, Record, Snapshot};

fuzz_target!(|bytes: &[u8]| {
    let _ = Snapshot::decode(bytes, 0);
    if let Ok(journal) = Journal::decode(bytes, 0) {
        assert_eq!(Journal::decode(&journal.encode(), 0), Ok(journal));
        let end = journal.end(bytes.len() as u64);
        assert!(end >= journal.first);
        assert!((journal.first..end).all(|at| journal.offset(at).is_some_and(|at| at as usize + 64 <= bytes.len())));
    }
    // The first bytes are events for afterwards.
    let (events, saved) = bytes.split_at(bytes.len().min(640) / 2);
    let Ok(mut account) = Account::restore(saved, false) else { return };
    let records: Vec<Record> = Journal::records(events).collect();
    account.take(&records, |_| None, |_| {});
    let ledger = account.ledger();
    let _ = (ledger.totals(), ledger.live(), ledger.findings(), ledger.growth(), ledger.peaks());
    let spans = account.spans();
    let _ = (spans.closed().count(), spans.open(ledger).count(), account.named_sites().count());
    let again = account.save(Vec::new()).expect("an account can be saved");
    Account::restore(&again, false).expect("what was saved can be restored");
});
