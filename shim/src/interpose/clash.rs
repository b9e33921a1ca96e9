//! Circular buffers that find no room: a program's, and its dataflow buffers, are placed from the bottom of L1 upwards,
//! tensors from the top downwards. Before each launch tt-metal looks whether they meet, and throws if they do.
//!
//! Only its message has the figures: of dataflow buffers it reports none elsewhere. So the exception is looked at as it
//! passes, and goes on as it was.

use std::ffi::c_void;

use ttmem_wire::{CoreRange, Event, EventKind, Memory, flags};

use super::{
    devices, hook,
    message::{after, number, number_after},
    metal, programs,
    watched::{self, Thrown},
};
use crate::{
    capture::{self, Site, guarded, record},
    fired, fork_guard,
    symbols::Symbol,
};

hook! {
    /// `ProgramImpl::validate_circular_buffer_region(IDevice const*)`.
    CIRCULAR = "_ZN2tt8tt_metal6detail11ProgramImpl31validate_circular_buffer_regionEPKNS0_7IDeviceE";
    fn validate_circular(program: *mut c_void, device: *const c_void) {
        // SAFETY: the caller's own arguments, for the function of this name.
        unsafe { validate(&CIRCULAR, program, device, 0) };
    }
}

hook! {
    /// `ProgramImpl::validate_dataflow_buffer_region(IDevice const*)`.
    DATAFLOW = "_ZN2tt8tt_metal6detail11ProgramImpl31validate_dataflow_buffer_regionEPKNS0_7IDeviceE";
    fn validate_dataflow(program: *mut c_void, device: *const c_void) {
        // SAFETY: as above.
        unsafe { validate(&DATAFLOW, program, device, flags::DATAFLOW_BUFFERS) };
    }
}

unsafe fn validate(real: &Symbol, program: *mut c_void, device: *const c_void, kinds: u16) {
    fired::note(&fired::ANY);
    let address = real.address();
    if !address.is_null() {
        // SAFETY: the mangled names fix the signature of both; what they leave in the register of a result is not looked at.
        let real = unsafe { std::mem::transmute::<*mut c_void, watched::Function>(address) };
        // SAFETY: the caller's own arguments.
        unsafe { watched::call(program, device, real, &|thrown| note(program, device, kinds, thrown)) };
    }
}

/// Notes the refusal, if it is one.
fn note(program: *const c_void, device: *const c_void, kinds: u16, thrown: Thrown<'_>) {
    // Else something else is wrong with the program.
    let Thrown::Says(text) = thrown else { return };
    let Some(told) = Told::read(text) else { return };
    if let Some((tracker, metal)) = fork_guard::tracker().zip(metal::known())
        && let Some(target) = devices::target(tracker, metal, device, std::ptr::null())
    {
        let event = Event {
            kind: EventKind::OutOfMemory,
            memory: Some(Memory::CircularBuffer),
            flags: kinds | if told.is_beyond_l1 { flags::BEYOND_L1 } else { 0 },
            target,
            address: told.limit,
            size: told.end,
            holder: programs::number(program),
            site: capture::site(tracker),
            cores: told.cores,
            ..Event::default()
        };
        guarded(|| record(tracker, event, Site::Given));
    }
}

/// What the message says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// Where the region of the program's buffers ends, on a core.
    end: u64,
    /// Where the lowest buffer in L1 lies there; or how large L1 is.
    limit: u64,
    is_beyond_l1: bool,
    cores: Option<CoreRange>,
}

impl Told {
    fn read(text: &[u8]) -> Option<Self> {
        let cores = after(text, b"core range [").and_then(core_range);
        if let (Some(end), Some(limit)) = (number_after(text, b"grow to "), number_after(text, b"max L1 size of ")) {
            return Some(Self { end, limit, is_beyond_l1: true, cores });
        }
        let end = number_after(text, b"ends at ")?;
        let limit = number_after(text, b"allocated at ").or_else(|| number_after(text, b"allocation at "))?;
        Some(Self { end, limit, is_beyond_l1: false, cores })
    }
}

/// "0-0 - 7-7]": the corners, each x and y.
fn core_range(text: &[u8]) -> Option<CoreRange> {
    let corner = |text| {
        let (x, rest) = number(text)?;
        let (y, rest) = number(rest.strip_prefix(b"-")?)?;
        Some((u16::try_from(x).ok()?, u16::try_from(y).ok()?, rest))
    };
    let (first_x, first_y, rest) = corner(text)?;
    let (last_x, last_y, _) = corner(rest.strip_prefix(b" - ")?)?;
    Some(CoreRange { first_x, first_y, last_x, last_y })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_tt_metal_are_understood() {
        let cores = |first_x, first_y, last_x, last_y| Some(CoreRange { first_x, first_y, last_x, last_y });
        let clash = b"TT_THROW @ a.cpp:3096: tt::exception\ninfo:\nStatically allocated dataflow buffers in program 8 clash \
            with L1 buffers on core range [0-0 - 11-7]. L1 buffer allocated at 131072 and static dataflow buffer region \
            ends at 666752\nbacktrace:";
        let told = Told { end: 666_752, limit: 131_072, is_beyond_l1: false, cores: cores(0, 0, 11, 7) };
        assert_eq!(Told::read(clash), Some(told));
        let beyond =
            b"Statically allocated circular buffers on core range [1-2 - 3-4] grow to 2000000 B which is beyond \
            max L1 size of 1572864 B";
        let told = Told { end: 2_000_000, limit: 1_572_864, is_beyond_l1: true, cores: cores(1, 2, 3, 4) };
        assert_eq!(Told::read(beyond), Some(told));
        let service =
            b"clash with ServiceCoreManager-allocated L1 (lowest service allocation at 5, CB region ends at 9)";
        assert_eq!(Told::read(service), Some(Told { end: 9, limit: 5, ..Told::default() }));
        assert_eq!(Told::read(b"allocated at 99999999999999999999999 ends at 5"), None);
        assert_eq!(Told::read(b"core range [, ends at "), None);
    }
}
