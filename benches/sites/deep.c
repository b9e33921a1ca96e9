// Calls report_allocation in bursts from below so many native frames; through ctypes, from below so many of Python.
#include <stdint.h>
#include <time.h>

void report_allocation(int32_t device, uint64_t size, uint8_t type, uint64_t id);

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static volatile int sink;

// Nanoseconds a call.
__attribute__((noinline)) double burst(int frames, int calls) {
    if (frames > 1) {
        double result = burst(frames - 1, calls);
        sink = sink + 1;
        return result;
    }
    double start = now();
    for (int id = 0; id < calls; ++id) report_allocation(0, 4096, 1, (uint64_t)id);
    return (now() - start) / calls;
}
