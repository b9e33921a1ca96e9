// What the test programs call: short ways to make buffers, programs and meshes, and the simulator's own books, which say
// what a tracker must find.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tt_metal.hpp"

namespace ttsim {

using tt::tt_metal::Buffer;
using tt::tt_metal::BufferType;
using tt::tt_metal::distributed::MeshDevice;
using Mesh = std::shared_ptr<MeshDevice>;
using Tensor = std::unique_ptr<Buffer>;

constexpr uint64_t DRAM_BANKS = 12, DRAM_BANK_BYTES = 64 << 20;
constexpr size_t GRID_COLUMNS = 8, GRID_ROWS = 8;
constexpr uint64_t L1_BANKS = GRID_COLUMNS * GRID_ROWS, L1_BANK_BYTES = 1 << 20;
constexpr uint64_t L1_SMALL_BANK_BYTES = 32 << 10, TRACE_BANK_BYTES = 4 << 20;

Mesh open_mesh(std::vector<int> chips);
Mesh open_mesh(int chips);
// Some chips of an open mesh, with an allocator of its own that hands out the same addresses.
Mesh submesh(const Mesh& parent, std::vector<int> chips);

// Pages go round the banks.
Tensor interleaved(const Mesh& mesh, BufferType type, uint64_t size, uint64_t page_size);
// One shard in each of `shards` banks.
Tensor sharded(const Mesh& mesh, BufferType type, uint64_t size, uint64_t shards);
// Over bytes that were there before; older versions reported such a buffer, newer ones do not.
Tensor borrowed(const Mesh& mesh, BufferType type, uint64_t size, uint64_t page_size, uint64_t address, bool tracked);

// Memory of the arena in the allocator of a mesh: a number, and by it given back.
uint64_t arena_allocate(const Mesh& mesh, const std::vector<tt::tt_metal::CoreRange>& cores, uint64_t size);
void arena_deallocate(const Mesh& mesh, uint64_t id);

// While one lives, allocations are pretended, as in a graph capture without dispatch.
struct NoDispatch {
    NoDispatch();
    ~NoDispatch();
};

// On `cores` cores of the grid, row by row from `first_row` on: more than a row's worth, not a multiple of it, is two
// rectangles.
struct CircularBuffer {
    uint32_t cores;
    uint64_t address;
    uint64_t size;
    bool globally_allocated;
    uint32_t first_row = 0;
};

// A program in the cache. Its circular buffers are reported, and the binaries of its kernels loaded, at the first launch on
// a mesh only; they go when it is destroyed.
class Program {
public:
    explicit Program(std::vector<CircularBuffer> buffers, uint64_t binary_bytes = 0);
    void launch(const Mesh& mesh);
    // From now on a launch throws where its buffers meet those in L1. (Most scenarios place them anywhere.)
    void look_for_room() { looks_for_room_ = true; }
    // It has dataflow buffers too, on two cores, which end there.
    void use_dataflow_buffers(uint64_t end) { program_.use_dataflow_buffers({{1, 2}, {2, 2}}, end); }
    // It has a dataflow buffer or a scratchpad on these columns and rows of cores, each from and to.
    struct Cores {
        size_t first_x, last_x, first_y, last_y;
    };
    void add_dataflow_buffer(std::vector<Cores> cores, uint64_t size, bool borrows = false);
    void add_scratchpad(std::vector<Cores> cores, uint64_t size);
    // The next launch places its buffers anew, as after a change of their sizes.
    void invalidate() {
        is_placed_ = false;
        program_.invalidate_dataflow_buffer_allocation();
    }
    // It places all circular buffers on one chip, then all on the next.
    void place_chip_by_chip() { program_.place_chip_by_chip(); }
    // The next launch throws when so many of its circular buffers were reported, chip by chip.
    void fail_after(uint64_t reports) { program_.fail_after(reports); }

private:
    tt::tt_metal::detail::ProgramImpl program_;
    std::unique_ptr<tt::tt_metal::distributed::MeshWorkloadImpl> workload_;
    uint64_t binary_bytes_;
    bool is_placed_ = false, looks_for_room_ = false;
};

// How the next allocation fails.
enum class Failure { none, other_reason, other_type, noexcept_inside };
void fail_next_allocation(Failure how);

// The next call of an allocator on this thread begins with this.
void run_in_next_call(std::function<void()> work);

// The next close of this chip throws.
void fail_next_close(int chip);

// How often the real functions ran: the same with and without a tracker.
std::string calls();

// The books, in the shape of ttmem's report: {"devices":[…],"live":[…]}.
std::string truth();

// The books of one chip and memory ("CB" for circular buffers, "DFB", "SCRATCHPAD"): buffers, bytes, bytes in each bank.
struct Held {
    uint64_t buffers, bytes, per_bank;
    bool operator==(const Held& other) const {
        return buffers == other.buffers && bytes == other.bytes && per_bank == other.per_bank;
    }
};
Held held(int chip, const std::string& memory);

}  // namespace ttsim
