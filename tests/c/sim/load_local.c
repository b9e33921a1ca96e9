// Runs scenarios as Python does: the library with the program in it, and libtt_metal.so behind it, loaded RTLD_LOCAL, so
// that no global lookup finds tt-metal's symbols.
//
//     load_local LIBSCENARIOS NAME [TRUTH-FILE]
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char** argv) {
    void* library = argc > 1 ? dlopen(argv[1], RTLD_LAZY | RTLD_LOCAL) : NULL;
    if (library == NULL) {
        fprintf(stderr, "%s\n", argc > 1 ? dlerror() : "usage: load_local LIBSCENARIOS NAME [TRUTH-FILE]");
        return 2;
    }
    int (*scenario_main)(int, char**);
    *(void**)&scenario_main = dlsym(library, "scenario_main");
    return scenario_main(argc - 1, argv + 1);
}
