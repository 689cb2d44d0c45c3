// Runs every kernel of the table that accepts a node, in every way, against the reference.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/ir/graph.h"
#include "engine/kernels/kernel.h"
#include "tests/support/reference_interpreter.h"

namespace antiphon::test {

struct KernelCase {
  ir::Node node;
  std::vector<std::optional<RefTensor>> inputs;  // empty: absent
  std::vector<bool> constant;                    // by input; missing: false
  // Allowed |got - want|: absolute + relative * |want|. Each test derives its own.
  double absolute = 0, relative = 0;
  // Kernels whose name contains this are held to these bounds instead.
  struct Bound {
    std::string name_part;
    double absolute = 0, relative = 0;
  };
  std::vector<Bound> bounds;
  std::vector<bool> unspecified{};  // elements of the outputs that may be anything
};

// Every accepting kernel x ISA up to the machine's x teams of 1, 2, 3 x aligned and misaligned
// memory x in place where it may be. Checks bytes around the outputs, that inputs are unchanged,
// that run() allocates nothing (but for kernels that say so), and that at least one kernel accepts.
// Gives the names that ran.
std::vector<std::string> check_kernels(const KernelCase& test_case);

// Kernels that check_kernels() has run so far in this program.
const std::vector<std::string>& kernels_seen();

ir::Node node_of(ir::OpKind op, std::initializer_list<std::pair<const char*, ir::Attr>> attrs = {},
                 std::size_t num_inputs = 1, std::size_t num_outputs = 1);
// Whole numbers in [low, high].
RefTensor random_whole(std::vector<std::int64_t> dims, std::uint64_t seed, DType dtype, int low,
                       int high);
// Up to the machine's, or to ANTIPHON_MAX_ISA, which then caps oneDNN too.
std::vector<Isa> isas();
// Calls of malloc and its kin so far, by any thread; of operator new under sanitizers.
long allocations();

}  // namespace antiphon::test
