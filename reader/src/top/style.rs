//! What the terminal can show: the sixteen colours that all have, or none; blocks, or letters.

use std::env;

use ratatui::style::{Color, Modifier, Style as Look};
use ttmem_wire::Memory;

/// Percent.
const NEARLY_FULL: u128 = 90;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colours.
    pub has_colours: bool,
    /// Blocks and lines, not only ASCII.
    pub has_blocks: bool,
}

impl Style {
    /// As the environment says: `NO_COLOR`, `TERM`, and the locale.
    pub fn of_environment() -> Self {
        let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| value(name)).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let is_dumb = value("TERM").is_some_and(|term| ["dumb", "vt100", "vt220"].contains(&term.as_str()));
        Self {
            has_colours: value("NO_COLOR").is_none() && !is_dumb,
            has_blocks: !is_dumb && (locale.contains("utf-8") || locale.contains("utf8")),
        }
    }

    fn colour(self, colour: Color) -> Look {
        if self.has_colours { Look::new().fg(colour) } else { Look::new() }
    }

    /// No grey of the sixteen: themes have it in the colour of their background.
    pub(super) fn faint(self) -> Look {
        Look::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn title(self) -> Look {
        Look::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn warning(self) -> Look {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Of a share of a capacity: nearly all is a warning.
    pub(super) fn fullness(self, used: u64, capacity: Option<u64>) -> Look {
        let is_full = capacity.is_some_and(|all| u128::from(used) * 100 >= u128::from(all) * NEARLY_FULL);
        if is_full { self.warning() } else { Look::new() }
    }

    pub(super) fn chosen(self) -> Look {
        Look::new().add_modifier(Modifier::REVERSED)
    }

    /// Of bars and curves; text has the terminal's own colour. Neither blue, which cannot be seen on black, nor yellow, which
    /// cannot be seen on white.
    pub(super) fn memory(self, memory: Memory) -> Look {
        match memory {
            Memory::Dram => self.colour(Color::Cyan),
            Memory::L1 | Memory::L1Small => self.colour(Color::Green),
            Memory::CircularBuffer | Memory::DataflowBuffer | Memory::Scratchpad => self.colour(Color::Magenta),
            _ => Look::new(),
        }
    }

    pub(super) fn full(self) -> &'static str {
        if self.has_blocks { "█" } else { "#" }
    }

    /// Program memory, which must be told from buffers without colours too.
    pub(super) fn programs(self) -> &'static str {
        if self.has_blocks { "▒" } else { "%" }
    }

    pub(super) fn empty(self) -> &'static str {
        if self.has_blocks { "·" } else { "." }
    }

    pub(super) fn steps(self) -> &'static [&'static str] {
        if self.has_blocks {
            &[" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
        } else {
            &[" ", "_", ".", "-", "=", "#"]
        }
    }

    pub(super) fn ellipsis(self, text: &str, room: usize) -> String {
        let short = crate::report::shorten(text, room);
        if self.has_blocks { short } else { short.chars().map(|c| if c.is_ascii() { c } else { '~' }).collect() }
    }
}
