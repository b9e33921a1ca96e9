//! What is live as a tree of callers: below each line of the program the lines that called it.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use super::{Allocation, Held};
use crate::sites::{CallSite, Frame};

/// One frame, what came through it, and its callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The frame; `None` where the call site is not known.
    pub frame: Option<Frame>,
    /// The op, where all that came through it has the same.
    pub op: Option<Arc<str>>,
    /// What came through it.
    pub held: Held,
    /// The largest first.
    pub callers: Vec<Node>,
}

/// The lines that made what is live, the largest first; program memory, which overlaps, is left out.
pub fn tree(live: &[Allocation]) -> Vec<Node> {
    let mut by_site: HashMap<usize, (&CallSite, Held)> = HashMap::new();
    for one in live.iter().filter(|one| !one.memory.is_of_programs()) {
        by_site.entry(one.site_key()).or_insert((&one.site, Held::default())).1.add(1, one.size);
    }
    let mut roots = Vec::new();
    for (site, held) in by_site.values() {
        let frames: Vec<&Frame> = site.users().collect();
        match frames.as_slice() {
            [] => add(&mut roots, None, site, *held, &[]),
            [first, callers @ ..] => add(&mut roots, Some(first), site, *held, callers),
        }
    }
    sort(&mut roots);
    roots
}

fn add(nodes: &mut Vec<Node>, frame: Option<&Frame>, site: &CallSite, held: Held, callers: &[&Frame]) {
    let at = nodes.iter().position(|node| node.frame.as_ref() == frame).unwrap_or_else(|| {
        let node = Node { frame: frame.cloned(), op: site.op.clone(), held: Held::default(), callers: Vec::new() };
        nodes.push(node);
        nodes.len() - 1
    });
    let node = &mut nodes[at];
    node.held.add(held.allocations, held.bytes);
    if node.op != site.op {
        node.op = None;
    }
    if let [next, rest @ ..] = callers {
        add(&mut node.callers, Some(next), site, held, rest);
    }
}

fn sort(nodes: &mut [Node]) {
    nodes.sort_by_key(|node| (Reverse(node.held.bytes), Reverse(node.held.allocations)));
    nodes.iter_mut().for_each(|node| sort(&mut node.callers));
}
