#include "books.hpp"
#include "ttsim.hpp"

namespace tt::tt_metal {
namespace {

thread_local int no_dispatch = 0;

#ifdef TTSIM_CLIENT
std::vector<int> chips_of(const Buffer* buffer) {
    return static_cast<distributed::MeshDevice*>(buffer->device())->get_device_ids();
}
#endif

}  // namespace

uint32_t CoreRangeSet::num_cores() const {
    size_t cores = 0;
    for (const CoreRange& range : ranges_) {
        cores += (range.end_coord.x - range.start_coord.x + 1) * (range.end_coord.y - range.start_coord.y + 1);
    }
    return static_cast<uint32_t>(cores);
}

const std::vector<CoreRange>& CoreRangeSet::ranges() const { return ranges_; }

GraphTracker& GraphTracker::instance() {
    static GraphTracker tracker;
    return tracker;
}

bool GraphTracker::hook_allocate(const Buffer*) { return no_dispatch > 0; }

void GraphTracker::track_allocate([[maybe_unused]] const Buffer* buffer) {
    ttsim::books::called(ttsim::books::Call::track_allocate);
#ifdef TTSIM_CLIENT
    if (buffer->address() == 0 || !AllocationClient::is_enabled()) return;
    for (int chip : chips_of(buffer)) {
        // A free names no memory, and every memory has the same addresses: only the unique id tells buffers apart.
        AllocationClient::report_allocation(
            chip, buffer->size(), static_cast<uint8_t>(buffer->buffer_type()), buffer->unique_id());
    }
#endif
}

void GraphTracker::track_deallocate([[maybe_unused]] Buffer* buffer) {
    ttsim::books::called(ttsim::books::Call::track_deallocate);
#ifdef TTSIM_CLIENT
    if (buffer->address() == 0 || !AllocationClient::is_enabled()) return;
    for (int chip : chips_of(buffer)) {
        // Both forms were in use; an L1 buffer takes the one that names no device.
        if (buffer->buffer_type() == BufferType::L1) {
            AllocationClient::report_deallocation(buffer->unique_id());
        } else {
            AllocationClient::report_deallocation(chip, buffer->unique_id());
        }
    }
#endif
}

void GraphTracker::track_allocate_cb(const CoreRangeSet&, uint64_t, uint64_t, bool, const IDevice*) {
    ttsim::books::called(ttsim::books::Call::track_allocate_cb);
}

void GraphTracker::track_deallocate_cb(const IDevice*) {
    ttsim::books::called(ttsim::books::Call::track_deallocate_cb);
}

void GraphTracker::track_program(Program*, const IDevice*) {
    ttsim::books::called(ttsim::books::Call::track_program);
}

#ifdef TTSIM_CLIENT
void AllocationClient::report_allocation(int, uint64_t, uint8_t, uint64_t) {
    ttsim::books::called(ttsim::books::Call::client_allocation);
}
void AllocationClient::report_deallocation(uint64_t) {
    ttsim::books::called(ttsim::books::Call::client_deallocation);
}
void AllocationClient::report_deallocation(int, uint64_t) {
    ttsim::books::called(ttsim::books::Call::client_deallocation_on);
}
bool AllocationClient::is_enabled() { return true; }
#endif

}  // namespace tt::tt_metal

namespace ttsim {

NoDispatch::NoDispatch() { tt::tt_metal::no_dispatch += 1; }
NoDispatch::~NoDispatch() { tt::tt_metal::no_dispatch -= 1; }

}  // namespace ttsim
