//! The parts of the picture, one each.

mod allocations;
mod detail;
mod devices;
mod graph;
mod notes;
mod processes;

pub(super) use allocations::draw as draw_allocations;
pub(super) use detail::draw as draw_detail;
pub(super) use devices::{WIDTH as DEVICE_WIDTH, draw as draw_devices};
pub(super) use graph::draw as draw_graphs;
pub(super) use notes::{draw_foot, draw_head, draw_help, draw_start};
pub(super) use processes::{draw as draw_processes, growth};

use ratatui::{
    style::{Modifier, Style as Look},
    text::Line,
};

use super::state::{Panel, State};

/// The title of a panel; underlined where keys move its cursor.
fn title(state: &State, panel: Panel, text: String) -> Line<'static> {
    let has_focus = state.focus == panel && state.opened.is_none();
    let look = state.style.title();
    Line::styled(text, if has_focus { look.add_modifier(Modifier::UNDERLINED) } else { look })
}

/// How a row looks: the one with the cursor, where keys move it, is reversed.
fn row(state: &State, panel: Panel, has_cursor: bool) -> Look {
    if has_cursor && state.focus == panel && state.opened.is_none() { state.style.chosen() } else { Look::new() }
}

/// "0-7" of "devices 0-7".
fn ids(devices: &[i32]) -> String {
    let name = crate::report::plain_name(devices);
    name.trim_start_matches("devices ").trim_start_matches("device ").to_owned()
}
