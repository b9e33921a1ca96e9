//! Traces and files that several tests look at.

#![allow(dead_code, reason = "each test uses some of it")]

use ttmem_recording::{Item, LastWords, Meta, Pool, Process, Reader, RecordingError, Status, Writer};
use ttmem_wire::{Event, EventKind, Memory, Record, Target};

/// A small, seeded generator: a failing case is found again by its seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Small, huge, or anything: what breaks arithmetic is at the ends.
    pub(crate) fn word(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(300),
            1 => u64::MAX - self.below(300),
            _ => self.next(),
        }
    }
}

/// What a program does with the memory of a mesh: tensors of many sizes from 64 places, most of them gone again soon, in
/// four threads; some stay for long. Addresses come from an allocator that gives the lowest gap (of a few that it looks
/// at), time stamps from a counter of 3 GHz.
pub(crate) fn realistic_trace(events: usize) -> Vec<Record> {
    const BANKS: u64 = 12;
    let mut random = Random::seeded(7);
    let mut records = Vec::with_capacity(events);
    let (mut live, mut gaps) = (Vec::<Event>::new(), Vec::<(u64, u64)>::new());
    let (mut ticks, mut holder, mut top) = (0x1234_5678_9ABC_u64, 0, 0x1_0000_u64);
    let mut site_sizes = [[0; 4]; 64];
    site_sizes.as_flattened_mut().iter_mut().for_each(|size| *size = 2048 * (1 + random.below(4000)));
    for sequence in 0..events as u64 {
        ticks += 500 + random.below(8000);
        let thread = 4711 + random.below(4) as u32;
        let grows = if live.len() < 400 { 9 } else { 5 };
        let event = if live.is_empty() || random.below(10) < grows && live.len() < 4000 {
            let site = random.below(64);
            let size = site_sizes[site as usize][random.below(4) as usize];
            let per_bank = (size / 2048).div_ceil(BANKS) * 2048;
            let gap = gaps.iter().rev().take(16).rposition(|&(_, bytes)| bytes >= per_bank);
            let address = match gap.map(|back| gaps.len().saturating_sub(16) + back) {
                Some(index) => {
                    let (address, bytes) = gaps.swap_remove(index);
                    if bytes > per_bank {
                        gaps.push((address + per_bank, bytes - per_bank));
                    }
                    address
                }
                None => {
                    top += per_bank;
                    top - per_bank
                }
            };
            holder += 1;
            let event = Event {
                kind: EventKind::Allocate,
                memory: Some(if site.is_multiple_of(8) { Memory::L1 } else { Memory::Dram }),
                target: Target::Pool((site % 2) as u32),
                address,
                size,
                size_per_bank: Some(per_bank),
                holder,
                site: site as u32 + 1,
                ..Event::default()
            };
            live.push(event);
            event
        } else {
            let index = match random.below(4) {
                0 => 0,
                1 => random.below(live.len() as u64) as usize,
                _ => live.len() - 1,
            };
            let event = live.remove(index);
            gaps.push((event.address, event.size_per_bank.unwrap_or(0)));
            Event { kind: EventKind::Free, site: 65 + event.site / 4, ..event }
        };
        records.push(Event { sequence, ticks, thread, ..event }.encode());
    }
    records
}

pub(crate) fn process(number: u32) -> Meta {
    Meta::Process(Process { process: number, pid: 4711, command: vec!["train".into()], ..Process::default() })
}

/// A file with some of everything: two processes, documents, events in turns.
pub(crate) fn small_file(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let (first, second) = records.split_at(records.len() / 2);
    writer.meta(&process(0)).unwrap();
    writer.meta(&process(1)).unwrap();
    writer.meta(&Meta::Pool(Pool { process: 1, index: 3, chips: vec![0, 1], ..Pool::default() })).unwrap();
    writer.events(0, first).unwrap();
    writer.events(1, second).unwrap();
    writer.flush().unwrap();
    writer.events(0, second).unwrap();
    writer.meta(&Meta::LastWords(LastWords { process: 0, records: vec![[7; 8]] })).unwrap();
    writer.meta(&Meta::Status(Status { process: 0, reported: 9, is_over: true, ..Status::default() })).unwrap();
    writer.finish().unwrap()
}

/// What a file held, in its order; events of one process that follow each other are one entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    Meta(Meta),
    Events(u32, Vec<Record>),
}

/// Reads to the end, or to an error. Gives all that was read up to there, and whether (and how far) the file is cut.
pub(crate) fn read(file: &[u8]) -> (Vec<Entry>, Result<Option<u64>, RecordingError>) {
    let mut entries = Vec::new();
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (entries, Err(error)),
    };
    loop {
        match reader.next() {
            Ok(Some(Item::Meta(meta))) => entries.push(Entry::Meta(meta)),
            Ok(Some(Item::Events { process, records })) => match entries.last_mut() {
                Some(Entry::Events(last, all)) if *last == process => all.extend_from_slice(records),
                _ => entries.push(Entry::Events(process, records.to_vec())),
            },
            Ok(None) => break,
            Err(error) => {
                assert!(matches!(reader.next(), Ok(None)), "after an error there is nothing");
                return (entries, Err(error));
            }
        }
    }
    assert!(matches!(reader.next(), Ok(None)), "after the end there is nothing");
    (entries, Ok(reader.is_cut().then(|| reader.cut_bytes())))
}

/// Makes every checksum right again, so that damage gets past them.
pub(crate) fn seal(file: &mut [u8]) {
    const HEAD: usize = 32;
    let mut at = 16;
    while at + HEAD <= file.len() {
        let stored = u32::from_le_bytes(file[at + 16..at + 20].try_into().unwrap()) as usize;
        let end = (at + HEAD).saturating_add(stored).min(file.len());
        let checksum = crc32fast::hash(&file[at + HEAD..end]);
        file[at + 20..at + 24].copy_from_slice(&checksum.to_le_bytes());
        let checksum = crc32fast::hash(&file[at..at + 28]);
        file[at + 28..at + HEAD].copy_from_slice(&checksum.to_le_bytes());
        at = end;
    }
}
