// Weights by name from a safetensors file (https://github.com/huggingface/safetensors, format
// section).
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

  virtual ~Weights() = default;
  virtual std::vector<std::string> names() const = 0;
  virtual bool has(std::string_view name) const = 0;
  // kNotFound: the message lists the nearest name.
  virtual Result<TensorView> tensor(std::string_view name) const = 0;
  virtual const std::string& path() const = 0;
};

}  // namespace antiphon
