// A repeat read as a loop: what every input of its period is.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "engine/passes/find_repeats.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {

// One output of one node of the period.
struct Made {
  int position = 0, output = 0;
  auto operator<=>(const Made&) const = default;
};

// What the period before made, and in the first period `first`.
struct Carried {
  Made made;
  ir::ValueId first = ir::kNoValue;
  auto operator<=>(const Carried&) const = default;
};

// Steps begin, begin + 1, ... of an axis of x.
struct Scanned {
  ir::ValueId x = ir::kNoValue;
  std::int64_t axis = 0, begin = 0;
  auto operator<=>(const Scanned&) const = default;
};

// What an input of a node is in every period.
struct Operand {
  enum class Kind { kAbsent, kConstant, kInvariant, kMade, kCarried, kScanned };
  Kind kind = Kind::kAbsent;
  ir::ValueId value = ir::kNoValue;  // constant, invariant
  Made made;
  std::size_t index = 0;  // of carried or scanned
};

// Borrows graph and uses, which must not change.
class Recurrence {
 public:
  Recurrence(const ir::Graph& graph, const Uses& uses, Repeat repeat)
      : graph_(graph), uses_(uses), repeat_(std::move(repeat)) {}

  // False: the repeat is no loop, or none that loop programs run.
  bool read();

  const Repeat& repeat() const { return repeat_; }
  // The tail, too, is a period: what it lacks is made, but nothing reads it.
  int trips() const { return repeat_.count + (repeat_.num_tail > 0 ? 1 : 0); }
  bool exists(int t, int position) const {
    return t < repeat_.count || (t == repeat_.count && repeat_.num_tail > 0 &&
                                 repeat_.tail[static_cast<std::size_t>(position)] >= 0);
  }
  const ir::Node& node(int t, int position) const {
    const int at = t < repeat_.count ? repeat_.begin + t * repeat_.period + position
                                     : repeat_.tail[static_cast<std::size_t>(position)];
    return graph_.nodes[static_cast<std::size_t>(at)];
  }
  const std::vector<Operand>& operands(int position) const {
    return operands_[static_cast<std::size_t>(position)];
  }
  // The scanned sequence whose step this node takes.
  std::optional<std::size_t> step(int position) const {
    return steps_[static_cast<std::size_t>(position)];
  }
  const std::vector<Carried>& carried() const { return carried_; }
  const std::vector<Scanned>& scanned() const { return scanned_; }
  // Something outside the repeat reads what period t makes.
  bool used_outside(int t, Made made) const;

 private:
  bool inside(int node) const {
    return node >= repeat_.begin && node < repeat_.begin + repeat_.num_nodes();
  }
  int position_of(int node, int t) const;
  bool depends_on_itself() const;
  bool has_fixed_extents(const ir::Node& node) const;
  std::optional<Made> made_in(ir::ValueId id, int t) const;
  std::optional<Operand> operand_of(int position, std::size_t input);
  std::optional<Operand> made_or_carried(int position, std::size_t input);
  std::optional<Scanned> sequence_of(int position, std::size_t input) const;
  bool read_step(int position);

  const ir::Graph& graph_;
  const Uses& uses_;
  const Repeat repeat_;
  std::vector<Carried> carried_;
  std::vector<Scanned> scanned_;
  std::vector<std::vector<Operand>> operands_;     // [position][input]
  std::vector<std::optional<std::size_t>> steps_;  // [position]
};

}  // namespace antiphon::passes
