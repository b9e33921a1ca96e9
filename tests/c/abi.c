// A C11 program that includes the header and links the library. Each case is a story with totals that tests/e2e knows.
//
//     abi CASE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ttmem.h"

// The types, to the letter.
_Static_assert(_Generic(&report_allocation, void (*)(int32_t, uint64_t, uint8_t, uint64_t): 1, default: 0), "");
_Static_assert(_Generic(&report_deallocation, void (*)(int32_t, uint64_t): 1, default: 0), "");
_Static_assert(_Generic(&track_allocate_cb, void (*)(uint32_t, uint64_t, uint64_t, bool, int32_t): 1, default: 0), "");
_Static_assert(_Generic(&track_deallocate_cb, void (*)(int32_t): 1, default: 0), "");
_Static_assert(_Generic(&ttmem_device_closed, void (*)(int32_t): 1, default: 0), "");
_Static_assert(_Generic(&ttmem_mark, void (*)(const char*): 1, default: 0), "");
_Static_assert(_Generic(&ttmem_enabled, bool (*)(void): 1, default: 0), "");
_Static_assert(_Generic(&ttmem_flush, bool (*)(uint32_t): 1, default: 0), "");
_Static_assert(_Generic(&ttmem_version, const char* (*)(void): 1, default: 0), "");
_Static_assert(_Generic(&ttmem_stats, void (*)(struct ttmem_stats*): 1, default: 0), "");
_Static_assert(_Generic(&ttmem_memory, bool (*)(int32_t, uint8_t, struct ttmem_memory*): 1, default: 0), "");
_Static_assert(TTMEM_ANY_DEVICE == -1, "");
_Static_assert(sizeof(struct ttmem_stats) == 5 * sizeof(uint64_t), "");
_Static_assert(sizeof(struct ttmem_memory) == 7 * sizeof(uint64_t), "");

static void require(bool holds, const char* what) {
    if (!holds) {
        printf("not so: %s\n", what);
        exit(1);
    }
}

// Every buffer type, one that nobody knows, frees with and without a device.
static void totals(void) {
    for (uint8_t type = 0; type < 5; ++type) report_allocation(0, 1000 + type, type, 0x1000);
    report_allocation(0, 77, 200, 0x1000);
    report_allocation(1, 500, 0, 0x1000);
    report_allocation(1, 600, 1, 0x2000);
    ttmem_mark("all");
    report_deallocation(1, 0x1000);
    report_deallocation(TTMEM_ANY_DEVICE, 0x2000);
    ttmem_mark("device 1 freed");
    for (int i = 0; i < 6; ++i) report_deallocation(0, 0x1000);
    ttmem_mark("all freed");
}

// Reported twice, freed once; then once more; then once too often.
static void duplicate(void) {
    report_allocation(3, 4096, 0, 0x100);
    report_allocation(3, 4096, 0, 0x100);
    ttmem_mark("two hold it");
    report_deallocation(3, 0x100);
    ttmem_mark("one holds it");
    report_deallocation(3, 0x100);
    ttmem_mark("nobody holds it");
    report_deallocation(3, 0x100);
    report_allocation(3, 4096, 0, 0x200);
    report_allocation(3, 4096, 0, 0x200);
    report_deallocation(3, 0x200);
}

// Circular buffers at the same addresses: the union, never the sum.
static void circular(void) {
    track_allocate_cb(64, 0x10000, 4096, false, 0);
    track_allocate_cb(64, 0x10000, 4096, false, 0);
    track_allocate_cb(8, 0x10800, 4096, false, 0);
    track_allocate_cb(8, 0x40000, 1024, false, 0);
    track_allocate_cb(8, 0x20000, 1 << 20, true, 0);
    track_allocate_cb(8, 0x10000, 512, false, 1);
    ttmem_mark("placed");
    track_deallocate_cb(0);
    ttmem_mark("device 0 freed");
    track_deallocate_cb(0);
    track_allocate_cb(8, 0x10000, 256, false, 0);
    track_deallocate_cb(TTMEM_ANY_DEVICE);
    ttmem_mark("all freed");
}

