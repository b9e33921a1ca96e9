// L1 that is handed out past the allocators: persistent arenas, and service cores.
#include <algorithm>
#include <map>
#include <stdexcept>

#include "books.hpp"
#include "ttsim.hpp"

namespace {

constexpr int L1 = static_cast<int>(tt::tt_metal::BufferType::L1);
constexpr uint64_t ARENA_BASE = 512, TOP = ttsim::L1_BANK_BYTES;

// In the books each core has its own addresses.
const void* on_core(size_t x, size_t y) { return reinterpret_cast<const void*>(1 + x + (y << 16)); }

template <class Visit>
void each_core(const tt::tt_metal::CoreRangeSet& cores, Visit visit) {
    for (const auto& [first, last] : cores.ranges()) {
        for (size_t y = first.y; y <= last.y; ++y) {
            for (size_t x = first.x; x <= last.x; ++x) visit(x, y);
        }
    }
}

}  // namespace

namespace tt::tt_metal {

struct PersistentL1Arena::State {
    std::vector<int> chips;
    uint64_t next = ARENA_BASE, last_id = 0;
    std::map<uint64_t, std::pair<CoreRangeSet, Allocation>> live;
};

PersistentL1Arena::PersistentL1Arena(std::vector<int> chips) : state_(new State) { state_->chips = std::move(chips); }
PersistentL1Arena::~PersistentL1Arena() {
    while (!state_->live.empty()) take(state_->live.begin()->first);
}

PersistentL1Arena::Allocation PersistentL1Arena::allocate(const CoreRangeSet& cores, uint64_t size, uint64_t alignment) {
    if (size == 0) throw std::runtime_error("TT_FATAL @ arena.cpp:1: size > 0\ninfo:\nan arena hands out no 0 bytes\nbacktrace:\n");
    uint64_t address = (state_->next + alignment - 1) / alignment * alignment;
    state_->next = address + size;
    Allocation made{++state_->last_id, address, size};
    state_->live.insert({made.id, {cores, made}});
    each_core(cores, [&](size_t x, size_t y) {
        ttsim::books::allocated(state_->chips, L1, on_core(x, y), address, size, 0);
    });
    return made;
}

void PersistentL1Arena::deallocate(uint64_t id) { take(id); }

void PersistentL1Arena::take(uint64_t id) {
    auto [cores, made] = state_->live.at(id);
    state_->live.erase(id);
    each_core(cores, [&](size_t x, size_t y) {
        ttsim::books::freed(state_->chips, L1, on_core(x, y), made.address);
    });
}

namespace internal {

// By device and core: what is taken there, from the top.
static std::map<std::pair<int, std::pair<size_t, size_t>>, std::map<uint64_t, uint64_t>>& taken() {
    static auto* taken = new std::map<std::pair<int, std::pair<size_t, size_t>>, std::map<uint64_t, uint64_t>>;
    return *taken;
}

static std::map<uint64_t, uint64_t>& of_claimed(int chip, xy_pair core) {
    auto found = taken().find({chip, {core.x, core.y}});
    if (found == taken().end()) throw std::runtime_error("called on unclaimed core");
    return found->second;
}

static uint64_t lowest(const std::map<uint64_t, uint64_t>& of_core) {
    return of_core.empty() ? TOP : of_core.begin()->first;
}

void ServiceCoreManagerImpl::claim(IDevice* device, const std::vector<xy_pair>& cores) {
    for (xy_pair core : cores) taken()[{device->id(), {core.x, core.y}}];
}

bool ServiceCoreManagerImpl::is_service_core(int chip, xy_pair core) const {
    return taken().count({chip, {core.x, core.y}}) != 0;
}

size_t ServiceCoreManagerImpl::bytes_available(IDevice* device, xy_pair core) const {
    return lowest(of_claimed(device->id(), core)) - ARENA_BASE;
}

uint64_t ServiceCoreManagerImpl::allocate_l1(IDevice* device, xy_pair core, size_t size) {
    auto& of_core = of_claimed(device->id(), core);
    if (size > bytes_available(device, core)) throw std::runtime_error("out of L1 on a service core");
    uint64_t address = lowest(of_core) - size;
    of_core[address] = size;
    ttsim::books::allocated({device->id()}, L1, on_core(core.x, core.y), address, size, 0);
    return address;
}

void ServiceCoreManagerImpl::deallocate_l1(IDevice* device, xy_pair core, uint64_t address) {
    of_claimed(device->id(), core).erase(address);
    ttsim::books::freed({device->id()}, L1, on_core(core.x, core.y), address);
}

void ServiceCoreManagerImpl::release(IDevice* device, const std::vector<xy_pair>& cores) {
    for (xy_pair core : cores) {
        for (auto [address, _] : of_claimed(device->id(), core)) {
            ttsim::books::freed({device->id()}, L1, on_core(core.x, core.y), address);
        }
        taken().erase({device->id(), {core.x, core.y}});
    }
}

void ServiceCoreManagerImpl::on_device_close(int chip) {
    for (auto place = taken().begin(); place != taken().end();) {
        place = place->first.first == chip ? taken().erase(place) : std::next(place);
    }
}

// As in the real one, a jump.
uint64_t ServiceCoreManager::allocate_l1(IDevice* device, xy_pair core, size_t size) {
    return impl_.allocate_l1(device, core, size);
}
void ServiceCoreManager::deallocate_l1(IDevice* device, xy_pair core, uint64_t address) {
    impl_.deallocate_l1(device, core, address);
}
void ServiceCoreManager::release(IDevice* device, const std::vector<xy_pair>& cores) { impl_.release(device, cores); }
void ServiceCoreManager::claim(IDevice* device, const std::vector<xy_pair>& cores) { impl_.claim(device, cores); }

ServiceCoreManager& service_core_manager() {
    static ServiceCoreManager manager;
    return manager;
}

}  // namespace internal
}  // namespace tt::tt_metal

namespace ttsim {

using tt::tt_metal::CoreRange, tt::tt_metal::CoreRangeSet;

uint64_t arena_allocate(const Mesh& mesh, const std::vector<CoreRange>& cores, uint64_t size) {
    return mesh->impl().allocator()->arena().allocate(CoreRangeSet(cores), size, 64).id;
}

void arena_deallocate(const Mesh& mesh, uint64_t id) { mesh->impl().allocator()->arena().deallocate(id); }

}  // namespace ttsim
