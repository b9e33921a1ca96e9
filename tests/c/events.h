// How the test programs reach ttmem: by name, if it is there. Without it the same program runs and reports nothing.
#ifndef EVENTS_H
#define EVENTS_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void (*ttmem_allocation)(int32_t, uint64_t, uint8_t, uint64_t);
static void (*ttmem_deallocation)(int32_t, uint64_t);
static bool (*ttmem_wait)(uint32_t);

static inline void find_ttmem(void) {
    *(void**)&ttmem_allocation = dlsym(RTLD_DEFAULT, "report_allocation");
    *(void**)&ttmem_deallocation = dlsym(RTLD_DEFAULT, "report_deallocation");
    *(void**)&ttmem_wait = dlsym(RTLD_DEFAULT, "ttmem_flush");
}

// `count` allocations of 64 bytes on `device`, ids from `first`.
static inline void events(int32_t device, uint64_t first, uint64_t count) {
    if (ttmem_allocation == NULL) return;
    for (uint64_t id = first; id < first + count; ++id) ttmem_allocation(device, 64, 0, id);
}

// 64-bit words in a shared file, one a cache line, where a test can read them after the program was killed.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORD_STRIDE 8

static inline volatile uint64_t* shared_words(const char* path, unsigned words) {
    size_t bytes = words * WORD_STRIDE * sizeof(uint64_t);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) {
        perror(path);
        exit(2);
    }
    void* mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    return (volatile uint64_t*)mapped;
}

#endif
