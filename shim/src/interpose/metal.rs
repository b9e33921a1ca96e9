//! What we ask of tt-metal's objects, by functions that it exports itself.

use std::{
    ffi::{c_int, c_void},
    mem::transmute,
};

use once_cell::race::OnceBox;
use ttmem_wire::CoreRange;

use super::{fields, per_core::PerCore};
use crate::{complain, symbols::Symbol};

/// `tt::tt_metal::Buffer`, `IDevice`, … : only ever passed on.
pub(super) type Object = *const c_void;

pub(super) type Getter<T> = unsafe extern "C-unwind" fn(Object) -> T;

/// A `std::vector<int>` as both libstdc++ and libc++ lay it out.
#[repr(C)]
pub(super) struct IntVector {
    pub(super) begin: *mut c_int,
    pub(super) end: *mut c_int,
    capacity: *mut c_int,
}

/// The exported functions and tables that the hooks need.
pub(super) struct Metal {
    address: Getter<u32>,
    size: Getter<u64>,
    buffer_type: Getter<u8>,
    device: Getter<Object>,
    unique_id: Getter<u64>,
    size_per_bank: Getter<u64>,
    mesh_chips: Getter<IntVector>,
    num_cores: Option<Getter<u32>>,
    /// Gives a reference to a vector of [`RawCoreRange`].
    core_ranges: Option<Getter<*const RangeVector>>,
    /// `AllocatorImpl::get_alignment(BufferType)`.
    alignment: Option<unsafe extern "C-unwind" fn(Object, u32) -> u32>,
    pub(super) operator_delete: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
    mesh_vtable: usize,
    device_vtable: usize,
    /// Where `IDevice::id()` stands in a vtable of a device: its slot.
    id_slot: usize,
    /// Of wheels where a buffer's fields are read: what they are compared with.
    fields: Option<fields::Witnesses>,
    /// Of buffers with an address of their own on each core.
    pub(super) per_core: Option<PerCore>,
}

/// `CoreRange`: two corners, each x and y.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct RawCoreRange {
    corners: [u64; 4],
}

impl RawCoreRange {
    /// `None` of corners that no rectangle of cores has.
    pub(super) fn known(self) -> Option<CoreRange> {
        let [first_x, first_y, last_x, last_y] = self.corners;
        let is_sound = first_x <= last_x && first_y <= last_y && last_x < 1 << 16 && last_y < 1 << 16;
        let [first_x, first_y, last_x, last_y] = self.corners.map(|at| at as u16);
        is_sound.then_some(CoreRange { first_x, first_y, last_x, last_y })
    }

    pub(super) fn new(corners: [u64; 4]) -> Self {
        Self { corners }
    }
}

/// A `std::vector<CoreRange>`.
#[repr(C)]
struct RangeVector {
    begin: *const RawCoreRange,
    end: *const RawCoreRange,
}

/// The cores of a circular buffer.
pub(super) struct CoreRanges {
    pub(super) num_cores: u32,
    ranges: *const RawCoreRange,
    /// 0 where the ranges are not known.
    count: usize,
}

impl CoreRanges {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, index: usize) -> Option<CoreRange> {
        if index >= self.count {
            return None;
        }
        // SAFETY: `core_ranges` bounded the elements; the set is the caller's, and constant while it calls.
        let [first_x, first_y, last_x, last_y] = unsafe { self.ranges.add(index).read() }.corners.map(|at| at as u16);
        Some(CoreRange { first_x, first_y, last_x, last_y })
    }

    /// Whether the ranges, read so, hold as many cores as the set says: else its layout is another.
    fn add_up(&self) -> bool {
        let mut cores = 0_u64;
        for index in 0..self.count {
            // SAFETY: as in `get`.
            let Some(range) = unsafe { self.ranges.add(index).read() }.known() else { return false };
            let side = |first: u16, last: u16| u64::from(last - first) + 1;
            cores += side(range.first_x, range.last_x) * side(range.first_y, range.last_y);
        }
        cores == u64::from(self.num_cores)
    }
}

/// `BufferType` values.
const DRAM: u32 = 0;
const L1: u32 = 1;
/// A larger alignment than this is taken for a function of another meaning.
const MAX_ALIGNMENT: u32 = 4096;

