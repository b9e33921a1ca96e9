//! Traces on a thread of their own, beside the one that replays: what events changed comes to it in batches, through a channel
//! that holds a few of them.

use std::{
    collections::BTreeMap,
    io,
    panic::resume_unwind,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
};

use ttmem_ledger::Change;

use super::{lives::Noted, traces::Traces};

/// Changes of a batch, unless one event has more: 2 MiB, so that both threads have it in their caches.
const CHANGES: usize = 16_384;
/// Batches that wait for the thread.
const WAITING: usize = 4;

/// Some events of a process, and what they changed.
#[derive(Default)]
struct Batch {
    process: u32,
    /// Each with the number of its changes.
    events: Vec<(Noted, usize)>,
    changes: Vec<Change>,
}

/// The end of the channel at which the replay is.
pub(super) struct Aside {
    batch: Batch,
    full: SyncSender<Batch>,
    /// Batches that the thread has emptied.
    emptied: Receiver<Batch>,
}

/// Replays, and collects the traces of each process meanwhile, by its number.
///
/// # Errors
/// If there can be no further thread.
pub(super) fn collect<R>(replay: impl FnOnce(&mut Aside) -> R) -> io::Result<(R, BTreeMap<u32, Traces>)> {
    thread::scope(|scope| {
        let (full, batches) = sync_channel(WAITING);
        let (empty, emptied) = channel();
        let traces = thread::Builder::new().spawn_scoped(scope, move || traces_of(&batches, &empty))?;
        let mut aside = Aside { batch: Batch::default(), full, emptied };
        let replayed = replay(&mut aside);
        aside.hand_over();
        drop(aside);
        Ok((replayed, traces.join().unwrap_or_else(|panic| resume_unwind(panic))))
    })
}

impl Aside {
    /// What an event of a process changed.
    #[inline]
    pub(super) fn note(&mut self, process: u32, changes: &[Change], noted: Noted) {
        if process != self.batch.process || self.batch.changes.len() + changes.len() > CHANGES {
            self.hand_over();
            self.batch.process = process;
        }
        self.batch.events.push((noted, changes.len()));
        self.batch.changes.extend_from_slice(changes);
    }

    fn hand_over(&mut self) {
        let next = self.emptied.try_recv().unwrap_or_default();
        // Only a thread that panicked takes no more; its panic is passed on in the end.
        let _ = self.full.send(std::mem::replace(&mut self.batch, next));
    }
}

fn traces_of(batches: &Receiver<Batch>, empty: &Sender<Batch>) -> BTreeMap<u32, Traces> {
    let mut all: BTreeMap<u32, Traces> = BTreeMap::new();
    for mut batch in batches {
        let traces = all.entry(batch.process).or_default();
        let mut changes = &batch.changes[..];
        for (noted, count) in batch.events.drain(..) {
            let (of_event, rest) = changes.split_at(count);
            traces.note(of_event, &noted);
            changes = rest;
        }
        batch.changes.clear();
        // Once the replay is over, nobody wants it.
        let _ = empty.send(batch);
    }
    all
}

#[cfg(test)]
mod tests {
    use ttmem_ledger::Ledger;
    use ttmem_wire::{Event, EventKind, Memory, Target};

    use super::*;

    /// Many more changes than a batch has, of two processes in turns; the second closes a device that has more than a batch.
    #[test]
    fn the_thread_sees_what_the_replay_sees() {
        let mut ledgers = [Ledger::new(), Ledger::new()];
        let mut near = [Traces::default(), Traces::default()];
        let mut changes = Vec::new();
        ledgers.iter_mut().for_each(Ledger::note_changes);
        let ((), mut far) = collect(|aside| {
            for number in 0..8 * CHANGES as u64 {
                let process = (number / 100 % 2) as usize;
                let kind = match number {
                    _ if process == 1 && number.is_multiple_of(5 * CHANGES as u64) => EventKind::DeviceClosed,
                    _ if process == 0 && number % 3 == 2 => EventKind::Free,
                    _ => EventKind::Allocate,
                };
                let target = Target::Device((number % 2) as i32 * process as i32);
                let (address, size, memory) = (number / 3 % 5000 * 64, 64, Some(Memory::Dram));
                let event = Event { kind, target, address, size, memory, ticks: number, ..Event::default() };
                ledgers[process].apply(&event, None);
                ledgers[process].take_changes(&mut changes);
                let noted = Noted::new(&event);
                near[process].note(&changes, &noted);
                aside.note(process as u32, &changes, noted);
            }
        })
        .unwrap();
        for (process, near) in near.iter_mut().enumerate() {
            let mut far = far.remove(&(process as u32)).unwrap();
            [&mut *near, &mut far].into_iter().for_each(|traces| traces.end(&ledgers[process]));
            let shown = |traces: &Traces| serde_json::to_string(&traces.lives.steps(|ticks| ticks as f64)).unwrap();
            assert_eq!(shown(near), shown(&far));
            let [near_places, far_places] = [&*near, &far].map(|traces| &traces.lives.places.all);
            assert!(near_places.len() > 64 && near_places.iter().eq(far_places));
            let cells = |traces: &Traces| traces.line.series.iter().map(|one| one.cells.clone()).collect::<Vec<_>>();
            assert_eq!(cells(near), cells(&far));
        }
    }
}
