/* The function that benches/others.rs calls. */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "ttmem_bench.h"

void ttmem_bench_event(int64_t device, uint64_t size, uint64_t memory, uint64_t address, uint64_t bank,
                       uint64_t holder) {
    lttng_ust_tracepoint(ttmem_bench, event, device, size, memory, address, bank, holder);
}
