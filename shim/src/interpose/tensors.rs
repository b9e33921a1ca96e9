//! Tensors on a device: what shape, data type and layout the bytes of a buffer have.
//!
//! The constructor runs for each tensor over a mesh buffer, so for views too. A buffer is the first tensor's that is made over
//! it; those that follow look at it otherwise.

use std::{
    ffi::c_void,
    mem::transmute,
    sync::atomic::{AtomicU32, Ordering},
};

use once_cell::race::OnceBox;
use ttmem_wire::{
    Event, EventKind, Memory,
    sites::{MAX_DIMENSIONS, TensorRecord},
};

use super::{
    call_real, devices,
    fields::careful_read,
    hook,
    metal::{Getter, Metal, Object},
    witnesses,
};
use crate::{
    capture::{Site, guarded, record},
    complain,
    symbols::Symbol,
    tracker::Tracker,
};

hook! {
    /// `MeshTensor(std::shared_ptr<MeshBuffer>, TensorSpec, TensorTopology)`: all three by hidden reference.
    MAKE = "_ZN2tt8tt_metal10MeshTensorC1ESt10shared_ptrINS0_11distributed10MeshBufferEENS0_10TensorSpecENS0_14TensorTopologyE";
    fn make(tensor: *mut c_void, buffer: *mut c_void, spec: *mut c_void, topology: *mut c_void) {
        call_real!(
            MAKE,
            fn(*mut c_void, *mut c_void, *mut c_void, *mut c_void) -> (),
            (tensor, buffer, spec, topology),
            else ()
        );
        if let Some((tracker, metal)) = witnesses()
            && tracker.stacks.is_some()
            && let Some(getters) = getters()
        {
            note(tracker, metal, getters, tensor);
        }
    }
}

/// What tt-metal exports to ask a tensor.
struct Getters {
    buffer: Getter<Object>,
    backing: Getter<Object>,
    shape: Getter<*const RawShape>,
    padded_shape: Getter<*const RawShape>,
    rank: Getter<usize>,
    dtype: Getter<u32>,
    layout: Getter<u32>,
    config: Getter<Object>,
    memory_layout: Getter<u32>,
    shard: Getter<*const RawShard>,
}

/// `Shape`: a small vector of at least four dimensions, of which the last ones count.
#[repr(C)]
struct RawShape {
    dimensions: *const u32,
    count: u32,
    capacity: u32,
}

/// `ShardSpec`: a set of cores, which is a vector, height and width.
#[repr(C)]
struct RawShard {
    cores: [usize; 3],
    shape: [u32; 2],
}

/// `TensorMemoryLayout`: from here on each core has a shard of two dimensions, up to the last but one, of any.
const HEIGHT_SHARDED: u32 = 2;
const BLOCK_SHARDED: u32 = 4;

static GETTERS: OnceBox<Option<Getters>> = OnceBox::new();

fn getters() -> Option<&'static Getters> {
    GETTERS.get_or_init(|| Box::new(Getters::resolve())).as_ref()
}

macro_rules! find {
    ($name:literal) => {{
        static SYMBOL: Symbol = Symbol::new($name);
        Some(SYMBOL.address()).filter(|address| !address.is_null())?
    }};
}

impl Getters {
    /// `None` where this build lacks one of them.
    fn resolve() -> Option<Self> {
        // SAFETY: the mangled names fix the signatures: references and pointers, enums of 32 bits at most, an integer.
        unsafe {
            Some(Self {
                buffer: transmute::<*mut c_void, Getter<Object>>(find!(c"_ZNK2tt8tt_metal10MeshTensor11mesh_bufferEv")),
                backing: transmute::<*mut c_void, Getter<Object>>(find!(
                    c"_ZNK2tt8tt_metal11distributed10MeshBuffer18get_backing_bufferEv"
                )),
                shape: transmute::<*mut c_void, Getter<*const RawShape>>(find!(
                    c"_ZNK2tt8tt_metal10MeshTensor13logical_shapeEv"
                )),
                padded_shape: transmute::<*mut c_void, Getter<*const RawShape>>(find!(
                    c"_ZNK2tt8tt_metal10MeshTensor12padded_shapeEv"
                )),
                rank: transmute::<*mut c_void, Getter<usize>>(find!(c"_ZNK2tt8tt_metal5Shape4rankEv")),
                dtype: transmute::<*mut c_void, Getter<u32>>(find!(c"_ZNK2tt8tt_metal10MeshTensor5dtypeEv")),
                layout: transmute::<*mut c_void, Getter<u32>>(find!(c"_ZNK2tt8tt_metal10MeshTensor6layoutEv")),
                config: transmute::<*mut c_void, Getter<Object>>(find!(
                    c"_ZNK2tt8tt_metal10MeshTensor13memory_configEv"
                )),
                memory_layout: transmute::<*mut c_void, Getter<u32>>(find!(
                    c"_ZNK2tt8tt_metal12MemoryConfig13memory_layoutEv"
                )),
                shard: transmute::<*mut c_void, Getter<*const RawShard>>(find!(
                    c"_ZNK2tt8tt_metal12MemoryConfig10shard_specEv"
                )),
            })
        }
    }
}

