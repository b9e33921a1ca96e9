//! The one layout of tables: labels on the left, numbers right-aligned below their headings, as wide as they must be.

use std::fmt::{self, Write};

use super::Screen;

/// A table.
pub(super) struct Table {
    headings: Vec<&'static str>,
    lines: Vec<Line>,
    label_at_least: usize,
}

enum Line {
    /// What the rows below have in common.
    Group(String),
    Row(String, Vec<String>),
}

/// Between columns.
const GAP: usize = 2;

impl Table {
    pub(super) fn new(headings: impl Into<Vec<&'static str>>) -> Self {
        Self { headings: headings.into(), lines: Vec::new(), label_at_least: 14 }
    }

    pub(super) fn group(&mut self, name: String) {
        self.lines.push(Line::Group(name));
    }

    pub(super) fn row(&mut self, label: impl Into<String>, cells: impl Into<Vec<String>>) {
        self.lines.push(Line::Row(label.into(), cells.into()));
    }

    /// Writes it below its heading, which stands in the line of the columns' headings.
    pub(super) fn write(&self, out: &mut impl Write, title: &str, screen: &Screen) -> fmt::Result {
        let rows = || {
            self.lines.iter().filter_map(|line| match line {
                Line::Row(label, cells) => Some((label, cells)),
                Line::Group(_) => None,
            })
        };
        let length = |text: &str| text.chars().count();
        let label = rows().map(|(label, _)| length(label) + 2).max().unwrap_or(0);
        let label = label.max(self.label_at_least).max(length(title));
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|at| {
                let cells = rows().filter_map(|(_, cells)| cells.get(at)).map(|cell| length(cell));
                cells.chain([length(self.headings[at])]).max().unwrap_or(0) + GAP
            })
            .collect();
        let (faint, heading) = (screen.paint.faint, screen.paint.heading);
        write!(out, "{heading}{title}{heading:#}{faint}{:1$}", "", label - length(title))?;
        for (name, width) in self.headings.iter().zip(&widths) {
            write!(out, "{name:>width$}")?;
        }
        writeln!(out, "{faint:#}")?;
        for line in &self.lines {
            match line {
                Line::Group(name) => writeln!(out, "{}", screen.paint.strong(name))?,
                Line::Row(name, cells) => {
                    write!(out, "  {name}{:1$}", "", label.saturating_sub(length(name) + 2))?;
                    for (cell, width) in cells.iter().zip(&widths) {
                        write!(out, "{cell:>width$}")?;
                    }
                    writeln!(out)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_below_their_headings() {
        let mut table = Table::new(["live", "peak"]);
        table.group("device 0".into());
        table.row("DRAM", ["132.0 KiB".into(), "1.0 MiB".into()]);
        let mut text = String::new();
        table.write(&mut text, "", &Screen::plain()).unwrap();
        assert_eq!(text, "                     live     peak\ndevice 0\n  DRAM          132.0 KiB  1.0 MiB\n");
    }
}
