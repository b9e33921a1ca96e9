"""The smallest program that uses device memory: one tensor, one op. Prints what it finds."""

import ttnn

mesh = ttnn.open_mesh_device(mesh_shape=ttnn.MeshShape(2, 4))
tensor = ttnn.empty((1, 1, 64, 64), dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=mesh)
total = ttnn.add(tensor, tensor)
print("shape", list(total.shape), "devices", mesh.get_num_devices())
ttnn.close_mesh_device(mesh)
