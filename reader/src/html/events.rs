//! The events of a recording or a ring, one at a time, as often as one likes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use ttmem_ring::RingReader;
use ttmem_wire::{Event, Pool, Record};

use crate::{Account, Failure, Replay, Session, Tell, replay::replay_with};

/// Shown each event after it was applied: the account, the process's number, and the event.
pub(super) type Watch<'a> = dyn FnMut(&Account, u32, &Event) + 'a;

/// A process, and its number in the input.
pub(super) type Numbered = (u32, Box<dyn Tell>);

/// Where events come from.
pub(super) enum Input {
    Recording(PathBuf),
    /// What a ring had when it was read. A ring that is read again may have other events.
    Ring {
        path: PathBuf,
        records: Vec<Record>,
        pools: Vec<(u32, Pool)>,
    },
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let mut first = [0; 8];
        let is_recording = std::fs::File::open(path)
            .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut first))
            .is_ok_and(|()| first == ttmem_recording::MAGIC);
        if is_recording {
            return Ok(Self::Recording(path.to_path_buf()));
        }
        let mut session = look(path)?;
        let mut records = Vec::new();
        session.advance_with(&mut |_, batch| records.extend_from_slice(batch));
        let pools = session.account().pools().map(|(index, pool)| (index, pool.clone())).collect();
        Ok(Self::Ring { path: path.to_path_buf(), records, pools })
    }

    /// Applies all events from the beginning.
    pub(super) fn replay(&self, watch: &mut Watch<'_>) -> Result<Vec<Numbered>, Failure> {
        match self {
            Self::Recording(path) => {
                let recording = replay_with(path, false, &mut |account, process, records| {
                    one_by_one(account, process, records, watch);
                })?;
                let numbered = |replay: Replay| (replay.number(), Box::new(replay) as Box<dyn Tell>);
                Ok(recording.processes.into_iter().map(numbered).collect())
            }
            Self::Ring { path, records, pools } => {
                let mut account = Account::new(false);
                for (index, pool) in pools {
                    account.learn_pool(*index, pool.clone());
                }
                one_by_one(&mut account, 0, records, watch);
                let mut session = look(path)?;
                session.advance();
                session.settle(None);
                Ok(vec![(0, Box::new(session))])
            }
        }
    }
}

fn look(path: &Path) -> Result<Session, Failure> {
    let ring = RingReader::open(path).map_err(|error| Failure::with(path, error))?;
    Ok(Session::looking(ring, false))
}

fn one_by_one(account: &mut Account, process: u32, records: &[Record], watch: &mut Watch<'_>) {
    for record in records {
        account.take(std::slice::from_ref(record), |_| None);
        if let Ok(event) = Event::decode(record) {
            watch(account, process, &event);
        }
    }
}

/// Something for each process.
#[derive(Debug)]
pub(super) struct PerProcess<T>(BTreeMap<u32, T>);

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Default> PerProcess<T> {
    pub(super) fn of(&mut self, process: u32) -> &mut T {
        self.0.entry(process).or_default()
    }

    pub(super) fn take(&mut self, process: u32) -> T {
        self.0.remove(&process).unwrap_or_default()
    }

    pub(super) fn map<U>(&self, make: impl Fn(&T) -> U) -> PerProcess<U> {
        PerProcess(self.0.iter().map(|(&process, one)| (process, make(one))).collect())
    }
}
