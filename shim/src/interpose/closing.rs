//! Devices that close: memory is released in bulk, and nobody is told buffer by buffer.

use std::ffi::c_void;

use ttmem_wire::{Event, EventKind, Target};

use super::{
    call_real, devices, hook,
    metal::{self, Object},
    service_cores,
};
use crate::{
    capture::{Site, guarded, record},
    fired, fork_guard,
};

hook! {
    /// `AllocatorImpl::deallocate_buffers()`: the allocator lets go of everything at once. Only pools that were seen at work
    /// have something to release. Its address may be reused after a reopen, so it is forgotten here.
    RELEASE = "_ZN2tt8tt_metal13AllocatorImpl18deallocate_buffersEv";
    fn deallocate_buffers(allocator: *mut c_void) {
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
}

hook! {
    /// `MeshDeviceImpl::close_impl(MeshDevice*)`: runs again from the mesh's destructor. What it releases is seen in
    /// `deallocate_buffers` and, chip by chip, in `Device::close`; here the mesh object is forgotten.
    CLOSE_MESH = "_ZN2tt8tt_metal11distributed14MeshDeviceImpl10close_implEPNS1_10MeshDeviceE";
    fn close_mesh(implementation: *mut c_void, mesh: *mut c_void) -> bool {
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
}

hook! {
    /// `Device::close()`: one chip. Noted once the real call has returned; where it throws, the chip is not closed.
    CLOSE_DEVICE = "_ZN2tt8tt_metal6Device5closeEv";
    fn close_device(device: *mut c_void) -> bool {
        fired::note(&fired::ANY);
        let closing = fork_guard::tracker().and_then(|tracker| {
            let target = devices::target(tracker, metal::known()?, device, std::ptr::null())?;
            Some((tracker, target))
        });
        let closed = call_real!(CLOSE_DEVICE, fn(*mut c_void) -> bool, (device), else true);
        if let Some((tracker, target)) = closing {
            guarded(|| {
                record(tracker, Event { kind: EventKind::DeviceClosed, target, ..Event::default() }, Site::Given);
                service_cores::closed(tracker, target);
            });
        }
        forget(device);
        closed
    }
}

fn forget(device: Object) {
    if let Some(tracker) = fork_guard::tracker() {
        guarded(|| tracker.pool_cache.remove_device(device as usize));
    }
}
