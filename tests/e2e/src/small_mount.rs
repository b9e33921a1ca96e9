//! A small file system that only one program sees.

use std::{path::Path, process::Command};

use crate::{Run, is_root};

/// A run of what is added as arguments, for which a file system of this size is mounted at `place`; `None` if this user may
/// not mount one.
#[must_use]
pub fn on_a_small_file_system(size: &str, place: &Path) -> Option<Run> {
    // Who is not root may be root of a namespace of its own.
    let who: &[&str] = if is_root() { &[] } else { &["--map-root-user"] };
    let own = [who, &["--mount", "--propagation", "private", "sh", "-c"]].concat();
    let mounted = format!("mount -t tmpfs -o size={size},mode=700 ttmem-test \"$0\" || exit 99; exec \"$@\"");
    let tried = Command::new("unshare").args(&own).arg(&mounted).arg(place).arg("true").output();
    let is_allowed = tried.is_ok_and(|output| output.status.success());
    is_allowed.then(|| Run::new("unshare").args(&own).arg(mounted).arg(place))
}
