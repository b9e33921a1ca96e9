//! Who holds a region. It is free when the last holder lets go, so they are told apart as well as can be: by id where the
//! program gives buffers one, else by number.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use crate::region::Region;

/// By address, the ids that find no place in the region itself.
pub(crate) type Further = HashMap<u64, BTreeSet<u64>, RandomState>;

/// One more holder; false if it holds the region already.
pub(crate) fn join(region: &mut Region, further: &mut Further, address: u64, id: u64) -> bool {
    if id == 0 {
        region.anonymous = region.anonymous.saturating_add(1);
    } else if region.holder == id {
        return false;
    } else if region.identified() == 0 {
        region.holder = id;
    } else if further.entry(address).or_default().insert(id) {
        region.further += 1;
    } else {
        return false;
    }
    region.reports = region.reports.saturating_add(1);
    true
}

/// One holder lets go; returns its id, 0 if it has none, `None` if nobody went.
///
/// A free with an id is that holder's; it stands for one without only where no holder has an id. A free without an id is one
/// of those without, or else the lowest id's: ids are given out in order, so that is the oldest.
pub(crate) fn leave(region: &mut Region, further: &mut Further, address: u64, id: u64) -> Option<u64> {
    if region.anonymous > 0 && (id == 0 || region.identified() == 0) {
        region.anonymous -= 1;
        return Some(0);
    }
    let others = if region.further == 0 { None } else { further.get_mut(&address) };
    let lowest = || others.as_ref().and_then(|others| others.first().copied());
    let who = match id {
        0 if region.holder == 0 => lowest()?,
        0 => lowest().map_or(region.holder, |lowest| lowest.min(region.holder)),
        id => id,
    };
    if region.holder == who {
        region.holder = 0;
        return Some(who);
    }
    let others = others?;
    if !others.remove(&who) {
        return None;
    }
    region.further -= 1;
    if others.is_empty() {
        further.remove(&address);
    }
    Some(who)
}

/// Whether the holder with that id holds the region; nobody is meant by 0.
pub(crate) fn holds(region: &Region, further: &Further, address: u64, id: u64) -> bool {
    let among_others = || further.get(&address).is_some_and(|others| others.contains(&id));
    id != 0 && (region.holder == id || region.further > 0 && among_others())
}

/// Tells `each` who holds the region, by id (0 for none), and how many of them.
pub(crate) fn each(region: &Region, further: &Further, address: u64, mut each: impl FnMut(u64, u32)) {
    if region.holder != 0 {
        each(region.holder, 1);
    }
    if region.anonymous > 0 {
        each(0, region.anonymous);
    }
    if region.further > 0 {
        further.get(&address).into_iter().flatten().for_each(|&id| each(id, 1));
    }
}
