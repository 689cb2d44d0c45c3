// Calls of ONNX Runtime by their place in its table of functions.
//
// The table that a version of the interface was asked for keeps its entries' places and signatures
// in every later release of the library, which is what makes calls by place sound:
// https://onnxruntime.ai/docs/api/c/struct_ort_api.html
#include "engine/plugin/ort_library.h"

#include <dlfcn.h>

namespace antiphon {
namespace {

constexpr std::uint32_t kInterface = 12;  // of ONNX Runtime 1.12

enum Place : int {
  kErrorMessage = 2,
  kCreateEnvironment = 3,
  kCreateSessionFromArray = 8,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetLogSeverity = 22,
  kSetIntraOpThreads = 24,
  kSetInterOpThreads = 25,
  kInputCount = 30,
  kOutputCount = 31,
  kInputType = 33,
  kOutputType = 34,
  kInputName = 36,
  kOutputName = 37,
  kTensorOverMemory = 49,
  kTensorOfType = 55,
  kElementType = 60,
  kNumDims = 61,
  kDims = 62,
  kSymbols = 63,
  kCpuMemoryInfo = 69,
  kAllocatorFree = 76,
  kDefaultAllocator = 78,
  kReleaseEnvironment = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseType = 98,
  kReleaseSessionOptions = 100,
};
constexpr int kErrorsOnly = 3;  // of the levels of its log

// What the library's one exported function returns.
struct Base {
  void* const* (*table)(std::uint32_t interface);
  const char* (*version)();
};

using Release = void(void*);

void* open_any(const std::string& path, std::string& reason) {
  const std::vector<std::string> names =
      path.empty()
          ? std::vector<std::string>{"libonnxruntime.so.1", "libonnxruntime.so"}
          : std::vector<std::string>{path.find('/') == std::string::npos ? "./" + path : path};
  for (const std::string& name : names) {
    if (void* handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
    const char* error = ::dlerror();
    if (reason.empty()) reason = error ? error : name + " cannot be loaded";
  }
  return nullptr;
}

// Ends an object of the library when a scope ends.
class Ended {
 public:
  Ended(const OrtLibrary& library, int place) : library_(library), place_(place) {}
  ~Ended() {
    if (object) library_.entry<Release>(place_)(object);
  }
  Ended(const Ended&) = delete;
  Ended& operator=(const Ended&) = delete;
  void* object = nullptr;

 private:
  const OrtLibrary& library_;
  int place_;
};

}  // namespace

Result<std::shared_ptr<const OrtLibrary>> OrtLibrary::open(const std::string& path) {
  std::shared_ptr<OrtLibrary> out(new OrtLibrary);
  std::string reason;
  out->handle_ = open_any(path, reason);
  if (!out->handle_)
    return not_found(
        "ONNX Runtime: " + reason +
        "; `pip install onnxruntime` brings it: give onnxruntime/capi/libonnxruntime.so.* of that "
        "installation as --fallback onnxruntime=FILE");
  const auto base = reinterpret_cast<const Base* (*)()>(::dlsym(out->handle_, "OrtGetApiBase"));
  if (!base) return invalid_argument("ONNX Runtime: " + path + ": does not export OrtGetApiBase()");
  out->version_ = base()->version();
  out->table_ = base()->table(kInterface);
  if (!out->table_)
    return unsupported("ONNX Runtime: is version " + out->version_ + ", wanted 1.12 or later");
  using Create = void*(int level, const char* name, void** environment);
  ANTIPHON_RETURN_IF_ERROR(out->take(
      out->entry<Create>(kCreateEnvironment)(kErrorsOnly, "antiphon", &out->environment_)));
  return std::shared_ptr<const OrtLibrary>(std::move(out));
}

OrtLibrary::~OrtLibrary() {
  if (environment_) entry<Release>(kReleaseEnvironment)(environment_);
  // The library stays mapped: threads of its own may be on their way out.
}

Status OrtLibrary::take(void* status) const {
  if (!status) return {};
  const std::string message = entry<const char*(const void*)>(kErrorMessage)(status);
  entry<Release>(kReleaseStatus)(status);
  return internal_error("ONNX Runtime: " + message);
}

Result<std::unique_ptr<OrtSession>> OrtSession::create(std::shared_ptr<const OrtLibrary> library,
                                                       std::string_view model) {
  std::unique_ptr<OrtSession> out(new OrtSession(std::move(library)));
  if (const Status loaded = out->load(model); !loaded.ok()) return unsupported(loaded.message());
  ANTIPHON_ASSIGN_OR_RETURN(out->inputs_, out->edges(true));
  ANTIPHON_ASSIGN_OR_RETURN(out->outputs_, out->edges(false));
  for (const OrtEdge& edge : out->inputs_) out->input_names_.push_back(edge.name.c_str());
  for (const OrtEdge& edge : out->outputs_) out->output_names_.push_back(edge.name.c_str());
  return out;
}

Status OrtSession::load(std::string_view model) {
  const OrtLibrary& l = *library_;
  Ended options(l, kReleaseSessionOptions);
  ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<void*(void**)>(kCreateSessionOptions)(&options.object)));
  using SetNumber = void*(void*, int);
  for (const auto& [place, number] :
       {std::pair(kSetLogSeverity, kErrorsOnly), std::pair(kSetIntraOpThreads, 1),
        std::pair(kSetInterOpThreads, 1)})
    ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<SetNumber>(place)(options.object, number)));
  using Create = void*(const void* environment, const void* bytes, std::size_t size,
                       const void* options, void** session);
  ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<Create>(kCreateSessionFromArray)(
      l.environment(), model.data(), model.size(), options.object, &session_)));
  constexpr int kDeviceAllocator = 0, kDefaultMemory = 0;
  using CreateInfo = void*(int allocator, int memory, void** info);
  return l.take(
      l.entry<CreateInfo>(kCpuMemoryInfo)(kDeviceAllocator, kDefaultMemory, &memory_info_));
}

