//! Buffers of wheels before 0.79, which lack four of the getters that 0.79 exports: the fields are read instead.
//!
//! They lie where they lay in seven wheels from 0.66 to 0.78. A build where they lie elsewhere is found out: what the first
//! buffers seem to be is compared with what the getters that there are say of them, and tracking ends if they differ.

use std::{
    ffi::c_void,
    mem::transmute,
    sync::atomic::{AtomicU32, Ordering},
};

use super::metal::{Getter, Object};
use crate::{mode, symbols::Symbol};

const DEVICE: usize = 0x10;
const SIZE: usize = 0x18;
const KIND: usize = 0x20;
const PAGE_SIZE: usize = 0x58;

/// Bytes of a `Buffer` that may be read: it has more than these.
const READ: usize = 0x60;

/// So many buffers are compared before the fields are believed.
const ENOUGH: u32 = 32;
/// They lie elsewhere.
const WRONG: u32 = u32::MAX;

/// Buffers that were as they should be; [`ENOUGH`] is the usual answer.
static SEEN: AtomicU32 = AtomicU32::new(0);

/// `Buffer::device()`.
pub(super) unsafe extern "C-unwind" fn device(buffer: Object) -> Object {
    // SAFETY: the caller's buffer is valid, and the field was compared.
    unsafe { buffer.byte_add(DEVICE).cast::<Object>().read() }
}

/// `Buffer::size()`.
pub(super) unsafe extern "C-unwind" fn size(buffer: Object) -> u64 {
    // SAFETY: as in `device`.
    unsafe { buffer.byte_add(SIZE).cast::<u64>().read() }
}

/// `Buffer::buffer_type()`.
pub(super) unsafe extern "C-unwind" fn buffer_type(buffer: Object) -> u8 {
    // SAFETY: as in `device`.
    unsafe { buffer.byte_add(KIND).cast::<u32>().read() as u8 }
}

/// In the place of `Buffer::unique_id()`: where the buffer lies. It has 448 bytes and more, so two that live at once differ
/// in the upper 40 bits, which is what an event has room for.
pub(super) unsafe extern "C-unwind" fn place(buffer: Object) -> u64 {
    buffer as u64 >> 7
}

/// The getters that every wheel has, to compare with.
pub(super) struct Witnesses {
    page_size: Getter<u64>,
    num_pages: Getter<u32>,
    is_l1: Getter<bool>,
    is_dram: Getter<bool>,
    is_trace: Getter<bool>,
}

macro_rules! symbol {
    ($name:literal) => {{
        static SYMBOL: Symbol = Symbol::new($name);
        &SYMBOL
    }};
}

impl Witnesses {
    /// Or the name of the one that is missing.
    pub(super) fn resolve() -> Result<Self, &'static str> {
        let need = |symbol: &'static Symbol| {
            let address = symbol.address();
            if address.is_null() { Err(symbol.name()) } else { Ok(address) }
        };
        // SAFETY: the mangled names fix the signatures; no address is null.
        unsafe {
            Ok(Self {
                page_size: transmute::<*mut c_void, Getter<u64>>(need(symbol!(
                    c"_ZNK2tt8tt_metal6Buffer9page_sizeEv"
                ))?),
                num_pages: transmute::<*mut c_void, Getter<u32>>(need(symbol!(
                    c"_ZNK2tt8tt_metal6Buffer9num_pagesEv"
                ))?),
                is_l1: transmute::<*mut c_void, Getter<bool>>(need(symbol!(c"_ZNK2tt8tt_metal6Buffer5is_l1Ev"))?),
                is_dram: transmute::<*mut c_void, Getter<bool>>(need(symbol!(c"_ZNK2tt8tt_metal6Buffer7is_dramEv"))?),
                is_trace: transmute::<*mut c_void, Getter<bool>>(need(symbol!(c"_ZNK2tt8tt_metal6Buffer8is_traceEv"))?),
            })
        }
    }

    /// Whether the fields of this valid buffer can be believed; `device_tables` are the vtables that a device may have.
    #[inline(always)]
    pub(super) fn believe(&self, buffer: Object, device_tables: [usize; 2]) -> bool {
        match SEEN.load(Ordering::Relaxed) {
            ENOUGH => true,
            WRONG => false,
            _ => self.look(buffer, device_tables),
        }
    }

    #[cold]
    fn look(&self, buffer: Object, device_tables: [usize; 2]) -> bool {
        if self.agree(buffer, device_tables) {
            // Threads that look at once may count too far or too little: `ENOUGH` is a limit, not a sum.
            let add = |seen: u32| (seen < ENOUGH).then(|| seen + 1);
            let _ = SEEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
            return true;
        }
        SEEN.store(WRONG, Ordering::Relaxed);
        mode::turn_off(format_args!("the buffers of this build of tt-metal are laid out in a way that is not known"));
        false
    }

    fn agree(&self, buffer: Object, device_tables: [usize; 2]) -> bool {
        let Some(fields) = careful_read::<{ READ / 8 }>(buffer as usize) else { return false };
        let word = |offset: usize| fields.get(offset / 8).copied().unwrap_or(0);
        let (page_size, size, kind) = (word(PAGE_SIZE), word(SIZE), word(KIND) as u32);
        // SAFETY: getters of a valid buffer; none of them throws.
        let (page_size_said, pages_said, is_l1, is_dram, is_trace) = unsafe {
            (
                (self.page_size)(buffer),
                (self.num_pages)(buffer),
                (self.is_l1)(buffer),
                (self.is_dram)(buffer),
                (self.is_trace)(buffer),
            )
        };
        // BufferType: DRAM 0, L1 1, SYSTEM_MEMORY 2, L1_SMALL 3, TRACE 4; a trace lies in DRAM.
        page_size == page_size_said
            && size.checked_div(page_size).unwrap_or(0) as u32 == pages_said
            && kind <= 4
            && is_l1 == matches!(kind, 1 | 3)
            && is_dram == matches!(kind, 0 | 4)
            && is_trace == (kind == 4)
            && careful_read::<1>(word(DEVICE) as usize).is_some_and(|[table]| device_tables.contains(&(table as usize)))
    }
}

