// The C ABI of version 0.1, frozen: what programs that were built against it rely on. tests/e2e/tests/exports.rs includes this behind
// ttmem.h, so a changed declaration does not compile, and looks for each name in libttmem.so. Add to it with a release; change
// nothing in it.

#include <stddef.h>

void report_allocation(int32_t, uint64_t, uint8_t, uint64_t);
void report_deallocation(int32_t, uint64_t);
void track_allocate_cb(uint32_t, uint64_t, uint64_t, bool, int32_t);
void track_deallocate_cb(int32_t);
void ttmem_device_closed(int32_t);
bool ttmem_enabled(void);
bool ttmem_flush(uint32_t);
void ttmem_mark(const char *);
uint64_t ttmem_region_begin(const char *);
uint64_t ttmem_region_begin_apart(const char *);
void ttmem_region_end(uint64_t);
void ttmem_stats(struct ttmem_stats *);
const char *ttmem_version(void);

_Static_assert(TTMEM_ANY_DEVICE == -1, "any device");
_Static_assert(_Alignof(struct ttmem_stats) == 8, "alignment of ttmem_stats");
// It may grow at its end: callers say how much of it they know.
_Static_assert(sizeof(struct ttmem_stats) >= 40, "size of ttmem_stats");
_Static_assert(offsetof(struct ttmem_stats, size) == 0, "size");
_Static_assert(offsetof(struct ttmem_stats, reported) == 8, "reported");
_Static_assert(offsetof(struct ttmem_stats, in_ring) == 16, "in_ring");
_Static_assert(offsetof(struct ttmem_stats, pending) == 24, "pending");
_Static_assert(offsetof(struct ttmem_stats, dropped) == 32, "dropped");
_Static_assert(sizeof(((struct ttmem_stats *)0)->dropped) == 8, "type of dropped");
