//! Devices as bars, and memory over time as columns.

use ratatui::text::Span;
use ttmem_wire::Memory;

use super::style::Style;
use crate::{DeviceMemory, report::bytes};

/// L1 of a core: where nothing larger was seen, bars of L1 are drawn to this scale.
pub(super) const L1_OF_A_CORE: u64 = 1536 << 10;

/// A bar for one amount: `used` of `all`.
pub(super) fn bar(style: Style, memory: Memory, used: u64, all: u64, room: usize) -> Vec<Span<'static>> {
    let full = cells(used, all, room);
    vec![Span::styled(style.full().repeat(full), style.memory(memory)), rest(style, room - full)]
}

/// L1 as it is laid out: program memory from the left, buffers from the right, and what is free between.
pub(super) fn l1_bar(style: Style, programs: u64, buffers: u64, all: u64, room: usize) -> Vec<Span<'static>> {
    let low = cells(programs, all, room);
    let high = cells(buffers, all, room).min(room - low);
    vec![
        Span::styled(style.programs().repeat(low), style.memory(Memory::CircularBuffer)),
        rest(style, room - low - high),
        Span::styled(style.full().repeat(high), style.memory(Memory::L1)),
    ]
}

fn rest(style: Style, room: usize) -> Span<'static> {
    Span::styled(style.empty().repeat(room), style.faint())
}

/// What is there at all takes a cell.
fn cells(used: u64, all: u64, room: usize) -> usize {
    let cells = u128::from(used) * room as u128 / u128::from(all.max(1));
    usize::try_from(cells).unwrap_or(room).max(usize::from(used > 0)).min(room)
}

/// How full a memory is: used, and of how much. In each bank where the allocator's capacity is known; else what is live, and
/// the most that was seen on any device.
pub(super) fn fill(memory: &DeviceMemory, seen: u64) -> (u64, u64) {
    match memory.live_bytes_per_bank.zip(memory.capacity_per_bank) {
        Some((live, capacity)) => (live, capacity),
        None => (memory.live_bytes, seen.max(memory.live_bytes)),
    }
}

/// Columns of a graph, the newest at the right; each row from the top.
pub(super) fn columns(style: Style, values: &[u64], wide: usize, tall: usize) -> Vec<String> {
    let steps = style.steps();
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let height = (tall * (steps.len() - 1)) as u128;
    let shown = &values[values.len().saturating_sub(wide)..];
    (0..tall)
        .map(|row| {
            let below = (tall - 1 - row) * (steps.len() - 1);
            let cell = |&value: &u64| {
                let level = (u128::from(value) * height).div_ceil(u128::from(most)) as usize;
                steps[level.saturating_sub(below).min(steps.len() - 1)]
            };
            " ".repeat(wide - shown.len()) + &shown.iter().map(cell).collect::<String>()
        })
        .collect()
}

/// " 54%" of a capacity, blank where it is not known.
pub(super) fn percent(used: u64, capacity: Option<u64>) -> String {
    let share = capacity.map(|all| u128::from(used) * 100 / u128::from(all.max(1)));
    share.map_or_else(|| " ".repeat(5), |share| format!("{:>4}%", share.min(999)))
}

/// Bytes in a fixed room.
pub(super) fn size(value: u64) -> String {
    format!("{:>10}", bytes(value))
}
