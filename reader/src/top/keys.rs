//! What keys and the mouse do: those of htop and nvtop, where these have them.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::{
    detail::Question,
    list::List,
    state::{Grouping, Panel, Sort, State},
};

/// Rows that the wheel scrolls.
const WHEEL: isize = 3;

impl State {
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
            return self.edit(key.code);
        }
        if self.has_help && !matches!(key.code, KeyCode::Char('q') | KeyCode::F(10)) {
            self.has_help = false;
            return;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::F(10) => self.is_done = true,
            KeyCode::Char(' ' | 'Z') => self.freeze(),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.has_help = true,
            KeyCode::Char('s' | '>') | KeyCode::F(6) => self.sort_by(match self.sort {
                Sort::Memory => Sort::Events,
                Sort::Events => Sort::Pid,
                Sort::Pid => Sort::Command,
                Sort::Command => Sort::Memory,
            }),
            KeyCode::Char('M') => self.sort_by(Sort::Memory),
            KeyCode::Char('N') => self.sort_by(Sort::Pid),
            KeyCode::Char('I') => {
                self.is_reversed = !self.is_reversed;
                self.select();
            }
            KeyCode::Char('m') => self.next_memory(),
            KeyCode::Char('+') => self.zoom = (self.zoom + 1).min(self.history.most_zoom(1)),
            KeyCode::Char('-') => self.zoom = self.zoom.saturating_sub(1),
            KeyCode::Char('g') => {
                self.grouping = if self.grouping == Grouping::Each { Grouping::Alike } else { Grouping::Each }
            }
            KeyCode::Char('/' | 'f' | '\\') | KeyCode::F(3 | 4) => self.is_typing = true,
            KeyCode::Esc | KeyCode::Backspace => self.go_back(),
            KeyCode::Tab | KeyCode::Right => self.focus_on(1),
            KeyCode::BackTab | KeyCode::Left => self.focus_on(2),
            KeyCode::Enter => self.open(),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.page(-1),
            KeyCode::PageDown => self.page(1),
            KeyCode::Home => self.step(isize::MIN),
            KeyCode::End => self.step(isize::MAX),
            _ => {}
        }
    }

    fn edit(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char(letter) => self.filter.push(letter),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Esc => {
                self.filter.clear();
                self.is_typing = false;
            }
            KeyCode::Enter => self.is_typing = false,
            _ => {}
        }
        self.select();
    }

    fn freeze(&mut self) {
        self.frozen = if self.frozen.is_some() { None } else { Some(Box::new(self.history.clone())) };
    }

    fn sort_by(&mut self, sort: Sort) {
        self.sort = sort;
        self.select();
    }

    fn next_memory(&mut self) {
        let known = self.history.memories();
        let at = known.iter().position(|&memory| memory == self.memory).map_or(0, |at| at + 1);
        self.memory = known[at % known.len()];
    }

    /// Closes what was opened last: a detail, a process alone, the filter.
    fn go_back(&mut self) {
        self.scrolled = 0;
        if self.opened.take().is_none() && self.only.take().is_none() {
            self.filter.clear();
        }
        self.select();
    }

    fn focus_on(&mut self, further: usize) {
        const ORDER: [Panel; 3] = [Panel::Devices, Panel::Processes, Panel::Allocations];
        let at = ORDER.iter().position(|&panel| panel == self.focus).unwrap_or(0);
        self.focus = ORDER[(at + further) % ORDER.len()];
    }

    pub(super) fn list(&mut self, panel: Panel) -> &mut List {
        match panel {
            Panel::Devices => &mut self.devices,
            Panel::Processes => &mut self.processes,
            Panel::Allocations => &mut self.allocations,
        }
    }

    fn step(&mut self, rows: isize) {
        if self.opened.is_some() {
            self.scrolled = self.scrolled.saturating_add_signed(rows);
        } else {
            self.list(self.focus).step(rows);
        }
    }

    fn page(&mut self, pages: isize) {
        if self.opened.is_some() {
            self.scrolled = self.scrolled.saturating_add_signed(pages * 10);
        } else {
            self.list(self.focus).page(pages);
        }
    }

    /// Opens what has the cursor; what is open it closes.
    fn open(&mut self) {
        self.scrolled = 0;
        if self.opened.take().is_some() {
            return;
        }
        match self.focus {
            Panel::Processes => {
                let pid = self.view.processes.get(self.processes.cursor).map(|process| process.pid);
                self.only = if self.only == pid { None } else { pid };
                self.select();
            }
            Panel::Devices => self.opened = self.device_under_cursor().map(Question::Device),
            Panel::Allocations => {
                self.opened = self.kind().map(|kind| Question::Allocations {
                    pid: kind.pid,
                    memory: kind.memory,
                    size: kind.size,
                    site: kind.site_id,
                });
            }
        }
    }

    /// The first of those that share the row.
    fn device_under_cursor(&self) -> Option<i32> {
        self.rows_of_devices.get(self.devices.cursor).copied()
    }

    fn click(&mut self, mouse: &MouseEvent) {
        let place = (mouse.column, mouse.row).into();
        let panels = [Panel::Devices, Panel::Processes, Panel::Allocations];
        let under = panels.into_iter().find(|&panel| self.list(panel).area.contains(place));
        match mouse.kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                let rows = if mouse.kind == MouseEventKind::ScrollUp { -WHEEL } else { WHEEL };
                match under {
                    Some(panel) if self.opened.is_none() => self.list(panel).step(rows),
                    _ => self.step(rows),
                }
            }
            MouseEventKind::Down(MouseButton::Left) => {
                if self.has_help || self.opened.is_some() && under != Some(Panel::Devices) {
                    (self.has_help, self.opened) = (false, None);
                } else if let Some((panel, at)) = under.and_then(|panel| Some((panel, self.list(panel).at(place)?))) {
                    self.opened = None;
                    self.focus = panel;
                    self.list(panel).cursor = at;
                    self.open();
                }
            }
            _ => {}
        }
    }
}
