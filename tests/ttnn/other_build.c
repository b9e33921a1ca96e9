/* Preloaded, it makes the wheel look like a build of tt-metal that ttmem does not know: whoever looks for the function that
 * $OTHER_BUILD_LACKS names finds none; whoever looks for the getter that $OTHER_BUILD_CHANGES names finds one that gives
 * another number. tt-metal's own calls go past it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void *Dlsym(void *, const char *);

static uint64_t other_number(void) { return 77; }

static int is_named_by(const char *variable, const char *name) {
    const char *wanted = getenv(variable);
    return wanted && !strcmp(wanted, name);
}

__attribute__((optimize("O2"))) void *dlsym(void *handle, const char *name) {
    static Dlsym *real;
    if (!real) real = (Dlsym *)dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
    if (!real) real = (Dlsym *)dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (is_named_by("OTHER_BUILD_LACKS", name)) return NULL;
    if (is_named_by("OTHER_BUILD_CHANGES", name)) return (void *)other_number;
    /* A jump, not a call: RTLD_NEXT means "after the caller". */
    return real(handle, name);
}
