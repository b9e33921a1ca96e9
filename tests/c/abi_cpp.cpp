// A C++17 program that includes the header and links the library.
#include <thread>
#include <type_traits>
#include <vector>

#include "ttmem.h"

static_assert(std::is_same_v<decltype(&report_allocation), void (*)(std::int32_t, std::uint64_t, std::uint8_t, std::uint64_t)>);
static_assert(std::is_same_v<decltype(&report_deallocation), void (*)(std::int32_t, std::uint64_t)>);
static_assert(std::is_same_v<decltype(&track_allocate_cb), void (*)(std::uint32_t, std::uint64_t, std::uint64_t, bool, std::int32_t)>);
static_assert(std::is_same_v<decltype(&track_deallocate_cb), void (*)(std::int32_t)>);
static_assert(std::is_same_v<decltype(&ttmem_region_begin), std::uint64_t (*)(const char*)>);
static_assert(std::is_same_v<decltype(&ttmem_region_begin_apart), std::uint64_t (*)(const char*)>);
static_assert(std::is_same_v<decltype(&ttmem_region_end), void (*)(std::uint64_t)>);
static_assert(std::is_same_v<decltype(&ttmem_stats), void (*)(struct ttmem_stats*)>);

int main() {
    // 4 threads, a device each: 1,000 buffers of 64 bytes, of which every second is freed.
    std::vector<std::thread> threads;
    for (int device = 0; device < 4; ++device) {
        threads.emplace_back([device] {
            for (std::uint64_t id = 0; id < 1000; ++id) {
                report_allocation(device, 64, 1, id);
                if (id % 2 == 1) report_deallocation(device, id);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    struct ttmem_stats stats{};
    stats.size = sizeof stats;
    ttmem_stats(&stats);
    return stats.reported == 6000 && stats.dropped == 0 ? 0 : 1;
}