// Frees that match nothing change nothing.
static void unmatched(void) {
    report_deallocation(0, 0x1);
    report_allocation(0, 100, 0, 0x2);
    report_deallocation(0, 0x3);
    report_deallocation(1, 0x2);
    report_deallocation(TTMEM_ANY_DEVICE, 0x4);
    track_deallocate_cb(5);
    ttmem_mark("100 are live");
    report_deallocation(0, 0x2);
    report_deallocation(0, 0x2);
}

// Values at the edges.
static void odd(void) {
    report_allocation(-7, 10, 0, 0x10);
    report_allocation(0, 0, 1, 0x20);
    report_allocation(1, UINT64_MAX, 0, 0x30);
    report_allocation(2, 5, 0, UINT64_MAX);
    report_allocation(INT32_MIN, 6, 1, 0);
    report_allocation(INT32_MAX, 7, 255, 0);
    track_allocate_cb(UINT32_MAX, UINT64_MAX, 1, false, 3);
    ttmem_mark("all live");
    // Two of the largest are more than a u64 holds.
    report_allocation(1, UINT64_MAX, 0, 0x40);
    ttmem_mark("too much");
    report_deallocation(1, 0x40);
    report_deallocation(1, 0x30);
    report_deallocation(-7, 0x10);
    report_deallocation(2, UINT64_MAX);
    report_deallocation(INT32_MIN, 0);
    report_deallocation(INT32_MAX, 0);
    report_deallocation(0, 0x20);
}

// A closed device lets go of what is left on it, and of nothing else.
static void closed(void) {
    report_allocation(0, 100, 0, 0x10);
    report_allocation(0, 200, 1, 0x10);
    report_allocation(1, 400, 0, 0x10);
    track_allocate_cb(8, 0x10000, 512, false, 0);
    report_deallocation(0, 0x10);
    ttmem_device_closed(0);
    ttmem_mark("closed");
    ttmem_device_closed(0);
    report_allocation(0, 300, 0, 0x10);
    ttmem_mark("open again");
    report_deallocation(0, 0x10);
    report_deallocation(1, 0x10);
}

// Names of every kind.
static void marks(void) {
    char name[301];
    int lengths[] = {1, 31, 32, 33, 64, 255, 300};
    ttmem_mark(NULL);
    require(ttmem_region_begin(NULL) == 0 && ttmem_region_begin_apart(NULL) == 0, "null is no region");
    ttmem_region_end(0);
    ttmem_mark("");
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; ++i) {
        for (int at = 0; at < lengths[i]; ++at) name[at] = (char)('a' + at % 26);
        name[lengths[i]] = '\0';
        ttmem_mark(name);
    }
    ttmem_mark("\"Speicher\" \xE2\x9C\x93 \\ \x01");
    ttmem_mark("not UTF-8: \xFF\xFE");
}

// What the library says of itself.
static void stats(void) {
    require(ttmem_enabled(), "it is enabled");
    require(strlen(ttmem_version()) >= 5, "it has a version");
    struct ttmem_stats all = {.size = sizeof all, .reported = 99};
    ttmem_stats(&all);
    require(all.size == sizeof all && all.reported == 0, "nothing was reported yet");
    require(ttmem_flush(0), "nothing is to be flushed");
    for (uint64_t id = 0; id < 1000; ++id) report_allocation(0, 1, 0, id);
    require(ttmem_flush(10000), "all is in the ring");
    ttmem_stats(&all);
    require(all.size == sizeof all, "all of it is filled");
    require(all.reported == 1000 && all.in_ring == 1000 && all.pending == 0 && all.dropped == 0, "1000 in the ring");
    struct ttmem_stats older = {.size = 16, .reported = 5, .in_ring = 6, .pending = 7, .dropped = 8};
    ttmem_stats(&older);
    require(older.size == 16 && older.reported == 1000, "an older struct is filled as far as it goes");
    require(older.in_ring == 6 && older.pending == 7 && older.dropped == 8, "and no further");
    struct {
        struct ttmem_stats known;
        uint64_t later;
    } newer = {.known = {.size = sizeof newer}, .later = 44};
    ttmem_stats(&newer.known);
    require(newer.known.size == sizeof newer.known && newer.later == 44, "a newer struct learns what was filled");
    struct ttmem_stats none = {.size = 0, .reported = 5};
    ttmem_stats(&none);
    require(none.size == 0 && none.reported == 5, "nothing is written into no room");
    ttmem_stats(NULL);
}

