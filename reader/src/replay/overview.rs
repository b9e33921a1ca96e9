//! What is known of the processes of an input before its first event is replayed: clocks, call sites, counts.

use std::collections::HashMap;

use ttmem_recording::{Meta, Tensor};
use ttmem_ring::ClockMap;

use super::Input;
use crate::{
    Ended, Failure, Sites, Tell,
    sites::{Frame, SiteTexts},
};

/// A process of an input.
#[derive(Debug)]
pub struct ProcessInfo {
    /// Its process id, for display.
    pub pid: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// When it reported its first event, ns since 1970.
    pub started_ns: u64,
    /// How it ended, where it did.
    pub ended: Option<Ended>,
    /// Events that the input has of it.
    pub events: u64,
    /// Events that no reader got.
    pub lost: u64,
    /// Call sites and tensors.
    pub texts: SiteTexts,
    clock: ClockMap,
}

impl ProcessInfo {
    /// The time of a reading of its clock, ns since 1970.
    pub fn time_ns(&self, ticks: u64) -> u64 {
        self.clock.realtime_ns(ticks)
    }

    /// One that has these call sites, and nothing else.
    #[cfg(test)]
    pub(crate) fn with_sites(sites: HashMap<u32, Vec<String>>) -> Self {
        let clock = ClockMap::through([(0, 0); 2]);
        let (command, ended) = (vec!["train".to_owned()], None);
        let sites = sites.into_iter().map(|(id, frames)| (id, (crate::CallSite::default(), frames))).collect();
        let texts = SiteTexts { sites, ..SiteTexts::default() };
        Self { pid: 7, command, started_ns: 0, ended, events: 0, lost: 0, texts, clock }
    }

    /// The frames of a call site, the innermost first; none where it is not known.
    pub fn frames(&self, site: u32) -> &[String] {
        self.texts.sites.get(&site).map_or(&[], |(_, frames)| frames)
    }

    /// The operation of ttnn that a call site belongs to; empty where none is known.
    pub fn op(&self, site: u32) -> &str {
        self.texts.sites.get(&site).and_then(|(site, _)| site.op.as_deref()).unwrap_or_default()
    }

    /// The user's frames of a call site, the innermost first; none where it is not known.
    pub(crate) fn users(&self, site: u32) -> impl Iterator<Item = &Frame> {
        self.texts.sites.get(&site).into_iter().flat_map(|(site, _)| site.users())
    }

    /// What a tensor is; empty where that is not known.
    pub fn tensor(&self, number: u32) -> &str {
        self.texts.tensors.get(&number).map_or("", |(_, text)| text)
    }

    /// The same as a type.
    pub(crate) fn typed_tensor(&self, number: u32) -> Option<&Tensor> {
        self.texts.tensors.get(&number).map(|(tensor, _)| &**tensor)
    }
}

/// All processes of an input.
#[derive(Debug, Default)]
pub(super) struct Overview {
    /// In the order in which they began.
    pub(super) processes: Vec<ProcessInfo>,
    /// The places of the input's numbers there.
    pub(super) places: HashMap<u32, usize>,
    /// Whether the recording's writer was stopped before it was done.
    pub(super) is_cut: bool,
}

impl Overview {
    /// Looks through an input, and passes over the events of a recording unread.
    pub(super) fn of(input: &Input, call_sites: bool) -> Result<Self, Failure> {
        match input.ring() {
            Some(ring) => Ok(Self::of_ring(&ring.session, ring.records.len() + ring.last_words.len(), call_sites)),
            None => Self::of_recording(input, call_sites),
        }
    }

    fn of_ring(session: &impl Tell, events: usize, call_sites: bool) -> Self {
        let told = session.told();
        let process = ProcessInfo {
            pid: told.pid,
            command: told.command.to_vec(),
            started_ns: told.realtime_start_ns,
            ended: told.ended,
            events: events as u64,
            lost: told.counts.lost,
            texts: if call_sites { told.account.sites().texts() } else { SiteTexts::default() },
            clock: told.clock,
        };
        Self { processes: vec![process], places: HashMap::from([(0, 0)]), is_cut: false }
    }

    fn of_recording(input: &Input, call_sites: bool) -> Result<Self, Failure> {
        let mut processes: Vec<(u32, ProcessInfo)> = Vec::new();
        let mut sites: HashMap<u32, Sites> = HashMap::new();
        let mut events: HashMap<u32, u64> = HashMap::new();
        let mut reader = input.reader()?;
        let mut count = |process, number| *events.entry(process).or_default() += u64::from(number);
        while let Some(meta) = reader.next_document(&mut count).map_err(|why| input.failed(why))? {
            match meta {
                Meta::Process(process) => {
                    if processes.iter().any(|(number, _)| *number == process.process) {
                        continue;
                    }
                    let info = ProcessInfo {
                        pid: process.pid,
                        command: process.command,
                        started_ns: process.realtime_start_ns,
                        ended: None,
                        events: 0,
                        lost: 0,
                        texts: SiteTexts::default(),
                        clock: ClockMap::through([(0, process.realtime_start_ns); 2]),
                    };
                    processes.push((process.process, info));
                }
                // The clock is a line through two readings, of which the last status has the best.
                Meta::Status(status) => {
                    if let Some((_, info)) = processes.iter_mut().find(|(number, _)| *number == status.process) {
                        info.clock = ClockMap::through(status.clock.map(|point| (point.ticks, point.realtime_ns)));
                        info.lost = status.lost;
                        info.ended = status.ended.map(Ended::from);
                    }
                }
                Meta::Sites(more) if call_sites => {
                    let known = sites.entry(more.process).or_default();
                    more.sites.into_iter().for_each(|site| known.learn(site));
                }
                _ => {}
            }
        }
        let is_cut = reader.is_cut();
        processes.sort_by_key(|(_, info)| info.started_ns);
        let places = processes.iter().enumerate().map(|(at, &(number, _))| (number, at)).collect();
        let complete = |(number, mut info): (u32, ProcessInfo)| {
            info.events = events.get(&number).copied().unwrap_or(0);
            info.texts = sites.get(&number).map(Sites::texts).unwrap_or_default();
            info
        };
        Ok(Self { processes: processes.into_iter().map(complete).collect(), places, is_cut })
    }
}