/// More ranges than this in one set are taken for a layout that we do not know.
const MAX_RANGES: usize = 1024;

/// What can be asked of any buffer, even of one that the allocator refused.
pub(super) struct Facts {
    pub(super) device: Object,
    pub(super) memory: u8,
    /// `unique_id` + 1.
    pub(super) holder: u64,
}

/// Kinds of device objects.
pub(super) enum DeviceKind {
    Mesh,
    Chip,
}

macro_rules! symbol {
    ($name:literal) => {{
        static SYMBOL: Symbol = Symbol::new($name);
        &SYMBOL
    }};
}

/// Slots of a vtable that are searched for `id()`.
const VTABLE_SLOTS: usize = 64;
/// A vtable starts with offset-to-top and type information; objects point behind these.
const VTABLE_PREFIX: usize = 2 * size_of::<usize>();

/// Racy, not blocking: two threads may both ask and get the same; a fork in the middle leaves nothing half done behind.
static METAL: OnceBox<Option<Metal>> = OnceBox::new();

/// tt-metal's functions, or `None` (said once) where this build lacks one that we need: then its own calls go by untracked.
/// What a program reports by the C ABI, or by the first client, is taken all the same.
#[inline(always)]
pub(super) fn get() -> Option<&'static Metal> {
    match METAL.get() {
        Some(metal) => metal.as_ref(),
        None => resolve(),
    }
}

/// tt-metal's functions, if they were asked for before.
pub(super) fn known() -> Option<&'static Metal> {
    METAL.get()?.as_ref()
}

#[cold]
fn resolve() -> Option<&'static Metal> {
    METAL
        .get_or_init(|| {
            let resolved = Metal::resolve().inspect_err(|missing| {
                complain::once(format_args!(
                    "off: this build of tt-metal has no {missing}: its calls go untracked; `ttmem doctor` lists what it lacks"
                ));
            });
            Box::new(resolved.ok())
        })
        .as_ref()
}

/// What wheels from 0.79 on export, and older ones do not.
struct BufferGetters {
    size: Getter<u64>,
    buffer_type: Getter<u8>,
    device: Getter<Object>,
    unique_id: Getter<u64>,
}

impl BufferGetters {
    const OF_FIELDS: Self =
        Self { size: fields::size, buffer_type: fields::buffer_type, device: fields::device, unique_id: fields::place };

    fn resolve() -> Option<Self> {
        let find = |symbol: &'static Symbol| Some(symbol.address()).filter(|address| !address.is_null());
        // SAFETY: the mangled names fix the signatures (a class enum of at most 8 significant bits, integers and pointers in
        // registers); no address is null.
        unsafe {
            Some(Self {
                size: transmute::<*mut c_void, Getter<u64>>(find(symbol!(c"_ZNK2tt8tt_metal6Buffer4sizeEv"))?),
                buffer_type: transmute::<*mut c_void, Getter<u8>>(find(symbol!(
                    c"_ZNK2tt8tt_metal6Buffer11buffer_typeEv"
                ))?),
                device: transmute::<*mut c_void, Getter<Object>>(find(symbol!(c"_ZNK2tt8tt_metal6Buffer6deviceEv"))?),
                unique_id: transmute::<*mut c_void, Getter<u64>>(find(symbol!(
                    c"_ZNK2tt8tt_metal6Buffer9unique_idEv"
                ))?),
            })
        }
    }
}

