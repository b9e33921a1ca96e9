// A program without Python: operations, a captured trace, and what is allocated after it.
#include <cstdlib>

#include "ops.hpp"

int main() {
    ttsim::Mesh mesh = ttsim::open_mesh(2);
    ttsim::Tensor product = ttnn::linear(mesh);
    ttsim::Tensor heads = ttnn::transformer::concatenate_heads(mesh);
    // tt-metal allocates the buffer of a trace at the end of its capture.
    ttsim::Tensor released = ttsim::interleaved(mesh, ttsim::BufferType::TRACE, 32 << 10, 4096);
    released.reset();
    ttsim::Tensor safe = ttsim::interleaved(mesh, ttsim::BufferType::DRAM, 4096, 2048);
    ttsim::Tensor trace = ttsim::interleaved(mesh, ttsim::BufferType::TRACE, 16 << 10, 4096);
    ttsim::Tensor late = ttsim::interleaved(mesh, ttsim::BufferType::DRAM, 96 << 10, 2048);
    std::_Exit(0);
}
