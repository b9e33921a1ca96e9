// Sets marks whose names say when: CLOCK_MONOTONIC before the call and after it, ns. The library or nothing.
//
//     marks_at MARKS MS-BETWEEN
#include <inttypes.h>
#include <time.h>

#include "events.h"

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int main(int argc, char** argv) {
    void (*mark)(const char*);
    *(void**)&mark = dlsym(RTLD_DEFAULT, "ttmem_mark");
    if (argc != 3 || mark == NULL) return 2;
    int marks = atoi(argv[1]), ms = atoi(argv[2]);
    for (int at = -1; at < marks; ++at) {
        // Its time is known only after the call, so the mark before is named. Once more where the thread was put aside.
        char name[80];
        uint64_t before = 0, after = UINT64_MAX;
        snprintf(name, sizeof name, "turn %d", at);
        for (int turn = 0; turn < 20; ++turn) {
            uint64_t begin = now();
            mark(name);
            uint64_t end = now();
            before = begin, after = end;
            if (at >= 0 && end - begin < 1000) break;
        }
        snprintf(name, sizeof name, "was %" PRIu64 " %" PRIu64, before, after);
        mark(name);
        struct timespec nap = {ms / 1000, ms % 1000 * 1000000L};
        nanosleep(&nap, NULL);
    }
    return 0;
}
