// Weights by name from a safetensors file (https://github.com/huggingface/safetensors, format
// section), and from one that an adapter changes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "engine/tensor.h"

namespace antiphon {

// Owns a memory map of the file; views live as long as it does. Immutable: any thread.
//
// Packs store a matrix either as F32 or F16 under its name, or as I8 [out, in...] under its name
// with F32 [out] scales under NAME.scale: value = int8 * scale[out].
class Weights {
 public:
  // kNotFound: no such file. kInvalidArgument: not safetensors, or truncated; the message names the
  // file, the tensor and the field, with what was wanted.
  static Result<std::shared_ptr<const Weights>> load(const std::string& path);
  // The same from memory, which is copied. `name` stands for the path in messages.
  static Result<std::shared_ptr<const Weights>> parse(std::string_view bytes,
                                                      const std::string& name);
  // `base` as `adapter` changes it, by low-rank adaptation (arXiv 2106.09685) among others; shares
  // both. A tensor NAME of `adapter` stands in place of the base's, in any shape, or beside them. A
  // pair NAME.down [rank, in] and NAME.up [rank, out], each F32, F16 or I8 with F32 scales [rank],
  // makes of the base's NAME [out, in] the sum NAME + transpose(up) * down; the pair itself is not
  // to be seen. The sum of an I8 is I8 with scales that are chosen anew (engine/network/
  // quantize_row.h), of an F32 or F16 F32. Computed here, once. path() is "BASE with ADAPTER".
  // kInvalidArgument: half a pair; ranks or shapes that do not fit; no NAME of two dimensions in
  // `base`, or an empty one; NAME both whole and as a pair; a value of `adapter`, or a sum, that is
  // not finite. Names the adapter's path and the tensor, wanted and got.
  static Result<std::shared_ptr<const Weights>> adapted(std::shared_ptr<const Weights> base,
                                                        std::shared_ptr<const Weights> adapter);

  virtual ~Weights() = default;
  virtual std::vector<std::string> names() const = 0;
  virtual bool has(std::string_view name) const = 0;
  // kNotFound: the message lists the nearest name.
  virtual Result<TensorView> tensor(std::string_view name) const = 0;
  virtual const std::string& path() const = 0;
};

}  // namespace antiphon
