//! tt-metal's own C++ functions, stood in for: each calls the real one, lets its exceptions through untouched, and notes
//! what really happened.
//!
//! The signatures are those of the ttnn wheels 0.77 to 0.81. `this` and references are plain pointers in the Itanium C++
//! ABI. Every function is `extern "C-unwind"`: a C++ exception passes our frame as it passes any other.

mod buffers;
mod building;
mod circular_buffers;
mod clash;
mod client;
mod closing;
mod devices;
mod fields;
mod gathering;
mod metal;
mod preallocated;
mod programs;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    complain, config, gate,
    lifecycle::{self, Tracker},
    symbols,
};
pub(crate) use gathering::Gathering;
use metal::Metal;

/// Whether any of our functions was called at all.
static FIRED: AtomicBool = AtomicBool::new(false);

/// Whether tt-metal's allocator itself was seen at work: then its word is the truth, and what the first proof of concept's
/// client reports of the same buffers is not counted again.
static ALLOCATOR_SEEN: AtomicBool = AtomicBool::new(false);

#[inline(always)]
fn note_fired(flag: &AtomicBool) {
    // A load first: the line stays shared between cores.
    if !flag.load(Ordering::Relaxed) {
        flag.store(true, Ordering::Relaxed);
    }
}

/// At exit of a process without events: tt-metal is there, but nothing went through our names. Said only where TTMEM_LOG
/// asks for it, since a program that merely imports ttnn looks the same.
pub(crate) fn say_if_nothing_fired() {
    if config::is_talkative() && !FIRED.load(Ordering::Relaxed) && symbols::tt_metal_is_loaded() {
        complain::once(format_args!(
            "libtt_metal.so is loaded, but none of its calls came by: a build other than ttnn 0.77 to 0.81, \
             linked without interposition, or no device was used"
        ));
    }
}

/// The tracker and tt-metal's own functions: what every hook that may see the first event needs. A build that lacks one of
/// those functions gets no ring at all.
#[inline(always)]
fn witnesses() -> Option<(&'static Tracker, &'static Metal)> {
    match gate::tracker() {
        Some(tracker) => Some((tracker, metal::get()?)),
        None => first_event(),
    }
}

/// The same for an event of this valid buffer; where we do not know how to read it, the event is lost, and counted.
#[inline(always)]
fn witnesses_of(buffer: metal::Object) -> Option<(&'static Tracker, &'static Metal)> {
    let (tracker, metal) = witnesses()?;
    if metal.can_read(buffer) {
        return Some((tracker, metal));
    }
    tracker.producers.count_dropped();
    None
}

#[cold]
fn first_event() -> Option<(&'static Tracker, &'static Metal)> {
    if !lifecycle::is_on() {
        return None;
    }
    let metal = metal::get()?;
    Some((lifecycle::start()?, metal))
}

/// Calls the real function of this name with these arguments, or gives `$missing` where there is none.
macro_rules! call_real {
    ($symbol:expr, fn($($type:ty),*) -> $result:ty, ($($argument:expr),*), else $missing:expr) => {{
        let address = $symbol.address();
        if address.is_null() {
            $missing
        } else {
            // SAFETY: the mangled name fixes the signature; the arguments are the caller's own.
            unsafe {
                let real: unsafe extern "C-unwind" fn($($type),*) -> $result = std::mem::transmute(address);
                real($($argument),*)
            }
        }
    }};
}
use call_real;
