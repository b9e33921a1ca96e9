// The cases that cost people weeks, with the numbers of their reports. tests/e2e/tests/ledger.rs knows what is right.
//
//     ledger CASE [NUMBER]
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ttmem.h"

enum { DRAM = 0, L1 = 1, DEVICES = 8 };
#define KERNELS 0x3FFFF800u
#define TABLE 0x3FFFF000u

static void kernels_and_view(void) {
    for (int device = 0; device < DEVICES; ++device) {
        for (int report = 0; report < 2; ++report) {
            report_allocation(device, 12288, DRAM, KERNELS);
            report_allocation(device, 24576, DRAM, TABLE);
        }
    }
    for (int device = 0; device < DEVICES; ++device) {
        report_deallocation(device, KERNELS);
        report_deallocation(device, TABLE);
    }
}

// The program cache's kernel binaries and a temporary view of them: reported twice, freed once.
static void duplicate(void) {
    kernels_and_view();
    ttmem_mark("views gone");
}

static void duplicate_cleared(void) {
    kernels_and_view();
    ttmem_mark("views gone");
    for (int device = 0; device < DEVICES; ++device) {
        report_deallocation(device, KERNELS);
        report_deallocation(device, TABLE);
    }
    ttmem_mark("cache cleared");
}

// Three times opened and closed: the same two regions on each device are left each time.
static void cycles(void) {
    for (int cycle = 0; cycle < 3; ++cycle) {
        kernels_and_view();
        for (int device = 0; device < DEVICES; ++device) ttmem_device_closed(device);
    }
}

static void programs(void) {
    track_allocate_cb(1, 101152, 4096, false, 0);
    track_allocate_cb(1, 105248, 4096, false, 0);
    track_allocate_cb(1, 109344, 2048, false, 0);
    for (uint64_t address = 101152; address <= 109344; address += 4096) track_allocate_cb(1, address, 4096, false, 0);
    ttmem_mark("two programs");
}

static void circular(void) {
    programs();
    track_deallocate_cb(0);
    ttmem_mark("released");
}

// A buffer that the allocator does not know of, on a device that is closed.
static void preallocated(void) {
    report_allocation(0, 65536, L1, 0x20000);
    report_allocation(0, 65536, L1, 0x20000);
    ttmem_device_closed(0);
    report_deallocation(0, 0x20000);
}

// 8 devices lose a buffer of 4,608 B in each iteration; three of 4,096 B on each stay from the first on.
static void leak(void) {
    for (int device = 0; device < DEVICES; ++device) {
        for (uint64_t kept = 0; kept < 3; ++kept) report_allocation(device, 4096, DRAM, 0x1000 * (kept + 1));
    }
    for (uint64_t iteration = 1; iteration <= 5; ++iteration) {
        for (int device = 0; device < DEVICES; ++device) {
            report_allocation(device, 4608, DRAM, 0x100000 + 0x2000 * iteration);
            report_allocation(device, 1 << 20, DRAM, 0x900000);
            report_deallocation(device, 0x900000);
        }
        char name[32];
        snprintf(name, sizeof name, "iteration %d", (int)iteration);
        ttmem_mark(name);
    }
    for (int device = 0; device < DEVICES; ++device) ttmem_device_closed(device);
}

// What looked like 3, then 11, then 27 buffers: samples in the middle of runs with 1 and with 3 tensors on 8 devices.
static void samples(void) {
    for (uint64_t kept = 0; kept < 3; ++kept) report_allocation(0, 4096, DRAM, 0x1000 * (kept + 1));
    ttmem_mark("after a run");
    for (int run = 1; run <= 3; run += 2) {
        for (int device = 0; device < DEVICES; ++device) {
            for (int tensor = 0; tensor < run; ++tensor) report_allocation(device, 8192, DRAM, 0x10000 * (tensor + 1));
        }
        ttmem_mark(run == 1 ? "one tensor" : "three tensors");
        for (int device = 0; device < DEVICES; ++device) {
            for (int tensor = 0; tensor < run; ++tensor) report_deallocation(device, 0x10000 * (tensor + 1));
        }
        ttmem_mark("after a run");
    }
}

// As many buffers as the number says are never freed.
static void left(uint64_t number) {
    report_allocation(0, 512, L1, 0x400);
    for (uint64_t buffer = 0; buffer < number; ++buffer) report_allocation(0, 36864, DRAM, 0x10000 * (buffer + 1));
}

static void killed(void) {
    left(2);
    track_allocate_cb(1, 101152, 4096, false, 0);
    raise(SIGKILL);
}

static void wait_to_be_killed(void) {
    left(2);
    ttmem_flush(1000);
    puts("ready");
    fflush(stdout);
    for (;;) pause();
}

static void odd(void) {
    report_deallocation(0, 0x1000);                 // never allocated
    report_allocation(0, 4096, L1, 0x1000);
    report_deallocation(1, 0x1000);                 // on another device
    report_deallocation(0, 0x1000);
    report_deallocation(0, 0x1000);                 // twice
    report_allocation(0, 2048, L1, 0x1000);         // the address serves again
    ttmem_mark("reused");
    report_deallocation(0, 0x1000);
    report_allocation(2, 0, DRAM, 0x2000);          // no bytes
    report_allocation(3, UINT64_MAX, DRAM, UINT64_MAX);
    report_allocation(3, UINT64_MAX, DRAM, UINT64_MAX - 1);
    report_allocation(-7, 100, DRAM, 0x3000);
    report_allocation(INT32_MIN, 100, DRAM, 0x3000);
    track_allocate_cb(1, UINT64_MAX, UINT64_MAX, false, -7);
    track_allocate_cb(0, 0, 0, false, 5);
    ttmem_mark("odd ones");
}

int main(int argc, char** argv) {
    const char* name = argc > 1 ? argv[1] : "";
    uint64_t number = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (strcmp(name, "duplicate") == 0) duplicate();
    else if (strcmp(name, "duplicate-cleared") == 0) duplicate_cleared();
    else if (strcmp(name, "cycles") == 0) cycles();
    else if (strcmp(name, "circular") == 0) circular();
    else if (strcmp(name, "circular-kept") == 0) programs();
    else if (strcmp(name, "preallocated") == 0) preallocated();
    else if (strcmp(name, "leak") == 0) leak();
    else if (strcmp(name, "samples") == 0) samples();
    else if (strcmp(name, "left") == 0) left(number);
    else if (strcmp(name, "killed") == 0) killed();
    else if (strcmp(name, "wait") == 0) wait_to_be_killed();
    else if (strcmp(name, "odd") == 0) odd();
    else return 2;
    return 0;
}
