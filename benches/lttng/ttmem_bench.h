/* One tracepoint of six integers, for the comparison in benches/calls.rs. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER ttmem_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "ttmem_bench.h"

#if !defined(TTMEM_BENCH_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TTMEM_BENCH_H

#include <lttng/tracepoint.h>
#include <stdint.h>

LTTNG_UST_TRACEPOINT_EVENT(
    ttmem_bench, event,
    LTTNG_UST_TP_ARGS(int64_t, device, uint64_t, size, uint64_t, memory, uint64_t, address, uint64_t, bank, uint64_t,
                      holder),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int64_t, device, device) lttng_ust_field_integer(uint64_t, size, size)
                            lttng_ust_field_integer(uint64_t, memory, memory)
                                lttng_ust_field_integer(uint64_t, address, address)
                                    lttng_ust_field_integer(uint64_t, bank, bank)
                                        lttng_ust_field_integer(uint64_t, holder, holder)))
#endif

#include <lttng/tracepoint-event.h>