Result<std::vector<OrtEdge>> OrtSession::edges(bool of_inputs) const {
  const OrtLibrary& l = *library_;
  std::size_t count = 0;
  using Count = void*(const void* session, std::size_t* count);
  ANTIPHON_RETURN_IF_ERROR(
      l.take(l.entry<Count>(of_inputs ? kInputCount : kOutputCount)(session_, &count)));
  void* allocator = nullptr;  // the library's own, not to be ended
  ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<void*(void**)>(kDefaultAllocator)(&allocator)));
  std::vector<OrtEdge> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    using Name = void*(const void* session, std::size_t i, void* allocator, char** name);
    ANTIPHON_RETURN_IF_ERROR(
        l.take(l.entry<Name>(of_inputs ? kInputName : kOutputName)(session_, i, allocator, &name)));
    out[i].name = name;
    ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<void*(void*, void*)>(kAllocatorFree)(allocator, name)));
    Ended type(l, kReleaseType);
    using Type = void*(const void* session, std::size_t i, void** type);
    ANTIPHON_RETURN_IF_ERROR(
        l.take(l.entry<Type>(of_inputs ? kInputType : kOutputType)(session_, i, &type.object)));
    ANTIPHON_RETURN_IF_ERROR(read_type(type.object, out[i]));
  }
  return out;
}

Status OrtSession::read_type(void* type_info, OrtEdge& edge) const {
  const OrtLibrary& l = *library_;
  const void* tensor = nullptr;  // belongs to type_info; null: no tensor
  using Cast = void*(const void* type, const void** tensor);
  ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<Cast>(kTensorOfType)(type_info, &tensor)));
  if (!tensor) return {};
  int type = 0;
  std::size_t rank = 0;
  ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<void*(const void*, int*)>(kElementType)(tensor, &type)));
  ANTIPHON_RETURN_IF_ERROR(
      l.take(l.entry<void*(const void*, std::size_t*)>(kNumDims)(tensor, &rank)));
  edge.type = type;
  edge.dims.resize(rank);
  std::vector<const char*> symbols(rank, nullptr);
  using Dims = void*(const void*, std::int64_t*, std::size_t);
  ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<Dims>(kDims)(tensor, edge.dims.data(), rank)));
  using Symbols = void*(const void*, const char**, std::size_t);
  ANTIPHON_RETURN_IF_ERROR(l.take(l.entry<Symbols>(kSymbols)(tensor, symbols.data(), rank)));
  for (const char* symbol : symbols) edge.symbols.emplace_back(symbol ? symbol : "");
  return {};
}

OrtSession::~OrtSession() {
  if (memory_info_) library_->entry<Release>(kReleaseMemoryInfo)(memory_info_);
  if (session_) library_->entry<Release>(kReleaseSession)(session_);
}

Result<void*> OrtSession::bind(const OrtTensor& tensor) const {
  void* value = nullptr;
  using Create = void*(const void* info, void* data, std::size_t bytes, const std::int64_t* dims,
                       std::size_t rank, int type, void** value);
  ANTIPHON_RETURN_IF_ERROR(library_->take(library_->entry<Create>(kTensorOverMemory)(
      memory_info_, tensor.data, tensor.bytes, tensor.dims.data(), tensor.dims.size(), tensor.type,
      &value)));
  return value;
}

void OrtSession::release(void* value) const {
  if (value) library_->entry<Release>(kReleaseValue)(value);
}

Status OrtSession::run(std::span<void* const> inputs, std::span<void*> outputs) const {
  using Run = void*(void* session, const void* options, const char* const* input_names,
                    const void* const* inputs, std::size_t num_inputs,
                    const char* const* output_names, std::size_t num_outputs, void** outputs);
  return library_->take(library_->entry<Run>(kRun)(
      session_, nullptr, input_names_.data(), inputs.data(), inputs.size(), output_names_.data(),
      outputs.size(), outputs.data()));
}

}  // namespace antiphon
