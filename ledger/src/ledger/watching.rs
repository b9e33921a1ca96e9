//! What is kept for those who look on: windows, changes, statistics.

use super::Ledger;
use crate::{
    Change,
    statistics::Statistics,
    windows::{Window, WindowId},
};

impl Ledger {
    /// Opens a window on what happens from here on. One that is kept apart answers for what comes to life in it: windows
    /// around it do not count that as left behind, nor in their own peak. `None` where too many are open.
    pub fn open_window(&mut self, is_apart: bool) -> Option<WindowId> {
        self.windows.open(is_apart, &mut self.sums)
    }

    /// What a window has seen so far; it stays open. `None` if it is closed.
    pub fn window(&self, id: WindowId) -> Option<Window> {
        self.windows.look(id, &self.sums, &self.places)
    }

    /// Whether it is open.
    pub(crate) fn has_window(&self, id: WindowId) -> bool {
        self.windows.has(id)
    }

    /// Closes a window, and tells what it saw.
    pub fn close_window(&mut self, id: WindowId) -> Option<Window> {
        self.windows.close(id, &mut self.sums, &self.places)
    }

    /// From now on keeps what events do to what is live, for [`Ledger::take_changes`].
    pub fn note_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// Swaps what the events since the last call did into `into`, which is emptied first. The order is that of the events;
    /// within one, what goes comes before what comes.
    pub fn take_changes(&mut self, into: &mut Vec<Change>) {
        into.clear();
        if let Some(changes) = &mut self.changes {
            std::mem::swap(changes, into);
        }
    }

    /// From now on counts all that is allocated, for [`Ledger::statistics`]. Not saved: one that was restored has to be asked
    /// again.
    pub fn keep_statistics(&mut self) {
        let is_whole = self.sums.keys().is_empty();
        self.statistics.get_or_insert_with(|| Box::new(Statistics::new(is_whole)));
    }

    /// What was allocated in all, if [`Ledger::keep_statistics`] was called.
    pub fn statistics(&self) -> Option<&Statistics> {
        self.statistics.as_deref()
    }
}
