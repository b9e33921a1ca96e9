//! Devices that close: memory is released in bulk, and nobody is told buffer by buffer.

use std::ffi::c_void;

use ttmem_wire::{Event, EventKind, Target};

use super::{
    call_real, devices,
    metal::{self, Object},
};
use crate::{
    capture::{Site, guarded, record},
    fired, fork_guard,
    symbols::Symbol,
};

static RELEASE: Symbol = Symbol::new(c"_ZN2tt8tt_metal13AllocatorImpl18deallocate_buffersEv");
static CLOSE_MESH: Symbol = Symbol::new(c"_ZN2tt8tt_metal11distributed14MeshDeviceImpl10close_implEPNS1_10MeshDeviceE");
static CLOSE_DEVICE: Symbol = Symbol::new(c"_ZN2tt8tt_metal6Device5closeEv");

/// `AllocatorImpl::deallocate_buffers()`: the allocator lets go of everything at once. Only pools that were seen at work
/// have something to release. Its address may be reused after a reopen, so it is forgotten here.
#[unsafe(export_name = "_ZN2tt8tt_metal13AllocatorImpl18deallocate_buffersEv")]
unsafe extern "C-unwind" fn deallocate_buffers(allocator: *mut c_void) {
    fired::note(&fired::ANY);
    if let Some(tracker) = fork_guard::tracker() {
        guarded(|| {
            tracker.pool_cache.remove_allocator(allocator as usize, |pool| {
                let event = Event { kind: EventKind::PoolReleased, target: Target::Pool(pool), ..Event::default() };
                record(tracker, event, Site::Given);
            });
        });
    }
    call_real!(RELEASE, fn(*mut c_void) -> (), (allocator), else ());
}

/// `MeshDeviceImpl::close_impl(MeshDevice*)`: runs again from the mesh's destructor. What it releases is seen in
/// `deallocate_buffers` and, chip by chip, in `Device::close`; here the mesh object is forgotten.
#[unsafe(export_name = "_ZN2tt8tt_metal11distributed14MeshDeviceImpl10close_implEPNS1_10MeshDeviceE")]
unsafe extern "C-unwind" fn close_mesh(implementation: *mut c_void, mesh: *mut c_void) -> bool {
    fired::note(&fired::ANY);
    let closed = call_real!(
        CLOSE_MESH,
        fn(*mut c_void, *mut c_void) -> bool,
        (implementation, mesh),
        else true
    );
    forget(mesh);
    closed
}

/// `Device::close()`: one chip. Noted once the real call has returned; where it throws, the chip is not closed.
#[unsafe(export_name = "_ZN2tt8tt_metal6Device5closeEv")]
unsafe extern "C-unwind" fn close_device(device: *mut c_void) -> bool {
    fired::note(&fired::ANY);
    let closing = fork_guard::tracker().and_then(|tracker| {
        let target = devices::target(tracker, metal::known()?, device, std::ptr::null())?;
        Some((tracker, target))
    });
    let closed = call_real!(CLOSE_DEVICE, fn(*mut c_void) -> bool, (device), else true);
    if let Some((tracker, target)) = closing {
        guarded(|| record(tracker, Event { kind: EventKind::DeviceClosed, target, ..Event::default() }, Site::Given));
    }
    forget(device);
    closed
}

fn forget(device: Object) {
    if let Some(tracker) = fork_guard::tracker() {
        guarded(|| tracker.pool_cache.remove_device(device as usize));
    }
}
