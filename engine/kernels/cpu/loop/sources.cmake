# The loop compiler; part of the CPU kernels, because their table lists it and it uses their rows.
set(ANTIPHON_LOOP_SOURCES
  kernels/cpu/loop/body_shapes.cpp kernels/cpu/loop/compile.cpp kernels/cpu/loop/compile_nodes.cpp
  kernels/cpu/loop/cut.cpp kernels/cpu/loop/linear_weights.cpp kernels/cpu/loop/loop_program.cpp
  kernels/cpu/loop/partition.cpp kernels/cpu/loop/places.cpp kernels/cpu/loop/run_conv_panels.cpp
  kernels/cpu/loop/run_dense.cpp kernels/cpu/loop/run_elementwise.cpp kernels/cpu/loop/run_linear.cpp
  kernels/cpu/loop/run_moves.cpp kernels/cpu/loop/run_rows.cpp)
