// A small stand-in for tt-metal: the classes of ttnn 0.81 as far as ttmem looks at them, under the same names, so that
// libtt_metal.so exports the same mangled symbols as the one in the wheel and calls them the same way, through the PLT.
//
// What a program of the tests calls is in ttsim.hpp. names.txt lists the symbols that have to be those of the wheel.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_set>
#include <utility>
#include <vector>

// A build before 0.79 has no getters; a build from before the allocator was named AllocatorImpl has none of its names.
#ifdef TTSIM_NO_GETTERS
#define TTSIM_GETTER [[gnu::visibility("hidden")]]
#else
#define TTSIM_GETTER
#endif
#ifdef TTSIM_CLIENT_ONLY
#define TTSIM_HOOKED [[gnu::visibility("hidden")]]
#else
#define TTSIM_HOOKED
#endif

namespace tt {

struct xy_pair {
    size_t x, y;
};

}  // namespace tt

namespace tt::tt_metal {

enum class BufferType { DRAM, L1, SYSTEM_MEMORY, L1_SMALL, TRACE };

class AllocatorImpl;
class IDevice;
class Program;

struct CoreCoord {
    size_t x, y;
};

// Both corners are in it.
struct CoreRange {
    CoreCoord start_coord, end_coord;
};

class CoreRangeSet {
public:
    explicit CoreRangeSet(std::vector<CoreRange> ranges) : ranges_(std::move(ranges)) {}
    TTSIM_HOOKED uint32_t num_cores() const;
    TTSIM_HOOKED const std::vector<CoreRange>& ranges() const;

private:
    std::vector<CoreRange> ranges_;
};

// L1 below what programs place, which lives across programs. (Here nothing is used again.)
class PersistentL1Arena {
public:
    struct Allocation {
        uint64_t id, address, size;
    };

    explicit PersistentL1Arena(std::vector<int> chips);
    TTSIM_HOOKED ~PersistentL1Arena();
    TTSIM_HOOKED Allocation allocate(const CoreRangeSet& cores, uint64_t size, uint64_t alignment);
    TTSIM_HOOKED void deallocate(uint64_t id);

private:
    struct State;
    void take(uint64_t id);
    std::unique_ptr<State> state_;
};

// What a bank of an allocator has, in bytes.
struct Statistics {
    size_t total_allocatable_size_bytes = 0;
    size_t total_allocated_bytes = 0;
    size_t total_free_bytes = 0;
    size_t largest_free_block_bytes = 0;
};

// Like the real one: asked for its address before it has one, it throws.
class Buffer {
public:
    enum class Status : uint8_t { REQUESTED, ALLOCATED, DEALLOCATED };

    Buffer(IDevice* device, uint64_t size, uint64_t page_size, uint64_t size_per_bank, BufferType type);
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    TTSIM_GETTER uint32_t address() const;
    TTSIM_GETTER uint64_t size() const;
    TTSIM_GETTER BufferType buffer_type() const;
    TTSIM_GETTER IDevice* device() const;
    TTSIM_GETTER uint64_t unique_id() const;
    TTSIM_GETTER uint64_t page_size() const;
    TTSIM_GETTER uint64_t aligned_size() const;
    TTSIM_GETTER uint64_t aligned_size_per_bank() const;
    TTSIM_GETTER bool is_allocated() const;

    // How a buffer comes by its bytes.
    void allocate();
    void pretend();
    void borrow(uint64_t address, bool tracked);

private:
    friend class AllocatorImpl;
    void deallocate();

    IDevice* device_;
    AllocatorImpl* allocator_ = nullptr;
    uint64_t size_;
    uint64_t page_size_;
    uint64_t size_per_bank_;
    uint64_t address_ = 0;
    uint64_t unique_id_;
    BufferType type_;
    Status status_ = Status::REQUESTED;
    bool owns_data_ = true;
    bool tracked_ = true;
};

// First fit within a bank; the same address in every bank. Polymorphic as the real one, whose vtable is exported.
class AllocatorImpl {
public:
    explicit AllocatorImpl(std::vector<int> chips);
    virtual ~AllocatorImpl();
    static void* operator new(size_t size);
    static void operator delete(void* place, size_t size);

    TTSIM_HOOKED uint64_t allocate_buffer(Buffer* buffer);
    TTSIM_HOOKED void deallocate_buffer(Buffer* buffer);
    TTSIM_HOOKED void deallocate_buffers();
    TTSIM_HOOKED uint32_t get_alignment(BufferType type) const;
    uint64_t lowest_l1_address() const;
    TTSIM_HOOKED std::unordered_set<Buffer*> get_allocated_buffers() const;
    PersistentL1Arena& arena() { return arena_; }

private:
    struct State;
    std::unique_ptr<State> state_;
    // Far from the beginning, as in the real one.
    char others_[0x190] = {};
    PersistentL1Arena arena_;
};

class GraphTracker {
public:
    static GraphTracker& instance();

