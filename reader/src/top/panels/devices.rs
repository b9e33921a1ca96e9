//! Devices as bars: DRAM as a share of its capacity, L1 as it is laid out.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};
use ttmem_wire::Memory;

use super::{
    super::{
        bars,
        state::{Panel, State},
    },
    ids, row, title,
};
use crate::{DeviceMemory, DeviceView, analysis::Alike};

/// Columns from which on a row has everything.
pub(in super::super) const WIDTH: u16 = 100;

pub(in super::super) fn draw(
    frame: &mut Frame<'_>,
    state: &mut State,
    area: Rect,
    columns: u16,
    rows: &[Alike<DeviceView>],
) {
    let list_area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    state.devices.fit(rows.len(), list_area, columns);
    state.rows_of_devices = rows.iter().map(|row| row.devices[0]).collect();
    let list = state.devices;
    let (wide, tall) = (area.width / columns, usize::from(list_area.height));
    for column in 0..columns {
        let first = list.first + usize::from(column) * tall;
        let name = match (column, list.hidden()) {
            (0, 0) => "DEVICES".to_owned(),
            (0, hidden) => format!("DEVICES  {} of {} rows", rows.len() - hidden, rows.len()),
            _ => String::new(),
        };
        // Between columns there is a space.
        let inner = usize::from(wide) - usize::from(columns > 1);
        let mut lines = vec![title(state, Panel::Devices, heading(&name, inner))];
        for (at, one) in rows.iter().enumerate().skip(first).take(tall) {
            let line = device_line(state, &one.devices, &one.first, inner);
            lines.push(line.patch_style(row(state, Panel::Devices, at == list.cursor)));
        }
        let place = Rect { x: area.x + column * wide, width: inner as u16, ..area };
        frame.render_widget(Paragraph::new(lines), place);
    }
}

/// The name, and what the figures at the end of a row are.
fn heading(name: &str, wide: usize) -> String {
    let row = Room::new(wide);
    let before_free = 10 + 5 + row.bar + 10 + 5;
    let name = if row.has_free { format!("{name:<before_free$}{:>FREE$}", "free") } else { name.to_owned() };
    let free = if row.has_free { format!("{:>11}", "free") } else { String::new() };
    let figures = format!("{:>10} {:>10}{:>5}{free}", "CBs/core", "L1/bank", "");
    let gap = row.has_l1.then(|| wide.saturating_sub(name.len() + figures.len() + row.unused));
    gap.map_or_else(|| name.clone(), |gap| format!("{name}{}{figures}", " ".repeat(gap)))
}

/// Name, label and figures of DRAM; then of L1; then what is free of both.
const FIGURES: [usize; 3] = [10 + 5 + 10 + 5 + 1, 3 + 21 + 5, 2 * FREE];

/// Bytes that are free, and a space.
const FREE: usize = 11;

/// What a row has room for.
struct Room {
    /// Cells of each bar.
    bar: usize,
    has_l1: bool,
    has_free: bool,
    /// What two bars of one length leave at the end of a row.
    unused: usize,
}

impl Room {
    fn new(wide: usize) -> Self {
        let (has_l1, has_free) = (wide >= 68, wide + 1 >= usize::from(WIDTH));
        let figures = FIGURES[0] + if has_l1 { FIGURES[1] } else { 0 } + if has_free { FIGURES[2] } else { 0 };
        let (rest, bars) = (wide.saturating_sub(figures), if has_l1 { 2 } else { 1 });
        Self { bar: rest / bars, has_l1, has_free, unused: rest % bars }
    }
}

/// How much of a capacity is used, and what is free of it.
fn share(state: &State, room: &Room, used: u64, capacity: Option<u64>, free: Option<u64>) -> [Span<'static>; 2] {
    let free = if room.has_free { free.map_or_else(String::new, bars::size) } else { String::new() };
    let wide = if room.has_free { FREE } else { 0 };
    [
        Span::styled(bars::percent(used, capacity), state.style.fullness(used, capacity)),
        Span::raw(format!("{free:>wide$}")),
    ]
}

/// "0-7   DRAM ####....   1.5 GiB  38%  2.5 GiB  L1 %%%...###  123.8 KiB  64.0 KiB  12%  1.2 MiB".
fn device_line(state: &State, devices: &[i32], device: &DeviceView, wide: usize) -> Line<'static> {
    let style = state.style;
    let mark = if device.is_exact { " " } else { "~" };
    let of = |memory: Memory| device.memory.iter().find(|one| one.memory == memory);
    let mut spans = vec![Span::raw(format!("{mark}{:<8} ", style.ellipsis(&ids(devices), 8)))];
    let room = Room::new(wide);
    let seen = |memory: Memory| state.seen.get(&memory).copied().unwrap_or(0);
    let empty = DeviceMemory {
        memory: Memory::Dram,
        live_bytes: 0,
        live_buffers: 0,
        live_bytes_per_bank: Some(0),
        peak_bytes: 0,
        capacity_per_bank: None,
        capacity_bytes: None,
        free_bytes: None,
    };
    let dram = of(Memory::Dram).copied().unwrap_or(empty);
    let (used, all) = bars::fill(&dram, seen(Memory::Dram));
    spans.push(Span::raw("DRAM "));
    spans.extend(bars::bar(style, Memory::Dram, used, all, room.bar));
    let capacity = dram.capacity_per_bank.filter(|_| dram.live_bytes_per_bank.is_some());
    spans.push(Span::raw(bars::size(dram.live_bytes)));
    spans.extend(share(state, &room, used, capacity, dram.free_bytes));
    if room.has_l1 {
        let l1 = of(Memory::L1).copied().unwrap_or(empty);
        let programs = device.program_bytes;
        let buffers = l1.live_bytes_per_bank.unwrap_or(l1.live_bytes);
        let used = programs.saturating_add(buffers);
        let all = l1.capacity_per_bank.unwrap_or(bars::L1_OF_A_CORE).max(used);
        spans.push(Span::raw(" L1 "));
        spans.extend(bars::l1_bar(style, programs, buffers, all, room.bar));
        let free = l1.capacity_per_bank.map(|capacity| capacity.saturating_sub(used));
        spans.push(Span::raw(format!("{} {}", bars::size(programs), bars::size(buffers))));
        spans.extend(share(state, &room, used, l1.capacity_per_bank, free));
    }
    Line::from(spans)
}
