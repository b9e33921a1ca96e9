//! The pump: reads an input once, from its first record to its last, and has the records of each process applied to its
//! account. Reports, pages, exports and moments differ in how they apply them.

use std::{collections::BTreeMap, slice};

use ttmem_recording::{Item, Meta, Process};
use ttmem_wire::{Event, Pool, Record};

use super::{
    Input, Stopped,
    recording::{Recording, Replay},
};
use crate::{Account, Ended, Tell, account::unanswered};

/// Events whose memory is brought into the processor's cache together.
const AT_ONCE: usize = 64;

/// Applies records to the account of a process, and may look at each.
pub(crate) type Apply<'a> = dyn FnMut(&mut Replay, &[Record]) -> Result<(), Stopped> + 'a;

/// Replays an input. The result has its processes in the order in which they began; of a ring they have what the ring has
/// events of.
pub(crate) fn pump(input: &Input, apply: &mut Apply<'_>) -> Result<Recording, Stopped> {
    match input.ring() {
        Some(ring) => {
            let told = ring.session.told();
            let process = Process {
                pid: told.pid,
                command: told.command.to_vec(),
                realtime_start_ns: told.realtime_start_ns,
                ring_id: format!("{:032x}", told.ring_id),
                library_version: told.library_version.to_owned(),
                ..Process::default()
            };
            let mut replay = Replay::new(process, input.live_at_marks);
            for (index, pool) in told.account.pools() {
                replay.account_mut().learn_pool(index, pool.clone());
            }
            apply(&mut replay, &ring.records)?;
            apply(&mut replay, &ring.last_words)?;
            if let Some(end) = told.ended.and_then(Ended::end) {
                replay.account_mut().ledger_mut().end(end);
            }
            Ok(Recording { processes: vec![replay], is_cut: false })
        }
        None => pump_recording(input, apply),
    }
}

fn pump_recording(input: &Input, apply: &mut Apply<'_>) -> Result<Recording, Stopped> {
    let mut reader = input.reader().map_err(Stopped::Reading)?;
    let mut processes: BTreeMap<u32, Replay> = BTreeMap::new();
    while let Some(item) = reader.next().map_err(|why| Stopped::Reading(input.failed(why)))? {
        match item {
            Item::Meta(Meta::Process(process)) => {
                processes.entry(process.process).or_insert_with(|| Replay::new(process, input.live_at_marks));
            }
            Item::Meta(meta) => {
                if let Some(replay) = processes.get_mut(&meta.process()) {
                    learn(replay, meta, apply)?;
                }
            }
            Item::Events { process, records } => {
                if let Some(replay) = processes.get_mut(&process) {
                    replay.count(records.len() as u64);
                    apply(replay, records)?;
                }
            }
        }
    }
    let is_cut = reader.is_cut();
    let mut processes: Vec<Replay> = processes.into_values().collect();
    processes.iter_mut().for_each(|replay| replay.conclude(is_cut));
    processes.sort_by_key(Replay::started_ns);
    Ok(Recording { processes, is_cut })
}

fn learn(replay: &mut Replay, meta: Meta, apply: &mut Apply<'_>) -> Result<(), Stopped> {
    match meta {
        Meta::Pool(pool) => {
            let known = Pool { allocator: pool.allocator, chips: pool.chips };
            replay.account_mut().learn_pool(pool.index, known);
        }
        Meta::Status(status) => replay.set_status(status),
        Meta::LastWords(words) => {
            let requests: Vec<Record> = words.records.into_iter().map(|words| Record { words }).collect();
            apply(replay, &unanswered(&requests))?;
        }
        Meta::Sites(sites) => sites.sites.into_iter().for_each(|site| replay.account_mut().sites_mut().learn(site)),
        // Of a later version.
        _ => {}
    }
    Ok(())
}

/// Goes through records one by one. `each` gets the place of an event among them, and applies it; what is no event of this
/// version is counted by the account.
pub(crate) fn one_by_one<E>(
    account: &mut Account,
    records: &[Record],
    mut each: impl FnMut(&mut Account, usize, &Event) -> Result<(), E>,
) -> Result<(), E> {
    for (chunk, some) in records.chunks(AT_ONCE).enumerate() {
        account.ledger().look_ahead(some.iter().filter_map(Record::buffer_address));
        for (at, record) in some.iter().enumerate() {
            match &Event::decode(record) {
                Ok(event) => each(account, chunk * AT_ONCE + at, event)?,
                Err(_) => account.take(slice::from_ref(record), |_| None),
            }
        }
    }
    Ok(())
}