    TTSIM_HOOKED void track_allocate(const Buffer* buffer);
    TTSIM_HOOKED void track_deallocate(Buffer* buffer);
    TTSIM_HOOKED void track_allocate_cb(
        const CoreRangeSet& cores, uint64_t address, uint64_t size, bool is_globally_allocated, const IDevice* device);
    TTSIM_HOOKED void track_deallocate_cb(const IDevice* device);
    void track_program(Program* program, const IDevice* device);

    // A capture without dispatch: allocations are pretended.
    bool hook_allocate(const Buffer* buffer);
};

namespace distributed {
class MeshDevice;
}

namespace detail {

// A circular buffer and the cores that it lies on.
struct CircularBuffer {
    CoreRangeSet cores;
    uint64_t address;
    uint64_t size;
    bool globally_allocated;
};

// As in the real one the id comes first, then the cores, then the size. One that borrows takes no bytes of its own.
struct DataflowBufferImpl {
    uint32_t id;
    CoreRangeSet core_ranges;
    uint32_t entry_size, num_entries;
    bool borrows;
    uint64_t size() const { return uint64_t{entry_size} * num_entries; }
};

// A kernel's scratchpad, on all cores of the kernel.
struct Scratchpad {
    CoreRangeSet kernel_cores;
    uint64_t size;
};

class ProgramImpl {
public:
    explicit ProgramImpl(std::vector<CircularBuffer> buffers) : buffers_(std::move(buffers)) {}
    ~ProgramImpl();
    void add_dataflow_buffer(std::vector<CoreRange> cores, uint64_t size, bool borrows);
    void add_scratchpad(std::vector<CoreRange> cores, uint64_t size);
    // Dataflow buffers first, scratchpads on top of them; for a program without any, neither does anything.
    TTSIM_HOOKED void allocate_dataflow_buffers(const IDevice* mesh);
    TTSIM_HOOKED void allocate_scratchpads(const IDevice* mesh);
    void invalidate_dataflow_buffer_allocation();
    TTSIM_HOOKED const std::vector<std::shared_ptr<DataflowBufferImpl>>& dataflow_buffers() const;

    // What is taken on one range of cores: regions [begin, end), in ascending order.
    struct CircularBufferAllocator {
        CoreRange core_range;
        std::vector<std::pair<uint64_t, uint64_t>> l1_regions;
        uint64_t end() const { return l1_regions.empty() ? 0 : l1_regions.back().second; }
        TTSIM_HOOKED void mark_address(uint64_t address, uint64_t size, uint64_t base);
    };

    // For each circular buffer, chip by chip, tells the tracker.
    TTSIM_HOOKED void allocate_circular_buffers(const IDevice* mesh);
    TTSIM_HOOKED void deallocate_circular_buffers();
    // Throw where they meet a buffer in L1, or its end. Dataflow buffers are reported nowhere else.
    TTSIM_HOOKED void validate_circular_buffer_region(const IDevice* mesh);
    TTSIM_HOOKED void validate_dataflow_buffer_region(const IDevice* mesh);
    void use_dataflow_buffers(CoreRange cores, uint64_t end) { dataflow_ = {cores, end}; }
    bool is_placed() const { return !placed_.empty(); }
    // All buffers on one chip, then all on the next; else buffer by buffer.
    void place_chip_by_chip() { chip_by_chip_ = true; }
    // The next placement throws after so many reports.
    void fail_after(uint64_t reports) { reports_left_ = reports; }

private:
    void place(const CircularBuffer& buffer, const IDevice* chip, int id);
    void have_allocators(const CoreRangeSet& cores);
    void note(const IDevice* mesh, int memory, const CoreRangeSet& cores, uint64_t address, uint64_t size);