impl Metal {
    fn resolve() -> Result<Self, &'static str> {
        let need = |symbol: &'static Symbol| {
            let address = symbol.address();
            if address.is_null() { Err(symbol.name()) } else { Ok(address) }
        };
        let mesh_vtable = need(symbol!(c"_ZTVN2tt8tt_metal11distributed10MeshDeviceE"))?;
        let mesh_id = need(symbol!(c"_ZNK2tt8tt_metal11distributed10MeshDevice2idEv"))?;
        let id_slot = find_slot(mesh_vtable, mesh_id).ok_or("MeshDevice::id() in the vtable of MeshDevice")?;
        let operator_delete = symbol!(c"_ZdlPv").address();
        let getters = BufferGetters::resolve();
        let fields = if getters.is_some() { None } else { Some(fields::Witnesses::resolve()?) };
        let getters = getters.unwrap_or(BufferGetters::OF_FIELDS);
        // SAFETY: the mangled names fix the signatures (class enums of at most 8 significant bits, integers and pointers
        // in registers; a vector in memory, as any C struct of its size). All addresses were just found, none is null, but for
        // those where Option stands for null.
        unsafe {
            Ok(Self {
                address: transmute::<*mut c_void, Getter<u32>>(need(symbol!(c"_ZNK2tt8tt_metal6Buffer7addressEv"))?),
                size: getters.size,
                buffer_type: getters.buffer_type,
                device: getters.device,
                unique_id: getters.unique_id,
                size_per_bank: transmute::<*mut c_void, Getter<u64>>(need(symbol!(
                    c"_ZNK2tt8tt_metal6Buffer21aligned_size_per_bankEv"
                ))?),
                mesh_chips: transmute::<*mut c_void, Getter<IntVector>>(need(symbol!(
                    c"_ZNK2tt8tt_metal11distributed10MeshDevice14get_device_idsEv"
                ))?),
                num_cores: transmute::<*mut c_void, Option<Getter<u32>>>(
                    symbol!(c"_ZNK2tt8tt_metal12CoreRangeSet9num_coresEv").address(),
                ),
                core_ranges: transmute::<*mut c_void, Option<Getter<*const RangeVector>>>(
                    symbol!(c"_ZNK2tt8tt_metal12CoreRangeSet6rangesEv").address(),
                ),
                alignment: transmute::<*mut c_void, Option<unsafe extern "C-unwind" fn(Object, u32) -> u32>>(
                    symbol!(c"_ZNK2tt8tt_metal13AllocatorImpl13get_alignmentENS0_10BufferTypeE").address(),
                ),
                operator_delete: transmute::<*mut c_void, Option<unsafe extern "C-unwind" fn(*mut c_void)>>(
                    operator_delete,
                ),
                mesh_vtable: mesh_vtable as usize + VTABLE_PREFIX,
                device_vtable: need(symbol!(c"_ZTVN2tt8tt_metal6DeviceE"))? as usize + VTABLE_PREFIX,
                id_slot,
                fields,
                per_core: PerCore::resolve(),
            })
        }
    }

    /// Whether we know how to read this valid buffer.
    #[inline(always)]
    pub(super) fn can_read(&self, buffer: Object) -> bool {
        match &self.fields {
            None => true,
            Some(fields) => fields.believe(buffer, [self.mesh_vtable, self.device_vtable]),
        }
    }

    /// Reads a buffer that the caller holds valid.
    #[inline(always)]
    pub(super) fn facts(&self, buffer: Object) -> Facts {
        // SAFETY: the getters take a valid buffer, which the hooked call was given.
        unsafe {
            Facts {
                device: (self.device)(buffer),
                memory: (self.buffer_type)(buffer),
                holder: (self.unique_id)(buffer).wrapping_add(1),
            }
        }
    }

    /// Bytes of a valid buffer, on each device.
    #[inline(always)]
    pub(super) fn size(&self, buffer: Object) -> u64 {
        // SAFETY: as in `facts`.
        unsafe { (self.size)(buffer) }
    }

    /// Bytes in each bank of a buffer that lies somewhere. tt-metal divides by the number of banks: asked of a buffer in a
    /// memory without any (L1_SMALL or TRACE of a device that was opened with none), that is a division by zero.
    #[inline(always)]
    pub(super) fn size_per_bank(&self, buffer: Object) -> u64 {
        // SAFETY: as in `facts`.
        unsafe { (self.size_per_bank)(buffer) }
    }

    /// What the allocator cuts out of each bank for that many bytes: it rounds up to the larger of its alignments, DRAM's in
    /// L1 too, and the buffer's own figure does not (seen on the wheel, 64 bytes on Blackhole, 32 on Wormhole).
    #[inline(always)]
    pub(super) fn cut_out(&self, allocator: Object, bytes: u64) -> u64 {
        let Some(getter) = self.alignment else { return bytes };
        // SAFETY: the allocator is the one whose call we stand in; the two memories are those that it has alignments of.
        let alignment = unsafe { getter(allocator, DRAM).max(getter(allocator, L1)) };
        if alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT {
            bytes.checked_next_multiple_of(u64::from(alignment)).unwrap_or(bytes)
        } else {
            bytes
        }
    }

    /// The holder id of a valid buffer: `unique_id` + 1.
    #[inline(always)]
    pub(super) fn holder(&self, buffer: Object) -> u64 {
        // SAFETY: as in `facts`.
        unsafe { (self.unique_id)(buffer) }.wrapping_add(1)
    }

    /// The address of a valid buffer, within each bank.
    #[inline(always)]
    pub(super) fn address(&self, buffer: Object) -> u64 {
        // SAFETY: as in `facts`.
        u64::from(unsafe { (self.address)(buffer) })
    }

    /// The cores of a valid `CoreRangeSet`.
    pub(super) fn core_ranges(&self, set: Object) -> CoreRanges {
        // SAFETY: the getter takes a valid set, which the hooked call was given.
        let num_cores = self.num_cores.map_or(0, |getter| unsafe { getter(set) });
        let unknown = CoreRanges { num_cores, ranges: std::ptr::null(), count: 0 };
        let Some(getter) = self.core_ranges else { return unknown };
        // SAFETY: as above; the reference that it gives is to a member of the set. Begin and end bound its elements.
        let (begin, bytes) = unsafe {
            let vector = getter(set);
            ((*vector).begin, (*vector).end as usize - (*vector).begin as usize)
        };
        let count = bytes / size_of::<RawCoreRange>();
        if begin.is_null() || !bytes.is_multiple_of(size_of::<RawCoreRange>()) || count > MAX_RANGES {
            return unknown;
        }
        let ranges = CoreRanges { num_cores, ranges: begin, count };
        if ranges.add_up() { ranges } else { unknown }
    }

    /// What kind of device object this is, by its vtable; `None` for a class that we do not know.
    pub(super) fn kind(&self, device: Object) -> Option<DeviceKind> {
        if device.is_null() {
            return None;
        }
        // SAFETY: a polymorphic object starts with its vtable pointer; the caller holds the device alive.
        let vtable = unsafe { device.cast::<usize>().read() };
        match vtable {
            _ if vtable == self.mesh_vtable => Some(DeviceKind::Mesh),
            _ if vtable == self.device_vtable => Some(DeviceKind::Chip),
            _ => None,
        }
    }

    /// `Device::id()`, which is virtual and not exported.
    pub(super) fn chip_id(&self, device: Object) -> i32 {
        // SAFETY: `kind` found Device's own vtable; Device and MeshDevice both derive from IDevice first, so `id` has the
        // slot in which it was found in MeshDevice's.
        unsafe {
            let vtable = device.cast::<*const Getter<c_int>>().read();
            (vtable.add(self.id_slot).read())(device)
        }
    }

    /// The chips of a mesh.
    pub(super) fn mesh_chips(&self, mesh: Object) -> Vec<i32> {
        // SAFETY: the caller's mesh is valid. The vector is ours, and may be moved: none of its words is an address within it.
        let chips = unsafe { (self.mesh_chips)(mesh) };
        if chips.begin.is_null() {
            return Vec::new();
        }
        // SAFETY: a vector's begin and end bound its elements.
        let copied = unsafe {
            let length = chips.end.offset_from(chips.begin);
            std::slice::from_raw_parts(chips.begin, usize::try_from(length).unwrap_or(0)).to_vec()
        };
        // SAFETY: the storage came from the program's operator new, and nobody else has it.
        unsafe {
            match self.operator_delete {
                Some(delete) => delete(chips.begin.cast()),
                None => libc::free(chips.begin.cast()),
            }
        }
        copied
    }
}

fn find_slot(vtable: *mut c_void, function: *mut c_void) -> Option<usize> {
    let first = (vtable as usize + VTABLE_PREFIX) as *const usize;
    // SAFETY: the table of a device class with over 64 virtual functions is read, and reading stops at the find; slots
    // are relocated words of read-only data.
    (0..VTABLE_SLOTS).find(|&slot| unsafe { first.add(slot).read() } == function as usize)
}
