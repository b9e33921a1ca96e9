// Buffers that free themselves, a region around each request, and threads.
// The last request keeps a buffer.
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ttmem.h>

// Owns a buffer in L1; moved, never copied.
class Buffer {
public:
    Buffer(int device, std::uint64_t address, std::uint64_t bytes)
        : device_(device), address_(address) {
        report_allocation(device, bytes, /* L1 */ 1, address);
    }
    Buffer(Buffer&& other) noexcept
        : device_(other.device_), address_(std::exchange(other.address_, 0)) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer& operator=(Buffer&&) = delete;
    ~Buffer() {
        if (address_ != 0) report_deallocation(device_, address_);
    }

private:
    int device_;
    std::uint64_t address_;
};

// A stretch of the program: what came in it, peaked, and was left behind.
// A pair of marks that are not for people.
class Region {
public:
    explicit Region(const std::string& name) : id_("c" + std::to_string(++count_)) {
        ttmem_mark(("\x1fregion:begin:" + id_ + ":" + name).c_str());
    }
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region() { ttmem_mark(("\x1fregion:end:" + id_).c_str()); }

private:
    static inline int count_ = 0;  // regions begin on the main thread here
    std::string id_;
};

int main() {
    std::vector<Buffer> kept;
    for (std::uint64_t request = 0; request < 3; ++request) {
        Region region("request");
        std::vector<std::thread> threads;
        for (int device = 0; device < 2; ++device) {
            threads.emplace_back([device, request] {
                Buffer scratch(device, 0x20000 + request * 0x1000, 4096);
            });
        }
        for (std::thread& thread : threads) thread.join();
        if (request == 2) {
            Buffer cache(0, 0x80000, 8192);
            kept.push_back(std::move(cache));
        }
    }
    // What is left on a device when it is closed is released by the close and
    // not by its owner: leftover.
    ttmem_device_closed(0);
    kept.clear();
}