// What the process itself learns of its memory, whoever reads its ring.
static void memory(void) {
    struct ttmem_memory dram = {.size = sizeof dram, .bytes_in_use = 99};
    require(!ttmem_memory(0, 0, &dram) && dram.bytes_in_use == 0, "nothing was reported yet");
    for (uint64_t round = 1; round <= 3; ++round) {
        for (uint64_t id = 0; id < 3000; ++id) report_allocation(0, 8, 0, id);
        for (uint64_t id = 0; id < 2000; ++id) report_deallocation(0, id);
        require(ttmem_memory(0, 0, &dram), "DRAM is known");
        require(dram.size == sizeof dram && dram.num_allocs == 3000 * round, "each allocation is counted");
        require(dram.bytes_in_use == 8000 && dram.peak_bytes_in_use == 24000, "bytes are what is live, and was");
        require(dram.banks == 0 && dram.bytes_limit == 0 && dram.largest_free_block_bytes == 0, "no allocator was seen");
        for (uint64_t id = 2000; id < 3000; ++id) report_deallocation(0, id);
    }
    require(!ttmem_memory(0, 1, &dram) && !ttmem_memory(1, 0, &dram), "other memories are not");
    struct ttmem_memory older = {.size = 16, .banks = 5, .bytes_limit = 6};
    require(ttmem_memory(0, 0, &older) && older.size == 16 && older.banks == 0 && older.bytes_limit == 6,
            "an older struct is filled as far as it goes");
    require(!ttmem_memory(0, 0, NULL), "nothing is written nowhere");
}

// With a ring of 4 KiB and no reader.
static void full(void) {
    for (uint64_t id = 0; id < 64; ++id) report_allocation(0, 1, 0, id);
    require(ttmem_flush(10000), "64 events fit");
    for (uint64_t id = 64; id < 100000; ++id) report_allocation(0, 1, 0, id);
    require(!ttmem_flush(50), "100,000 do not");
    struct ttmem_stats all = {.size = sizeof all};
    ttmem_stats(&all);
    require(all.reported == 100000, "every one is counted");
    require(all.in_ring == 64, "the ring holds 64");
    require(all.dropped > 0 && all.in_ring + all.pending + all.dropped == 100000, "and none is uncounted");
}

// TTMEM_DISABLE=1
static void disabled(void) {
    require(!ttmem_enabled(), "it is disabled");
    report_allocation(0, 1, 0, 0);
    ttmem_mark("nobody hears this");
    require(ttmem_flush(0), "nothing is to be flushed");
    struct ttmem_stats all = {.size = sizeof all, .reported = 99};
    ttmem_stats(&all);
    require(all.reported == 0, "nothing is counted");
}

int main(int argc, char** argv) {
    static const struct {
        const char* name;
        void (*run)(void);
    } CASES[] = {{"totals", totals}, {"duplicate", duplicate}, {"circular", circular}, {"unmatched", unmatched},
                 {"odd", odd},       {"closed", closed},       {"marks", marks},       {"stats", stats},
                 {"memory", memory},
                 {"full", full},     {"disabled", disabled}};
    for (size_t i = 0; argc > 1 && i < sizeof CASES / sizeof CASES[0]; ++i) {
        if (strcmp(argv[1], CASES[i].name) == 0) {
            CASES[i].run();
            printf("%s: so\n", argv[1]);
            return 0;
        }
    }
    return 2;
}