/// Tensors whose shapes were as they should be; [`ENOUGH`] is the usual answer.
static SEEN: AtomicU32 = AtomicU32::new(0);
/// So many are looked at before the layout is believed.
const ENOUGH: u32 = 32;
/// It is another.
const WRONG: u32 = u32::MAX;

#[inline(always)]
fn note(tracker: &'static Tracker, metal: &Metal, getters: &Getters, tensor: Object) {
    // SAFETY: getters of a valid tensor, which was just made, and of its parts.
    let (buffer, shapes, dtype, layout, memory_layout, shard) = unsafe {
        let config = (getters.config)(tensor);
        (
            (getters.backing)((getters.buffer)(tensor)),
            [(getters.shape)(tensor), (getters.padded_shape)(tensor)],
            (getters.dtype)(tensor),
            (getters.layout)(tensor),
            (getters.memory_layout)(config),
            (getters.shard)(config),
        )
    };
    // One over memory of others has no buffer of its own.
    if buffer.is_null() || !metal.can_read(buffer) || !is_believed(getters, shapes) {
        return;
    }
    let [Some(shape), Some(padded_shape)] = shapes.map(|shape| dimensions(getters, shape)) else { return };
    let is_in_shards = (HEIGHT_SHARDED..=BLOCK_SHARDED).contains(&memory_layout);
    // SAFETY: the room of the optional, filled where there are shards of two dimensions; else its numbers are not used.
    let [height, width] = unsafe { (*shard).shape };
    let mut tensor = TensorRecord::default();
    (tensor.dtype, tensor.layout, tensor.memory_layout) = (dtype as u8, layout as u8, memory_layout as u8);
    tensor.shard = (is_in_shards && height > 0 && width > 0).then_some([height, width]);
    let facts = metal.facts(buffer);
    let Some(target) = devices::target(tracker, metal, facts.device, std::ptr::null()) else { return };
    let event = Event {
        kind: EventKind::Tensor,
        memory: Some(Memory::from_buffer_type(facts.memory)),
        target,
        address: metal.address(buffer),
        holder: facts.holder,
        ..Event::default()
    };
    guarded(|| {
        if let Some(site) =
            tracker.stacks.map(|stacks| stacks.tensor(&tensor, shape, padded_shape)).filter(|&site| site != 0)
        {
            record(tracker, Event { site, ..event }, Site::Given);
        }
    });
}

/// The dimensions of a shape whose layout is believed.
#[inline(always)]
fn dimensions(getters: &Getters, shape: *const RawShape) -> Option<&'static [u32]> {
    // SAFETY: a member of the tensor, which the caller holds while it looks at these.
    unsafe {
        let rank = (getters.rank)(shape.cast());
        let RawShape { dimensions, count, .. } = shape.read();
        let first = (count as usize).checked_sub(rank).filter(|_| rank <= MAX_DIMENSIONS)?;
        Some(std::slice::from_raw_parts(dimensions.add(first), rank))
    }
}

#[inline(always)]
fn is_believed(getters: &Getters, shapes: [*const RawShape; 2]) -> bool {
    match SEEN.load(Ordering::Relaxed) {
        ENOUGH => true,
        WRONG => false,
        _ => look(getters, shapes),
    }
}

#[cold]
fn look(getters: &Getters, shapes: [*const RawShape; 2]) -> bool {
    // SAFETY: the getter takes a valid shape.
    if shapes.iter().all(|&shape| is_as_known(shape as usize, unsafe { (getters.rank)(shape.cast()) })) {
        // Threads that look at once may count too far or too little: `ENOUGH` is a limit, not a sum.
        let add = |seen: u32| (seen < ENOUGH).then(|| seen + 1);
        let _ = SEEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        return true;
    }
    SEEN.store(WRONG, Ordering::Relaxed);
    complain::once(format_args!(
        "allocations have no tensors: shapes of this build of tt-metal are laid out in a way that is not known"
    ));
    false
}

/// Whether it is a vector with room for what it holds, and so many dimensions at least.
fn is_as_known(shape: usize, rank: usize) -> bool {
    let Some([dimensions, sizes]) = careful_read::<2>(shape) else { return false };
    let (count, capacity) = (sizes as u32 as usize, (sizes >> 32) as usize);
    let last = (dimensions as usize).wrapping_add(4 * count.saturating_sub(1)) & !7;
    count <= capacity && rank <= count && count <= 64 && (count == 0 || careful_read::<1>(last).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_is_laid_out_otherwise_is_not_believed() {
        let dimensions = [1_u64, 2, 3, 4];
        let at = dimensions.as_ptr() as u64;
        let is_known = |words: [u64; 2], rank| is_as_known(words.as_ptr() as usize, rank);
        assert!(is_known([at, 4 | 8 << 32], 2));
        assert!(!is_known([at, 4 | 8 << 32], 5), "more dimensions than there are");
        assert!(!is_known([at, 9 | 8 << 32], 2), "more than there is room for");
        assert!(!is_known([8, 4 | 8 << 32], 2), "no memory");
    }
}
