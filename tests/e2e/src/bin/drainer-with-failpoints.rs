//! Drains the rings of a folder, as `ttmem run` does, until it is killed; or stops at a step of its way (`TTMEM_FAILPOINT`).

use std::{path::Path, sync::atomic::AtomicBool};

use ttmem_reader::{Drainer, Keep};

fn main() {
    let Some(rings) = std::env::args_os().nth(1) else { return };
    let mut drainer = Drainer::new(Path::new(&rings), Keep { live_at_marks: false, rings: true });
    drainer.run_until(&AtomicBool::new(false));
}
