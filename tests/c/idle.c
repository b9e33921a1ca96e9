// Reports nothing. Says how many threads and open files it has at its end, and whether a ring is mapped.
#include <dirent.h>
#include <stdio.h>
#include <string.h>

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
    printf("%d threads\n%d files\n", entries("/proc/self/task") + 1, entries("/proc/self/fd"));
    FILE* maps = fopen("/proc/self/maps", "r");
    char line[1024];
    int rings = 0;
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) rings += strstr(line, ".ring") != NULL;
    printf("%d rings\n", rings);
    return 0;
}
