/* Loads a Python long after the library: late_python LIBPYTHON LIBTTMEM */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef void (*report)(int, uint64_t, uint8_t, uint64_t);

int main(int argc, char **argv) {
    report allocation = (report)dlsym(RTLD_DEFAULT, "report_allocation");
    if (argc < 3 || !allocation) {
        return 2;
    }
    allocation(0, 4096, 0, 0x1000);
    puts("before");
    void *python = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!python) {
        fprintf(stderr, "%s\n", dlerror());
        return 3;
    }
    void (*initialize)(void) = (void (*)(void))dlsym(python, "Py_Initialize");
    int (*run)(const char *, void *) = (int (*)(const char *, void *))dlsym(python, "PyRun_SimpleStringFlags");
    char code[4096];
    snprintf(code, sizeof code,
             "import ctypes\nctypes.CDLL('%s').report_allocation(0, ctypes.c_uint64(4096), 0, ctypes.c_uint64(0x2000))\n"
             "print('from Python', flush=True)\n",
             argv[2]);
    fflush(stdout);
    initialize();
    if (run(code, 0)) {
        return 4;
    }
    allocation(0, 4096, 0, 0x3000);
    puts("after");
    return 0;
}
