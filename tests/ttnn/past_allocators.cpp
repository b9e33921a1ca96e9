// Calls tt-metal (0.81) for L1 that it hands out past its allocators: on service cores, and from a mesh's persistent arena. Prints what
// tt-metal says of it.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace tt {

struct xy_pair {
    size_t x, y;
};

namespace tt_metal {

class IDevice;

struct CoreRange {
    xy_pair first, last;
};

class CoreRangeSet {
public:
    // Its destructor is not exported: this one is never destroyed.
    explicit CoreRangeSet(const CoreRange& range);

private:
    char bytes_[256];
};

class PersistentL1Arena {
public:
    struct Allocation {
        uint64_t id, address, size;
    };
    Allocation allocate(const CoreRangeSet& cores, uint64_t size, uint64_t alignment);
    void deallocate(uint64_t id);
};

namespace distributed {

class MeshDevice {
public:
    std::vector<IDevice*> get_devices() const;
};

}  // namespace distributed

namespace internal {

class ServiceCoreManager {
public:
    std::vector<xy_pair> get_claimable_cores(IDevice* device) const;
    void claim(IDevice* device, const std::vector<xy_pair>& cores);
    uint64_t allocate_l1(IDevice* device, xy_pair core, size_t size);
    void deallocate_l1(IDevice* device, xy_pair core, uint64_t address);
    void release(IDevice* device, const std::vector<xy_pair>& cores);
    size_t bytes_available(IDevice* device, xy_pair core) const;
};

ServiceCoreManager& service_core_manager(distributed::MeshDevice& mesh);

}  // namespace internal
}  // namespace tt_metal
}  // namespace tt

using namespace tt;
using namespace tt::tt_metal;

namespace {

std::vector<xy_pair> cores;
uint64_t first, pipe;

// As libtt_metal itself finds it: a virtual function gives the mesh's allocator, and the arena lies in it.
PersistentL1Arena& arena_of(void* mesh) {
    using Getter = void** (*)(void*);
    void** allocator = (*reinterpret_cast<Getter**>(mesh))[0xc8 / sizeof(void*)](mesh);
    return *reinterpret_cast<PersistentL1Arena*>(static_cast<char*>(*allocator) + 0x1a8);
}

void refused(const char* what, auto work) {
    try {
        work();
        std::printf("%s: not refused\n", what);
    } catch (const std::exception& exception) {
        // The line behind "info:".
        std::string text = exception.what(), info = "info:\n";
        size_t at = text.find(info);
        if (at != std::string::npos) text.erase(0, at + info.size());
        std::printf("%s: refused: %s\n", what, text.substr(0, text.find('\n')).c_str());
    }
}

}  // namespace

// Each line of its output is a core, an address and bytes that were handed out; "-" stands before what was given back.
extern "C" int past_allocators(void* mesh, int step) {
    auto& manager = internal::service_core_manager(*static_cast<distributed::MeshDevice*>(mesh));
    IDevice* device = static_cast<distributed::MeshDevice*>(mesh)->get_devices().at(0);
    auto took = [&](const char* sign, xy_pair core, uint64_t address, size_t bytes) {
        std::printf("%s %zu-%zu %lu %zu\n", sign, core.x, core.y, address, bytes);
    };
    switch (step) {
        case 0: {
            cores = manager.get_claimable_cores(device);
            cores.resize(2);
            manager.claim(device, cores);
            first = manager.allocate_l1(device, cores[0], 8192);
            took("+", cores[0], first, 8192);
            size_t before = manager.bytes_available(device, cores[0]);
            uint64_t second = manager.allocate_l1(device, cores[0], 4096);
            took("+", cores[0], second, before - manager.bytes_available(device, cores[0]));
            before = manager.bytes_available(device, cores[1]);
            uint64_t at = manager.allocate_l1(device, cores[1], 65536);
            took("+", cores[1], at, before - manager.bytes_available(device, cores[1]));
            break;
        }
        case 1:
            refused("allocate", [&] { manager.allocate_l1(device, cores[0], 1 << 30); });
            manager.deallocate_l1(device, cores[0], first);
            took("-", cores[0], first, 8192);
            manager.release(device, {cores[1]});
            took("-", cores[1], first + 8192 - 65536, 65536);
            break;
        case 2: {
            CoreRangeSet range(CoreRange{{1, 0}, {2, 0}});
            auto made = arena_of(mesh).allocate(range, 4096, 64);
            pipe = made.id;
            for (size_t x : {1, 2}) took("+", {x, 0}, made.address, made.size);
            refused("arena", [&] { arena_of(mesh).allocate(range, 1 << 30, 64); });
            break;
        }
        case 3: arena_of(mesh).deallocate(pipe); break;
    }
    std::fflush(stdout);
    return 0;
}
