//! What is shown. Keys and the mouse change it, see [`super::keys`].

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use ttmem_wire::Memory;

use super::{
    detail::{Detail, Question},
    history::History,
    list::List,
    style::Style,
};
use crate::{
    DeviceView, KindView, ProcessView, View,
    analysis::{Alike, alike},
};

/// What the list of processes is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Memory,
    Events,
    Pid,
    Command,
}

/// Panels with a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panel {
    Devices,
    Processes,
    Allocations,
}

/// Which devices share a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// Those that are alike, where not every device fits.
    AsFits,
    /// Those that are alike.
    Alike,
    /// None.
    Each,
}

/// Everything that a picture is made of.
#[derive(Debug)]
pub struct State {
    pub(super) style: Style,
    /// All that runs.
    pub(super) all: View,
    /// The part of it that the filter, or one process alone, leaves.
    pub(super) view: View,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) memory: Memory,
    pub(super) filter: String,
    pub(super) is_typing: bool,
    /// The history when the picture was frozen.
    pub(super) frozen: Option<Box<History>>,
    pub(super) has_help: bool,
    pub(super) grouping: Grouping,
    /// The process that alone is looked at.
    pub(super) only: Option<u32>,
    /// The device or the allocations that are looked at.
    pub(super) opened: Option<Question>,
    /// The answer to [`State::question`].
    pub detail: Option<Arc<Detail>>,
    /// Lines of the detail that are scrolled away.
    pub(super) scrolled: usize,
    /// Rings that could not be read.
    pub complaints: Vec<String>,
    pub(super) focus: Panel,
    pub(super) devices: List,
    /// The first device of each row that was drawn.
    pub(super) rows_of_devices: Vec<i32>,
    pub(super) processes: List,
    pub(super) allocations: List,
    /// The most of a memory that any device ever held.
    pub(super) seen: BTreeMap<Memory, u64>,
    pub(super) history: History,
    pub(super) zoom: usize,
    pub(super) is_done: bool,
}

impl State {
    /// Nothing seen yet; of one process alone, if it is named.
    pub fn new(style: Style, only: Option<u32>) -> Self {
        let nothing = View::of(Vec::new(), Arc::default(), BTreeMap::new());
        Self {
            style,
            all: nothing.clone(),
            view: nothing,
            sort: Sort::Memory,
            is_reversed: false,
            memory: Memory::Dram,
            filter: String::new(),
            is_typing: false,
            frozen: None,
            has_help: false,
            grouping: Grouping::AsFits,
            only,
            opened: None,
            detail: None,
            scrolled: 0,
            complaints: Vec::new(),
            focus: Panel::Processes,
            devices: List::default(),
            rows_of_devices: Vec::new(),
            processes: List::default(),
            allocations: List::default(),
            seen: BTreeMap::new(),
            history: History::default(),
            zoom: 0,
            is_done: false,
        }
    }

    /// Whether the user has had enough.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The newest view, so long after the start. While the picture is frozen it is kept in the history alone.
    pub fn show(&mut self, view: View, at: Duration) {
        self.history.push(&view, at);
        if self.frozen.is_some() {
            return;
        }
        for memory in view.devices.iter().flat_map(|device| &device.memory) {
            let seen = self.seen.entry(memory.memory).or_default();
            *seen = (*seen).max(memory.peak_bytes);
        }
        if self.only.is_some_and(|pid| !view.processes.iter().any(|process| process.pid == pid)) {
            self.only = None;
        }
        if view.processes.is_empty() {
            self.opened = None;
        }
        self.all = view;
        self.select();
    }

    /// What the user looks at.
    pub fn question(&self) -> Option<Question> {
        self.opened.clone().or(self.only.map(Question::Process))
    }

    /// Whether the filter, or one process alone, leaves a part.
    pub(super) fn is_part(&self) -> bool {
        self.only.is_some() || !self.filter.is_empty()
    }

    /// Leaves the part that the user wants, in the order that the user wants.
    pub(super) fn select(&mut self) {
        let wanted = self.filter.to_lowercase();
        let fits = |process: &ProcessView| match self.only {
            Some(pid) => process.pid == pid,
            None => process.command.to_lowercase().contains(&wanted) || process.pid.to_string().contains(&wanted),
        };
        self.view = if self.is_part() { self.all.only(fits) } else { self.all.clone() };
        let processes = &mut self.view.processes;
        match self.sort {
            // As they come.
            Sort::Memory => {}
            Sort::Events => processes.sort_by_key(|process| Reverse(process.events)),
            Sort::Pid => processes.sort_by_key(|process| process.pid),
            Sort::Command => processes.sort_by_key(|process| process.command.clone()),
        }
        if self.is_reversed {
            processes.reverse();
        }
    }

    /// The history that is shown, and of which processes.
    pub(super) fn shown_history(&self) -> (&History, Option<Vec<u32>>) {
        let pids = || self.view.processes.iter().map(|process| process.pid).collect();
        (self.frozen.as_deref().unwrap_or(&self.history), self.is_part().then(pids))
    }

    /// Rows of devices; those that are alike share one where not each has room.
    pub(super) fn device_rows(&self, room: usize) -> Vec<Alike<DeviceView>> {
        let is_grouped = match self.grouping {
            Grouping::AsFits => self.view.devices.len() > room,
            Grouping::Alike => true,
            Grouping::Each => false,
        };
        let alone = |device: &DeviceView| (!is_grouped).then_some(device.device_id);
        let key = |device: &DeviceView| (device.memory.clone(), device.program_bytes, device.is_exact, alone(device));
        alike(self.view.devices.iter().cloned(), |device| device.device_id, key)
    }

    /// The allocations under the cursor.
    pub(super) fn kind(&self) -> Option<&KindView> {
        self.view.kinds.get(self.allocations.cursor)
    }
}
