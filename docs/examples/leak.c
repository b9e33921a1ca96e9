// A program with an allocator of its own, which reports what it hands out.
// Each step forgets one buffer.
#include <inttypes.h>
#include <stdio.h>

#include <ttmem.h>

enum { DEVICE = 0, DRAM = 0, BYTES = 64 * 1024 };

// The allocator: hands out addresses from the bottom. Real ones do more.
static uint64_t next_address = 0x100000;

static uint64_t allocate(uint64_t bytes) {
    uint64_t address = next_address;
    next_address += bytes;
    report_allocation(DEVICE, bytes, DRAM, address);
    return address;
}

static void release(uint64_t address) { report_deallocation(DEVICE, address); }

int main(void) {
    uint64_t weights = allocate(4 * BYTES);
    for (int step = 0; step < 4; ++step) {
        uint64_t activations = allocate(BYTES);
        allocate(BYTES);  // the leak: nobody keeps its address
        release(activations);
        char name[32];
        snprintf(name, sizeof name, "step %d", step);
        ttmem_mark(name);  // numbers aside, all have one name: one loop
    }
    release(weights);

    struct ttmem_stats stats = {.size = sizeof stats};
    ttmem_stats(&stats);
    printf("ttmem %s: %" PRIu64 " events reported, %" PRIu64 " dropped\n", ttmem_version(),
           stats.reported, stats.dropped);
    return 0;
}