/// Words of this process, by the kernel, which does not mind if they are not there. `None` too where it is not allowed to.
pub(super) fn careful_read<const N: usize>(address: usize) -> Option<[u64; N]> {
    let mut words = [0_u64; N];
    let ours = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: N * 8 };
    let theirs = libc::iovec { iov_base: address as *mut c_void, iov_len: N * 8 };
    // SAFETY: both vectors are valid; a bad address is an error.
    let read = crate::thread::keeping_errno(|| unsafe {
        libc::process_vm_readv(libc::getpid(), &raw const ours, 1, &raw const theirs, 1, 0)
    });
    (read == (N * 8) as isize).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer as the wheels lay it out: four pages of 2,048 bytes in L1, on a device of a class with this vtable.
    fn buffer(device: &[usize; 1]) -> [u64; READ / 8] {
        let mut words = [0; READ / 8];
        words[DEVICE / 8] = device.as_ptr() as u64;
        words[SIZE / 8] = 4 * 2_048;
        words[KIND / 8] = 1;
        words[PAGE_SIZE / 8] = 2_048;
        words
    }

    const TABLES: [usize; 2] = [0x1000, 0x2000];

    fn witnesses() -> Witnesses {
        unsafe extern "C-unwind" fn page_size(_: Object) -> u64 {
            2_048
        }
        unsafe extern "C-unwind" fn num_pages(_: Object) -> u32 {
            4
        }
        unsafe extern "C-unwind" fn yes(_: Object) -> bool {
            true
        }
        unsafe extern "C-unwind" fn no(_: Object) -> bool {
            false
        }
        Witnesses { page_size, num_pages, is_l1: yes, is_dram: no, is_trace: no }
    }

    fn agree(words: &[u64; READ / 8]) -> bool {
        witnesses().agree(words.as_ptr().cast(), TABLES)
    }

    #[test]
    fn fields_that_are_not_what_the_getters_say_are_not_believed() {
        let device = [TABLES[1]];
        assert!(agree(&buffer(&device)));
        for (field, other) in [(SIZE, 3 * 2_048), (PAGE_SIZE, 1_024), (KIND, 0), (KIND, 77), (DEVICE, 8), (DEVICE, 0)] {
            let mut words = buffer(&device);
            words[field / 8] = other;
            assert!(!agree(&words), "{field:#x} = {other}");
        }
        assert!(!agree(&buffer(&[0x3000])), "a device of another class");
    }

    #[test]
    fn buffers_that_live_at_once_have_places_of_their_own() {
        // SAFETY: nothing is read.
        let place = |at: usize| unsafe { place(at as Object) };
        assert_ne!(place(0x7fff_0000_0000), place(0x7fff_0000_0000 + 448));
        assert!(place((1 << 47) - 0x1000) < (1 << 40));
    }
}
