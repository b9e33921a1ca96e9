//! The layout: devices, history, processes, allocations, each as tall as it has something to show.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    widgets::Paragraph,
};

use super::{panels, state::State};

/// Rows that the graph has at least, in a window from [`TALL`] on.
const GRAPH: u16 = 5;
const TALL: u16 = 22;

pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State) {
    let area = frame.area();
    if area.width < 20 || area.height < 4 {
        frame.render_widget(Paragraph::new("ttmem top: a larger terminal, please"), area);
        return;
    }
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    panels::draw_head(frame, state, head);
    // What is not drawn is not clicked.
    for list in [&mut state.devices, &mut state.processes, &mut state.allocations] {
        list.area = Rect::default();
    }
    if state.view.processes.is_empty() {
        panels::draw_start(frame, state, body);
    } else {
        draw_body(frame, state, body);
    }
    panels::draw_foot(frame, state, foot);
    if state.has_help {
        panels::draw_help(frame, state.style, area);
    }
}

fn draw_body(frame: &mut Frame<'_>, state: &mut State, area: Rect) {
    let graph = if area.height + 2 >= TALL { GRAPH } else { 0 };
    let most = ((area.height - graph.min(area.height)) * 45 / 100).max(2) - 1;
    let side_by_side = (area.width / panels::DEVICE_WIDTH).max(1);
    let devices = state.device_rows(usize::from(most) * usize::from(side_by_side));
    let columns = (devices.len() as u16).div_ceil(most.max(1)).clamp(1, side_by_side);
    let bars = (devices.len() as u16).div_ceil(columns).clamp(1, most.max(1)) + 1;
    let [bars, rest] = Layout::vertical([Constraint::Length(bars), Constraint::Min(0)]).areas(area);
    panels::draw_devices(frame, state, bars, columns, &devices);
    if state.opened.is_some() {
        return panels::draw_detail(frame, state, rest);
    }
    let growth = panels::growth(state, usize::from(rest.width));
    let listed = (state.view.processes.len() as u16 + 1).clamp(2, 2 + area.height / 4);
    let listed = listed + (growth.len() as u16).min(rest.height / 2);
    let left = rest.height.saturating_sub(listed);
    // The graph has what the list of allocations leaves, and a third where that list is long.
    let kinds = (state.view.kinds.len() as u16 + 1).min(left.saturating_sub(graph.max(left / 3)));
    let history = if graph > 0 { left - kinds } else { 0 };
    let [history, processes, kinds] =
        Layout::vertical([Constraint::Length(history), Constraint::Length(listed), Constraint::Min(0)]).areas(rest);
    if graph > 0 {
        panels::draw_graphs(frame, state, history);
    }
    panels::draw_processes(frame, state, processes, &growth);
    panels::draw_allocations(frame, state, kinds);
}
