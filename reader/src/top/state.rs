//! What is shown, and what keys and the mouse change of it.

use std::collections::{BTreeMap, VecDeque};

use ratatui::{
    crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind},
    layout::Rect,
};
use ttmem_wire::Memory;

use super::style::Style;
use crate::{ProcessView, View};

pub use ratatui::crossterm::event::{KeyCode as Key, MouseEventKind as Mouse};

/// Samples of the graph: two minutes.
const HISTORY: usize = 1200;

/// What the list of processes is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Memory,
    Events,
    Pid,
    Command,
}

/// Everything that a picture is made of.
#[derive(Debug)]
pub struct State {
    pub(super) style: Style,
    pub(super) view: View,
    pub(super) sort: Sort,
    pub(super) memory: Memory,
    pub(super) filter: String,
    pub(super) is_typing: bool,
    pub(super) is_frozen: bool,
    pub(super) has_help: bool,
    /// Devices that are alike share a row.
    pub(super) is_grouped: bool,
    /// The process that alone is looked at.
    pub(super) only: Option<u32>,
    pub(super) cursor: usize,
    pub(super) first_device: usize,
    /// The most of a memory that any device ever held.
    pub(super) seen: BTreeMap<Memory, u64>,
    pub(super) history: BTreeMap<Memory, VecDeque<u64>>,
    /// Where processes and devices were drawn, for the mouse.
    pub(super) process_rows: Rect,
    pub(super) device_rows: Rect,
    pub(super) first_process: usize,
    is_done: bool,
}

impl State {
    /// Nothing seen yet.
    pub fn new(style: Style) -> Self {
        Self {
            style,
            view: View { schema: crate::view::SCHEMA, processes: Vec::new(), devices: Vec::new(), kinds: Vec::new() },
            sort: Sort::Memory,
            memory: Memory::Dram,
            filter: String::new(),
            is_typing: false,
            is_frozen: false,
            has_help: false,
            is_grouped: true,
            only: None,
            cursor: 0,
            first_device: 0,
            seen: BTreeMap::new(),
            history: BTreeMap::new(),
            process_rows: Rect::default(),
            device_rows: Rect::default(),
            first_process: 0,
            is_done: false,
        }
    }

    /// Whether the user has had enough.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// The newest view. While the picture is frozen it is not shown.
    pub fn show(&mut self, view: View) {
        if self.is_frozen {
            return;
        }
        for memory in view.devices.iter().flat_map(|device| &device.memory) {
            let seen = self.seen.entry(memory.memory).or_default();
            *seen = (*seen).max(memory.peak_bytes);
        }
        for memory in [Memory::Dram, Memory::L1].into_iter().chain(self.seen.keys().copied()) {
            self.history.entry(memory).or_default();
        }
        for (&memory, history) in &mut self.history {
            if history.len() == HISTORY {
                history.pop_front();
            }
            history.push_back(view.live_bytes(memory));
        }
        if self.only.is_some_and(|pid| !view.processes.iter().any(|process| process.pid == pid)) {
            self.only = None;
        }
        self.view = view;
        self.keep_cursor();
    }

    /// The processes that are listed, in their order.
    pub(super) fn processes(&self) -> Vec<&ProcessView> {
        let wanted = self.filter.to_lowercase();
        let fits = |process: &&ProcessView| {
            wanted.is_empty()
                || process.command.to_lowercase().contains(&wanted)
                || process.pid.to_string().contains(&wanted)
        };
        let mut processes: Vec<&ProcessView> = self.view.processes.iter().filter(fits).collect();
        match self.sort {
            // As they come.
            Sort::Memory => {}
            Sort::Events => processes.sort_by_key(|process| std::cmp::Reverse(process.events)),
            Sort::Pid => processes.sort_by_key(|process| process.pid),
            Sort::Command => processes.sort_by_key(|process| process.command.clone()),
        }
        processes
    }

    fn keep_cursor(&mut self) {
        self.cursor = self.cursor.min(self.processes().len().saturating_sub(1));
    }

    /// A key, the mouse, or another size of the terminal.
    pub fn handle(&mut self, event: &Event) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.press(key),
            Event::Mouse(mouse) => self.click(mouse),
            _ => {}
        }
    }

    fn press(&mut self, key: &KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            self.is_done |= matches!(key.code, KeyCode::Char('c' | 'd'));
            return;
        }
        if self.is_typing {
            match key.code {
                KeyCode::Char(letter) => self.filter.push(letter),
                KeyCode::Backspace => drop(self.filter.pop()),
                KeyCode::Esc => {
                    self.filter.clear();
                    self.is_typing = false;
                }
                KeyCode::Enter => self.is_typing = false,
                _ => {}
            }
            return self.keep_cursor();
        }
        if self.has_help && key.code != KeyCode::Char('q') {
            self.has_help = false;
            return;
        }
        match key.code {
            KeyCode::Char('q') => self.is_done = true,
            KeyCode::Char(' ') => self.is_frozen = !self.is_frozen,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.has_help = true,
            KeyCode::Char('s') => {
                self.sort = match self.sort {
                    Sort::Memory => Sort::Events,
                    Sort::Events => Sort::Pid,
                    Sort::Pid => Sort::Command,
                    Sort::Command => Sort::Memory,
                }
            }
            KeyCode::Char('m') => self.next_memory(),
            KeyCode::Char('g') => self.is_grouped = !self.is_grouped,
            KeyCode::Char('/' | 'f') => self.is_typing = true,
            KeyCode::Esc => {
                self.only = None;
                self.filter.clear();
            }
            KeyCode::Enter => self.choose(self.cursor),
            KeyCode::Up | KeyCode::Char('k') => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.cursor += 1,
            KeyCode::PageUp => self.first_device = self.first_device.saturating_sub(8),
            KeyCode::PageDown => self.first_device += 8,
            KeyCode::Home => (self.cursor, self.first_device) = (0, 0),
            _ => {}
        }
        self.keep_cursor();
    }

    fn next_memory(&mut self) {
        let known: Vec<Memory> = self.history.keys().copied().collect();
        let at = known.iter().position(|&memory| memory == self.memory).map_or(0, |at| at + 1);
        self.memory = known.get(at).or(known.first()).copied().unwrap_or(Memory::Dram);
    }

    /// Looks at one process alone, or at all again.
    fn choose(&mut self, at: usize) {
        let pid = self.processes().get(at).map(|process| process.pid);
        self.only = if self.only == pid { None } else { pid };
    }

    fn click(&mut self, mouse: &MouseEvent) {
        let place = (mouse.column, mouse.row).into();
        let in_devices = self.device_rows.contains(place);
        match mouse.kind {
            MouseEventKind::ScrollUp if in_devices => self.first_device = self.first_device.saturating_sub(1),
            MouseEventKind::ScrollDown if in_devices => self.first_device += 1,
            MouseEventKind::ScrollUp => self.cursor = self.cursor.saturating_sub(1),
            MouseEventKind::ScrollDown => self.cursor += 1,
            MouseEventKind::Down(MouseButton::Left) if self.process_rows.contains(place) => {
                let at = self.first_process + usize::from(mouse.row - self.process_rows.y);
                if at < self.processes().len() {
                    self.cursor = at;
                    self.choose(at);
                }
            }
            _ => {}
        }
        self.keep_cursor();
    }
}
