#include <atomic>
#include <set>
#include <stdexcept>

#include "books.hpp"
#include "graveyard.hpp"
#include "ttsim.hpp"

namespace ttsim {

// Never destroyed: devices may be closed after static objects are gone.
static std::set<int>& failing() {
    static std::set<int>* failing = new std::set<int>;
    return *failing;
}

void fail_next_close(int chip) { failing().insert(chip); }

}  // namespace ttsim

namespace tt::tt_metal {

Device::Device(int chip) : chip_(chip), allocator_(new AllocatorImpl({chip})) {}
Device::~Device() { Device::close(); }

void* Device::operator new(size_t size) { return ttsim::Graveyard<Device>::take(size); }
void Device::operator delete(void* place, size_t) { ttsim::Graveyard<Device>::bury(place); }

int Device::arch() const { return 2; }
int Device::id() const { return chip_; }

bool Device::close() {
    ttsim::books::called(ttsim::books::Call::device_close);
    if (ttsim::failing().erase(chip_) != 0) {
        throw std::runtime_error("cannot close device " + std::to_string(chip_) + ": a submesh is open");
    }
    if (!open_) return false;
    open_ = false;
    allocator_->deallocate_buffers();
    internal::ServiceCoreManagerImpl::on_device_close(chip_);
    ttsim::books::closed(chip_);
    return true;
}

namespace distributed {

static std::atomic<int> next_mesh_id{1};

MeshDevice::MeshDevice(std::unique_ptr<MeshDeviceImpl> impl) : impl_(std::move(impl)) {}

MeshDevice::~MeshDevice() {
    impl_->close_impl(this);
    for (Device* device : impl_->devices_) delete device;
}

void* MeshDevice::operator new(size_t size) { return ttsim::Graveyard<MeshDevice>::take(size); }
void MeshDevice::operator delete(void* place, size_t) { ttsim::Graveyard<MeshDevice>::bury(place); }

int MeshDevice::arch() const { return 2; }
int MeshDevice::id() const { return impl_->id_; }
bool MeshDevice::close() { return impl_->close_impl(this); }
std::vector<int> MeshDevice::get_device_ids() const { return impl_->chips_; }
std::vector<IDevice*> MeshDevice::get_devices() const {
    const MeshDevice* owner = impl_->parent_ ? impl_->parent_ : this;
    std::vector<IDevice*> devices;
    for (Device* device : owner->impl_->devices_) {
        IDevice* any = device;
        for (int chip : impl_->chips_) {
            if (any->id() == chip) devices.push_back(any);
        }
    }
    return devices;
}

MeshDeviceImpl::MeshDeviceImpl(std::vector<int> chips, MeshDevice* parent)
    : id_(next_mesh_id++), chips_(std::move(chips)), parent_(parent), allocator_(new AllocatorImpl(chips_)) {
    if (parent_ == nullptr) {
        for (int chip : chips_) devices_.push_back(new Device(chip));
    }
}

bool MeshDeviceImpl::close_impl(MeshDevice*) {
    ttsim::books::called(ttsim::books::Call::close_impl);
    if (!open_) return false;
    open_ = false;
    for (const std::weak_ptr<MeshDevice>& submesh : submeshes_) {
        if (std::shared_ptr<MeshDevice> mesh = submesh.lock()) mesh->close();
    }
    allocator_->deallocate_buffers();
    for (IDevice* device : devices_) device->close();
    return true;
}

std::shared_ptr<MeshDevice> create_submesh(const std::shared_ptr<MeshDevice>& parent, std::vector<int> chips) {
    auto impl = std::make_unique<MeshDeviceImpl>(std::move(chips), parent.get());
    std::shared_ptr<MeshDevice> mesh(new MeshDevice(std::move(impl)));
    parent->impl().submeshes_.push_back(mesh);
    return mesh;
}

}  // namespace distributed
}  // namespace tt::tt_metal
