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

Program::Program(std::vector<CircularBuffer> buffers) : buffers_(std::move(buffers)) {}

void Program::launch(const Mesh& mesh) {
    GraphTracker& graph = GraphTracker::instance();
    graph.track_program(reinterpret_cast<tt::tt_metal::Program*>(this), mesh.get());
    if (!placed_.empty()) return;
    for (IDevice* device : mesh->get_devices()) {
        for (const CircularBuffer& buffer : buffers_) {
            books::cb_placed(device->id(), buffer.address, buffer.size, buffer.globally_allocated);
            tt::tt_metal::CoreRangeSet cores(buffer.cores);
            graph.track_allocate_cb(cores, buffer.address, buffer.size, buffer.globally_allocated, device);
        }
        placed_.emplace_back(device, device->id());
    }
}

// The devices may be gone by now: their addresses are passed on, and nothing else.
Program::~Program() {
    if (buffers_.empty()) return;
    for (auto [device, chip] : placed_) {
        books::cb_freed(chip);
        GraphTracker::instance().track_deallocate_cb(device);
    }
}

}  // namespace ttsim
