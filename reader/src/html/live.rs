//! The page over a running machine: what was seen of its processes so far, drawn when somebody asks for it.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::Arc,
};

use serde_json::to_string;
use ttmem_ledger::{Change, Totals};
use ttmem_wire::{Memory, Pool, Record};

use super::{Sketch, fill, lives::Lives, model, source::SourceLines, traces::Traces};
use crate::{
    Account, Session, SiteStyle, Suppressions, Tell, analysis::Analysis, ingest::Observer, replay::one_by_one,
    report::Report, visible::visible_json,
};

/// Allocations of a process that ended and are kept. The page gets all of them twice a second.
const ROOM: usize = 1 << 15;
/// Processes that have gone and are still shown.
const GONE: usize = 8;

/// Processes that run, as far as the page shows them.
#[derive(Debug, Default)]
pub(crate) struct Live {
    sketches: BTreeMap<u128, Sketch>,
    /// The latest that ended.
    gone: VecDeque<Arc<model::Process>>,
    lines_of_source: SourceLines,
    /// How many ended.
    ended: u64,
}

impl Live {
    /// Has the session read what has come, and looks on.
    pub(crate) fn advance(&mut self, session: &mut Session) -> u64 {
        let ring_id = session.header().ring_id;
        let events = session.advance_observed(self.sketches.entry(ring_id).or_default());
        if session.is_over() {
            session.settle(None);
            self.ended += 1;
            let last = self.process(session);
            self.gone.extend(last);
            self.gone.drain(..self.gone.len().saturating_sub(GONE));
            self.sketches.remove(&ring_id);
        }
        events
    }

    /// Another text whenever the page is another one.
    pub(crate) fn state(&self, sessions: &[Session]) -> String {
        let events: u64 = sessions.iter().map(Session::drained).sum();
        format!("{}-{}-{events}", self.ended, sessions.len())
    }

    /// The page, which asks for newer numbers by itself.
    pub(crate) fn page(&mut self, sessions: &[Session]) -> String {
        fill(&self.model(sessions))
    }

    /// What the page shows, as JSON.
    pub(crate) fn json(&mut self, sessions: &[Session]) -> String {
        visible_json(to_string(&self.model(sessions)).unwrap_or_default())
    }

    fn model(&mut self, sessions: &[Session]) -> model::Page {
        let running: Vec<_> = sessions.iter().filter_map(|session| self.process(session)).collect();
        model::Page {
            ttmem: env!("CARGO_PKG_VERSION"),
            processes: self.gone.iter().cloned().chain(running).collect(),
            file: "ttmem serve --page".to_owned(),
            live: Some(self.state(sessions)),
        }
    }

    /// `None` of one that has reported no event.
    fn process(&mut self, session: &Session) -> Option<Arc<model::Process>> {
        let mut sketch = self.sketches.get(&session.header().ring_id)?.clone();
        let analysis = Analysis::new([session], &Suppressions::default(), SiteStyle::default());
        let report = Report::new(&analysis, SiteStyle::default(), None);
        let (said, analysed) = (report.processes.first()?, analysis.processes.first()?);
        let told = session.told();
        sketch.end(told.account);
        Some(Arc::new(model::Process::new(&told, said, analysed, sketch, &mut self.lines_of_source)))
    }
}

impl Observer for Sketch {
    fn begin(&mut self, account: &mut Account) {
        let traces = Traces { lives: Lives::with_room(ROOM), ..Traces::default() };
        *self = Self { traces, ..Self::default() };
        self.traces.lives.begin(account.ledger_mut());
        // What a checkpoint has is there from the beginning, at the time of the latest allocation in it.
        if let Some(latest) = account.ledger().iter_live().map(|region| region.allocated_at_ticks).max() {
            let sums = account.ledger().totals().into_iter();
            let bytes = |(device, memory, totals): (i32, Memory, Totals)| Change::Footprint {
                device,
                memory,
                bytes: totals.live_bytes,
            };
            let sums: Vec<Change> = sums.map(bytes).collect();
            self.traces.line.note(&sums, latest);
            self.peaks.note(&sums);
        }
    }

    fn apply(&mut self, account: &mut Account, records: &[Record], pools: &mut dyn FnMut(u32) -> Option<Pool>) {
        let applied: Result<(), Infallible> = one_by_one(account, records, |account, _, event| {
            self.note(account, event, pools);
            Ok(())
        });
        let Ok(()) = applied;
    }
}
