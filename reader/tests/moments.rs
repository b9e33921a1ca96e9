//! What was live at a moment, as [`moment`] finds it in two replays, beside a ledger that is stopped by hand.

mod common;

use common::{Folder, Story, hold_one_of_two, ring, training};
use ttmem_ledger::{Ledger, Life};
use ttmem_reader::replay::{At, Input, Moment, moment};
use ttmem_recording::{Item, Reader};
use ttmem_wire::{Event, EventKind, Memory, Pool, Record};

const COMMAND: [&str; 2] = ["python", "train.py"];
const CHIPS: i32 = 3;

fn records(path: &std::path::Path) -> Vec<Record> {
    let mut reader = Reader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut all = Vec::new();
    while let Some(item) = reader.next().unwrap() {
        if let Item::Events { records, .. } = item {
            all.extend_from_slice(records);
        }
    }
    all
}

/// A ledger after so many of the records.
fn ledger_after(records: &[Record]) -> Ledger {
    let pool = Pool { allocator: 1, chips: (0..CHIPS).collect() };
    let mut ledger = Ledger::new();
    records.iter().for_each(|record| ledger.apply(&Event::decode(record).unwrap(), Some(&pool)));
    ledger
}

fn live_bytes(ledger: &Ledger) -> u128 {
    ledger.live_bytes().map(u128::from).sum()
}

fn the_one(input: &Input, at: &At) -> Moment {
    let mut moments = moment(input, at).unwrap();
    assert_eq!(moments.len(), 1);
    moments.remove(0)
}

fn keys(lives: &[Life]) -> Vec<(i32, Memory, u64, u64, u64)> {
    let key = |life: &Life| {
        let region = &life.region;
        (region.device, region.memory, region.address, region.size, region.allocated_at_ticks)
    };
    lives.iter().map(key).collect()
}

#[test]
fn each_moment_is_that_of_a_ledger_which_stops_there() {
    let folder = Folder::new("moments");
    let path = folder.0.join("run.ttmem");
    training(4, 6).write(&path, &COMMAND, CHIPS);
    let records = records(&path);
    let input = Input::open(&path, false).unwrap();
    let sums: Vec<u128> = (0..=records.len()).map(|count| live_bytes(&ledger_after(&records[..count]))).collect();
    let most = *sums.iter().max().unwrap();
    let at_most = sums.iter().position(|sum| *sum == most).unwrap();
    let is_mark = |record: &Record| Event::decode(record).unwrap().kind == EventKind::Mark;
    let marks: Vec<usize> = (0..records.len()).filter(|&at| is_mark(&records[at])).collect();
    for (at, count) in [
        ("peak", at_most),
        ("exit", records.len()),
        ("epoch 2", marks[2] + 1),
        ("epoch 2:1", marks[2] + 1),
        // An event a microsecond.
        ("0.0001", 101),
        ("0.0001s", 101),
        ("0", 1),
        ("12", records.len()),
    ] {
        let found = the_one(&input, &at.parse().unwrap());
        let ledger = ledger_after(&records[..count]);
        assert_eq!(found.events as usize, count, "{at}");
        assert_eq!(keys(&found.live), keys(&ledger.lives()), "{at}");
        assert_eq!(found.totals, ledger.totals(), "{at}");
        let ticks = Event::decode(&records[count - 1]).unwrap().ticks;
        assert_eq!((found.pid, found.process, found.ticks), (4242, 0, Some(ticks)), "{at}");
        assert_eq!(found.time_ns, Some(1_760_000_000_000_000_000 + ticks), "{at}");
    }
    let circular = the_one(&input, &At::Peak).footprints;
    let expected: Vec<_> = (0..8).map(|device| (device, Memory::CircularBuffer)).collect();
    assert_eq!(circular.keys().copied().collect::<Vec<_>>(), expected);
}

#[test]
fn there_may_be_no_such_moment() {
    let folder = Folder::new("moments-none");
    let (path, empty) = (folder.0.join("run.ttmem"), folder.0.join("empty.ttmem"));
    training(2, 1).write(&path, &COMMAND, CHIPS);
    Story::default().write(&empty, &COMMAND, CHIPS);
    let why = moment(&Input::open(&path, false).unwrap(), &At::Mark("epoch 7".into())).unwrap_err().to_string();
    assert!(why.contains("no mark \"epoch 7\"; there are \"epoch 0\", \"epoch 1\""), "{why}");
    let nothing = Input::open(&empty, false).unwrap();
    let why = moment(&nothing, &At::Mark("epoch 7".into())).unwrap_err().to_string();
    assert!(why.contains("there is none"), "{why}");
    for at in [At::Peak, At::Exit, At::Seconds(1.0)] {
        let moments = moment(&nothing, &at).unwrap();
        assert!(moments.iter().all(|moment| moment.live.is_empty() && moment.events == 0 && moment.ticks.is_none()));
    }
    assert_eq!("".parse::<At>(), Err("no moment; peak, exit, a mark or seconds".to_owned()));
    assert_eq!("-1".parse::<At>(), Ok(At::Mark("-1".to_owned())));
    assert_eq!("epochs".parse::<At>(), Ok(At::Mark("epochs".to_owned())));
}

#[test]
fn a_ring_has_moments_too() {
    let folder = Folder::new("moments-ring");
    let file = ring(&folder);
    let _held = hold_one_of_two(&file);
    let input = Input::open(file.path(), false).unwrap();
    assert_eq!((the_one(&input, &At::Peak).live.len(), the_one(&input, &At::Peak).events), (4, 2));
    assert_eq!(the_one(&input, &At::Exit).live.len(), 2);
}
