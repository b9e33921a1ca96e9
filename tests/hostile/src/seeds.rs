//! Sound files, as the library and the commands write them.

use std::{fs, path::PathBuf, sync::OnceLock};

use ttmem_ledger::Account;
use ttmem_reader::{Session, SiteStyle, Suppressions, analysis::Analysis, report::Report};
use ttmem_recording::{ClockPoint, Ended, Meta, Process, Status, Writer};
use ttmem_ring::{CreateOptions, RingFile, RingReader};
use ttmem_wire::{
    Event, Header, Record, Snapshot,
    sites::{CUT_NATIVE, Frame, LineTable, SITES_MAGIC, SITES_VERSION, UNIT, code_head, module_head, stack_head},
};

use crate::{
    events::{events, pools},
    place::folder,
};

/// Events that are still in the queue.
const QUEUED: usize = 12;
const RING_SLOTS: u64 = 128;

/// The ring file of a process that was killed, with events in the ring and in the queue.
pub(crate) fn ring() -> &'static [u8] {
    static RING: OnceLock<Vec<u8>> = OnceLock::new();
    RING.get_or_init(|| ring_with(0))
}

/// The same, after a reader released its first records.
pub(crate) fn ring_released_to(tail: u64) -> &'static [u8] {
    static RING: OnceLock<Vec<u8>> = OnceLock::new();
    RING.get_or_init(|| ring_with(tail))
}

fn ring_with(tail: u64) -> Vec<u8> {
    let folder = folder().join("made");
    let options = CreateOptions { folder: &folder, ring_bytes: RING_SLOTS * 64, queue_slots: 64, producer: "test" };
    let ring = RingFile::create(&options).expect("a ring");
    pools().iter().for_each(|pool| assert!(ring.pools().enter(pool).is_some()));
    ring.producers().begin_request(3, &records()[0]);
    ring.producers().count_pretended();
    let records = records();
    let in_ring = records.len() - QUEUED;
    assert!(in_ring <= RING_SLOTS as usize, "{in_ring}");
    let mut drain = ring.drain();
    for (at, record) in (1..).zip(&records) {
        let [_, payload @ ..] = record.words;
        ring.queue().push(&payload).expect("a free slot");
        if at <= in_ring as u64 {
            drain.drain_up_to(at);
        }
    }
    if tail > 0 {
        let mut reader = RingReader::open(ring.path()).expect("a sound ring");
        reader.lock_for_draining().expect("nobody else drains");
        reader.read(&mut Vec::new(), tail as usize);
        reader.release();
    }
    let bytes = fs::read(ring.path()).expect("the ring is there");
    fs::remove_file(ring.path()).expect("and can be removed");
    with_fixed_id(bytes)
}

/// All rings are one, so that one sidecar file fits them.
fn with_fixed_id(mut ring: Vec<u8>) -> Vec<u8> {
    let header = Header::decode(&ring, ring.len() as u64).expect("a sound ring");
    let header = Header { ring_id: ring_id(), ..header }.encode();
    ring[..header.len()].copy_from_slice(&header);
    ring
}

pub(crate) fn ring_id() -> u128 {
    7 << 64 | 9
}

fn records() -> Vec<Record> {
    events().iter().map(Event::encode).collect()
}

/// The account after so many events, as it is saved.
pub(crate) fn saved(count: u64) -> Vec<u8> {
    let mut account = Account::new(false);
    account.take(&records()[..count as usize], |index| pools().get(index as usize).cloned(), |_| {});
    account.save(Vec::new()).expect("an account can be saved")
}

pub(crate) fn snapshots(count: u64) -> Vec<Vec<u8>> {
    vec![saved(count), saved(0), saved(3), saved(records().len() as u64)]
}

/// A snapshot with its envelope.
pub(crate) fn envelope(count: u64) -> Vec<u8> {
    let content = saved(count);
    let snapshot = Snapshot { ring_id: ring_id(), position: count, missing: 1 }.encode(&content);
    [&snapshot[..], &content].concat()
}

