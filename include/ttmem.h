// ttmem: where the memory of Tenstorrent devices goes. Link with -lttmem, or preload it.
// Made from shim/src/abi.rs by cbindgen through build.rs; do not edit.

#ifndef TTMEM_H
#define TTMEM_H

#include <stdbool.h>
#include <stdint.h>

// The version of this header; `ttmem_version` returns that of the library.
#define TTMEM_VERSION_MAJOR 0
#define TTMEM_VERSION_MINOR 1
#define TTMEM_VERSION_PATCH 0

// A device id for report_deallocation: whichever device has the buffer.
#define TTMEM_ANY_DEVICE -1

// One memory of a device. Bytes are on the device, over all its banks. The names are those of JAX's `memory_stats`.
struct ttmem_memory {
  // In: sizeof(struct ttmem_memory) as the caller knows it. Out: how many bytes were filled.
  uint64_t size;
  // Banks of the memory; 0 before an allocator of the device was seen, and then the limit and the block are 0 too.
  uint64_t banks;
  // Bytes that there are.
  uint64_t bytes_limit;
  // Bytes that allocations take, rounded up as the allocator does.
  uint64_t bytes_in_use;
  // The most that they ever took.
  uint64_t peak_bytes_in_use;
  // The largest free block: a buffer of so many bytes finds room, spread over all banks.
  uint64_t largest_free_block_bytes;
  // Allocations so far, those that were freed included.
  uint64_t num_allocs;
};

// What the library counted in this process.
struct ttmem_stats {
  // In: sizeof(struct ttmem_stats) as the caller knows it. Out: how many bytes were filled.
  uint64_t size;
  // Events reported so far.
  uint64_t reported;
  // Events that were put into the ring so far.
  uint64_t in_ring;
  // Events that are in the queue, on their way to it.
  uint64_t pending;
  // Events that were dropped, and counted here exactly.
  uint64_t dropped;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A buffer of `size` bytes came to life on device `device_id`. `buffer_type` has tt-metal's values (DRAM 0, L1 1,
// SYSTEM_MEMORY 2, L1_SMALL 3, TRACE 4); any other is kept and shown as unknown(N). `buffer_id` names the buffer in
// report_deallocation; it is its address where it has one. The same id reported again while it lives is one more owner
// of the same bytes.
void report_allocation(int32_t device_id,
                       uint64_t size,
                       uint8_t buffer_type,
                       uint64_t buffer_id);

// An owner freed buffer `buffer_id` on device `device_id`, or on whichever device has it (TTMEM_ANY_DEVICE). The id
// names no memory: where the same id lives in two memories of a device, the younger one is freed. A free that matches
// nothing is counted and shown, and changes no total.
void report_deallocation(int32_t device_id,
                         uint64_t buffer_id);

// A program placed a circular buffer of `size` bytes at L1 address `address` on `num_cores` cores of the device. One that
// is globally allocated lies inside a buffer that is counted already.
void track_allocate_cb(uint32_t num_cores,
                       uint64_t address,
                       uint64_t size,
                       bool is_globally_allocated,
                       int32_t device_id);

// All circular buffers of the device are gone.
void track_deallocate_cb(int32_t device_id);

// The device was closed: what is live on it is released. That is no free by its owner: what the owner never freed is leftover.
void ttmem_device_closed(int32_t device_id);

// Notes a moment under a name (UTF-8, at most 255 bytes; a longer one is cut). Reports show the memory at each mark.
//
// # Safety
// `name` is a NUL-terminated string, or null, which does nothing.
void ttmem_mark(const char *name);

// Begins a region: a stretch of the program with a name (UTF-8, some 220 bytes; a longer one is cut). Reports show what was
// allocated, freed and left behind in it, by any thread, and its peak. Returns the number that ttmem_region_end takes, or 0 if
// no events are taken. Regions may be nested, may overlap, and may end on another thread.
//
// # Safety
// `name` is a NUL-terminated string, or null, which does nothing and returns 0.
uint64_t ttmem_region_begin(const char *name);

// Begins a region whose allocations count for it alone, and not for the regions around it: for a cache that happens to be
// filled there. Else as ttmem_region_begin.
//
// # Safety
// `name` is a NUL-terminated string, or null, which does nothing and returns 0.
uint64_t ttmem_region_begin_apart(const char *name);

// Ends the region of this number; 0, or one that has ended, does nothing.
void ttmem_region_end(uint64_t region);

// Whether events are taken.
bool ttmem_enabled(void);

// Starts tracking in a process that did not preload the library: tt-metal's calls come to it from now on, of all libraries that are
// loaded and that are loaded later. What an allocator holds by then is reported as allocated before, without call sites. The ring is
// made in `folder`, or in that of TTMEM_DIR if it is null. Returns whether events are taken; where they are already, it only looks at
// libraries that were loaded meanwhile. Not for signal handlers.
//
// # Safety
// `folder` is null or a NUL-terminated string.
bool ttmem_start(const char *folder);

// Stops tracking: waits until all that was reported before is in the ring, and ends the ring. Calls go to tt-metal alone from now on,
// where ttmem_start had them come here. ttmem_start begins anew, with another ring. Not for signal handlers.
void ttmem_stop(void);

// Waits until all that was reported before is in the ring, at most `timeout_ms` milliseconds; returns whether it is. Not
// needed for safety: what was reported is in shared memory at once and survives the process.
bool ttmem_flush(uint32_t timeout_ms);

// Fills `out` as far as its `size` says with what the memory of this buffer type holds and has left on the device, after all
// that was reported before. Returns false, and fills in zeroes, where nothing is known of that memory or an event is missing.
// Works without a reader. The library's thread adds it up: tens of milliseconds at first, then less than one. Not for
// signal handlers.
//
// # Safety
// `out` is null (nothing happens) or points to `out->size` writable bytes, aligned as a struct ttmem_memory.
bool ttmem_memory(int32_t device_id,
                  uint8_t buffer_type,
                  struct ttmem_memory *out);

// The version of the library, a static string.
const char *ttmem_version(void);

// Fills `out` as far as its `size` says. A program that was built with an older, shorter struct is served too.
//
// # Safety
// `out` is null (nothing happens) or points to `out->size` writable bytes, aligned as a struct ttmem_stats.
void ttmem_stats(struct ttmem_stats *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TTMEM_H */
