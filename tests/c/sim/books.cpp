#include "books.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <sstream>
#include <tuple>

#include "ttsim.hpp"

namespace ttsim {
namespace {

constexpr const char* MEMORY_NAMES[] = {"DRAM", "L1", "SYSTEM_MEMORY", "L1_SMALL", "TRACE", "CB", "DFB", "SCRATCHPAD"};

struct Row {
    uint64_t live_buffers = 0, live_bytes = 0, live_per_bank = 0, peak_bytes = 0, peak_per_bank = 0;
    uint64_t allocations = 0, frees = 0, released_at_close = 0;

    void note_peak() {
        peak_bytes = std::max(peak_bytes, live_bytes);
        peak_per_bank = std::max(peak_per_bank, live_per_bank);
    }
};

struct Key {
    int chip, memory;
    uint64_t address;
    const void* allocator;
    bool operator<(const Key& other) const {
        return std::tie(chip, memory, address, allocator)
             < std::tie(other.chip, other.memory, other.address, other.allocator);
    }
};

struct Region {
    uint64_t size, per_bank;
    unsigned holders, reports;
};

struct Circular {
    int memory;
    const void* program;
    std::vector<tt::tt_metal::CoreRange> cores;
    uint64_t address, size;
    bool globally_allocated;

    bool lies_on(size_t x, size_t y) const {
        return std::any_of(cores.begin(), cores.end(), [&](const tt::tt_metal::CoreRange& range) {
            return range.start_coord.x <= x && x <= range.end_coord.x && range.start_coord.y <= y && y <= range.end_coord.y;
        });
    }
};

struct State {
    std::mutex mutex;
    std::map<std::pair<int, int>, Row> rows;
    std::map<Key, Region> regions;
    std::map<int, std::vector<Circular>> circular;
    uint64_t calls[static_cast<int>(books::Call::COUNT)] = {};
};

// Never destroyed: buffers die after static objects do.
State& state() {
    static State* state = new State;
    return *state;
}

// Bytes of one core's L1 that one kind of program memory covers.
uint64_t footprint(const std::vector<Circular>& circular, int memory, size_t x, size_t y) {
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (const Circular& buffer : circular) {
        if (buffer.memory == memory && !buffer.globally_allocated && buffer.lies_on(x, y)) {
            ranges.emplace_back(buffer.address, buffer.address + buffer.size);
        }
    }
    std::sort(ranges.begin(), ranges.end());
    uint64_t covered = 0, end = 0;
    for (auto [from, to] : ranges) {
        if (to > end) covered += to - std::max(from, end);
        end = std::max(end, to);
    }
    return covered;
}

// What the fullest core gives up.
uint64_t footprint(const std::vector<Circular>& circular, int memory) {
    uint64_t fullest = 0;
    for (size_t x = 0; x < GRID_COLUMNS; ++x) {
        for (size_t y = 0; y < GRID_ROWS; ++y) fullest = std::max(fullest, footprint(circular, memory, x, y));
    }
    return fullest;
}

Row& circular_row(State& state, int chip, int memory) {
    Row& row = state.rows[{chip, memory}];
    const auto& buffers = state.circular[chip];
    auto is_meant = [&](const Circular& buffer) { return buffer.memory == memory; };
    row.live_buffers = std::count_if(buffers.begin(), buffers.end(), is_meant);
    row.live_bytes = row.live_per_bank = footprint(buffers, memory);
    row.note_peak();
    return row;
}

void take(State& state, const Key& key, const Region& region) {
    Row& row = state.rows[{key.chip, key.memory}];
    row.live_buffers -= 1;
    row.live_bytes -= region.size;
    row.live_per_bank -= region.per_bank;
}

void put(State& state, const Key& key, uint64_t size, uint64_t per_bank) {
    Row& row = state.rows[{key.chip, key.memory}];
    row.allocations += 1;
    auto [place, is_new] = state.regions.try_emplace(key, Region{size, per_bank, 0, 0});
    place->second.holders += 1;
    place->second.reports += 1;
    if (!is_new) return;
    row.live_buffers += 1;
    row.live_bytes += size;
    row.live_per_bank += per_bank;
    row.note_peak();
}

void let_go(State& state, std::map<Key, Region>::iterator place) {
    if (place == state.regions.end()) return;
    state.rows[{place->first.chip, place->first.memory}].frees += 1;
    if (--place->second.holders > 0) return;
    take(state, place->first, place->second);
    state.regions.erase(place);
}

std::map<Key, Region>::iterator at_address(State& state, int chip, int memory, uint64_t address) {
    return std::find_if(state.regions.begin(), state.regions.end(), [&](const auto& entry) {
        return entry.first.chip == chip && entry.first.memory == memory && entry.first.address == address;
    });
}

template <class Chosen>
uint64_t take_placed(State& state, int chip, Chosen chosen) {
    auto& buffers = state.circular[chip];
    auto gone = std::remove_if(buffers.begin(), buffers.end(), chosen);
    uint64_t count = buffers.end() - gone;
    buffers.erase(gone, buffers.end());
    return count;
}

template <class Chosen>
void release(State& state, Chosen chosen) {
    for (auto place = state.regions.begin(); place != state.regions.end();) {
        if (chosen(place->first)) {
            take(state, place->first, place->second);
            state.rows[{place->first.chip, place->first.memory}].released_at_close += 1;
            place = state.regions.erase(place);
        } else {
            ++place;
        }
    }
}

}  // namespace

namespace books {

void allocated(const std::vector<int>& chips, int memory, const void* allocator, uint64_t address, uint64_t size,
               uint64_t per_bank) {
    std::lock_guard guard(state().mutex);
    for (int chip : chips) put(state(), {chip, memory, address, allocator}, size, per_bank);
}

void freed(const std::vector<int>& chips, int memory, const void* allocator, uint64_t address) {
    std::lock_guard guard(state().mutex);
    for (int chip : chips) let_go(state(), state().regions.find({chip, memory, address, allocator}));
}

void borrowed(const std::vector<int>& chips, int memory, uint64_t address, uint64_t size, uint64_t per_bank) {
    std::lock_guard guard(state().mutex);
    for (int chip : chips) {
        auto there = at_address(state(), chip, memory, address);
        const void* allocator = there == state().regions.end() ? nullptr : there->first.allocator;
        put(state(), {chip, memory, address, allocator}, size, per_bank);
    }
}

void given_back(const std::vector<int>& chips, int memory, uint64_t address) {
    std::lock_guard guard(state().mutex);
    for (int chip : chips) let_go(state(), at_address(state(), chip, memory, address));
}

void released(const void* allocator) {
    std::lock_guard guard(state().mutex);
    release(state(), [&](const Key& key) { return key.allocator == allocator; });
}

void closed(int chip) {
    std::lock_guard guard(state().mutex);
    release(state(), [&](const Key& key) { return key.chip == chip; });
    auto circular = state().circular.find(chip);
    if (circular == state().circular.end() || circular->second.empty()) return;
    for (int memory : {CB, DFB, SCRATCHPAD}) {
        uint64_t count = take_placed(state(), chip, [&](const Circular& buffer) { return buffer.memory == memory; });
        if (count > 0) circular_row(state(), chip, memory).released_at_close += count;
    }
}

void cb_placed(int chip, int memory, const void* program, const std::vector<tt::tt_metal::CoreRange>& cores, uint64_t address,
               uint64_t size, bool globally_allocated) {
    std::lock_guard guard(state().mutex);
    state().circular[chip].push_back({memory, program, cores, address, size, globally_allocated});
    circular_row(state(), chip, memory).allocations += 1;
}

void cb_freed(int chip, int memory, const void* program) {
    std::lock_guard guard(state().mutex);
    uint64_t count = take_placed(state(), chip, [&](const Circular& buffer) {
        return buffer.memory == memory && buffer.program == program;
    });
    if (count > 0) circular_row(state(), chip, memory).frees += count;
}

void called(Call call) {
    std::lock_guard guard(state().mutex);
    state().calls[static_cast<int>(call)] += 1;
}

}  // namespace books

Held held(int chip, const std::string& memory) {
    std::lock_guard guard(state().mutex);
    auto name = std::find(std::begin(MEMORY_NAMES), std::end(MEMORY_NAMES), memory);
    auto row = state().rows.find({chip, static_cast<int>(name - std::begin(MEMORY_NAMES))});
    if (row == state().rows.end()) return {0, 0, 0};
    return {row->second.live_buffers, row->second.live_bytes, row->second.live_per_bank};
}

std::string calls() {
    constexpr const char* NAMES[] = {
        "allocate_buffer", "deallocate_buffer", "deallocate_buffers", "track_allocate", "track_deallocate",
        "track_allocate_cb", "track_deallocate_cb", "track_program", "close_impl", "Device::close",
        "client report_allocation", "client report_deallocation", "client report_deallocation on a device",
        "client is_enabled"};
    std::lock_guard guard(state().mutex);
    std::ostringstream out;
    for (int call = 0; call < static_cast<int>(books::Call::COUNT); ++call) {
        if (state().calls[call] != 0) out << "called " << NAMES[call] << ' ' << state().calls[call] << '\n';
    }
    return out.str();
}

std::string truth() {
    std::lock_guard guard(state().mutex);
    std::ostringstream out;
    out << "{\"devices\":[";
    int chip = -1;
    for (const auto& [key, row] : state().rows) {
        if (key.first != chip) {
            out << (chip == -1 ? "" : "}},") << "{\"device_id\":" << key.first << ",\"memory\":{";
        } else {
            out << ',';
        }
        chip = key.first;
        out << '"' << MEMORY_NAMES[key.second] << "\":{\"live_bytes\":" << row.live_bytes
            << ",\"live_buffers\":" << row.live_buffers << ",\"live_bytes_per_bank\":" << row.live_per_bank
            << ",\"peak_bytes\":" << row.peak_bytes << ",\"peak_bytes_per_bank\":" << row.peak_per_bank
            << ",\"allocations\":" << row.allocations << ",\"frees\":" << row.frees
            << ",\"released_at_close\":" << row.released_at_close << '}';
    }
    out << (chip == -1 ? "" : "}}") << "],\"live\":[";
    const char* comma = "";
    for (const auto& [key, region] : state().regions) {
        out << comma << "{\"device_id\":" << key.chip << ",\"memory\":\"" << MEMORY_NAMES[key.memory]
            << "\",\"address\":" << key.address << ",\"size\":" << region.size
            << ",\"size_per_bank\":" << region.per_bank << ",\"holders\":" << region.holders
            << ",\"reports\":" << region.reports << '}';
        comma = ",";
    }
    for (const auto& [device, buffers] : state().circular) {
        for (const Circular& buffer : buffers) {
            out << comma << "{\"device_id\":" << device << ",\"memory\":\"" << MEMORY_NAMES[buffer.memory] << "\",\"address\":" << buffer.address
                << ",\"size\":" << buffer.size << '}';
            comma = ",";
        }
    }
    out << "]}";
    return out.str();
}

}  // namespace ttsim
