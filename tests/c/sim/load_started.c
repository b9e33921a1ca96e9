// Runs scenarios in a process that was not started with ttmem, which loads libttmem.so and starts it by hand: before libtt_metal.so
// is there; or, of a scenario with steps "start…" and "stop…", at these.
//
//     load_started LIBTTMEM LIBSCENARIOS NAME [TRUTH-FILE]
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_on;
static void (*mark)(const char*);
static bool (*start)(const char*);
static void (*stop)(void);

static void* load(const char* path) {
    void* library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (library == NULL) fprintf(stderr, "%s\n", dlerror());
    return library;
}

// What the scenarios find under this name.
void ttmem_mark(const char* name) {
    if (strncmp(name, "start", 5) == 0) is_on = start(NULL);
    if (is_on) mark(name);
    if (strncmp(name, "stop", 4) != 0) return;
    stop();
    is_on = false;
}

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    // `ttmem run` preloads the library into what it starts.
    if (unsetenv("LD_PRELOAD") == 0 && dlsym(RTLD_DEFAULT, "ttmem_start") != NULL) return execv(argv[0], argv);
    bool is_late = strstr(argv[3], "late") != NULL;
    void* scenarios = is_late ? load(argv[2]) : NULL;
    void* ttmem = load(argv[1]);
    if (ttmem == NULL) return 2;
    *(void**)&mark = dlsym(ttmem, "ttmem_mark");
    *(void**)&start = dlsym(ttmem, "ttmem_start");
    *(void**)&stop = dlsym(ttmem, "ttmem_stop");
    if (!is_late) is_on = start(NULL);
    if (!is_late) scenarios = load(argv[2]);
    if (scenarios == NULL) return 2;
    int (*scenario_main)(int, char**);
    *(void**)&scenario_main = dlsym(scenarios, "scenario_main");
    return scenario_main(argc - 2, argv + 2);
}
