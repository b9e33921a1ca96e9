//! tt-metal's own C++ functions, stood in for: each calls the real one, lets its exceptions through untouched, and notes
//! what really happened.
//!
//! The signatures are those of the ttnn wheels 0.66 to 0.81; a mangled name fixes them, but for results. `this` and references are plain pointers in the Itanium C++
//! ABI. Every function is `extern "C-unwind"`: a C++ exception passes our frame as it passes any other.

mod allocated_before;
mod array_vec;
mod buffers;
mod build;
mod building;
mod capacity;
mod circular_buffers;
mod clash;
mod client;
mod closing;
mod core_allocators;
mod dataflow_buffers;
mod devices;
mod fields;
mod gathering;
mod l1_arena;
mod message;
mod metal;
mod numbers;
mod per_core;
mod placed;
mod program;
mod programs;
mod refusals;
mod scratchpads;
mod service_cores;
mod tensors;
mod watched;

use crate::{fork_guard, startup, tracker::Tracker};
use metal::Metal;

/// The tracker and tt-metal's own functions: what every hook that may see the first event needs. A build that lacks one of
/// those functions gets no ring at all.
#[inline(always)]
fn witnesses() -> Option<(&'static Tracker, &'static Metal)> {
    match fork_guard::tracker() {
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
    if !startup::is_on() {
        return None;
    }
    let metal = metal::get()?;
    Some((startup::start()?, metal))
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

/// Stands in for a function of tt-metal's: exports ours under its mangled name, makes the symbol by which the real one is found, and lists
/// both for [`crate::patch`]. The build script writes the name into abi/exports.txt.
macro_rules! hook {
    (
        $(#[$attribute:meta])*
        $symbol:ident = $name:literal;
        fn $function:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
    ) => {
        static $symbol: crate::symbols::Symbol = crate::symbols::Symbol::new(crate::symbols::mangled(concat!($name, "\0")));

        $(#[$attribute])*
        #[unsafe(export_name = $name)]
        unsafe extern "C-unwind" fn $function($($argument: $type),*) $(-> $result)? $body

        const _: () = {
            #[used]
            #[unsafe(link_section = "ttmem_hooks")]
            static HOOK: crate::patch::Hook = crate::patch::Hook { symbol: &$symbol, function: $function as *const () };
        };
    };
}
use hook;
