#include "books.hpp"
#include "ttsim.hpp"

namespace tt::tt_metal {
namespace detail {

ProgramImpl::~ProgramImpl() { deallocate_circular_buffers(); }

void ProgramImpl::allocate_circular_buffers(const IDevice* device) {
    auto* mesh = static_cast<distributed::MeshDevice*>(const_cast<IDevice*>(device));
    // What was placed before is replaced, and the tracker hears nothing of that.
    for (auto [_, chip] : placed_) ttsim::books::cb_freed(chip, this);
    placed_.clear();
    for (IDevice* chip : mesh->get_devices()) placed_.emplace_back(chip, chip->id());
    for (const CircularBuffer& buffer : buffers_) {
        for (auto [chip, id] : placed_) {
            ttsim::books::cb_placed(id, this, buffer.cores.ranges(), buffer.address, buffer.size, buffer.globally_allocated);
            GraphTracker::instance().track_allocate_cb(
                buffer.cores, buffer.address, buffer.size, buffer.globally_allocated, chip);
        }
    }
}

// The devices may be gone by now: their addresses are passed on, and nothing else.
void ProgramImpl::deallocate_circular_buffers() {
    if (buffers_.empty()) return;
    for (auto [device, chip] : placed_) {
        ttsim::books::cb_freed(chip, this);
        GraphTracker::instance().track_deallocate_cb(device);
    }
    placed_.clear();
}

}  // namespace detail

namespace distributed {

void MeshWorkloadImpl::load_binaries(MeshCommandQueue&) {
    if (binary_bytes_ == 0 || binaries_ != nullptr) return;
    uint64_t per_bank = (binary_bytes_ + ttsim::DRAM_BANKS - 1) / ttsim::DRAM_BANKS;
    auto buffer = [&] {
        return std::make_unique<Buffer>(mesh_, binary_bytes_, per_bank, per_bank, BufferType::DRAM);
    };
    binaries_ = buffer();
    binaries_->allocate();
    view_ = buffer();
    view_->borrow(binaries_->address(), true);
}

}  // namespace distributed
}  // namespace tt::tt_metal
