// Programs against the simulated tt-metal, each a few steps with known totals.
//
// At every step the simulator's own books are compared with figures worked out by hand, written to the truth file as one
// line of JSON, and the step is marked where ttmem is there to hear it. Standard output is the same with and without
// ttmem. tests/e2e compares the truth with ttmem's report.
//
//     scenario NAME [TRUTH-FILE]

#include <dlfcn.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>
#include <thread>

#include "ttsim.hpp"

using namespace ttsim;

namespace {

constexpr BufferType DRAM = BufferType::DRAM, L1 = BufferType::L1, L1_SMALL = BufferType::L1_SMALL,
                     TRACE = BufferType::TRACE, SYSTEM_MEMORY = BufferType::SYSTEM_MEMORY;
constexpr uint64_t TILE = 2048;

FILE* truth_file = nullptr;

void step(const char* name) {
    std::printf("step %s\n", name);
    std::fflush(stdout);
    if (truth_file != nullptr) {
        std::fprintf(truth_file, "{\"step\":\"%s\",\"truth\":%s}\n", name, truth().c_str());
        std::fflush(truth_file);
    }
    using Mark = void (*)(const char*);
    if (auto mark = reinterpret_cast<Mark>(dlsym(RTLD_DEFAULT, "ttmem_mark"))) mark(name);
}

void expect(int chip, const char* memory, uint64_t buffers, uint64_t bytes, uint64_t per_bank) {
    Held is = held(chip, memory), wanted{buffers, bytes, per_bank};
    if (is == wanted) return;
    std::fprintf(stderr, "the simulator's own books: chip %d %s holds %lu buffers, %lu B, %lu B a bank; not %lu, %lu, %lu\n",
                 chip, memory, is.buffers, is.bytes, is.per_bank, buffers, bytes, per_bank);
    std::_Exit(3);
}

void expect_all(int chips, const char* memory, uint64_t buffers, uint64_t bytes, uint64_t per_bank) {
    for (int chip = 0; chip < chips; ++chip) expect(chip, memory, buffers, bytes, per_bank);
}

// Runs what must throw, and says what arrived.
void refused(const std::function<void()>& work) {
    try {
        work();
        std::printf("nothing was thrown\n");
    } catch (const std::runtime_error& error) {
        std::printf("caught: %s\n", error.what());
    }
}

// Every memory, on every chip of a mesh; some freed by hand, some by their owner's death, in other orders than made.
void buffers_on(int chips) {
    Mesh mesh = open_mesh(chips);
    step("opened");
    Tensor dram = interleaved(mesh, DRAM, 1 << 20, TILE);
    expect_all(chips, "DRAM", 1, 1 << 20, 43 * TILE);
    Tensor l1 = interleaved(mesh, L1, 128 << 10, TILE);
    Tensor shards = sharded(mesh, L1, 256 << 10, 8);
    expect_all(chips, "L1", 2, 384 << 10, TILE + (32 << 10));
    Tensor small = interleaved(mesh, L1_SMALL, 1000, 1024);
    Tensor trace = interleaved(mesh, TRACE, 64 << 10, 4096);
    Tensor host = interleaved(mesh, SYSTEM_MEMORY, 4096, 4096);
    expect_all(chips, "L1_SMALL", 1, 1000, 1024);
    expect_all(chips, "TRACE", 1, 64 << 10, 2 * 4096);
    expect_all(chips, "SYSTEM_MEMORY", 1, 4096, 4096);
    step("every memory");
    {
        Tensor scratch = interleaved(mesh, DRAM, 10 << 20, TILE);
        expect_all(chips, "DRAM", 2, 11 << 20, (43 + 427) * TILE);
        step("scratch");
    }
    dram.reset();
    small.reset();
    expect_all(chips, "DRAM", 0, 0, 0);
    step("some freed");
    // The first place again, by another buffer.
    dram = interleaved(mesh, DRAM, 24576, TILE);
    Tensor half = interleaved(mesh, DRAM, 12288, 1024);
    expect_all(chips, "DRAM", 2, 36864, 2048 + 1024);
    step("address again");
    dram.reset();
    half.reset();
    l1.reset();
    shards.reset();
    trace.reset();
    host.reset();
    for (const char* memory : {"DRAM", "L1", "L1_SMALL", "TRACE", "SYSTEM_MEMORY"}) expect_all(chips, memory, 0, 0, 0);
    step("all freed");
    mesh->close();
}

void chips_1() { buffers_on(1); }
void chips_8() { buffers_on(8); }
void chips_32() { buffers_on(32); }

// Three tensors live when the mesh is closed: released in bulk, and nobody is told when they die later. Then the same
// mesh again, whose objects lie at the same addresses, and at last other chips there.
void closing() {
    Mesh mesh = open_mesh(8);
    Tensor first = interleaved(mesh, DRAM, 48 << 10, TILE), second = interleaved(mesh, L1, 64 << 10, TILE),
           third = sharded(mesh, L1, 32 << 10, 4), freed = interleaved(mesh, DRAM, 4096, TILE);
    freed.reset();
    expect_all(8, "DRAM", 1, 48 << 10, 2 * TILE);
    expect_all(8, "L1", 2, 96 << 10, TILE + (8 << 10));
    auto program = std::make_unique<Program>(std::vector<CircularBuffer>{{64, 0x10000, 8192, false}});
    program->launch(mesh);
    expect_all(8, "CB", 1, 8192, 8192);
    step("three are live");
    const void* old_mesh = mesh.get();
    mesh->close();
    expect_all(8, "DRAM", 0, 0, 0);
    expect_all(8, "L1", 0, 0, 0);
    expect_all(8, "CB", 0, 0, 0);
    step("closed");
    program.reset();
    first.reset();
    second.reset();
    third.reset();
    mesh.reset();
    step("the tensors died");
    mesh = open_mesh(8);
    std::printf("the same address: %s\n", mesh.get() == old_mesh ? "yes" : "no");
    first = interleaved(mesh, DRAM, 24 << 10, TILE);
    expect_all(8, "DRAM", 1, 24 << 10, TILE);
    step("open again");
    mesh->close();
    first.reset();
    mesh.reset();
    mesh = open_mesh({8, 9, 10, 11});
    std::printf("the same address: %s\n", mesh.get() == old_mesh ? "yes" : "no");
    first = interleaved(mesh, DRAM, 24 << 10, TILE);
    program = std::make_unique<Program>(std::vector<CircularBuffer>{{64, 0x10000, 4096, false}});
    program->launch(mesh);
    expect(0, "DRAM", 0, 0, 0);
    expect(0, "CB", 0, 0, 0);
    expect(9, "DRAM", 1, 24 << 10, TILE);
    expect(9, "CB", 1, 4096, 4096);
    step("other chips");
    first.reset();
    mesh->close();
    expect(9, "CB", 0, 0, 0);
    step("closed for good");
}

// The allocator refuses; its exception arrives, and what was there before is untouched.
void out_of_memory() {
    Mesh mesh = open_mesh(2);
    Tensor kept = interleaved(mesh, L1, 32 << 20, TILE);
    step("half full");
    refused([&] { interleaved(mesh, L1, 33 << 20, TILE); });
    refused([&] { interleaved(mesh, DRAM, uint64_t{1} << 40, TILE); });
    expect_all(2, "L1", 1, 32 << 20, 512 << 10);
    expect_all(2, "DRAM", 0, 0, 0);
    step("refused twice");
    Tensor fits = interleaved(mesh, L1, 32 << 20, TILE);
    expect_all(2, "L1", 2, 64 << 20, 1 << 20);
    step("full");
    kept.reset();
    fits.reset();
    mesh->close();
}

// Circular buffers meet tensors in L1, then the end of L1. Tensors lie lowest first here, from 1024 on.
void clash() {
    Mesh mesh = open_mesh(2);
    Tensor low = interleaved(mesh, L1, 4 << 20, TILE), kept = interleaved(mesh, L1, 8 << 20, TILE);
    Program fits({{8, 512, 512, false}});
    fits.look_for_room();
    fits.launch(mesh);
    step("fits");
    Program large({{64, 512, 1024, false}, {10, 1536, 100000, false}, {64, 900000, 4096, true}});
    large.look_for_room();
    refused([&] { large.launch(mesh); });
    step("clash");
    low.reset();
    refused([&] { large.launch(mesh); });
    step("met higher up");
    Program dataflow({});
    dataflow.look_for_room();
    dataflow.use_dataflow_buffers(200000);
    refused([&] { dataflow.launch(mesh); });
    Program huge({{4, 512, 2 << 20, false}});
    huge.look_for_room();
    refused([&] { huge.launch(mesh); });
    kept.reset();
    large.launch(mesh);
    step("room");
    mesh->close();
}

// Half of the bank is free, in holes of a sixteenth: room for all of it, but not in one block.
void fragmented() {
    Mesh mesh = open_mesh(2);
    std::vector<Tensor> tensors;
    for (int part = 0; part < 16; ++part) tensors.push_back(interleaved(mesh, L1, 4 << 20, TILE));
    for (int part = 0; part < 16; part += 2) tensors[part].reset();
    step("every other one is free");
    refused([&] { interleaved(mesh, L1, 8 << 20, TILE); });
    expect_all(2, "L1", 8, 32 << 20, 512 << 10);
    step("refused");
    tensors.clear();
    mesh->close();
}

// More buffers over memory of others than can be remembered.
void many_borrowed() {
    Mesh mesh = open_mesh(1);
    std::vector<Tensor> views;
    for (uint64_t view = 0; view < 20000; ++view) {
        views.push_back(borrowed(mesh, L1, 2048, TILE, 1024 + view * 2048, true));
    }
    views.clear();
    mesh->close();
}

// The exception is nobody's: the program ends by it.
void uncaught() {
    Mesh mesh = open_mesh(2);
    Tensor kept = interleaved(mesh, DRAM, 4096, TILE);
    step("before");
    Tensor refused = interleaved(mesh, L1, 1 << 30, TILE);
}

// It says that memory was not what was missing, throws something else, or ends the program itself.
void uncaught_for(Failure how) {
    Mesh mesh = open_mesh(2);
    step("before");
    fail_next_allocation(how);
    Tensor refused = interleaved(mesh, L1, TILE, TILE);
}

// What a capture only pretends to allocate is no memory; nor are buffers of size 0, nor views that are not tracked.
void pretended() {
    Mesh mesh = open_mesh(2);
    Tensor real = interleaved(mesh, DRAM, 4096, TILE);
    {
        NoDispatch capture;
        Tensor a = interleaved(mesh, DRAM, 1 << 20, TILE), b = interleaved(mesh, L1, 1 << 20, TILE);
        expect_all(2, "DRAM", 1, 4096, TILE);
        expect_all(2, "L1", 0, 0, 0);
        step("in capture");
    }
    Tensor nothing = interleaved(mesh, DRAM, 0, TILE);
    Tensor view = borrowed(mesh, DRAM, 2048, TILE, 1024, false);
    view.reset();
    nothing.reset();
    expect_all(2, "DRAM", 1, 4096, TILE);
    step("after capture");
    real.reset();
    expect_all(2, "DRAM", 0, 0, 0);
    step("freed");
    mesh->close();
}

// Buffers over bytes that are there already: second holders of them, freed in either order.
void second_holders() {
    Mesh mesh = open_mesh(2);
    Tensor owner = interleaved(mesh, DRAM, 4096, TILE);
    uint64_t address = 1024;
    Tensor view = borrowed(mesh, DRAM, 4096, TILE, address, true);
    expect_all(2, "DRAM", 1, 4096, TILE);
    step("two hold it");
    view.reset();
    expect_all(2, "DRAM", 1, 4096, TILE);
    step("one holds it");
    view = borrowed(mesh, DRAM, 4096, TILE, address, true);
    owner.reset();
    expect_all(2, "DRAM", 1, 4096, TILE);
    step("the view holds it");
    view.reset();
    expect_all(2, "DRAM", 0, 0, 0);
    step("nobody holds it");
    Tensor alone = borrowed(mesh, L1, 2048, TILE, 0x8000, true);
    expect_all(2, "L1", 1, 2048, TILE);
    step("over memory of its own");
    alone.reset();
    expect_all(2, "L1", 0, 0, 0);
    mesh->close();
}

// Programs in the cache start at the same base: their circular buffers overlap, and a program is placed once.
// Persistent arenas and service cores: L1 core by core, of no bank; what is left goes when the devices are closed, or its allocator is.
void past_allocators() {
    using tt::tt_metal::internal::service_core_manager, tt::tt_metal::IDevice;
    constexpr uint64_t KIB = 1024;
    Mesh mesh = open_mesh(2), part = submesh(mesh, {1});
    Tensor whole = interleaved(mesh, L1, 64 * TILE, TILE), half = interleaved(part, L1, 64 * TILE, TILE);
    expect(0, "L1", 1, 64 * TILE, TILE);
    uint64_t pipe = arena_allocate(mesh, {{{0, 0}, {1, 1}}, {{4, 0}, {4, 0}}}, 4 * KIB);
    expect(0, "L1", 6, 64 * TILE + 20 * KIB, TILE);
    arena_allocate(mesh, {{{7, 7}, {7, 7}}}, KIB);
    uint64_t of_part = arena_allocate(part, {{{3, 3}, {3, 3}}}, KIB);
    refused([&] { arena_allocate(mesh, {{{0, 0}, {0, 0}}}, 0); });
    expect(0, "L1", 7, 64 * TILE + 21 * KIB, TILE);
    expect(1, "L1", 9, 128 * TILE + 22 * KIB, 2 * TILE);
    step("arenas");
    auto& manager = service_core_manager();
    IDevice* device = mesh->get_devices().at(0);
    manager.claim(device, {{14, 2}, {14, 3}, {14, 4}});
    uint64_t first = manager.allocate_l1(device, {14, 2}, 8 * KIB);
    manager.allocate_l1(device, {14, 2}, 1000);
    manager.allocate_l1(device, {14, 3}, 8 * KIB);
    manager.allocate_l1(device, {14, 4}, KIB);
    refused([&] { manager.allocate_l1(device, {14, 2}, 2 * L1_BANK_BYTES); });
    refused([&] { manager.allocate_l1(device, {15, 2}, 64); });
    refused([&] { manager.deallocate_l1(device, {15, 2}, 64); });
    expect(0, "L1", 11, 64 * TILE + 38 * KIB + 1000, TILE);
    step("service cores");
    manager.deallocate_l1(device, {14, 2}, first);
    manager.release(device, {{14, 3}, {14, 4}});
    expect(0, "L1", 8, 64 * TILE + 21 * KIB + 1000, TILE);
    step("some are given back");
    arena_deallocate(mesh, pipe);
    expect(0, "L1", 3, 64 * TILE + KIB + 1000, TILE);
    arena_deallocate(part, of_part);
    arena_allocate(part, {{{3, 3}, {3, 3}}}, 2 * KIB);
    step("a pipe is gone");
    half.reset();
    part->close();
    part.reset();
    expect(1, "L1", 2, 64 * TILE + KIB, TILE);
    step("an allocator is destroyed");
    mesh->close();
    expect_all(2, "L1", 0, 0, 0);
    step("closed");
    whole.reset();
    mesh.reset();
    mesh = open_mesh(2);
    whole = interleaved(mesh, L1, 64 * TILE, TILE);
    uint64_t again = arena_allocate(mesh, {{{0, 0}, {1, 1}}}, KIB);
    expect_all(2, "L1", 5, 64 * TILE + 4 * KIB, TILE);
    step("open again");
    arena_deallocate(mesh, again);
    expect_all(2, "L1", 1, 64 * TILE, TILE);
    step("given back again");
    mesh->close();
}

// An arena that is used before any buffer of its allocator was seen: whose it is can't be known yet.
void early_arena() {
    constexpr uint64_t KIB = 1024;
    Mesh mesh = open_mesh(2);
    uint64_t early = arena_allocate(mesh, {{{0, 0}, {1, 1}}}, 4 * KIB);
    refused([&] { arena_allocate(mesh, {{{0, 0}, {0, 0}}}, 0); });
    arena_deallocate(mesh, early);
    Tensor tensor = interleaved(mesh, L1, 64 * TILE, TILE);
    step("a buffer is seen");
    uint64_t later = arena_allocate(mesh, {{{0, 0}, {1, 1}}}, KIB);
    step("the arena is known");
    arena_deallocate(mesh, later);
    tensor.reset();
    mesh->close();
}

void dataflow_buffers() {
    Mesh mesh = open_mesh(4);
    constexpr uint64_t KIB = 1024;
    auto matmul = std::make_unique<Program>(std::vector<CircularBuffer>{});
    // Side by side, over both, and on two rectangles; one that borrows a tensor's bytes has none of its own.
    matmul->add_dataflow_buffer({{0, 1, 0, 3}}, 4 * KIB);
    matmul->add_dataflow_buffer({{2, 3, 0, 3}}, 4 * KIB);
    matmul->add_dataflow_buffer({{0, 3, 0, 3}}, 2 * KIB, true);
    matmul->add_dataflow_buffer({{0, 3, 0, 3}}, 2 * KIB);
    matmul->add_dataflow_buffer({{0, 1, 0, 3}, {6, 7, 6, 7}}, KIB);
    matmul->launch(mesh);
    expect_all(4, "DFB", 4, 7 * KIB, 7 * KIB);
    expect_all(4, "SCRATCHPAD", 0, 0, 0);
    step("dataflow buffers");
    matmul->launch(mesh);
    step("from the cache");
    auto softmax = std::make_unique<Program>(std::vector<CircularBuffer>{});
    softmax->add_dataflow_buffer({{0, 3, 0, 3}}, 3 * KIB);
    softmax->add_scratchpad({{0, 3, 0, 3}, {5, 5, 0, 0}}, 6 * KIB);
    softmax->launch(mesh);
    expect_all(4, "DFB", 5, 7 * KIB, 7 * KIB);
    expect_all(4, "SCRATCHPAD", 1, 6 * KIB, 6 * KIB);
    step("another, with a scratchpad");
    auto add = std::make_unique<Program>(std::vector<CircularBuffer>{{64, 101'152, 8 * KIB, false}});
    add->launch(mesh);
    expect_all(4, "CB", 1, 8 * KIB, 8 * KIB);
    step("circular buffers beside them");
    softmax->invalidate();
    softmax->launch(mesh);
    expect_all(4, "DFB", 5, 7 * KIB, 7 * KIB);
    expect_all(4, "SCRATCHPAD", 1, 6 * KIB, 6 * KIB);
    step("placed anew");
    matmul.reset();
    expect_all(4, "DFB", 1, 3 * KIB, 3 * KIB);
    step("one program less");
    softmax.reset();
    expect_all(4, "DFB", 0, 0, 0);
    expect_all(4, "SCRATCHPAD", 0, 0, 0);
    expect_all(4, "CB", 1, 8 * KIB, 8 * KIB);
    step("the other keeps its circular buffers");
    auto late = std::make_unique<Program>(std::vector<CircularBuffer>{});
    late->add_dataflow_buffer({{0, 7, 0, 7}}, 16 * KIB);
    late->add_scratchpad({{0, 7, 0, 7}}, KIB);
    late->launch(mesh);
    step("another program");
    mesh->close();
    mesh.reset();
    expect_all(4, "DFB", 0, 0, 0);
    step("closed");
    late.reset();
    add.reset();
}

void circular_buffers() {
    Mesh mesh = open_mesh(4);
    auto add = std::make_unique<Program>(std::vector<CircularBuffer>{{64, 0x10000, 8192, false}, {64, 0x12000, 4096, false}});
    auto mul = std::make_unique<Program>(std::vector<CircularBuffer>{{8, 0x10000, 4096, false}, {8, 0x20000, 2048, false}});
    Tensor shards = sharded(mesh, L1, 64 << 10, 8);
    auto in_place = std::make_unique<Program>(std::vector<CircularBuffer>{{8, 1024, 8 << 10, true}});
    auto none = std::make_unique<Program>(std::vector<CircularBuffer>{});
    add->launch(mesh);
    expect_all(4, "CB", 2, 12288, 12288);
    step("one program");
    add->launch(mesh);
    add->launch(mesh);
    none->launch(mesh);
    expect_all(4, "CB", 2, 12288, 12288);
    step("from the cache");
    mul->launch(mesh);
    expect_all(4, "CB", 4, 12288 + 2048, 12288 + 2048);
    step("two programs overlap");
    in_place->launch(mesh);
    expect_all(4, "CB", 5, 12288 + 2048, 12288 + 2048);
    expect_all(4, "L1", 1, 64 << 10, 8 << 10);
    step("inside a buffer");
    // On other cores, and on a row and a half of them.
    auto aside = std::make_unique<Program>(std::vector<CircularBuffer>{{16, 0x40000, 64 << 10, false, 4}});
    auto apart = std::make_unique<Program>(std::vector<CircularBuffer>{{12, 0x50000, 4096, false, 5}});
    aside->launch(mesh);
    expect_all(4, "CB", 6, 12288 + (64 << 10), 12288 + (64 << 10));
    apart->launch(mesh);
    expect_all(4, "CB", 7, 12288 + (64 << 10) + 4096, 12288 + (64 << 10) + 4096);
    step("on cores of their own");
    aside.reset();
    // The fullest core is now one of the first row, with both programs of the beginning.
    expect_all(4, "CB", 6, 12288 + 4096, 12288 + 4096);
    apart.reset();
    step("one program less");
    add->invalidate();
    add->launch(mesh);
    expect_all(4, "CB", 5, 12288 + 2048, 12288 + 2048);
    step("placed anew");
    mul.reset();
    expect_all(4, "CB", 3, 12288, 12288);
    step("the other programs keep theirs");
    add.reset();
    in_place.reset();
    expect_all(4, "CB", 0, 0, 0);
    step("cache cleared");
    auto late = std::make_unique<Program>(std::vector<CircularBuffer>{{64, 0x10000, 8192, false}});
    late->launch(mesh);
    shards.reset();
    expect_all(4, "CB", 1, 8192, 8192);
    step("before close");
    mesh->close();
    expect_all(4, "CB", 0, 0, 0);
    mesh.reset();
    step("closed");
    // Its devices are no more: the address that it passes on must not be looked at.
    late.reset();
    step("after close");
}

// A placement that an exception ends, reports in another order, and a mesh of which a part was used alone.
void circular_buffers_in_parts() {
    Mesh mesh = open_mesh(4);
    // A row and a half of cores: each is reported by more than one event.
    std::vector<CircularBuffer> buffers{{12, 0x10000, 4096, false}, {12, 0x11000, 2048, false}, {64, 0x20000, 1024, false}};
    auto program = std::make_unique<Program>(buffers);
    program->fail_after(6);
    try {
        program->launch(mesh);
    } catch (const std::runtime_error&) {
        // Two chips have the second circular buffer, and none the third.
    }
    step("placed in part");
    program->fail_after(UINT64_MAX);
    program->launch(mesh);
    expect_all(4, "CB", 3, 7168, 7168);
    step("placed");
    auto other = std::make_unique<Program>(buffers);
    other->place_chip_by_chip();
    other->launch(mesh);
    expect_all(4, "CB", 6, 7168, 7168);
    step("chip by chip");
    Mesh part = submesh(mesh, {1, 2});
    auto alone = std::make_unique<Program>(std::vector<CircularBuffer>{{64, 0x30000, 512, false}});
    alone->launch(part);
    step("on two chips");
    program->invalidate();
    program->launch(mesh);
    step("placed anew");
    other.reset();
    program.reset();
    step("on two chips alone");
    part->close();
    step("which are closed");
    alone.reset();
    mesh->close();
    step("closed");
}

// As at process exit: the last program outlives its devices, which outlive main.
void circular_buffers_at_exit() {
    static Program program({{64, 0x10000, 8192, false}});
    static Mesh mesh = open_mesh(2);
    program.launch(mesh);
    step("last step");
}

// A submesh has an allocator of its own, which hands out the addresses of its parent's.
void submeshes() {
    Mesh mesh = open_mesh(8);
    Mesh left = submesh(mesh, {0, 1, 2, 3});
    Tensor whole = interleaved(mesh, DRAM, 24 << 10, TILE), part = interleaved(left, DRAM, 48 << 10, TILE);
    expect(0, "DRAM", 2, 72 << 10, 3 * TILE);
    expect(7, "DRAM", 1, 24 << 10, TILE);
    step("both");
    whole.reset();
    expect(0, "DRAM", 1, 48 << 10, 2 * TILE);
    expect(7, "DRAM", 0, 0, 0);
    step("the whole mesh's freed");
    whole = interleaved(mesh, DRAM, 24 << 10, TILE);
    left->close();
    expect(0, "DRAM", 1, 24 << 10, TILE);
    step("submesh closed");
    part.reset();
    left.reset();
    Mesh right = submesh(mesh, {4, 5});
    part = interleaved(right, L1, 64 << 10, TILE);
    expect(4, "L1", 1, 64 << 10, TILE);
    expect(6, "L1", 0, 0, 0);
    step("another submesh");
    mesh->close();
    expect_all(8, "DRAM", 0, 0, 0);
    expect_all(8, "L1", 0, 0, 0);
    step("all closed");
}

// More meshes at once than a table of device objects may have room for.
void many_meshes() {
    Mesh mesh = open_mesh(8);
    std::vector<Mesh> submeshes;
    std::vector<Tensor> tensors;
    for (int i = 0; i < 200; ++i) {
        submeshes.push_back(submesh(mesh, {i % 8, (i + 1) % 8}));
        tensors.push_back(interleaved(submeshes.back(), DRAM, 24 << 10, TILE));
    }
    expect_all(8, "DRAM", 50, 50 * (24 << 10), 50 * TILE);
    step("200 at once");
    tensors.clear();
    submeshes.clear();
    expect_all(8, "DRAM", 0, 0, 0);
    mesh->close();
}

// A test suite that opens its devices anew for each test, a thousand times.
void reopened() {
    Mesh mesh;
    for (int i = 0; i < 1000; ++i) {
        mesh = open_mesh(2);
        Tensor first = interleaved(mesh, L1, 4096, TILE);
        mesh->close();
        first.reset();
        mesh.reset();
    }
    expect_all(2, "L1", 0, 0, 0);
    mesh = open_mesh(2);
    Tensor last = interleaved(mesh, L1, 4096, TILE);
    expect_all(2, "L1", 1, 4096, TILE);
    step("1,000 one after the other");
    last.reset();
    mesh->close();
}

// Any thread allocates, and any other frees.
void threads() {
    Mesh mesh = open_mesh(8);
    std::vector<Tensor> kept[4];
    std::vector<std::thread> workers;
    for (int worker = 0; worker < 4; ++worker) {
        workers.emplace_back([&, worker] {
            for (int round = 0; round < 200; ++round) {
                Tensor one = interleaved(mesh, DRAM, 24 << 10, TILE), other = interleaved(mesh, L1, 4096, TILE);
                if (round % 2 == worker % 2) kept[worker].push_back(std::move(one));
            }
        });
    }
    for (std::thread& worker : workers) worker.join();
    workers.clear();
    expect_all(8, "DRAM", 400, 400 * (24 << 10), 400 * TILE);
    expect_all(8, "L1", 0, 0, 0);
    step("joined");
    for (int worker = 0; worker < 4; ++worker) workers.emplace_back([&, worker] { kept[(worker + 1) % 4].resize(10); });
    for (std::thread& worker : workers) worker.join();
    expect_all(8, "DRAM", 40, 40 * (24 << 10), 40 * TILE);
    step("freed by others");
    for (auto& tensors : kept) tensors.clear();
    mesh->close();
}

// The program ends with everything live, and frees it after main.
void live_at_exit() {
    static Mesh mesh = open_mesh(2);
    static Tensor tensor = interleaved(mesh, DRAM, 24 << 10, TILE);
    expect_all(2, "DRAM", 1, 24 << 10, TILE);
    step("last step");
}

// The program ends at once, with everything live.
void quick_exit() {
    Mesh mesh = open_mesh(2);
    Tensor tensor = interleaved(mesh, DRAM, 24 << 10, TILE), other = interleaved(mesh, L1, 4096, TILE);
    step("last step");
    std::printf("%s", calls().c_str());
    std::fflush(stdout);
    std::_Exit(7);
}

// A chip that refuses to close is not closed.
void close_throws() {
    Mesh mesh = open_mesh(2);
    Tensor own = interleaved(mesh, DRAM, 4096, TILE);
    auto program = std::make_unique<Program>(std::vector<CircularBuffer>{{64, 0x10000, 8192, false}});
    program->launch(mesh);
    fail_next_close(1);
    refused([&] { mesh->close(); });
    expect_all(2, "DRAM", 0, 0, 0);
    expect(0, "CB", 0, 0, 0);
    expect(1, "CB", 1, 8192, 8192);
    step("half closed");
    own.reset();
    mesh.reset();
    expect(1, "CB", 0, 0, 0);
    step("closed");
    program.reset();
}

// `make demo` where there is no wheel: a toy model that keeps every step's output, and is stopped with all of it live.
void demo() {
    Mesh mesh = open_mesh(8);
    std::vector<Tensor> layers, history;
    Program matmul({{64, 0x19000, 16 << 10, false}, {64, 0x1D000, 8 << 10, false}});
    Program relu({{64, 0x19000, 4 << 10, false}});
    for (int layer = 0; layer < 4; ++layer) layers.push_back(interleaved(mesh, DRAM, 512 << 10, TILE));
    step("weights loaded");
    for (const char* name : {"first input", "second input", "third input"}) {
        Tensor activation = interleaved(mesh, DRAM, 512 << 10, TILE);
        for (size_t layer = 0; layer < layers.size(); ++layer) {
            Tensor product = interleaved(mesh, L1, 512 << 10, TILE);
            matmul.launch(mesh);
            activation = interleaved(mesh, DRAM, 512 << 10, TILE);
            relu.launch(mesh);
        }
        history.push_back(std::move(activation));
        step(name);
    }
    layers.clear();
    expect_all(8, "DRAM", 3, 3 * (512 << 10), 3 * 22 * TILE);
    expect_all(8, "CB", 3, 24 << 10, 24 << 10);
    step("done");
    std::_Exit(0);
}

void pin_to_first_processor() {
    cpu_set_t allowed, first;
    sched_getaffinity(0, sizeof allowed, &allowed);
    CPU_ZERO(&first);
    for (int processor = 0; processor < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++processor) {
        if (CPU_ISSET(processor, &allowed)) CPU_SET(processor, &first);
    }
    sched_setaffinity(0, sizeof first, &first);
}

// This thread runs where others want to, and when they do not.
void give_way_to_others() {
    pin_to_first_processor();
    const sched_param none{};
    sched_setscheduler(0, SCHED_IDLE, &none);
}

void compute(std::chrono::nanoseconds time) {
    const auto computed = [] {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    };
    const auto end = computed() + time;
    while (computed() < end) {}
}

// Tracking begins in the middle, ends, and begins again: see load_started.c. What is placed lowest first is freed and taken again.
void late() {
    Mesh mesh = open_mesh(2), lone = open_mesh(std::vector<int>{5});
    Tensor dram = interleaved(mesh, DRAM, 1 << 20, TILE), l1 = interleaved(mesh, L1, 128 << 10, TILE),
           shards = sharded(mesh, L1, 256 << 10, 8), small = interleaved(mesh, L1_SMALL, 1000, 1024),
           other = interleaved(lone, DRAM, 64 << 10, TILE);
    step("not yet");
    // Three calls are under way when it begins; one of them has hardly any processor time.
    Tensor last_unseen, slow_unseen, gone = interleaved(mesh, L1, 4096, TILE);
    std::atomic<int> under_way = 0;
    std::atomic<bool> hogs = false, is_slow_done = false;
    const auto slow = [&] { ++under_way, std::this_thread::sleep_for(std::chrono::milliseconds(30)); };
    const auto starved = [&] { ++under_way, give_way_to_others(), compute(std::chrono::microseconds(1500)); };
    const auto inside = [](const auto& work, const auto& call) {
        return std::thread([=] { run_in_next_call(work), call(); });
    };
    std::thread hog([&] {
        pin_to_first_processor();
        for (hogs = true; !is_slow_done;) {}
    });
    while (!hogs) std::this_thread::yield();
    std::thread allocates = inside(slow, [&] { last_unseen = interleaved(mesh, DRAM, 8192, TILE); }),
                frees = inside(slow, [&] { gone.reset(); }), allocates_slowly = inside(starved, [&] {
                    slow_unseen = interleaved(mesh, DRAM, 16384, TILE);
                    is_slow_done = true;
                });
    while (under_way < 3) std::this_thread::yield();
    step("start");
    Tensor more = interleaved(mesh, DRAM, 24576, TILE);
    allocates.join(), frees.join(), allocates_slowly.join(), hog.join();
    other.reset();
    step("first events");
    l1.reset();
    dram.reset();
    Tensor again = interleaved(mesh, DRAM, 2 << 20, TILE);
    step("stop");
    again.reset();
    Tensor unseen = interleaved(lone, L1, 32 << 10, TILE);
    step("unseen");
    step("start again");
    more.reset();
    Tensor last = interleaved(lone, DRAM, 4096, TILE);
    step("second ring");
    for (Tensor* tensor : {&shards, &small, &unseen, &last, &last_unseen, &slow_unseen}) tensor->reset();
    step("all freed");
    mesh->close();
    lone->close();
}

// A server that somebody attaches to: two threads allocate and free, and keep one in a hundred, until standard input ends. The first
// thread sleeps in a system call; of a "busy-server" it computes.
void serve(bool is_busy) {
    Mesh mesh = open_mesh(2);
    Tensor weights = interleaved(mesh, DRAM, 1 << 20, TILE);
    std::atomic<bool> ends = false;
    auto work = [&](BufferType type, std::vector<Tensor>& kept) {
        for (uint64_t request = 0; !ends; ++request) {
            Tensor one = interleaved(mesh, type, 4096, TILE), other = interleaved(mesh, type, 2048, TILE);
            if (request % 100 == 0 && kept.size() < 50) kept.push_back(std::move(one));
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    };
    std::vector<Tensor> in_dram, in_l1;
    std::thread first([&] { work(DRAM, in_dram); }), second([&] { work(L1, in_l1); });
    step("serving");
    if (is_busy) {
        std::thread reader([&] { while (std::getchar() != EOF) {} ends = true; });
        uint64_t sum = 0;
        while (!ends) for (int i = 0; i < 1000000; ++i) sum += i ^ sum;
        reader.join();
    }
    while (!is_busy && std::getchar() != EOF) {}
    ends = true;
    first.join();
    second.join();
    step("served");
    // By hand: a handful of the last, so that each allocator is seen once more.
    Tensor last = interleaved(mesh, DRAM, 4096, TILE);
    step("all");
    std::fflush(truth_file);
    std::quick_exit(0);
}

const std::map<std::string, void (*)()> SCENARIOS = {
    {"server", [] { serve(false); }},
    {"busy-server", [] { serve(true); }},
    {"late", late},
    {"chips-1", chips_1},
    {"chips-8", chips_8},
    {"chips-32", chips_32},
    {"closing", closing},
    {"out-of-memory", out_of_memory},
    {"fragmented", fragmented},
    {"clash", clash},
    {"many-borrowed", many_borrowed},
    {"uncaught", uncaught},
    {"uncaught-other-reason", [] { uncaught_for(Failure::other_reason); }},
    {"uncaught-other-type", [] { uncaught_for(Failure::other_type); }},
    {"terminated-inside", [] { uncaught_for(Failure::noexcept_inside); }},
    {"pretended", pretended},
    {"second-holders", second_holders},
    {"circular-buffers", circular_buffers},
    {"dataflow-buffers", dataflow_buffers},
    {"past-allocators", past_allocators},
    {"early-arena", early_arena},
    {"circular-buffers-in-parts", circular_buffers_in_parts},
    {"circular-buffers-at-exit", circular_buffers_at_exit},
    {"submeshes", submeshes},
    {"many-meshes", many_meshes},
    {"reopened", reopened},
    {"threads", threads},
    {"live-at-exit", live_at_exit},
    {"quick-exit", quick_exit},
    {"close-throws", close_throws},
    {"demo", demo},
};

}  // namespace

extern "C" int scenario_main(int argc, char** argv) {
    auto scenario = argc > 1 ? SCENARIOS.find(argv[1]) : SCENARIOS.end();
    if (scenario == SCENARIOS.end()) {
        for (const auto& [name, _] : SCENARIOS) std::printf("%s\n", name.c_str());
        return 2;
    }
    if (argc > 2) truth_file = std::fopen(argv[2], "w");
    scenario->second();
    step("end");
    std::printf("%s", calls().c_str());
    return 0;
}

#ifdef SCENARIO_LINKED
int main(int argc, char** argv) { return scenario_main(argc, argv); }
#endif
