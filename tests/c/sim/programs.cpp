#include "books.hpp"
#include "ttsim.hpp"

#include <algorithm>
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
    for (auto [_, chip] : placed_) ttsim::books::cb_freed(chip, ttsim::books::CB, this);
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
    ttsim::books::cb_placed(id, ttsim::books::CB, this, buffer.cores.ranges(), buffer.address, buffer.size, buffer.globally_allocated);
    GraphTracker::instance().track_allocate_cb(
        buffer.cores, buffer.address, buffer.size, buffer.globally_allocated, chip);
}

// The devices may be gone by now: their addresses are passed on, and nothing else.
void ProgramImpl::deallocate_circular_buffers() {
    for (int memory : {ttsim::books::DFB, ttsim::books::SCRATCHPAD}) {
        for (int chip : chips_) ttsim::books::cb_freed(chip, memory, this);
    }
    chips_.clear();
    if (buffers_.empty()) return;
    for (auto [device, chip] : placed_) {
        ttsim::books::cb_freed(chip, ttsim::books::CB, this);
        GraphTracker::instance().track_deallocate_cb(device);
    }
    placed_.clear();
}

namespace {

bool equal(const CoreRange& a, const CoreRange& b) {
    return a.start_coord.x == b.start_coord.x && a.start_coord.y == b.start_coord.y && a.end_coord.x == b.end_coord.x &&
           a.end_coord.y == b.end_coord.y;
}

bool intersects(const CoreRange& a, const CoreRange& b) {
    return a.start_coord.x <= b.end_coord.x && b.start_coord.x <= a.end_coord.x && a.start_coord.y <= b.end_coord.y &&
           b.start_coord.y <= a.end_coord.y;
}

void mark(std::vector<std::pair<uint64_t, uint64_t>>& regions, uint64_t address, uint64_t size, uint64_t base) {
    if (regions.empty()) regions.emplace_back(base, base);
    if (address == regions.back().second) {
        regions.back().second += size;
    } else {
        regions.emplace_back(address, address + size);
    }
}

constexpr uint64_t BASE = 101'152;

}  // namespace

void ProgramImpl::CircularBufferAllocator::mark_address(uint64_t address, uint64_t size, uint64_t base) {
    mark(l1_regions, address, size, base);
}

const std::vector<std::shared_ptr<DataflowBufferImpl>>& ProgramImpl::dataflow_buffers() const {
    return dataflow_buffers_;
}

void ProgramImpl::have_allocators(const CoreRangeSet& cores) {
    for (const CoreRange& range : cores.ranges()) {
        auto has = [&](const CircularBufferAllocator& allocator) { return equal(allocator.core_range, range); };
        if (std::none_of(allocators_.begin(), allocators_.end(), has)) allocators_.push_back({range, {}});
    }
}

void ProgramImpl::add_dataflow_buffer(std::vector<CoreRange> cores, uint64_t size, bool borrows) {
    auto id = static_cast<uint32_t>(dataflow_buffers_.size());
    auto buffer = std::make_shared<DataflowBufferImpl>(DataflowBufferImpl{id, CoreRangeSet(cores), uint32_t(size / 2), 2, borrows});
    dataflow_buffers_.push_back(buffer);
    if (!borrows) have_allocators(buffer->core_ranges);
    needs_dataflow_buffers_ = true;
}

void ProgramImpl::add_scratchpad(std::vector<CoreRange> cores, uint64_t size) {
    scratchpads_.push_back({CoreRangeSet(cores), size});
    needs_scratchpads_ = true;
}

void ProgramImpl::note(const IDevice* device, int memory, const CoreRangeSet& cores, uint64_t address, uint64_t size) {
    auto* mesh = static_cast<distributed::MeshDevice*>(const_cast<IDevice*>(device));
    for (int chip : mesh->get_device_ids()) {
        ttsim::books::cb_placed(chip, memory, this, cores.ranges(), address, size, false);
        if (std::find(chips_.begin(), chips_.end(), chip) == chips_.end()) chips_.push_back(chip);
    }
}

void ProgramImpl::invalidate_dataflow_buffer_allocation() {
    for (auto& allocator : allocators_) allocator.l1_regions.clear();
    needs_dataflow_buffers_ = !dataflow_buffers_.empty();
    needs_scratchpads_ = !scratchpads_.empty();
}

// One after the other: at one address on all cores of each, behind what is there on any of them. The allocators of other
// ranges that meet them are marked too.
void ProgramImpl::allocate_dataflow_buffers(const IDevice* device) {
    if (!needs_dataflow_buffers_) return;
    for (int chip : chips_) ttsim::books::cb_freed(chip, ttsim::books::DFB, this);
    for (const auto& buffer : dataflow_buffers_) {
        if (buffer->borrows) continue;
        uint64_t address = BASE;
        for (const CoreRange& range : buffer->core_ranges.ranges()) {
            for (const auto& allocator : allocators_) {
                if (equal(allocator.core_range, range)) address = std::max(address, allocator.end());
            }
        }
        for (const CoreRange& range : buffer->core_ranges.ranges()) {
            for (auto& allocator : allocators_) {
                if (!intersects(allocator.core_range, range)) continue;
                if (!equal(allocator.core_range, range) && address < allocator.end()) continue;
                allocator.mark_address(address, buffer->size(), BASE);
            }
        }
        note(device, ttsim::books::DFB, buffer->core_ranges, address, buffer->size());
    }
    needs_dataflow_buffers_ = false;
}

// Behind all that meets the kernel's cores; nothing that is called here can be stood in for.
void ProgramImpl::allocate_scratchpads(const IDevice* device) {
    if (!needs_scratchpads_) return;
    for (int chip : chips_) ttsim::books::cb_freed(chip, ttsim::books::SCRATCHPAD, this);
    for (const Scratchpad& scratchpad : scratchpads_) {
        have_allocators(scratchpad.kernel_cores);
        std::vector<CircularBufferAllocator*> touched;
        uint64_t address = BASE;
        for (auto& allocator : allocators_) {
            const auto& ranges = scratchpad.kernel_cores.ranges();
            auto meets = [&](const CoreRange& range) { return intersects(allocator.core_range, range); };
            if (std::none_of(ranges.begin(), ranges.end(), meets)) continue;
            touched.push_back(&allocator);
            address = std::max(address, allocator.end());
        }
        for (auto* allocator : touched) mark(allocator->l1_regions, address, scratchpad.size, BASE);
        note(device, ttsim::books::SCRATCHPAD, scratchpad.kernel_cores, address, scratchpad.size);
    }
    needs_scratchpads_ = false;
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
