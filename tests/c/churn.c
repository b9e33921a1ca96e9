// A long run: buffers come and go at random, so many at a time, in a heap of fixed slots as an allocator would use it.
//
//     churn EVENTS LIVE
#include "events.h"

static uint64_t state = 88172645463325252u;

static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

int main(int argc, char** argv) {
    find_ttmem();
    if (argc != 3 || ttmem_allocation == NULL) return 2;
    uint64_t events = strtoull(argv[1], NULL, 10), live = strtoull(argv[2], NULL, 10);
    unsigned char* taken = calloc(live, 1);
    if (taken == NULL || live == 0) return 2;
    for (uint64_t event = 0; event < events; ++event) {
        // The first fill the heap; then each slot is as often freed as it is taken.
        uint64_t slot = event < live ? event : next() % live;
        int32_t device = (int32_t)(slot % 8);
        uint64_t address = 0x100000 + slot * 0x8000;
        if (taken[slot]) {
            ttmem_deallocation(device, address);
        } else {
            ttmem_allocation(device, 2048 * (1 + next() % 16), slot % 3 == 0, address);
        }
        taken[slot] = !taken[slot];
    }
    free(taken);
    return 0;
}
