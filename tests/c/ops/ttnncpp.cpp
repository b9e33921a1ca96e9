// A stand-in for ttnn's C++ library: operations in the namespace ttnn over the simulated tt-metal, as deep as ttnn's own are.
#include "ops.hpp"

#define KEEP __attribute__((noinline, noclone))

namespace ttnn {
namespace prim {

KEEP ttsim::Tensor matmul(const ttsim::Mesh& mesh) {
    ttsim::Tensor product = ttsim::interleaved(mesh, ttsim::BufferType::DRAM, 64 << 10, 2048);
    // As in the program cache: it outlives the call.
    static ttsim::Program program({{64, 0x10000, 8192, false}});
    static ttsim::Program tiles({});
    program.launch(mesh);
    tiles.add_dataflow_buffer({{0, 3, 0, 0}}, 4096);
    tiles.launch(mesh);
    return product;
}

}  // namespace prim

KEEP ttsim::Tensor linear(const ttsim::Mesh& mesh) {
    ttsim::Tensor product = prim::matmul(mesh);
    asm volatile("" ::: "memory");
    return product;
}

namespace transformer {

KEEP ttsim::Tensor concatenate_heads(const ttsim::Mesh& mesh) {
    ttsim::Tensor heads = ttsim::interleaved(mesh, ttsim::BufferType::L1, 32 << 10, 2048);
    asm volatile("" ::: "memory");
    return heads;
}

}  // namespace transformer
}  // namespace ttnn
