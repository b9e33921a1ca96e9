//! Random traces against a slow and obvious model of the rules: all that a ledger tells is equal after every event.
//!
//! `TTMEM_MODEL_STEPS` sets how many events are tried in all.

mod slow;
mod traces;

use proptest::prelude::*;
use slow::Slow;
use traces::{TRACE, cases, events, pools};
use ttmem_ledger::Ledger;
use ttmem_wire::{Event, Target};

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_ledger_is_the_model_at_every_step(trace in prop::collection::vec(events(), 1..TRACE as usize)) {
        let (mut ledger, mut slow) = (Ledger::new(), Slow::default());
        for (step, event) in trace.into_iter().enumerate() {
            let event = Event { ticks: step as u64 + event.ticks, ..event };
            let pool = match event.target {
                Target::Pool(index) => Some(&pools()[index as usize]).cloned(),
                Target::Device(_) => None,
            };
            ledger.apply(&event, pool.as_ref());
            slow.apply(&event, pool.as_ref());
            prop_assert_eq!(ledger.totals(), slow.totals(), "sums after step {}: {:?}", step, event);
            let live: Vec<slow::Row> = ledger.live().iter().map(slow::row).collect();
            prop_assert_eq!(live, slow.live(), "live after step {}: {:?}", step, event);
            prop_assert_eq!(ledger.anomalies(), slow.anomalies, "anomalies after step {}: {:?}", step, event);
            prop_assert_eq!(ledger.released_at_close().count, slow.released, "released after step {}", step);
        }
    }
}
