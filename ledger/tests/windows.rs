//! Windows against a slow and obvious model: the state after every event is kept, and each window looks through it.

mod slow;
mod traces;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use slow::Slow;
use traces::{Place, cases, events, pools};
use ttmem_ledger::{Amount, Ledger, MAX_OPEN_WINDOWS, WindowId, WindowSums};
use ttmem_wire::{Event, EventKind, Memory, Target};

#[derive(Clone, Debug)]
enum Step {
    Apply(Event),
    Open {
        is_apart: bool,
    },
    /// Of those that are open, counted around.
    Close(usize),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => events().prop_map(Step::Apply),
        2 => any::<bool>().prop_map(|is_apart| Step::Open { is_apart }),
        2 => (0_usize..8).prop_map(Step::Close),
    ]
}

/// A window of the model.
struct Wide {
    id: WindowId,
    number: usize,
    is_apart: bool,
    first: usize,
    /// The state after the last event that it saw.
    last: Option<usize>,
}

/// Live bytes, regions, bytes a bank; allocations, frees, released at close.
type State = BTreeMap<Place, (u64, u64, Option<u64>, u64, u64, u64)>;

/// The state after each event, the first before all of them, and the windows there ever were.
struct History {
    states: Vec<State>,
    windows: Vec<Wide>,
}

fn state(slow: &Slow) -> State {
    let row = |(device, memory, totals): (i32, Memory, ttmem_ledger::Totals)| {
        let now = (totals.live_bytes, totals.live_buffers, totals.live_bytes_per_bank);
        ((device, memory), (now.0, now.1, now.2, totals.allocations, totals.frees, totals.released_at_close))
    };
    slow.totals().into_iter().map(row).collect()
}

impl History {
    /// Whether a window kept apart, younger than this one, was open when event `at` came.
    fn is_apart(&self, window: &Wide, at: usize) -> bool {
        let covers = |other: &Wide| other.first < at && other.last.is_none_or(|last| at <= last);
        self.windows.iter().any(|other| other.is_apart && other.number > window.number && covers(other))
    }

    fn at(&self, step: usize, place: Place) -> (u64, u64, Option<u64>, u64, u64, u64) {
        self.states[step].get(&place).copied().unwrap_or((0, 0, Some(0), 0, 0, 0))
    }

    fn sums(&self, window: &Wide, slow: &Slow, end: usize) -> BTreeMap<Place, WindowSums> {
        let places: BTreeSet<Place> = self.states[end].keys().copied().collect();
        let mut sums = BTreeMap::new();
        for place in places {
            let (begin, now) = (self.at(window.first, place), self.at(end, place));
            let seen = || (window.first..=end).map(|step| self.at(step, place));
            let mut base = i128::from(begin.0);
            let mut own_peak = 0;
            for step in window.first + 1..=end {
                let bytes = i128::from(self.at(step, place).0);
                if self.is_apart(window, step) {
                    base += bytes - i128::from(self.at(step - 1, place).0);
                }
                own_peak = own_peak.max(bytes - base);
            }
            let mut row = WindowSums {
                begin_bytes: begin.0,
                begin_buffers: begin.1,
                end_bytes: now.0,
                end_buffers: now.1,
                peak_bytes: seen().map(|now| now.0).max().unwrap(),
                peak_bytes_per_bank: seen().map(|now| now.2).reduce(|a, b| Some(a?.max(b?))).unwrap(),
                own_peak_bytes: own_peak as u64,
                own_growth_bytes: (i128::from(now.0) - base) as i64,
                allocations: now.3 - begin.3,
                frees: now.4 - begin.4,
                released_at_close: now.5 - begin.5,
                ..WindowSums::default()
            };
            for (device, memory, _, size, born, cached) in slow.births() {
                if (device, memory) == place && born as usize > window.first {
                    let amount = match (cached, self.is_apart(window, born as usize)) {
                        (true, _) => &mut row.left_cached,
                        (false, true) => &mut row.left_apart,
                        (false, false) => &mut row.left_behind,
                    };
                    *amount = Amount { allocations: amount.allocations + 1, bytes: amount.bytes + u128::from(size) };
                }
            }
            let nothing = WindowSums { peak_bytes_per_bank: row.peak_bytes_per_bank, ..WindowSums::default() };
            if row != nothing {
                sums.insert(place, row);
            }
        }
        sums
    }

