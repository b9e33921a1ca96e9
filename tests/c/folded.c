// A program with something of everything that a fold must keep: a leak with a call site, marks of a loop, regions of the
// program (one of them open at the end), circular buffers, a double free, a closed device, and far more events than a
// small ring holds between any two of them.
//
//     folded
#include "events.h"

#define CHURN 5000

static void (*mark)(const char*);
static void (*place)(uint32_t, uint64_t, uint64_t, bool, int32_t);

static void churn(void) {
    for (uint64_t n = 0; n < CHURN; ++n) {
        ttmem_allocation(0, 4096, 0, 0x900000);
        ttmem_deallocation(0, 0x900000);
    }
}

__attribute__((noinline)) static void leaky_step(uint64_t step) {
    ttmem_allocation(0, 1024, 1, 0x10000 + (step << 12));
    __asm__ volatile("" ::: "memory");
}

int main(void) {
    find_ttmem();
    *(void**)&mark = dlsym(RTLD_DEFAULT, "ttmem_mark");
    *(void**)&place = dlsym(RTLD_DEFAULT, "track_allocate_cb");
    if (ttmem_allocation == NULL || mark == NULL || place == NULL) return 2;
    mark("\x1fregion:begin:1:whole");
    for (uint64_t step = 0; step < 5; ++step) {
        char name[64];
        snprintf(name, sizeof name, "step %llu, with a name of two records", (unsigned long long)step);
        mark("\x1fregion:begin:2:decode");
        leaky_step(step);
        churn();
        mark("\x1fregion:end:2");
        mark(name);
    }
    place(2, 0x2000, 512, false, 0);
    ttmem_deallocation(0, 0x900000);
    ttmem_allocation(3, 100, 0, 0x5000);
    churn();
    mark("\x1fregion:end:1");
    mark("\x1fregion:begin:3:left open");
    leaky_step(5);
    churn();
    return 0;
}
