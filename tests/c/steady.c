// Threads that keep a number of buffers live for ever: each event's outcome is known from how many there were.
//
// Thread t reports on device t. Event n (from 0) of a thread is an allocation in slot (n / 2) % LIVE for odd n, and the
// free of what was there before for even n; the first LIVE events of a thread only allocate, so LIVE buffers are live then
// (LIVE - 1 after each free). The buffer of slot s has address (s + 1) << 12 and 1 + (round + s) % 7 times 1 KiB, where
// round says how often the slot was filled before. With SPIN > 0 a thread turns an empty loop so often after each event.
// After each thousand it sleeps PAUSE microseconds.
// How many calls of each thread have returned stands in WORDS-FILE; then the process waits for its end if WAIT is 1.
//
//     steady WORDS-FILE THREADS EVENTS LIVE SPIN PAUSE WAIT
#include <pthread.h>

#include "events.h"

static volatile uint64_t* returned;
static uint64_t count, live, spin, pause_us;

static uint64_t size_of(uint64_t slot, uint64_t round) { return (1 + (round + slot) % 7) << 10; }

static void* report(void* argument) {
    uint64_t thread = (uint64_t)(uintptr_t)argument;
    for (uint64_t n = 0; n < count; ++n) {
        if (n < live) {
            ttmem_allocation((int32_t)thread, size_of(n, 0), 0, (n + 1) << 12);
        } else {
            uint64_t turn = (n - live) / 2, slot = turn % live;
            if ((n - live) % 2 == 0) {
                ttmem_deallocation((int32_t)thread, (slot + 1) << 12);
            } else {
                ttmem_allocation((int32_t)thread, size_of(slot, turn / live + 1), 0, (slot + 1) << 12);
            }
        }
        __atomic_store_n(&returned[thread * WORD_STRIDE], n + 1, __ATOMIC_RELEASE);
        for (uint64_t i = 0; i < spin; ++i) __asm__ volatile("" ::: "memory");
        if (pause_us != 0 && n % 1000 == 999) usleep((useconds_t)pause_us);
    }
    return NULL;
}

int main(int argc, char** argv) {
    find_ttmem();
    if (argc != 8 || ttmem_allocation == NULL) return 2;
    uint64_t threads = strtoull(argv[2], NULL, 10);
    count = strtoull(argv[3], NULL, 10);
    live = strtoull(argv[4], NULL, 10);
    spin = strtoull(argv[5], NULL, 10);
    pause_us = strtoull(argv[6], NULL, 10);
    returned = shared_words(argv[1], (unsigned)threads + 1);
    returned[threads * WORD_STRIDE] = (uint64_t)getpid();
    pthread_t ids[64];
    if (threads > 64) return 2;
    for (uint64_t thread = 1; thread < threads; ++thread) {
        if (pthread_create(&ids[thread], NULL, report, (void*)(uintptr_t)thread) != 0) return 2;
    }
    report((void*)0);
    for (uint64_t thread = 1; thread < threads; ++thread) pthread_join(ids[thread], NULL);
    if (argv[7][0] == '1') {
        for (;;) pause();
    }
    return 0;
}
