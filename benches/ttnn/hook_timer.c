/* Measures what ttmem adds to tt-metal's own calls, on the real wheel: preloaded before libttmem.so.
 *
 * It stands in for the same functions, outside: its own go first, then libttmem.so's (if it is preloaded behind), then
 * tt-metal's. libttmem.so finds those by dlsym, which is stood in for too and hands out an inner function that times the
 * real one. What a call took outside, less what the real one took inside, is what was added: by two reads of the time
 * stamp counter and the calls here, which a run without libttmem.so shows, and by ttmem.
 *
 * At the end it writes into $HOOK_TIMER_OUT a line for each call: its name, and then the ns that were added. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

typedef uint64_t Function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

enum { ALLOCATE, DEALLOCATE, TRACK_ALLOCATE, TRACK_DEALLOCATE, TRACK_ALLOCATE_CB, PLACE_CB, PLACE_DFB, MARK, PLACE_SCRATCH, TAKE_BACK, FUNCTIONS };

#define ALLOCATE_NAME "_ZN2tt8tt_metal13AllocatorImpl15allocate_bufferEPNS0_6BufferE"
#define DEALLOCATE_NAME "_ZN2tt8tt_metal13AllocatorImpl17deallocate_bufferEPNS0_6BufferE"
#define TRACK_ALLOCATE_NAME "_ZN2tt8tt_metal12GraphTracker14track_allocateEPKNS0_6BufferE"
#define TRACK_DEALLOCATE_NAME "_ZN2tt8tt_metal12GraphTracker16track_deallocateEPNS0_6BufferE"
#define TRACK_ALLOCATE_CB_NAME "_ZN2tt8tt_metal12GraphTracker17track_allocate_cbERKNS0_12CoreRangeSetEmmbPKNS0_7IDeviceE"
#define PLACE_CB_NAME "_ZN2tt8tt_metal6detail11ProgramImpl25allocate_circular_buffersEPKNS0_7IDeviceE"
#define PLACE_DFB_NAME "_ZN2tt8tt_metal6detail11ProgramImpl25allocate_dataflow_buffersEPKNS0_7IDeviceE"
#define MARK_NAME "_ZN2tt8tt_metal6detail11ProgramImpl23CircularBufferAllocator12mark_addressEmmm"
#define TAKE_BACK_NAME "_ZN2tt8tt_metal6detail11ProgramImpl27deallocate_circular_buffersEv"
#define PLACE_SCRATCH_NAME "_ZN2tt8tt_metal6detail11ProgramImpl20allocate_scratchpadsEPKNS0_7IDeviceE"

static const char *const names[FUNCTIONS] = {
    ALLOCATE_NAME, DEALLOCATE_NAME, TRACK_ALLOCATE_NAME, TRACK_DEALLOCATE_NAME, TRACK_ALLOCATE_CB_NAME,
    PLACE_CB_NAME, PLACE_DFB_NAME, MARK_NAME, PLACE_SCRATCH_NAME, TAKE_BACK_NAME,
};
static const char *const short_names[FUNCTIONS] = {
    "allocate_buffer", "deallocate_buffer", "track_allocate", "track_deallocate", "track_allocate_cb",
    "allocate_circular_buffers", "allocate_dataflow_buffers", "mark_address", "allocate_scratchpads",
    "deallocate_circular_buffers",
};

enum { SAMPLES = 1 << 18 };
static uint32_t added[FUNCTIONS][SAMPLES];
static atomic_uint taken[FUNCTIONS];
static Function *real[FUNCTIONS], *next[FUNCTIONS];
/* Ticks inside the real function, since the outer one began. */
static __thread uint64_t inside __attribute__((tls_model("initial-exec")));

typedef void *Dlsym(void *, const char *);

static Dlsym *real_dlsym(void) {
    static Dlsym *found;
    if (!found) found = (Dlsym *)dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!found) found = (Dlsym *)dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    return found;
}

