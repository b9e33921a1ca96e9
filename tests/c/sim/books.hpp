// The simulator's own books: who holds what, kept by the rules that a report promises. Independent of ttmem's code.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tt_metal.hpp"

namespace ttsim::books {

void allocated(const std::vector<int>& chips, int memory, const void* allocator, uint64_t address, uint64_t size,
               uint64_t per_bank);
void freed(const std::vector<int>& chips, int memory, const void* allocator, uint64_t address);
// One more holder of bytes that are there already, or bytes that no allocator handed out.
void borrowed(const std::vector<int>& chips, int memory, uint64_t address, uint64_t size, uint64_t per_bank);
void given_back(const std::vector<int>& chips, int memory, uint64_t address);
void released(const void* allocator);
void closed(int chip);
// What programs place by themselves; the numbers behind those of the allocators' memories.
constexpr int CB = 5, DFB = 6, SCRATCHPAD = 7;
void cb_placed(int chip, int memory, const void* program, const std::vector<tt::tt_metal::CoreRange>& cores, uint64_t address,
               uint64_t size, bool globally_allocated);
void cb_freed(int chip, int memory, const void* program);

enum class Call { allocate, deallocate, deallocate_buffers, track_allocate, track_deallocate, track_allocate_cb,
                  track_deallocate_cb, track_program, close_impl, device_close, client_allocation,
                  client_deallocation, client_deallocation_on, client_is_enabled, COUNT };
void called(Call call);

}  // namespace ttsim::books
