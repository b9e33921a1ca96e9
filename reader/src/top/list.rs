//! A list on the screen: which of its rows are seen, which has the cursor, and which the mouse means.

use ratatui::layout::{Position, Rect};

/// Rows of a panel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    pub(super) cursor: usize,
    /// The first that is seen.
    pub(super) first: usize,
    /// Where they are drawn, without the title.
    pub(super) area: Rect,
    /// Columns of rows beside each other, each filled from the top.
    columns: u16,
    length: usize,
}

impl List {
    /// Lays `length` rows out; the one with the cursor is seen.
    pub(super) fn fit(&mut self, length: usize, area: Rect, columns: u16) {
        (self.length, self.area, self.columns) = (length, area, columns.max(1));
        self.keep();
        let room = self.room();
        if self.cursor < self.first {
            self.first = self.cursor;
        }
        if self.cursor >= self.first + room.max(1) {
            self.first = self.cursor + 1 - room.max(1);
        }
        self.first = self.first.min(length.saturating_sub(room));
    }

    fn room(&self) -> usize {
        usize::from(self.area.height) * usize::from(self.columns)
    }

    /// Rows that are not seen.
    pub(super) fn hidden(&self) -> usize {
        self.length.saturating_sub(self.room())
    }

    /// Moves the cursor.
    pub(super) fn step(&mut self, rows: isize) {
        self.cursor = self.cursor.saturating_add_signed(rows);
        self.keep();
    }

    /// Moves it by what is seen at once.
    pub(super) fn page(&mut self, pages: isize) {
        let rows = self.room().max(2) - 1;
        self.step(rows as isize * pages);
    }

    fn keep(&mut self) {
        self.cursor = self.cursor.min(self.length.saturating_sub(1));
    }

    /// The row at a place of the screen.
    pub(super) fn at(&self, place: Position) -> Option<usize> {
        if !self.area.contains(place) {
            return None;
        }
        let column = (place.x - self.area.x) / (self.area.width / self.columns).max(1);
        let column = usize::from(column.min(self.columns - 1));
        let row = self.first + column * usize::from(self.area.height) + usize::from(place.y - self.area.y);
        (row < self.length).then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_seen_and_the_mouse_finds_rows_in_each_column() {
        let mut list = List::default();
        let area = Rect::new(10, 5, 40, 3);
        list.fit(20, area, 2);
        list.step(7);
        list.fit(20, area, 2);
        assert_eq!((list.first, list.hidden()), (2, 14));
        assert_eq!(list.at((10, 5).into()), Some(2));
        assert_eq!(list.at((30, 6).into()), Some(2 + 3 + 1));
        assert_eq!(list.at((50, 5).into()), None);
        list.page(9);
        list.fit(20, area, 2);
        assert_eq!((list.cursor, list.first), (19, 14));
        list.fit(1, area, 2);
        assert_eq!((list.cursor, list.at((10, 6).into())), (0, None), "it has become shorter");
    }
}
