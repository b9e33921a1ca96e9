//! Recordings to test views with.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test takes what it needs")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use ttmem_recording::{ClockPoint, Ended, Meta, Pool, Process, Status, Writer};
use ttmem_ring::{CreateOptions, Drain, RingFile};
use ttmem_wire::{CoreRange, Event, EventKind, Memory, Record, Target, flags, split_mark};

/// Prints that the rest of a test is not run, and why; with `TTMEM_REQUIRE_ALL=1` the test fails instead.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("TTMEM_REQUIRE_ALL").is_none_or(|all| all != "1"), "cannot run: {reason}");
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`, which the test harness captures.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {name}: {reason}");
}

pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ttmem-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn rings(&self) -> PathBuf {
        self.0.join("rings")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program's half of a ring, and the flusher's.
pub struct Held<'a> {
    ring: &'a RingFile,
    drain: Drain<'a>,
}

impl<'a> Held<'a> {
    pub fn new(ring: &'a RingFile) -> Self {
        Self { ring, drain: ring.drain() }
    }

    pub fn push(&mut self, event: Event) {
        self.report(event);
        self.flush();
    }

    /// The program's half.
    pub fn report(&self, event: Event) {
        let [_, payload @ ..] = event.encode().words;
        self.ring.queue().push(&payload).unwrap();
    }

    /// The flusher's.
    pub fn flush(&mut self) {
        self.drain.drain_up_to(self.ring.queue().claimed());
    }
}

/// A ring in the folder's `rings`.
pub fn ring(folder: &Folder) -> RingFile {
    let options = CreateOptions { folder: &folder.rings(), ring_bytes: 1 << 20, queue_slots: 1024, producer: "test" };
    RingFile::create(&options).unwrap()
}

/// Two tensors of 36 KiB in DRAM on two chips, of which the first was freed.
pub fn hold_one_of_two(file: &RingFile) -> Held<'_> {
    let pool = file.pools().enter(&ttmem_wire::Pool { allocator: 1, chips: vec![0, 1] }).unwrap();
    let mut held = Held::new(file);
    let event = Event { memory: Some(Memory::Dram), target: Target::Pool(pool), size: 36_864, ..Event::default() };
    held.push(Event { address: 4096, ..event });
    held.push(Event { address: 65_536, ..event });
    held.push(Event { address: 4096, kind: EventKind::Free, ..event });
    held
}

/// A program that has put a way out of a page into every text that it can name.
pub const HOSTILE: &str = "</script><script>console.error('out')</script><img src=x onerror=console.error('out')>";

/// Events one after the other, a microsecond each.
#[derive(Default)]
pub struct Story {
    records: Vec<Record>,
    holder: u64,
}

impl Story {
    pub fn tell(&mut self, event: Event) {
        let at = self.records.len() as u64;
        self.records.push(Event { sequence: at, ticks: 1_000 + at * 1_000, thread: 7, ..event }.encode());
    }

    pub fn mark(&mut self, name: &str) {
        split_mark(name.as_bytes()).for_each(|part| self.tell(part));
    }

    /// On all chips of pool 0; returns the free.
    pub fn tensor(&mut self, memory: Memory, address: u64, a_bank: u64, banks: u64) -> Event {
        self.holder += 1;
        let event = Event {
            memory: Some(memory),
            target: Target::Pool(0),
            address,
            size: a_bank * banks,
            size_per_bank: Some(a_bank),
            holder: self.holder,
            ..Event::default()
        };
        self.tell(event);
        Event { kind: EventKind::Free, ..event }
    }

    pub fn circular_buffer(&mut self, device: i32, address: u64, size: u64) {
        self.tell(Event {
            kind: EventKind::CbAllocate,
            memory: Some(Memory::CircularBuffer),
            target: Target::Device(device),
            address,
            size,
            extra: 64,
            cores: Some(CoreRange { first_x: 0, first_y: 0, last_x: 7, last_y: 7 }),
            ..Event::default()
        });
    }

    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.records.iter().map(|record| Event::decode(record).unwrap())
    }

    pub fn write(&self, path: &Path, command: &[&str], chips: i32) {
        write_runs(path, &[self], command, chips, 0, false);
    }
}

/// A recording of runs of one command, each exited with 0; of each the newest `lost` events are missing. One that is cut ends
/// before the processes do.
pub fn write_runs(path: &Path, runs: &[&Story], command: &[&str], chips: i32, lost: u64, is_cut: bool) {
    const START: u64 = 1_760_000_000_000_000_000;
    let mut writer = Writer::new(fs::File::create(path).unwrap()).unwrap();
    for (number, story) in (0..).zip(runs) {
        let process = Process {
            process: number,
            pid: 4242 + number,
            command: command.iter().map(|&word| word.to_owned()).collect(),
            realtime_start_ns: START + u64::from(number),
            ring_id: format!("{:032x}", 7 + number),
            library_version: "0.1.0".into(),
            ..Process::default()
        };
        writer.meta(&Meta::Process(process)).unwrap();
        let pool =
            Pool { process: number, allocator: 1, mesh: Some(0), chips: (0..chips).collect(), ..Pool::default() };
        writer.meta(&Meta::Pool(pool)).unwrap();
        let events = story.records.len() as u64;
        let drained = events - lost;
        writer.events(number, &story.records[..drained as usize]).unwrap();
        let point = |ticks| ClockPoint { ticks, realtime_ns: START + ticks };
        let status = Status {
            process: number,
            reported: events,
            drained,
            lost,
            is_over: true,
            ended: Some(Ended::Code(0)),
            clock: [point(0), point(1_000 + events * 1_000)],
            ..Status::default()
        };
        if !is_cut {
            writer.meta(&Meta::Status(status)).unwrap();
        }
    }
    if !is_cut {
        writer.finish().unwrap();
    }
}

/// A training run on `chips` chips: weights, activations that come and go, a cache that grows, circular buffers that run
/// into an L1 buffer, and a refusal.
pub fn training(epochs: u64, steps: u64) -> Story {
    let mut story = Story::default();
    for layer in 0..24 {
        story.tensor(Memory::Dram, 0x100_0000 + layer * 0x20_0000, 0x1F_0000 - layer * 0x8000, 12);
    }
    for device in 0..8 {
        for buffer in 0..6 {
            story.circular_buffer(device, 0x1_8B20 + buffer * 0x6000, 0x5000 + buffer * 0x100);
        }
    }
    for epoch in 0..epochs {
        story.mark(&format!("epoch {epoch}"));
        for step in 0..steps {
            let mut free: Vec<Event> = (0..8)
                .map(|layer| {
                    let size = 0x8_0000 + 0x1000 * ((step * 7 + layer * 13) % 64);
                    story.tensor(Memory::Dram, 0x600_0000 + layer * 0x20_0000, size, 12)
                })
                .collect();
            free.push(story.tensor(Memory::L1, 0x10_0000 - 0x8000 * (1 + step % 4), 0x8000, 64));
            if step == steps / 2 && epoch == epochs / 2 {
                free.push(story.tensor(Memory::L1, 0x3_A000, 0x4000, 40));
                story.tell(Event {
                    kind: EventKind::OutOfMemory,
                    memory: Some(Memory::Dram),
                    target: Target::Pool(0),
                    size: 1 << 40,
                    ..Event::default()
                });
            }
            free.into_iter().for_each(|event| story.tell(event));
        }
        // What is forgotten.
        story.tensor(Memory::Dram, 0x800_0000 + epoch * 0x1_0000, 0xC000, 12);
    }
    story.mark(HOSTILE);
    let last = story.tensor(Memory::L1Small, 0x15_0000, 0x400, 64);
    story.tell(Event {
        flags: flags::FOR_PROGRAM,
        kind: EventKind::Allocate,
        address: 0x15_0800,
        holder: 99_999_999,
        ..last
    });
    story
}
