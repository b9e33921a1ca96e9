//! Live bytes over time: a line for each memory of devices that went the same way.

use std::collections::HashMap;

use serde::Serialize;
use ttmem_wire::Memory;

use super::{
    number::Number,
    sums::each,
    timeline::{Cell, Series, Timeline},
};

/// Cells of all lines of a process. Devices that are all different are drawn coarser.
const CELLS: usize = 300_000;

/// Devices whose memory went the same way.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    memory: String,
    devices: Vec<i32>,
    name: String,
    /// Column, least, most, last; and again.
    cells: Vec<Number>,
}

pub(super) fn lines(timeline: Timeline) -> Vec<Line> {
    let mut alike: HashMap<(Memory, Vec<Cell>), Vec<i32>> = HashMap::new();
    for Series { device, memory, cells, .. } in timeline.series {
        if !cells.is_empty() {
            alike.entry((memory, cells)).or_default().push(device);
        }
    }
    let mut lines: Vec<_> = alike
        .into_iter()
        .map(|((memory, cells), mut devices)| {
            devices.sort_unstable();
            ((memory, devices), cells)
        })
        .collect();
    lines.sort_by(|(one, _): &((Memory, Vec<i32>), Vec<Cell>), (other, _)| one.cmp(other));
    let most = CELLS / lines.len().max(1);
    let line = |((memory, devices), cells): ((Memory, Vec<i32>), Vec<Cell>)| Line {
        memory: memory.to_string(),
        name: each(&devices),
        devices,
        cells: thin(cells, most)
            .into_iter()
            .flat_map(|cell| [cell.column, cell.least, cell.most, cell.last].map(Number))
            .collect(),
    };
    lines.into_iter().map(line).collect()
}

/// Puts neighbours together until there are few enough. Least, most and last stay exact.
fn thin(mut cells: Vec<Cell>, most: usize) -> Vec<Cell> {
    while cells.len() > most.max(64) {
        cells = cells
            .chunks(2)
            .map(|pair| {
                let (first, last) = (pair[0], pair[pair.len() - 1]);
                Cell {
                    column: first.column,
                    least: first.least.min(last.least),
                    most: first.most.max(last.most),
                    last: last.last,
                }
            })
            .collect();
    }
    cells
}
