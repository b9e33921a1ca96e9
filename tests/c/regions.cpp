// Regions and buffers of ttmem.hpp. With an argument, whether the library is there is printed, and nothing else.
#include <cstdio>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <ttmem.hpp>

static_assert(!std::is_copy_constructible_v<ttmem::region> && std::is_nothrow_move_assignable_v<ttmem::region>);
static_assert(!std::is_copy_constructible_v<ttmem::buffer> && std::is_nothrow_move_assignable_v<ttmem::buffer>);

using ttmem::buffer;
using ttmem::memory;
using ttmem::region;

static buffer make_weights() { return buffer(1, memory::dram, 0x1000, 4096); }

int main(int argc, char**) {
    if (argc > 1) std::puts(ttmem::is_present() ? "present" : "absent");
    buffer weights = make_weights();
    {
        region outer("outer");
        region inner(std::string("inner ") + std::string(300, 'i'));
        buffer scratch(1, memory::l1, 0x2000, 64);
        // The one that was moved from reports nothing, and the one that is assigned to frees what it had.
        buffer moved = std::move(scratch);
        moved = buffer(1, memory::l1, 0x3000, 128);
        // Ends before the region that it is in, whose end comes on another thread.
        outer.end();
        outer.end();
        std::thread([inner = std::move(inner)] {}).join();
    }
    {
        region around("around");
        region cache = region::apart("cache");
        buffer kept(1, memory::l1, 0x4000, 256);
        cache = region("again");
        ttmem::mark("half");
        weights = std::move(kept);
    }
    return 0;
}
