// Threads that take turns as fast as they can: each event begins right after another thread's event has returned.
//
// Event n (from 0) is, for even n, an allocation of n + 1 bytes on device 0 with id n, and for odd n the free of the one
// before, by the next thread. So there is one order, which all threads know, and nothing stays live.
//
//     relay THREADS EVENTS
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "events.h"

static uint64_t count, threads;
static _Atomic uint64_t turn;

static void* report(void* argument) {
    for (uint64_t n = (uint64_t)(uintptr_t)argument; n < count; n += threads) {
        // With a core for each they spin: the shortest way from one to the next.
        while (atomic_load_explicit(&turn, memory_order_acquire) != n) {
            if (threads > 2) sched_yield();
        }
        if (n % 2 == 0) {
            ttmem_allocation(0, n + 1, 0, n);
        } else {
            ttmem_deallocation(0, n - 1);
        }
        atomic_store_explicit(&turn, n + 1, memory_order_release);
    }
    return NULL;
}

int main(int argc, char** argv) {
    find_ttmem();
    if (argc != 3 || ttmem_allocation == NULL) return 2;
    threads = strtoull(argv[1], NULL, 10);
    count = strtoull(argv[2], NULL, 10);
    pthread_t ids[64];
    if (threads == 0 || threads > 64) return 2;
    for (uint64_t thread = 0; thread < threads; ++thread) {
        if (pthread_create(&ids[thread], NULL, report, (void*)(uintptr_t)thread) != 0) return 2;
    }
    for (uint64_t thread = 0; thread < threads; ++thread) pthread_join(ids[thread], NULL);
    return 0;
}
