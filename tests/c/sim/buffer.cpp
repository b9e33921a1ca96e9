#include <atomic>
#include <stdexcept>

#include "books.hpp"
#include "ttsim.hpp"

namespace tt::tt_metal {
namespace {

std::vector<int> chips_of(IDevice* device) { return static_cast<distributed::MeshDevice*>(device)->get_device_ids(); }

std::atomic<uint64_t> next_unique_id{0};

}  // namespace

Buffer::Buffer(IDevice* device, uint64_t size, uint64_t page_size, uint64_t size_per_bank, BufferType type)
    : device_(device), size_(size), page_size_(page_size), size_per_bank_(size_per_bank), unique_id_(next_unique_id++),
      type_(type) {}

Buffer::~Buffer() { deallocate(); }

uint32_t Buffer::address() const {
    if (status_ == Status::REQUESTED) throw std::logic_error("a buffer was asked for its address too early");
    return static_cast<uint32_t>(address_);
}
uint64_t Buffer::size() const { return size_; }
BufferType Buffer::buffer_type() const { return type_; }
IDevice* Buffer::device() const { return device_; }
uint64_t Buffer::unique_id() const { return unique_id_; }
uint64_t Buffer::page_size() const { return page_size_; }
uint64_t Buffer::aligned_size() const { return (size_ + 31) / 32 * 32; }
uint64_t Buffer::aligned_size_per_bank() const { return size_per_bank_; }
bool Buffer::is_allocated() const { return status_ == Status::ALLOCATED; }

void Buffer::allocate() {
    if (size_ == 0) return;
    GraphTracker& graph = GraphTracker::instance();
    if (graph.hook_allocate(this)) {
        pretend();
        return;
    }
    allocator_ = static_cast<distributed::MeshDevice*>(device_)->impl().allocator();
    address_ = allocator_->allocate_buffer(this);
    status_ = Status::ALLOCATED;
    graph.track_allocate(this);
}

void Buffer::pretend() {
    address_ = 0;
    status_ = Status::ALLOCATED;
    owns_data_ = false;
    GraphTracker::instance().track_allocate(this);
}

void Buffer::borrow(uint64_t address, bool tracked) {
    address_ = address;
    status_ = Status::ALLOCATED;
    owns_data_ = false;
    tracked_ = tracked;
    if (tracked_) {
        ttsim::books::borrowed(chips_of(device_), static_cast<int>(type_), address_, size_, size_per_bank_);
        GraphTracker::instance().track_allocate(this);
    }
}

void Buffer::deallocate() {
    if (status_ != Status::ALLOCATED) return;
    if (tracked_) GraphTracker::instance().track_deallocate(this);
    if (owns_data_) {
        allocator_->deallocate_buffer(this);
    } else if (tracked_ && address_ != 0) {
        ttsim::books::given_back(chips_of(device_), static_cast<int>(type_), address_);
    }
    status_ = Status::DEALLOCATED;
}

}  // namespace tt::tt_metal
