// A library (built with -shared) whose constructor and destructor report: 100 events on device 0 while the loader holds
// its lock, and 100 more on device 1 when it is unloaded.
#include "events.h"

__attribute__((constructor)) static void on_load(void) {
    find_ttmem();
    events(0, 0, 100);
}

__attribute__((destructor)) static void on_unload(void) { events(1, 0, 100); }