    std::vector<CircularBuffer> buffers_;
    std::vector<std::shared_ptr<DataflowBufferImpl>> dataflow_buffers_;
    std::vector<Scratchpad> scratchpads_;
    std::vector<CircularBufferAllocator> allocators_;
    std::vector<int> chips_;
    bool needs_dataflow_buffers_ = false, needs_scratchpads_ = false;
    std::vector<std::pair<const IDevice*, int>> placed_;
    std::pair<CoreRange, uint64_t> dataflow_{};
    bool chip_by_chip_ = false;
    uint64_t reports_left_ = UINT64_MAX;
};

}  // namespace detail

#define TTSIM_SLOT(n) virtual int slot_##n() const { return n; }
#define TTSIM_SLOTS_10(d)                                                                                              \
    TTSIM_SLOT(d##0) TTSIM_SLOT(d##1) TTSIM_SLOT(d##2) TTSIM_SLOT(d##3) TTSIM_SLOT(d##4) TTSIM_SLOT(d##5)              \
    TTSIM_SLOT(d##6) TTSIM_SLOT(d##7) TTSIM_SLOT(d##8) TTSIM_SLOT(d##9)

// As in 0.81.1 the vtable has 72 entries, id() in slot 3 and close() in slot 39.
class IDevice {
public:
    virtual ~IDevice() = default;
    virtual int arch() const = 0;
    virtual int id() const = 0;
    TTSIM_SLOT(4) TTSIM_SLOT(5) TTSIM_SLOT(6) TTSIM_SLOT(7) TTSIM_SLOT(8) TTSIM_SLOT(9)
    TTSIM_SLOTS_10(1) TTSIM_SLOTS_10(2)
    TTSIM_SLOT(30) TTSIM_SLOT(31) TTSIM_SLOT(32) TTSIM_SLOT(33) TTSIM_SLOT(34) TTSIM_SLOT(35) TTSIM_SLOT(36)
    TTSIM_SLOT(37) TTSIM_SLOT(38)
    virtual bool close() = 0;
    TTSIM_SLOTS_10(4) TTSIM_SLOTS_10(5) TTSIM_SLOTS_10(6)
    TTSIM_SLOT(70) TTSIM_SLOT(71)
};

// One chip. Its id() is not exported, as in the wheel, so that it is only to be had through the vtable.
class Device : public IDevice {
public:
    explicit Device(int chip);
    ~Device() override;
    static void* operator new(size_t size);
    static void operator delete(void* place, size_t size);

    int arch() const override;
    [[gnu::visibility("hidden")]] int id() const override;
    bool close() override;

private:
    int chip_;
    bool open_ = true;
    std::unique_ptr<AllocatorImpl> allocator_;
};

namespace distributed {

class MeshDeviceImpl;

// id() counts meshes; it is no chip id.
class MeshDevice : public IDevice, public std::enable_shared_from_this<MeshDevice> {
public:
    explicit MeshDevice(std::unique_ptr<MeshDeviceImpl> impl);
    ~MeshDevice() override;
    static void* operator new(size_t size);
    static void operator delete(void* place, size_t size);

    int arch() const override;
    int id() const override;
    bool close() override;
    std::vector<int> get_device_ids() const;
    std::vector<IDevice*> get_devices() const;

    MeshDeviceImpl& impl() const { return *impl_; }

private:
    std::unique_ptr<MeshDeviceImpl> impl_;
};

class MeshDeviceImpl {
public:
    MeshDeviceImpl(std::vector<int> chips, MeshDevice* parent);
    bool close_impl(MeshDevice* mesh);

    AllocatorImpl* allocator() const { return allocator_.get(); }
    MeshDevice* parent() const { return parent_; }

private:
    friend class MeshDevice;
    int id_;
    bool open_ = true;
    std::vector<int> chips_;
    MeshDevice* parent_;
    std::vector<std::weak_ptr<MeshDevice>> submeshes_;
    std::vector<Device*> devices_;
    std::unique_ptr<AllocatorImpl> allocator_;
    friend std::shared_ptr<MeshDevice> create_submesh(const std::shared_ptr<MeshDevice>&, std::vector<int>);
};

class MeshCommandQueue;

// A program on a mesh: the binaries of its kernels lie in a buffer of their own, with a view of each chip's part.
class MeshWorkloadImpl {
public:
    MeshWorkloadImpl(MeshDevice* mesh, uint64_t binary_bytes) : mesh_(mesh), binary_bytes_(binary_bytes) {}
    TTSIM_HOOKED void load_binaries(MeshCommandQueue& queue);

private:
    MeshDevice* mesh_;
    uint64_t binary_bytes_;
    std::unique_ptr<Buffer> binaries_, view_;
};

std::shared_ptr<MeshDevice> create_submesh(const std::shared_ptr<MeshDevice>& parent, std::vector<int> chips);

}  // namespace distributed

namespace internal {

// Cores of the dispatch column that a program claims; their L1 is handed out from its top.
class ServiceCoreManagerImpl {
public:
    void claim(IDevice* device, const std::vector<xy_pair>& cores);
    TTSIM_HOOKED bool is_service_core(int chip, xy_pair core) const;
    TTSIM_HOOKED size_t bytes_available(IDevice* device, xy_pair core) const;
    TTSIM_HOOKED uint64_t allocate_l1(IDevice* device, xy_pair core, size_t size);
    TTSIM_HOOKED void deallocate_l1(IDevice* device, xy_pair core, uint64_t address);
    TTSIM_HOOKED void release(IDevice* device, const std::vector<xy_pair>& cores);
    static void on_device_close(int chip);
};

class ServiceCoreManager {
public:
    void claim(IDevice* device, const std::vector<xy_pair>& cores);
    uint64_t allocate_l1(IDevice* device, xy_pair core, size_t size);
    void deallocate_l1(IDevice* device, xy_pair core, uint64_t address);
    void release(IDevice* device, const std::vector<xy_pair>& cores);

private:
    ServiceCoreManagerImpl impl_;
};

ServiceCoreManager& service_core_manager();

}  // namespace internal

#ifdef TTSIM_CLIENT
// The client of the first proof of concept, in builds that were patched with it.
class AllocationClient {
public:
    static void report_allocation(int device_id, uint64_t size, uint8_t buffer_type, uint64_t buffer_id);
    static void report_deallocation(uint64_t buffer_id);
    static void report_deallocation(int device_id, uint64_t buffer_id);
    static bool is_enabled();
};
#endif

}  // namespace tt::tt_metal