/// Two modules, code of both formats, stacks of both kinds of frames.
pub(crate) fn sites() -> Vec<u8> {
    let id = ring_id();
    let mut file: Vec<u8> = [SITES_MAGIC, SITES_VERSION.into(), id as u64, (id >> 64) as u64, 0, 3, 0, 0]
        .iter()
        .flat_map(|word: &u64| word.to_le_bytes())
        .collect();
    let mut put = |words: &[u64], parts: &[&[u8]]| {
        let reference = (file.len() / UNIT) as u32;
        words.iter().for_each(|word| file.extend(word.to_le_bytes()));
        parts.iter().for_each(|part| file.extend_from_slice(part));
        file.resize(file.len().next_multiple_of(UNIT), 0);
        reference
    };
    // Events name the places 8 to 11: stacks come first, of code and modules behind them.
    let stack = |frames: &[Frame]| -> Vec<u64> {
        let words = frames.iter().map(|frame| frame.word());
        std::iter::once(stack_head(1, frames.len() - 1, CUT_NATIVE)).chain(words).collect()
    };
    put(&stack(&[Frame { of: 20, at: 0x1234 }, Frame { of: 12, at: 4 }, Frame { of: 12, at: 8 }]), &[]);
    let code = put(&code_head(LineTable::Locations, 41, [4, 3, 4]), &[b"a.py", b"f.g", b"\x80\x01\xF0\x07"]);
    let pairs = put(&code_head(LineTable::Pairs, 41, [4, 3, 4]), &[b"b.py", b"g.h", b"\x02\x01\x04\xFF"]);
    let module = put(&module_head(2, 13, 4096), &[b"\x01\x02", b"/proc/self/ex"]);
    put(&stack(&[Frame { of: module, at: 0x1234 }, Frame { of: code, at: 2 }, Frame { of: pairs, at: 4 }]), &[]);
    file.resize(4096, 0);
    file
}

pub(crate) fn recordings() -> Vec<Vec<u8>> {
    let mut writer = Writer::new(Vec::new()).expect("memory takes all");
    let process = Process { pid: 42, command: vec!["python".into()], ring_id: "7".into(), ..Process::default() };
    let mut metas = vec![Meta::Process(process)];
    metas.extend((0..).zip(pools()).map(|(index, pool)| {
        Meta::Pool(ttmem_recording::Pool {
            process: 0,
            index,
            allocator: pool.allocator,
            mesh: None,
            chips: pool.chips,
        })
    }));
    metas.iter().for_each(|meta| writer.meta(meta).expect("memory takes all"));
    writer.events(0, &records()).expect("memory takes all");
    let point = |ticks| ClockPoint { ticks, realtime_ns: ticks };
    let status = Status { ended: Some(Ended::Code(0)), clock: [point(0), point(1 << 20)], ..Status::default() };
    writer.meta(&Meta::Status(status)).expect("memory takes all");
    let mut recordings = vec![writer.finish().expect("memory takes all")];
    let kept = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../recording/tests/format-1"));
    recordings.extend(
        ["compressed", "small"].iter().filter_map(|name| fs::read(kept.join(name).with_extension("ttmemrec")).ok()),
    );
    // Behind the head of the file.
    recordings.iter_mut().for_each(|file| drop(file.drain(..16)));
    recordings
}

pub(crate) fn report() -> Vec<u8> {
    let path = folder().join("2-2.ring");
    fs::write(&path, ring()).expect("room for a ring");
    let mut session = Session::looking(RingReader::open(&path).expect("a sound ring"), true);
    session.advance();
    session.settle(None);
    let style = SiteStyle::default();
    let analysis = Analysis::new(&[session], &Suppressions::default(), style);
    Report::new(&analysis, style, None).to_json().into_bytes()
}

pub(crate) fn suppressions() -> Vec<u8> {
    b"# the embedding table stays\nmemory:DRAM size:36KiB.. site:*/embedding.py:*\nleak:warm_up\n\
      memory:L1,L1_SMALL device:0-7,9 address:0x1000-0x2000 site:{a,b}[c-d]?\n"
        .to_vec()
}
