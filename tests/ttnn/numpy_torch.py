"""As much of torch as ttnn.from_torch asks for, on numpy: the wheel does not bring torch. `import numpy_torch` puts it in place."""

import sys
import types

import ttnn  # noqa: F401 (first: it looks for the real one)


class Torch(types.ModuleType):
    Tensor = type("Tensor", (), {})

    @staticmethod
    def from_numpy(array):
        return array


sys.modules["torch"] = Torch("torch")
