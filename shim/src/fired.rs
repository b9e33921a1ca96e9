//! Which of our hooks were called at all.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{complain, config, symbols};

/// Whether any of our functions was called.
pub(crate) static ANY: AtomicBool = AtomicBool::new(false);

/// Whether tt-metal's allocator itself was seen at work: then its calls are the truth, and what the first proof of concept's
/// client reports of the same buffers is not counted again.
pub(crate) static ALLOCATOR: AtomicBool = AtomicBool::new(false);

#[inline(always)]
pub(crate) fn note(flag: &AtomicBool) {
    // A load first: the line stays shared between cores.
    if !flag.load(Ordering::Relaxed) {
        flag.store(true, Ordering::Relaxed);
    }
}

/// At exit of a process without events: prints that tt-metal is there, but nothing went through our names. Only where TTMEM_LOG
/// asks for it, since a program that merely imports ttnn looks the same.
pub(crate) fn complain_if_nothing_fired() {
    if config::is_talkative() && !ANY.load(Ordering::Relaxed) && symbols::path_of_tt_metal().is_some() {
        complain::once(format_args!(
            "libtt_metal.so is loaded, but none of its calls came by: a build that was linked without interposition (see \
             `ttmem doctor`), or no device was used"
        ));
    }
}
