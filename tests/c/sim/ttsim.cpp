#include "ttsim.hpp"

#include "books.hpp"

namespace ttsim {

using tt::tt_metal::GraphTracker;
using tt::tt_metal::IDevice;

Mesh open_mesh(std::vector<int> chips) {
    using tt::tt_metal::distributed::MeshDeviceImpl;
    return Mesh(new MeshDevice(std::make_unique<MeshDeviceImpl>(std::move(chips), nullptr)));
}

Mesh open_mesh(int chips) {
    std::vector<int> ids;
    for (int chip = 0; chip < chips; ++chip) ids.push_back(chip);
    return open_mesh(std::move(ids));
}

Mesh submesh(const Mesh& parent, std::vector<int> chips) {
    return tt::tt_metal::distributed::create_submesh(parent, std::move(chips));
}

static uint64_t banks(BufferType type) {
    bool in_dram = type == BufferType::DRAM || type == BufferType::TRACE;
    return type == BufferType::SYSTEM_MEMORY ? 1 : in_dram ? DRAM_BANKS : L1_BANKS;
}

static Tensor laid_out(const Mesh& mesh, BufferType type, uint64_t size, uint64_t page_size) {
    uint64_t pages = (size + page_size - 1) / page_size;
    uint64_t per_bank = (pages + banks(type) - 1) / banks(type) * page_size;
    return std::make_unique<Buffer>(mesh.get(), size, page_size, per_bank, type);
}

Tensor interleaved(const Mesh& mesh, BufferType type, uint64_t size, uint64_t page_size) {
    Tensor tensor = laid_out(mesh, type, size, page_size);
    tensor->allocate();
    return tensor;
}

Tensor sharded(const Mesh& mesh, BufferType type, uint64_t size, uint64_t shards) {
    uint64_t shard = (size + shards - 1) / shards;
    auto tensor = std::make_unique<Buffer>(mesh.get(), size, shard, shard, type);
    tensor->allocate();
    return tensor;
}

Tensor borrowed(const Mesh& mesh, BufferType type, uint64_t size, uint64_t page_size, uint64_t address, bool tracked) {
    Tensor tensor = laid_out(mesh, type, size, page_size);
    tensor->borrow(address, tracked);
    return tensor;
}

static tt::tt_metal::CoreRangeSet cores_of(const CircularBuffer& buffer) {
    std::vector<tt::tt_metal::CoreRange> ranges;
    size_t first = buffer.first_row, rows = buffer.cores / GRID_COLUMNS, rest = buffer.cores % GRID_COLUMNS;
    if (rows > 0) ranges.push_back({{0, first}, {GRID_COLUMNS - 1, first + rows - 1}});
    if (rest > 0) ranges.push_back({{0, first + rows}, {rest - 1, first + rows}});
    return tt::tt_metal::CoreRangeSet(std::move(ranges));
}

static std::vector<tt::tt_metal::detail::CircularBuffer> laid_out(const std::vector<CircularBuffer>& buffers) {
    std::vector<tt::tt_metal::detail::CircularBuffer> placed;
    for (const CircularBuffer& buffer : buffers) {
        placed.push_back({cores_of(buffer), buffer.address, buffer.size, buffer.globally_allocated});
    }
    return placed;
}

Program::Program(std::vector<CircularBuffer> buffers, uint64_t binary_bytes)
    : program_(laid_out(buffers)), binary_bytes_(binary_bytes) {}

static std::vector<tt::tt_metal::CoreRange> ranges_of(const std::vector<Program::Cores>& cores) {
    std::vector<tt::tt_metal::CoreRange> ranges;
    for (auto [first_x, last_x, first_y, last_y] : cores) ranges.push_back({{first_x, first_y}, {last_x, last_y}});
    return ranges;
}

void Program::add_dataflow_buffer(std::vector<Cores> cores, uint64_t size, bool borrows) {
    program_.add_dataflow_buffer(ranges_of(cores), size, borrows);
}

void Program::add_scratchpad(std::vector<Cores> cores, uint64_t size) {
    program_.add_scratchpad(ranges_of(cores), size);
}

void Program::launch(const Mesh& mesh) {
    GraphTracker::instance().track_program(reinterpret_cast<tt::tt_metal::Program*>(this), mesh.get());
    if (!is_placed_) {
        program_.allocate_circular_buffers(mesh.get());
        program_.allocate_dataflow_buffers(mesh.get());
        program_.allocate_scratchpads(mesh.get());
    }
    is_placed_ = true;
    if (looks_for_room_) {
        program_.validate_circular_buffer_region(mesh.get());
        program_.validate_dataflow_buffer_region(mesh.get());
    }
    using tt::tt_metal::distributed::MeshWorkloadImpl;
    if (workload_ == nullptr) workload_ = std::make_unique<MeshWorkloadImpl>(mesh.get(), binary_bytes_);
    // The queue is only passed on.
    workload_->load_binaries(*static_cast<tt::tt_metal::distributed::MeshCommandQueue*>(nullptr));
}

}  // namespace ttsim
