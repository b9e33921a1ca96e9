// Reports events, and counts in its own shared file how many calls have returned, until it is killed.
//
// Event n (from 1) of thread t is an allocation of n bytes on device t, with id t << 40 | n. After EVENTS of them a
// thread waits for its end. The word behind the threads' holds the process id.
//
//     kill WORDS-FILE THREADS EVENTS SPIN
#include <pthread.h>

#include "events.h"

static volatile uint64_t* returned;
static uint64_t limit, spin;

static void* report(void* argument) {
    uint64_t thread = (uint64_t)(uintptr_t)argument;
    for (uint64_t n = 1; n <= limit; ++n) {
        ttmem_allocation((int32_t)thread, n, 0, thread << 40 | n);
        __atomic_store_n(&returned[thread * WORD_STRIDE], n, __ATOMIC_RELEASE);
        for (uint64_t i = 0; i < spin; ++i) __asm__ volatile("" ::: "memory");
    }
    for (;;) pause();
    return NULL;
}

int main(int argc, char** argv) {
    find_ttmem();
    if (argc != 5 || ttmem_allocation == NULL) return 2;
    uint64_t threads = strtoull(argv[2], NULL, 10);
    limit = strtoull(argv[3], NULL, 10);
    spin = strtoull(argv[4], NULL, 10);
    returned = shared_words(argv[1], (unsigned)threads + 1);
    returned[threads * WORD_STRIDE] = (uint64_t)getpid();
    for (uint64_t thread = 1; thread < threads; ++thread) {
        pthread_t id;
        if (pthread_create(&id, NULL, report, (void*)(uintptr_t)thread) != 0) return 2;
    }
    report((void*)0);
    return 0;
}