static inline uint64_t now(void) {
    unsigned core;
    return __rdtscp(&core);
}

#define INNER(index)                                                                                     \
    static uint64_t inner_##index(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) { \
        uint64_t begin = now();                                                                          \
        uint64_t result = real[index](a, b, c, d, e, f);                                                 \
        inside += now() - begin;                                                                         \
        return result;                                                                                   \
    }
INNER(0) INNER(1) INNER(2) INNER(3) INNER(4) INNER(5) INNER(6) INNER(7) INNER(8) INNER(9)
static Function *const inner[FUNCTIONS] = {
    inner_0, inner_1, inner_2, inner_3, inner_4, inner_5, inner_6, inner_7, inner_8, inner_9,
};

/* Whoever asks the loaded tt-metal for one of the names gets the inner function; of the global scope, what there is. */
__attribute__((optimize("O2"))) void *dlsym(void *handle, const char *name) {
    if (handle != RTLD_NEXT && handle != RTLD_DEFAULT)
        for (int index = 0; index < FUNCTIONS; index++)
            if (!strcmp(name, names[index])) {
                real[index] = (Function *)real_dlsym()(handle, name);
                return real[index] ? (void *)inner[index] : NULL;
            }
    /* A jump, not a call: RTLD_NEXT means "after the caller". */
    return real_dlsym()(handle, name);
}

static void find(int index) {
    next[index] = (Function *)real_dlsym()(RTLD_NEXT, names[index]);
    if (!next[index]) {
        void *metal = dlopen("libtt_metal.so", RTLD_NOLOAD | RTLD_LAZY);
        real[index] = (Function *)real_dlsym()(metal, names[index]);
        next[index] = inner[index];
    }
}

static uint64_t timed(int index, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
    if (!next[index]) find(index);
    uint64_t outer_inside = inside;
    inside = 0;
    uint64_t begin = now();
    uint64_t result = next[index](a, b, c, d, e, f);
    uint64_t ticks = now() - begin - inside;
    inside = outer_inside;
    unsigned at = atomic_fetch_add_explicit(&taken[index], 1, memory_order_relaxed);
    if (at < SAMPLES) added[index][at] = ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
    return result;
}

#define OUTER(function, index)                                                                        \
    uint64_t function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t) __asm__(index##_NAME); \
    uint64_t function(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {       \
        return timed(index, a, b, c, d, e, f);                                                        \
    }
OUTER(outer_allocate, ALLOCATE)
OUTER(outer_deallocate, DEALLOCATE)
OUTER(outer_track_allocate, TRACK_ALLOCATE)
OUTER(outer_track_deallocate, TRACK_DEALLOCATE)
OUTER(outer_track_allocate_cb, TRACK_ALLOCATE_CB)
OUTER(outer_place_cb, PLACE_CB)
OUTER(outer_place_dfb, PLACE_DFB)
OUTER(outer_mark, MARK)
OUTER(outer_place_scratch, PLACE_SCRATCH)
OUTER(outer_take_back, TAKE_BACK)

static double ticks_a_ns(void) {
    struct timespec from, to, nap = {0, 20000000};
    clock_gettime(CLOCK_MONOTONIC, &from);
    uint64_t begin = now();
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_MONOTONIC, &to);
    uint64_t ticks = now() - begin;
    return ticks / ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec));
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("HOOK_TIMER_OUT");
    if (!path || !taken[ALLOCATE]) return;
    FILE *file = fopen(path, "w");
    if (!file) return;
    double a_ns = ticks_a_ns();
    for (int index = 0; index < FUNCTIONS; index++) {
        unsigned count = taken[index] < SAMPLES ? taken[index] : SAMPLES;
        for (unsigned at = 0; at < count; at++) fprintf(file, "%s %.1f\n", short_names[index], added[index][at] / a_ns);
    }
    fclose(file);
}
