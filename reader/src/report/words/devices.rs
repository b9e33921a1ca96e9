//! Names of devices.

use super::units::ranges;

/// "device 3", or "devices 0-7, each", within `room` where it can be.
pub(crate) fn each(ids: &[i32], room: usize) -> String {
    match ids {
        [id] => format!("device {id}"),
        ids => format!("devices {}, each", ranges(ids, room.saturating_sub("devices , each".len()))),
    }
}

/// "device 3", or "devices 0-7", in a sentence.
pub fn plain(ids: &[i32]) -> String {
    match ids {
        [id] => format!("device {id}"),
        ids => format!("devices {}", ranges(ids, 40)),
    }
}

/// "on device 3", or "on devices 0-7".
pub(crate) fn on(ids: &[i32]) -> String {
    format!("on {}", plain(ids))
}
