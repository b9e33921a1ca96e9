// Operations of the stand-in for ttnn's C++ library.
#pragma once

#include "../sim/ttsim.hpp"

namespace ttnn {

ttsim::Tensor linear(const ttsim::Mesh& mesh);

namespace transformer {

ttsim::Tensor concatenate_heads(const ttsim::Mesh& mesh);

}  // namespace transformer
}  // namespace ttnn
