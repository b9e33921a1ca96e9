//! What is live, by kind.

use ratatui::{Frame, layout::Rect, text::Line, widgets::Paragraph};

use super::{
    super::{
        bars,
        state::{Panel, State},
    },
    row, title,
};
use crate::{
    KindView,
    report::{count, stack_line},
};

/// From here on a row has the tensor, in so many columns.
const WIDE: usize = 140;
const TENSOR: usize = 40;

pub(in super::super) fn draw(frame: &mut Frame<'_>, state: &mut State, area: Rect) {
    let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    state.allocations.fit(state.view.kinds.len(), rows, 1);
    let (list, wide) = (state.allocations, usize::from(area.width));
    let head = match state.only {
        Some(pid) => format!("LIVE ALLOCATIONS of pid {pid}, most bytes first"),
        None => "LIVE ALLOCATIONS, most bytes first".to_owned(),
    };
    let mut lines = vec![title(state, Panel::Allocations, head)];
    for (at, kind) in state.view.kinds.iter().enumerate().skip(list.first).take(usize::from(rows.height)) {
        let look = row(state, Panel::Allocations, at == list.cursor);
        lines.push(Line::styled(format!("{:<wide$}", line(state, kind, wide)), look));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn line(state: &State, kind: &KindView, wide: usize) -> String {
    let style = state.style;
    let pid = if state.view.processes.len() > 1 { format!("pid {}  ", kind.pid) } else { String::new() };
    let mut what = format!(
        "{} {:>9} x {} {:<8} {pid}",
        bars::size(kind.bytes),
        count(kind.allocations),
        bars::size(kind.size),
        kind.memory.to_string()
    );
    if wide >= WIDE {
        let tensor = style.ellipsis(kind.tensor.as_deref().unwrap_or_default(), TENSOR);
        what += &format!("{tensor:<TENSOR$}  ");
    }
    let place = style.ellipsis(&stack_line(&kind.site), wide.saturating_sub(what.len()));
    style.ellipsis(&format!("{what}{place}"), wide)
}
