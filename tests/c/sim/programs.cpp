#include "books.hpp"
#include "ttsim.hpp"

#include <stdexcept>

namespace tt::tt_metal {
namespace {

// As in the real one, with a line before and one behind it.
void validate(const IDevice* device, const char* what, CoreRange cores, uint64_t end) {
    auto* mesh = static_cast<distributed::MeshDevice*>(const_cast<IDevice*>(device));
    auto corner = [](const CoreCoord& core) { return std::to_string(core.x) + "-" + std::to_string(core.y); };
    std::string where = "[" + corner(cores.start_coord) + " - " + corner(cores.end_coord) + "]";
    std::string begin = std::string("TT_THROW @ program.cpp:1: tt::exception\ninfo:\nStatically allocated ") + what;
    if (end > ttsim::L1_BANK_BYTES) {
        throw std::runtime_error(begin + " buffers on core range " + where + " grow to " + std::to_string(end) +
                                 " B which is beyond max L1 size of " + std::to_string(ttsim::L1_BANK_BYTES) +
                                 " B\nbacktrace:\n");
    }
    uint64_t lowest = mesh->impl().allocator()->lowest_l1_address();
    if (lowest < end) {
        throw std::runtime_error(begin + " buffers in program 7 clash with L1 buffers on core range " + where +
                                 ". L1 buffer allocated at " + std::to_string(lowest) + " and static " + what +
                                 " buffer region ends at " + std::to_string(end) + "\nbacktrace:\n");
    }
}

}  // namespace

namespace detail {

void ProgramImpl::validate_circular_buffer_region(const IDevice* device) {
    for (const CircularBuffer& buffer : buffers_) {
        if (buffer.globally_allocated) continue;
        validate(device, "circular", buffer.cores.ranges().front(), buffer.address + buffer.size);
    }
}

void ProgramImpl::validate_dataflow_buffer_region(const IDevice* device) {
    if (dataflow_.second != 0) validate(device, "dataflow", dataflow_.first, dataflow_.second);
}

ProgramImpl::~ProgramImpl() { deallocate_circular_buffers(); }

void ProgramImpl::allocate_circular_buffers(const IDevice* device) {
    auto* mesh = static_cast<distributed::MeshDevice*>(const_cast<IDevice*>(device));
    // What was placed before is replaced, and the tracker hears nothing of that.
    for (auto [_, chip] : placed_) ttsim::books::cb_freed(chip, this);
    placed_.clear();
    for (IDevice* chip : mesh->get_devices()) placed_.emplace_back(chip, chip->id());
    if (chip_by_chip_) {
        for (auto [chip, id] : placed_) {
            for (const CircularBuffer& buffer : buffers_) place(buffer, chip, id);
        }
        return;
    }
    for (const CircularBuffer& buffer : buffers_) {
        for (auto [chip, id] : placed_) place(buffer, chip, id);
    }
}

void ProgramImpl::place(const CircularBuffer& buffer, const IDevice* chip, int id) {
    if (reports_left_-- == 0) throw std::runtime_error("no further");
    ttsim::books::cb_placed(id, this, buffer.cores.ranges(), buffer.address, buffer.size, buffer.globally_allocated);
    GraphTracker::instance().track_allocate_cb(
        buffer.cores, buffer.address, buffer.size, buffer.globally_allocated, chip);
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
