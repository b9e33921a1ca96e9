// Threads that come and go, more than there are at any one time: each reports so many events and ends before the next begins.
//
// Event n of thread t is an allocation of n + 1 bytes on device t with id n.
//
//     comers THREADS EVENTS
#include <pthread.h>
#include <unistd.h>

#include "events.h"

static uint64_t count;

static void* report(void* argument) {
    for (uint64_t n = 0; n < count; ++n) {
        ttmem_allocation((int32_t)(uintptr_t)argument, n + 1, 0, n);
    }
    return NULL;
}

int main(int argc, char** argv) {
    find_ttmem();
    if (argc != 3 || ttmem_allocation == NULL) return 2;
    uint64_t threads = strtoull(argv[1], NULL, 10);
    count = strtoull(argv[2], NULL, 10);
    for (uint64_t thread = 0; thread < threads; ++thread) {
        pthread_t id;
        if (pthread_create(&id, NULL, report, (void*)(uintptr_t)thread) != 0 || pthread_join(id, NULL) != 0) return 2;
        // The library gets ready, for which it may have to wait for the kernel.
        if (thread == 0) usleep(200000);
    }
    return 0;
}
