//! The processes; of one alone also how its memory goes.

use ratatui::{Frame, layout::Rect, text::Line, widgets::Paragraph};

use super::{
    super::{
        detail::Detail,
        state::{Panel, Sort, State},
    },
    ids, row, title,
};
use crate::report::{bytes, count, in_short};

pub(in super::super) fn draw(frame: &mut Frame<'_>, state: &mut State, area: Rect, growth: &[String]) {
    let (style, wide) = (state.style, usize::from(area.width));
    let length = state.view.processes.len();
    let below = growth.len().min(usize::from(area.height).saturating_sub(2)) as u16;
    let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1 + below), ..area };
    state.processes.fit(length, rows, 1);
    let list = state.processes;
    let sort = |sort: Sort, name: &str| if state.sort == sort { format!("{name}*") } else { name.to_owned() };
    let head = format!(
        "{:>8} {:>4} {:>12} {:>12} {:<7} {}",
        sort(Sort::Pid, "PID"),
        "RANK",
        sort(Sort::Memory, "LIVE"),
        sort(Sort::Events, "EVENTS"),
        "DEVICES",
        sort(Sort::Command, "COMMAND")
    );
    let mut lines = vec![title(state, Panel::Processes, head)];
    let room = usize::from(rows.height);
    for (at, process) in state.view.processes.iter().enumerate().skip(list.first).take(room) {
        let rank = process.rank.map(|rank| rank.to_string()).unwrap_or_default();
        let live = format!("{}{}", if process.is_exact { "" } else { "~" }, bytes(process.live_bytes));
        let command = style.ellipsis(&process.command, wide.saturating_sub(48).max(8));
        let text = format!(
            "{:>8} {rank:>4} {live:>12} {:>12} {:<7} {command}",
            process.pid,
            count(process.events),
            style.ellipsis(&ids(&process.devices), 7)
        );
        lines.push(Line::styled(format!("{text:<wide$}"), row(state, Panel::Processes, at == list.cursor)));
    }
    lines.extend(growth.iter().take(usize::from(below)).map(|line| Line::raw(style.ellipsis(line, wide))));
    frame.render_widget(Paragraph::new(lines), area);
}

/// The verdict on the process that is alone, what it leaves free, and what grows: as in `ttmem report`.
pub(in super::super) fn growth(state: &State, wide: usize) -> Vec<String> {
    match state.detail.as_deref() {
        Some(Detail::Process(process)) if state.only == Some(process.pid) => {
            in_short(process, wide).lines().map(|line| format!(" {line}")).collect()
        }
        _ => Vec::new(),
    }
}
