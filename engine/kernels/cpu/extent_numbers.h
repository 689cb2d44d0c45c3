// The attribute `extents` of a node on the extents of one binding.
#pragma once

#include <optional>
#include <vector>

#include "engine/ir/extents.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon {

// For prepare(): allocates.
inline Result<std::vector<std::int64_t>> extent_numbers(const NodeView& view) {
  ANTIPHON_ASSIGN_OR_RETURN(
      const auto values,
      ir::evaluate_extents(view.node->attrs.s("extents"),
                           [&](std::size_t input, std::size_t axis) -> std::optional<Dim> {
                             const Tensor* t = input_or_null(view, input);
                             if (!t || axis >= static_cast<std::size_t>(t->rank)) return {};
                             return Dim(t->dims[axis]);
                           }));
  std::vector<std::int64_t> out;
  for (const ir::WholeNumber& value : values) out.push_back(value.number.value_or(0));
  return out;
}

// What kernels keep of them.
struct ExtentNumbers final : Prepared {
  std::vector<std::int64_t> values;
};
inline Result<std::unique_ptr<Prepared>> prepare_extent_numbers(const NodeView& view,
                                                                const Packed*) {
  auto made = std::make_unique<ExtentNumbers>();
  ANTIPHON_ASSIGN_OR_RETURN(made->values, extent_numbers(view));
  return std::unique_ptr<Prepared>(std::move(made));
}

}  // namespace antiphon
