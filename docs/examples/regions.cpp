// Buffers that report themselves, a region around each request, and threads.
// The last request keeps a buffer.
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include <ttmem.hpp>

int main() {
    std::vector<ttmem::buffer> kept;
    for (std::uint64_t request = 0; request < 3; ++request) {
        // What came in it, peaked, and was left behind.
        ttmem::region region("request");
        std::vector<std::thread> threads;
        for (int device = 0; device < 2; ++device) {
            threads.emplace_back([device, request] {
                const std::uint64_t address = 0x20000 + request * 0x1000;
                ttmem::buffer scratch(device, ttmem::memory::l1, address, 4096);
            });
        }
        for (std::thread& thread : threads) thread.join();
        if (request == 2) {
            ttmem::buffer cache(0, ttmem::memory::l1, 0x80000, 8192);
            kept.push_back(std::move(cache));
        }
    }
    // What is left on a device when it is closed is released by the close and
    // not by its owner: leftover.
    ttmem_device_closed(0);
    kept.clear();
}
