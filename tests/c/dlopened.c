// Loads the library by its path, as a plugin would, and tries to get rid of it while its thread runs. It stays: 400
// events on device 0, and the ring at the end is one.
//
//     dlopened LIBRARY
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

typedef void (*Report)(int32_t, uint64_t, uint8_t, uint64_t);
typedef bool (*Flush)(uint32_t);

static Report report;
static Flush flush;

static void* load(const char* path, int flags) {
    void* library = dlopen(path, flags);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        _exit(2);
    }
    *(void**)&report = dlsym(library, "report_allocation");
    *(void**)&flush = dlsym(library, "ttmem_flush");
    return library;
}

static void events(uint64_t first) {
    for (uint64_t id = first; id < first + 100; ++id) report(0, 64, 0, id);
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    void* library = load(argv[1], RTLD_NOW | RTLD_LOCAL);
    events(0);
    for (int i = 0; i < 10; ++i) dlclose(library);
    // The flusher runs meanwhile, and this code is called on.
    usleep(50000);
    events(100);
    if (!flush(10000)) return 3;
    library = load(argv[1], RTLD_LAZY | RTLD_GLOBAL);
    events(200);
    dlclose(library);
    events(300);
    usleep(50000);
    printf("still here\n");
    return 0;
}