    fn left_behind(&self, window: &Wide, slow: &Slow) -> Vec<(i32, Memory, u64, u64)> {
        let own = |born: u64| born as usize > window.first && !self.is_apart(window, born as usize);
        let left = slow.births().filter(|&(.., born, cached)| !cached && own(born));
        let mut left: Vec<_> =
            left.map(|(device, memory, address, size, ..)| (device, memory, address, size)).collect();
        left.sort_by_key(|&(device, memory, address, size)| (std::cmp::Reverse(size), device, memory, address));
        left
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_window_is_what_a_look_through_all_states_says(trace in prop::collection::vec(steps(), 1..120)) {
        let (mut ledger, mut slow) = (Ledger::new(), Slow::default());
        let mut history = History { states: vec![State::new()], windows: Vec::new() };
        for step in trace {
            let now = slow.steps() as usize;
            let mut closed = None;
            match step {
                Step::Apply(event) => {
                    let event = Event { ticks: now as u64 + event.ticks, ..event };
                    let pool = match event.target {
                        Target::Pool(index) => Some(pools()[index as usize].clone()),
                        Target::Device(_) => None,
                    };
                    ledger.apply(&event, pool.as_ref());
                    slow.apply(&event, pool.as_ref());
                    history.states.push(state(&slow));
                }
                Step::Open { is_apart } => {
                    let id = ledger.open_window(is_apart).unwrap();
                    history.windows.push(Wide { id, number: history.windows.len(), is_apart, first: now, last: None });
                }
                Step::Close(which) => {
                    let open: Vec<usize> =
                        (0..history.windows.len()).filter(|&at| history.windows[at].last.is_none()).collect();
                    if !open.is_empty() {
                        let at = open[which % open.len()];
                        closed = Some((at, ledger.close_window(history.windows[at].id).unwrap()));
                        prop_assert_eq!(ledger.window(history.windows[at].id), None);
                    }
                }
            }
            // The sums of the ledger itself do not notice.
            prop_assert_eq!(ledger.totals(), slow.totals());
            let end = slow.steps() as usize;
            for at in 0..history.windows.len() {
                let window = &history.windows[at];
                let seen = match &closed {
                    Some((this, seen)) if *this == at => seen.clone(),
                    _ if window.last.is_some() => continue,
                    _ => ledger.window(window.id).unwrap(),
                };
                let sums = history.sums(window, &slow, end);
                let told: BTreeMap<Place, WindowSums> =
                    seen.sums.iter().map(|&(device, memory, sums)| ((device, memory), sums)).collect();
                prop_assert_eq!(&told, &sums, "window {} after event {}", at, end);
                let left: Vec<_> =
                    seen.left_behind.iter().map(|each| (each.device, each.memory, each.address, each.size)).collect();
                prop_assert_eq!(left, history.left_behind(window, &slow), "window {} after event {}", at, end);
            }
            if let Some((at, _)) = closed {
                history.windows[at].last = Some(end);
            }
        }
    }
}

fn event(kind: EventKind, address: u64) -> Event {
    Event { kind, memory: Some(Memory::Dram), target: Target::Device(0), address, size: 32, ..Event::default() }
}

#[test]
fn a_long_window_writes_down_no_more_than_what_lives() {
    let mut ledger = Ledger::new();
    let outer = ledger.open_window(false).unwrap();
    ledger.apply(&event(EventKind::Allocate, 7), None);
    // Written down before the inner window begins, and weeded out within it: its beginning moves.
    for round in 0..5000 {
        ledger.apply(&event(EventKind::Allocate, 2000 + round), None);
        ledger.apply(&event(EventKind::Free, 2000 + round), None);
    }
    let inner = ledger.open_window(false).unwrap();
    ledger.apply(&event(EventKind::Allocate, 8), None);
    // Far more than are written down before the first weeding, over the same addresses again and again.
    for round in 0..100_000 {
        ledger.apply(&event(EventKind::Allocate, 1000 + round % 3), None);
        ledger.apply(&event(EventKind::Free, 1000 + round % 3), None);
    }
    let left =
        |window: &ttmem_ledger::Window| -> Vec<u64> { window.left_behind.iter().map(|each| each.address).collect() };
    let inner = ledger.close_window(inner).unwrap();
    let outer = ledger.close_window(outer).unwrap();
    assert_eq!((left(&inner), left(&outer)), (vec![8], vec![7, 8]));
    assert_eq!((inner.sums[0].2.allocations, inner.sums[0].2.peak_bytes), (100_001, 96));
}

#[test]
fn no_more_windows_than_can_be_afforded() {
    let mut ledger = Ledger::new();
    let open: Vec<WindowId> = (0..MAX_OPEN_WINDOWS).map(|_| ledger.open_window(false).unwrap()).collect();
    assert_eq!(ledger.open_window(false), None);
    assert!(ledger.close_window(open[3]).is_some() && ledger.close_window(open[3]).is_none());
    assert!(ledger.open_window(false).is_some());
}

/// The most that the device held within the window is not what the window added.
#[test]
fn the_peak_of_a_window_is_what_the_device_held() {
    let mut ledger = Ledger::new();
    let allocate = |address, size| Event { size, ..event(EventKind::Allocate, address) };
    ledger.apply(&allocate(1, 2 << 20), None);
    let window = ledger.open_window(false).unwrap();
    ledger.apply(&allocate(2, 2 << 10), None);
    ledger.apply(&event(EventKind::Free, 2), None);
    let [(_, _, sums)] = ledger.close_window(window).unwrap().sums[..] else { panic!("one memory") };
    assert_eq!((sums.peak_bytes, sums.own_peak_bytes), ((2 << 20) + (2 << 10), 2 << 10));
}
