//! The tree of callers.

use std::fmt::{self, Write};

use super::Screen;
use crate::{
    analysis::Node,
    report::words::{bytes, count, from_here, shorten},
};

/// Parts of the whole that are smaller are only counted.
const LEAST: u64 = 100;
/// Lines of one tree.
const LISTED: usize = 200;

/// Writes it: below each line of the program those that called it, with their part of the bytes.
pub(super) fn write(out: &mut impl Write, screen: &Screen, nodes: &[Node]) -> fmt::Result {
    let total = nodes.iter().fold(0_u64, |sum, node| sum.saturating_add(node.held.bytes));
    screen.heading(out, "By call site, with callers", ", largest first")?;
    let mut room = LISTED;
    write_level(out, screen, nodes, (total / LEAST, 0), &mut room)?;
    writeln!(out)
}

fn write_level(
    out: &mut impl Write,
    screen: &Screen,
    nodes: &[Node],
    (least, depth): (u64, usize),
    room: &mut usize,
) -> fmt::Result {
    let indent = 2 * depth.min(20);
    for node in nodes {
        if node.held.bytes < least || *room == 0 {
            continue;
        }
        *room -= 1;
        let frame =
            node.frame.as_ref().map_or_else(|| "call site not known".to_owned(), |frame| from_here(&frame.to_string()));
        let op = node.op.as_ref().filter(|_| depth == 0).map_or_else(String::new, |op| format!("{op}: "));
        let lead = format!("{:>12} {:>8}  {:indent$}", bytes(node.held.bytes), count(node.held.allocations), "");
        let width = screen.width.saturating_sub(lead.chars().count()).max(20);
        writeln!(out, "{lead}{}", shorten(&format!("{op}{frame}"), width))?;
        write_level(out, screen, &node.callers, (least, depth + 1), room)?;
    }
    let left_out = nodes.iter().filter(|node| node.held.bytes < least).count();
    if left_out > 0 && depth == 0 {
        screen.faint(out, &format!("{:>12}  {left_out} smaller", ""))?;
    }
    Ok(())
}
