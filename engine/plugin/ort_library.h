// ONNX Runtime's C interface, as far as parts of networks need it, from a shared object that is
// found at run time. Nothing of ONNX Runtime is needed to compile.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace antiphon {

// A tensor in memory of ours. type: a number of ONNX's TensorProto.DataType.
struct OrtTensor {
  std::int32_t type = 0;
  std::span<const std::int64_t> dims;
  void* data = nullptr;
  std::size_t bytes = 0;
};

// An input or output as a session declares it.
struct OrtEdge {
  std::string name;
  std::int32_t type = 0;             // 0: not a tensor
  std::vector<std::int64_t> dims;    // -1: open
  std::vector<std::string> symbols;  // names of open extents; may be empty
};

// The loaded library, one environment. Immutable: any thread.
class OrtLibrary {
 public:
  // path: the shared object; empty: the one that the system's loader finds.
  // kNotFound: there is none, with what to install. kUnsupported: older than 1.12.
  static Result<std::shared_ptr<const OrtLibrary>> open(const std::string& path);
  ~OrtLibrary();
  OrtLibrary(const OrtLibrary&) = delete;
  OrtLibrary& operator=(const OrtLibrary&) = delete;

  const std::string& version() const { return version_; }
  // The entry of the table of functions; its place never changes.
  template <typename Function>
  Function* entry(int place) const {
    return reinterpret_cast<Function*>(table_[place]);
  }
  // Takes what a function returned: null is success.
  Status take(void* status) const;
  void* environment() const { return environment_; }

 private:
  OrtLibrary() = default;
  void* handle_ = nullptr;
  void* const* table_ = nullptr;
  void* environment_ = nullptr;
  std::string version_;
};

// A model that was loaded. Runs on the calling thread alone. Immutable: any thread.
class OrtSession {
 public:
  // model: a serialised ONNX model, copied. kUnsupported: ONNX Runtime does not take it, with its
  // reason.
  static Result<std::unique_ptr<OrtSession>> create(std::shared_ptr<const OrtLibrary> library,
                                                    std::string_view model);
  ~OrtSession();
  OrtSession(const OrtSession&) = delete;
  OrtSession& operator=(const OrtSession&) = delete;

  const OrtLibrary& library() const { return *library_; }
  const std::vector<OrtEdge>& inputs() const { return inputs_; }
  const std::vector<OrtEdge>& outputs() const { return outputs_; }
  // Values made by bind(), in the order of inputs() and outputs().
  Status run(std::span<void* const> inputs, std::span<void*> outputs) const;
  // A value over memory of ours; ended by release().
  Result<void*> bind(const OrtTensor& tensor) const;
  void release(void* value) const;

 private:
  explicit OrtSession(std::shared_ptr<const OrtLibrary> library) : library_(std::move(library)) {}
  Status load(std::string_view model);
  Result<std::vector<OrtEdge>> edges(bool of_inputs) const;
  Status read_type(void* type_info, OrtEdge& edge) const;

  std::shared_ptr<const OrtLibrary> library_;
  void* session_ = nullptr;
  void* memory_info_ = nullptr;
  std::vector<OrtEdge> inputs_, outputs_;
  std::vector<const char*> input_names_, output_names_;
};

}  // namespace antiphon
