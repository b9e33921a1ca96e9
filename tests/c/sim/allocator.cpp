#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <new>
#include <stdexcept>
#include <utility>

#include "books.hpp"
#include "graveyard.hpp"
#include "ttsim.hpp"

namespace tt::tt_metal {
namespace {

constexpr uint64_t ALIGNMENT = 32, BASE = 1024;

uint64_t bank_bytes(BufferType type) {
    switch (type) {
        case BufferType::L1: return ttsim::L1_BANK_BYTES;
        case BufferType::L1_SMALL: return ttsim::L1_SMALL_BANK_BYTES;
        case BufferType::TRACE: return ttsim::TRACE_BANK_BYTES;
        default: return ttsim::DRAM_BANK_BYTES;
    }
}

}  // namespace

struct AllocatorImpl::State {
    std::mutex mutex;
    std::vector<int> chips;
    // For each memory: start and end of what is taken.
    std::map<BufferType, std::map<uint64_t, uint64_t>> taken;
    std::set<Buffer*> buffers;
};

AllocatorImpl::AllocatorImpl(std::vector<int> chips) : state_(new State), arena_(chips) { state_->chips = std::move(chips); }

// As ~SubDeviceManager does in the real one, whoever owns an allocator lets go of its buffers first.
AllocatorImpl::~AllocatorImpl() = default;

void* AllocatorImpl::operator new(size_t size) { return ttsim::Graveyard<AllocatorImpl>::take(size); }
void AllocatorImpl::operator delete(void* place, size_t) { ttsim::Graveyard<AllocatorImpl>::bury(place); }

static Statistics statistics(const std::map<uint64_t, uint64_t>& taken, uint64_t bytes) {
    Statistics statistics;
    statistics.total_allocatable_size_bytes = bytes;
    uint64_t end = BASE;
    for (auto [from, to] : taken) {
        statistics.total_allocated_bytes += to - from;
        statistics.largest_free_block_bytes = std::max(statistics.largest_free_block_bytes, from - end);
        end = to;
    }
    statistics.total_free_bytes = bytes - statistics.total_allocated_bytes;
    statistics.largest_free_block_bytes = std::max(statistics.largest_free_block_bytes, BASE + bytes - end);
    return statistics;
}

static thread_local std::function<void()> in_next_call = [] {};
static ttsim::Failure next_failure = ttsim::Failure::none;

[[gnu::noinline]] static void throws() { throw std::runtime_error("inside"); }
static void no_exception_leaves() noexcept { throws(); }

static void fail_if_told() {
    switch (std::exchange(next_failure, ttsim::Failure::none)) {
        case ttsim::Failure::none: return;
        case ttsim::Failure::other_reason:
            throw std::runtime_error("TT_FATAL @ allocator.cpp:1: x\ninfo:\nL1_SMALL only supports sharded allocations\nbacktrace:\n");
        case ttsim::Failure::other_type: throw std::bad_alloc();
        case ttsim::Failure::noexcept_inside: no_exception_leaves();
    }
}

static void run_what_was_told() { std::exchange(in_next_call, [] {})(); }

uint64_t AllocatorImpl::allocate_buffer(Buffer* buffer) {
    ttsim::books::called(ttsim::books::Call::allocate);
    run_what_was_told();
    std::lock_guard guard(state_->mutex);
    fail_if_told();
    uint64_t bytes = (buffer->size_per_bank_ + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    auto& taken = state_->taken[buffer->type_];
    uint64_t address = BASE;
    for (auto [start, end] : taken) {
        if (start - address >= bytes) break;
        address = end;
    }
    if (address + bytes > BASE + bank_bytes(buffer->type_)) {
        const Statistics had = statistics(taken, bank_bytes(buffer->type_));
        // In the words of the real one, from which the figures are read.
        throw std::runtime_error(
            "TT_FATAL @ bank_manager.cpp:1: false\ninfo:\nOut of Memory: Not enough space to allocate " +
            std::to_string(buffer->size_) + " B buffer across 8 banks, where each bank needs to store " +
            std::to_string(buffer->size_per_bank_) + " B, but bank size is " +
            std::to_string(had.total_allocatable_size_bytes) + " B (allocated: " +
            std::to_string(had.total_allocated_bytes) + " B, free: " + std::to_string(had.total_free_bytes) +
            " B, largest free block: " + std::to_string(had.largest_free_block_bytes) + " B).\nbacktrace:\n");
    }
    taken[address] = address + bytes;
    state_->buffers.insert(buffer);
    ttsim::books::allocated(
        state_->chips, static_cast<int>(buffer->type_), this, address, buffer->size_, bytes);
    return address;
}

void AllocatorImpl::deallocate_buffer(Buffer* buffer) {
    ttsim::books::called(ttsim::books::Call::deallocate);
    run_what_was_told();
    std::lock_guard guard(state_->mutex);
    state_->taken[buffer->type_].erase(buffer->address_);
    state_->buffers.erase(buffer);
    ttsim::books::freed(state_->chips, static_cast<int>(buffer->type_), this, buffer->address_);
}

// As in the real one, the larger of two holds for both memories.
uint32_t AllocatorImpl::get_alignment(BufferType type) const { return type == BufferType::L1 ? 16 : ALIGNMENT; }

uint64_t AllocatorImpl::lowest_l1_address() const {
    std::lock_guard guard(state_->mutex);
    const auto& taken = state_->taken[BufferType::L1];
    return taken.empty() ? UINT64_MAX : taken.begin()->first;
}

std::unordered_set<Buffer*> AllocatorImpl::get_allocated_buffers() const {
    std::lock_guard guard(state_->mutex);
    return {state_->buffers.begin(), state_->buffers.end()};
}

void AllocatorImpl::deallocate_buffers() {
    ttsim::books::called(ttsim::books::Call::deallocate_buffers);
    std::lock_guard guard(state_->mutex);
    for (Buffer* buffer : state_->buffers) buffer->status_ = Buffer::Status::DEALLOCATED;
    state_->buffers.clear();
    state_->taken.clear();
    ttsim::books::released(this);
}

}  // namespace tt::tt_metal

void ttsim::run_in_next_call(std::function<void()> work) { tt::tt_metal::in_next_call = std::move(work); }

void ttsim::fail_next_allocation(Failure how) { tt::tt_metal::next_failure = how; }
