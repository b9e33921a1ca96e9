// Memory for objects whose address is used again at once when they are gone, and that nobody may touch in between: a
// tracker that looks at a dead device gets a segmentation fault.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <mutex>
#include <new>

namespace ttsim {

template <class T>
class Graveyard {
public:
    static void* take(size_t size) {
        if (size > PLACE) throw std::bad_alloc();
        std::lock_guard guard(mutex());
        for (size_t place = 0; place < PLACES; ++place) {
            if (!taken()[place]) {
                taken()[place] = true;
                char* at = base() + place * PLACE;
                mprotect(at, PLACE, PROT_READ | PROT_WRITE);
                return at;
            }
        }
        throw std::bad_alloc();
    }

    static void bury(void* place) {
        std::lock_guard guard(mutex());
        mprotect(place, PLACE, PROT_NONE);
        taken()[(static_cast<char*>(place) - base()) / PLACE] = false;
    }

private:
    static constexpr size_t PLACES = 256, PLACE = 4096;

    static char* base() {
        static char* base = static_cast<char*>(
            mmap(nullptr, PLACES * PLACE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        return base;
    }
    static bool* taken() {
        static bool taken[PLACES] = {};
        return taken;
    }
    static std::mutex& mutex() {
        static std::mutex* mutex = new std::mutex;
        return *mutex;
    }
};

}  // namespace ttsim
