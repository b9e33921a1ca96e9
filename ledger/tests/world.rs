//! Random histories of several processes that fork, exit and are killed while they use the same devices: what devices hold
//! as a whole, and what became of each region, equals a slow model at every step.

mod slow;

use std::collections::BTreeMap;

use proptest::prelude::*;
use slow::Slow;
use ttmem_ledger::{End, Ledger, State, together};
use ttmem_wire::{Event, EventKind, Memory, Target};

/// What happens in the world.
#[derive(Clone, Debug)]
enum Step {
    /// A process reports.
    Event(usize, Event),
    /// A process forks: the child begins with empty books, whatever its parent holds.
    Fork,
    /// A process ends.
    End(usize, End),
}

#[derive(Debug, Default)]
struct Process {
    ledger: Ledger,
    model: Slow,
    ended: Option<End>,
}

fn steps() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        8 => Just(EventKind::Allocate),
        6 => Just(EventKind::Free),
        2 => Just(EventKind::CbAllocate),
        1 => Just(EventKind::CbFreeAll),
        1 => Just(EventKind::DeviceClosed),
    ];
    let event = (kind, 0_i32..2, 0_u64..5, 1_u64..20).prop_map(|(kind, device, address, size)| Event {
        kind,
        target: Target::Device(device),
        memory: (kind != EventKind::Free).then_some(Memory::Dram),
        address,
        size,
        ..Event::default()
    });
    prop_oneof![
        20 => (0_usize..6, event).prop_map(|(process, event)| Step::Event(process, event)),
        1 => Just(Step::Fork),
        1 => (0_usize..6, any::<bool>())
            .prop_map(|(process, exits)| Step::End(process, if exits { End::Exited } else { End::Killed })),
    ]
}

fn cases() -> u32 {
    let steps = std::env::var("TTMEM_MODEL_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(20_000);
    u32::try_from(u64::div_ceil(steps, 100)).unwrap_or(u32::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn devices_hold_what_their_living_processes_hold(trace in prop::collection::vec(steps(), 1..200)) {
        let mut processes = vec![Process::default()];
        for (at, step) in trace.into_iter().enumerate() {
            match step {
                Step::Fork => processes.push(Process::default()),
                Step::Event(index, event) => {
                    let count = processes.len();
                    let process = &mut processes[index % count];
                    if process.ended.is_none() {
                        let event = Event { ticks: at as u64, ..event };
                        process.ledger.apply(&event, None);
                        process.model.apply(&event, None);
                    }
                }
                Step::End(index, end) => {
                    let count = processes.len();
                    let process = &mut processes[index % count];
                    if process.ended.is_none() {
                        process.ledger.end(end);
                        process.ended = Some(end);
                    }
                }
            }
            let mut expected: BTreeMap<(i32, Memory), (u64, u64)> = BTreeMap::new();
            for process in &processes {
                for (device, memory, totals) in process.model.totals() {
                    let (live, left) = expected.entry((device, memory)).or_default();
                    *(if process.ended.is_none() { live } else { left }) += totals.live_bytes;
                }
                let state = match process.ended {
                    None => State::Live,
                    Some(End::Exited) => State::LiveAtExit,
                    Some(End::Killed) => State::Orphaned,
                };
                prop_assert!(process.ledger.live().iter().all(|region| region.state == state));
            }
            let told = together(processes.iter().map(|process| &process.ledger));
            let told: BTreeMap<_, _> =
                told.into_iter().map(|(name, all)| (name, (all.live_bytes, all.left_bytes))).collect();
            prop_assert_eq!(told, expected, "after step {}", at);
        }
    }
}
