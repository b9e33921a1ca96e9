/* Preloaded beside ttmem: gives every program kernel binaries of 4096 bytes, as it has them on a chip.
 *
 * On mock devices ProgramImpl::populate_dispatch_data returns at once, so MeshWorkloadImpl::load_binaries finds nothing to
 * load. With this it does all that it does on a chip: a buffer on the mesh, and for each program one over its address. */
#include <dlfcn.h>
#include <stdlib.h>

#define NAME _ZNK2tt8tt_metal6detail11ProgramImpl25get_program_transfer_infoEv
#define TEXT(name) #name
#define TEXT_OF(name) TEXT(name)

/* Whole pages of DRAM, else tt-metal refuses. */
enum { BINARY_BYTES = 4096 };

/* The same in ttnn 0.79 to 0.81. */
struct transfer_info {
    char before[0x20];
    struct { char *begin, *end, *limit; } binary_data; /* a std::vector: it gives the bytes back */
};

struct transfer_info *NAME(const void *program) {
    static struct transfer_info *(*real)(const void *);
    if (!real)
        real = dlsym(dlopen("libtt_metal.so", RTLD_NOLOAD | RTLD_LAZY), TEXT_OF(NAME));
    struct transfer_info *info = real(program);
    if (info->binary_data.begin == info->binary_data.end) {
        info->binary_data.begin = calloc(1, BINARY_BYTES);
        info->binary_data.end = info->binary_data.limit = info->binary_data.begin + BINARY_BYTES;
    }
    return info;
}
