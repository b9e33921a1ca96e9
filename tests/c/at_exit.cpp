// Events at the end of threads and of the program: thread-local destructors, thread-specific keys, atexit, static objects.
// Device 0 gets all of them, each of its own size.
#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "events.h"

namespace {

void event(uint64_t size) {
    if (ttmem_allocation != nullptr) ttmem_allocation(0, size, 0, size);
}

struct OnThreadEnd {
    uint64_t size = 0;
    ~OnThreadEnd() { event(size); }
};
thread_local OnThreadEnd on_thread_end;

struct OnExit {
    ~OnExit() {
        event(6);
        std::printf("static objects\n");
        std::fflush(stdout);
    }
};
OnExit on_exit_object;

// From the library's own end: after every destructor of C++.
__attribute__((destructor)) void last() {
    event(7);
    if (ttmem_wait != nullptr) ttmem_wait(1000);
}

}  // namespace

int main() {
    find_ttmem();
    std::atexit([] {
        event(5);
        std::printf("atexit\n");
    });
    event(1);
    std::thread([] {
        on_thread_end.size = 3;
        pthread_key_t key;
        pthread_key_create(&key, [](void*) { event(2); });
        pthread_setspecific(key, &key);
    }).join();
    on_thread_end.size = 4;
    std::printf("main\n");
    return 5;
}
