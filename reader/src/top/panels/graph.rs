//! Memory over time: of one memory, and where there is room of another beside it.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::Paragraph,
};
use ttmem_wire::Memory;

use super::super::{bars, state::State};
use crate::report::bytes;

/// From here on there are two.
const WIDE: u16 = 120;

pub(in super::super) fn draw(frame: &mut Frame<'_>, state: &State, area: Rect) {
    if area.width < WIDE {
        return draw_one(frame, state, state.memory, area);
    }
    let other = if state.memory == Memory::Dram { Memory::L1 } else { Memory::Dram };
    let [left, _, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(2), Constraint::Fill(1)]).areas(area);
    draw_one(frame, state, state.memory, left);
    draw_one(frame, state, other, right);
}

fn draw_one(frame: &mut Frame<'_>, state: &State, memory: Memory, area: Rect) {
    let (style, wide) = (state.style, usize::from(area.width));
    let (history, processes) = state.shown_history();
    let shown = history.shown(memory, processes.as_deref(), wide, state.zoom);
    let peak = shown.values.iter().copied().max().unwrap_or(0);
    let whose = match (state.only, processes) {
        (Some(pid), _) => format!("pid {pid}"),
        (None, Some(_)) => "these processes".to_owned(),
        (None, None) => "all devices".to_owned(),
    };
    let time = duration(shown.each * wide as u32);
    let title = format!("HISTORY of {memory}, {whose}: {time}, peak {}", bytes(peak));
    let mut lines = vec![Line::styled(style.ellipsis(&title, wide), style.title())];
    let columns = bars::columns(style, &shown.values, wide, usize::from(area.height.saturating_sub(1)));
    lines.extend(columns.into_iter().map(|row| Line::styled(row, style.memory(memory))));
    frame.render_widget(Paragraph::new(lines), area);
}

/// In the unit that says most of it.
pub(super) fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..180 => format!("{seconds} s"),
        seconds @ 180..10_800 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
