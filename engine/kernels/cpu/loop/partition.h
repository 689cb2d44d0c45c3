// Which member makes which part of an op's result: the ways an op can be split, and the choice that
// needs the fewest barriers.
#pragma once

#include <vector>

#include "engine/kernels/cpu/loop/program.h"

namespace antiphon::loop {

// An input as the choice sees it.
struct Source {
  Place place;
  Partition part;
  int phase = 0;  // in which it is made
};

// How one op could be split: its result's partition, and what it then needs of its inputs.
struct Choice {
  Partition part;
  std::vector<Need> needs;
};

// What is known of an op before it is placed.
struct OpShape {
  ir::OpKind kind = ir::OpKind::kIdentity;
  Place out;                 // shape of its first result
  int axis = 0;              // of softmax, reduce, concat, ...
  bool keep_dim = false;     // of reduce
  std::int64_t groups = 1;   // of a linear's rows
  bool residual = false;     // in[1] of a linear or conv is added to the result
  bool wants_whole = false;  // its users read all of it
  bool private_only = false;
  bool transpose_a = false, transpose_b = false;  // of matmul
  bool pointwise_conv = false;                    // width 1, stride 1
  bool panels = false;    // a conv by matrix panels: as a linear, its rows are the steps
  std::int64_t cost = 0;  // multiply-adds of the whole op, roughly
};

// Work that every member may repeat rather than meet at a barrier: about as long as one takes.
constexpr std::int64_t kRepeatCost = 16384;

// First phase in which `need` of the source can be read.
int ready_phase(const Source& source, const Need& need, const Partition& part);

struct Chosen {
  Choice choice;
  int phase = 0;
};
Chosen choose(const OpShape& op, const std::vector<Source>& in, int members);

}  // namespace antiphon::loop
