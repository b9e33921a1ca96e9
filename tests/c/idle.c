// Reports nothing, or one event. Says how many threads and open files it has then, and how many mappings of rings.
//
//     idle [tell [event]]
#include <dirent.h>
#include <string.h>

#include "events.h"

static int entries(const char* path) {
    DIR* folder = opendir(path);
    int count = -3;  // ".", ".." and the folder itself
    while (folder != NULL && readdir(folder) != NULL) ++count;
    if (folder != NULL) closedir(folder);
    return count;
}

int main(int argc, char** argv) {
    (void)argv;
    if (argc == 1) return 0;
    if (argc > 2) {
        find_ttmem();
        events(0, 0, 1);
    }
    printf("%d threads\n%d files\n", entries("/proc/self/task") + 1, entries("/proc/self/fd"));
    FILE* maps = fopen("/proc/self/maps", "r");
    const char* folder = getenv("TTMEM_DIR");
    char line[1024];
    int rings = 0;
    while (folder != NULL && maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        rings += strstr(line, folder) != NULL;
    }
    printf("%d rings\n", rings);
    return 0;
}
