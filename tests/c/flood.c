// Threads that report as fast as they can.
//
// Event n (from 0) of thread t is, for even n, an allocation of n + 1 bytes on device t with id t << 40 | n, and for odd
// n the free of the one before. So each thread's order can be checked, and hardly anything stays live.
//
//     flood THREADS EVENTS
#include <pthread.h>

#include "events.h"

static uint64_t count;
static pthread_barrier_t start;

static void* report(void* argument) {
    uint64_t thread = (uint64_t)(uintptr_t)argument;
    pthread_barrier_wait(&start);
    for (uint64_t n = 0; n < count; ++n) {
        if (n % 2 == 0) {
            ttmem_allocation((int32_t)thread, n + 1, 0, thread << 40 | n);
        } else {
            ttmem_deallocation((int32_t)thread, thread << 40 | (n - 1));
        }
    }
    return NULL;
}

int main(int argc, char** argv) {
    find_ttmem();
    if (argc != 3 || ttmem_allocation == NULL) return 2;
    uint64_t threads = strtoull(argv[1], NULL, 10);
    count = strtoull(argv[2], NULL, 10);
    pthread_t ids[64];
    if (threads > 64 || pthread_barrier_init(&start, NULL, (unsigned)threads) != 0) return 2;
    for (uint64_t thread = 0; thread < threads; ++thread) {
        if (pthread_create(&ids[thread], NULL, report, (void*)(uintptr_t)thread) != 0) return 2;
    }
    for (uint64_t thread = 0; thread < threads; ++thread) pthread_join(ids[thread], NULL);
    return 0;
}
