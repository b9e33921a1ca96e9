//! Reads a recording: the same accounts as when its rings were drained.

use std::{collections::BTreeMap, fs::File, io::BufReader, path::Path};

use ttmem_recording::{Item, Meta, Process, Reader, Status};
use ttmem_ring::ClockMap;
use ttmem_wire::{Pool, Record};

use crate::{Account, Counts, Ended, Failure, Tell, Told, progress::Watched};

/// Bytes that are read from a recording at once.
const BUFFER: usize = 1 << 20;

/// One process of a recording.
#[derive(Debug)]
pub struct Replay {
    process: Process,
    status: Status,
    /// Events that the recording has.
    events: u64,
    account: Account,
    is_cut: bool,
}

/// A recording that was read to its end.
#[derive(Debug)]
pub struct Recording {
    /// Its processes, in the order in which they began.
    pub processes: Vec<Replay>,
    /// Whether its writer was stopped before it was done.
    pub is_cut: bool,
}

/// Opens a recording.
pub(crate) fn open_recording(path: &Path) -> Result<Reader<BufReader<Watched<File>>>, Failure> {
    let file = File::open(path).map_err(|why| Failure::with(path, why))?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let watched = Watched::new(file, path.display().to_string(), bytes);
    Reader::new(BufReader::with_capacity(BUFFER, watched)).map_err(|why| Failure::with(path, why))
}

/// Reads a whole recording.
///
/// # Errors
/// If the file cannot be read, is none, or is damaged.
pub fn replay(path: &Path, keep_live_at_marks: bool) -> Result<Recording, Failure> {
    replay_with(path, keep_live_at_marks, &mut |account, _, records| account.take(records, |_| None))
}

/// The same; `apply` is given the events of each process (by its number) to apply them, and may look at each.
pub(crate) fn replay_with(
    path: &Path,
    keep_live_at_marks: bool,
    apply_events: &mut dyn FnMut(&mut Account, u32, &[Record]),
) -> Result<Recording, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::with(path, why);
    let mut reader = open_recording(path)?;
    let mut processes: BTreeMap<u32, Replay> = BTreeMap::new();
    while let Some(item) = reader.next().map_err(|why| failed(&why))? {
        match item {
            Item::Meta(meta) => apply(&mut processes, meta, keep_live_at_marks),
            Item::Events { process, records } => {
                if let Some(replay) = processes.get_mut(&process) {
                    replay.events += records.len() as u64;
                    apply_events(&mut replay.account, process, records);
                }
            }
        }
    }
    let is_cut = reader.is_cut();
    let mut processes: Vec<Replay> = processes.into_values().collect();
    for replay in &mut processes {
        replay.conclude(is_cut);
    }
    processes.sort_by_key(|replay| replay.process.realtime_start_ns);
    Ok(Recording { processes, is_cut })
}

fn apply(processes: &mut BTreeMap<u32, Replay>, meta: Meta, keep_live_at_marks: bool) {
    let number = meta.process();
    match meta {
        Meta::Process(process) => {
            processes.entry(number).or_insert_with(|| Replay {
                process,
                status: Status::default(),
                events: 0,
                account: Account::new(keep_live_at_marks),
                is_cut: false,
            });
        }
        Meta::Pool(pool) => {
            if let Some(replay) = processes.get_mut(&number) {
                let index = pool.index;
                replay
                    .account
                    .learn_pool(index, Pool { allocator: pool.allocator, mesh: pool.mesh, chips: pool.chips });
            }
        }
        Meta::Status(status) => {
            if let Some(replay) = processes.get_mut(&number) {
                replay.status = status;
            }
        }
        Meta::LastWords(words) => {
            if let Some(replay) = processes.get_mut(&number) {
                let records: Vec<Record> = words.records.into_iter().map(|words| Record { words }).collect();
                replay.account.hear_last_words(&records);
            }
        }
        Meta::Sites(sites) => {
            if let Some(replay) = processes.get_mut(&number) {
                sites.sites.into_iter().for_each(|site| replay.account.sites_mut().learn(site));
            }
        }
        // Of a later version.
        _ => {}
    }
}

impl Replay {
    /// Its number in the recording.
    pub(crate) fn number(&self) -> u32 {
        self.process.process
    }

    /// A cut recording has more events than its last status knows of, or a status of which the last events are missing.
    fn conclude(&mut self, is_cut: bool) {
        self.is_cut = is_cut && self.status.ended.is_none();
        if let Some(ended) = self.ended() {
            self.account.ledger_mut().end(ended.into());
        }
    }

    fn ended(&self) -> Option<Ended> {
        self.status.ended.map(Ended::from)
    }
}

impl Tell for Replay {
    fn told(&self) -> Told<'_> {
        let status = &self.status;
        let drained = self.events.saturating_add(status.drained_elsewhere);
        Told {
            pid: self.process.pid,
            command: &self.process.command,
            realtime_start_ns: self.process.realtime_start_ns,
            ring_id: u128::from_str_radix(&self.process.ring_id, 16).unwrap_or(0),
            library_version: &self.process.library_version,
            counts: Counts {
                // Until its last status is written, a recording may be ahead of what it knows.
                reported: status.reported.max(drained.saturating_add(status.lost)),
                drained,
                drained_elsewhere: status.drained_elsewhere,
                restored: 0,
                lost: status.lost,
                pretended: status.pretended,
            },
            is_over: status.is_over,
            ended: self.ended(),
            clock: ClockMap::through(status.clock.map(|point| (point.ticks, point.realtime_ns))),
            account: &self.account,
            is_cut: self.is_cut,
        }
    }
}
