// Buffers with guard bytes, conversion from and to the reference's doubles, and the loops.
#include "tests/unit/engine/kernels/kernel_harness.h"

#include <gtest/gtest.h>
#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

#include "engine/kernels/cpu/backend.h"
#include "engine/kernels/cpu/team.h"

namespace antiphon::test {
namespace {

constexpr std::size_t kGuard = 64;
constexpr std::byte kGuardByte{0x5a};

std::vector<std::string>& seen() {
  static std::vector<std::string> names;
  return names;
}

// A tensor's memory between guard bytes, misaligned by whole elements. AddressSanitizer, where it
// is there, reports who reads or writes them.
class Buffer {
 public:
  Buffer(std::size_t num_bytes, std::size_t shift) : num_bytes_(num_bytes) {
    storage_.assign(num_bytes + 2 * kGuard + 128, kGuardByte);
    const auto at = reinterpret_cast<std::uintptr_t>(storage_.data()) + kGuard;
    first_ = kGuard + (64 - at % 64) % 64 + shift;
    ASAN_POISON_MEMORY_REGION(storage_.data(), first_);
    ASAN_POISON_MEMORY_REGION(data() + num_bytes_, storage_.size() - first_ - num_bytes_);
  }
  std::byte* data() { return storage_.data() + first_; }
  // From then on the guards may be touched.
  bool guards_are_whole() const {
    ASAN_UNPOISON_MEMORY_REGION(storage_.data(), storage_.size());
    const auto untouched = [&](std::size_t begin, std::size_t end) {
      return std::all_of(storage_.begin() + static_cast<std::ptrdiff_t>(begin),
                         storage_.begin() + static_cast<std::ptrdiff_t>(end),
                         [](std::byte b) { return b == kGuardByte; });
    };
    return untouched(0, first_) && untouched(first_ + num_bytes_, storage_.size());
  }

 private:
  std::size_t num_bytes_, first_;
  std::vector<std::byte> storage_;
};

Tensor tensor_of(const RefTensor& ref) {
  Tensor t;
  t.dtype = ref.dtype;
  t.rank = static_cast<std::int32_t>(ref.dims.size());
  std::copy(ref.dims.begin(), ref.dims.end(), t.dims.begin());
  return t;
}

template <typename T>
void write_as(const RefTensor& ref, void* to) {
  for (std::size_t i = 0; i < ref.values.size(); ++i)
    static_cast<T*>(to)[i] = static_cast<T>(ref.values[i]);
}
void write(const RefTensor& ref, void* to) {
  switch (ref.dtype) {
    case DType::kF32: write_as<float>(ref, to); break;
    case DType::kI32: write_as<std::int32_t>(ref, to); break;
    case DType::kI64: write_as<std::int64_t>(ref, to); break;
    case DType::kI8: write_as<std::int8_t>(ref, to); break;
    case DType::kU8:
    case DType::kBool: write_as<std::uint8_t>(ref, to); break;
    case DType::kF16: FAIL() << "no f16 here";
  }
}

// One way to run one kernel.
struct Way {
  const Kernel* kernel;
  Isa isa;
  Team* team;
  bool misaligned, in_place;

  std::string text() const {
    return std::string(kernel->name) + ", isa " + std::to_string(static_cast<int>(isa)) +
           ", team of " + std::to_string(team->size()) + (misaligned ? ", misaligned" : "") +
           (in_place ? ", in place" : "");
  }
};

struct Bound {
  double absolute, relative;
};
Bound bound_of(const KernelCase& c, const Kernel& kernel) {
  for (const KernelCase::Bound& b : c.bounds)
    if (std::string_view(kernel.name).find(b.name_part) != std::string_view::npos)
      return {b.absolute, b.relative};
  return {c.absolute, c.relative};
}

void compare(const RefTensor& want, const Tensor& got, const Bound& bound,
             const std::vector<bool>& unspecified = {}) {
  ASSERT_EQ(got.dtype, want.dtype);
  const TensorView view{got.dtype, {got.dims.begin(), got.dims.begin() + got.rank}, got.data};
  const RefTensor values = ref_tensor(view);
  ASSERT_EQ(values.values.size(), want.values.size());
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    if (i < unspecified.size() && unspecified[i]) continue;
    const double w = want.values[i], g = values.values[i];
    if (std::isnan(w) || std::isinf(w)) {
      ASSERT_TRUE(std::isnan(w) ? std::isnan(g) : w == g) << "at " << i << ": " << g << ", " << w;
      continue;
    }
    ASSERT_LE(std::abs(g - w), bound.absolute + bound.relative * std::abs(w))
        << "at " << i << ": " << g << ", wanted " << w;
  }
}

class Run {
 public:
  Run(const KernelCase& c, const std::vector<RefTensor>& want, const Way& way)
      : case_(c), want_(want), way_(way) {
    for (std::size_t i = 0; i < c.inputs.size(); ++i) add_input(i);
    for (std::size_t i = 0; i < want.size(); ++i) add_output(i);
    view_ = {&c.node, inputs_, outputs_, way.isa, way.team->size()};
  }

  bool accepted() const { return way_.kernel->refuse(view_) == nullptr; }
  bool may_be_in_place() const {
    return way_.kernel->in_place && way_.kernel->in_place(view_) && !case_.inputs.empty() &&
           taken() < case_.inputs.size() && case_.inputs[taken()] &&
           inputs_[taken()].bytes() == outputs_[0].bytes();
  }

  void go() {
    std::unique_ptr<Packed> packed;
    std::unique_ptr<Prepared> prepared;
    if (way_.kernel->pack) {
      auto made = way_.kernel->pack(view_);
      ASSERT_TRUE(made.ok()) << made.status().to_string();
      packed = std::move(made).value();
    }
    if (way_.kernel->prepare) {
      auto made = way_.kernel->prepare(view_, packed.get());
      ASSERT_TRUE(made.ok()) << made.status().to_string();
      prepared = std::move(made).value();
    }
    const std::size_t space =
        way_.kernel->workspace_bytes ? way_.kernel->workspace_bytes(view_) : 0;
    Buffer workspace(space, 0);
    const LaunchArgs args{workspace.data(), way_.team, packed.get(), prepared.get()};
    const long before = allocations();
    const Status status = way_.kernel->run(view_, args);
    const long after = allocations();
    ASSERT_TRUE(status.ok()) << status.to_string();
    if (!way_.kernel->allocates) {
      EXPECT_EQ(after, before) << "run() allocated";
    }
    EXPECT_TRUE(workspace.guards_are_whole()) << "wrote outside of the workspace";
    for (Buffer& b : buffers_) EXPECT_TRUE(b.guards_are_whole()) << "wrote outside of a tensor";
    for (std::size_t i = 0; i < want_.size(); ++i)
      compare(want_[i], outputs_[i], bound_of(case_, *way_.kernel), case_.unspecified);
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (case_.inputs[i] && !(way_.in_place && i == taken()))
        compare(*case_.inputs[i], inputs_[i], {0, 0});
  }

 private:
  std::size_t taken() const { return way_.kernel->in_place_input; }
  void* place(std::size_t num_bytes, std::size_t element) {
    buffers_.emplace_back(num_bytes, way_.misaligned ? element : 0);
    return buffers_.back().data();
  }
  void add_input(std::size_t i) {
    if (!case_.inputs[i]) {
      inputs_.emplace_back().rank = -1;
      return;
    }
    Tensor& t = inputs_.emplace_back(tensor_of(*case_.inputs[i]));
    t.is_constant = i < case_.constant.size() && case_.constant[i];
    t.data = place(t.bytes(), dtype_bytes(t.dtype));
    write(*case_.inputs[i], t.data);
  }
  void add_output(std::size_t i) {
    Tensor& t = outputs_.emplace_back(tensor_of(want_[i]));
    const bool shared = way_.in_place && i == 0 && taken() < inputs_.size();
    t.data = shared ? inputs_[taken()].data : place(t.bytes(), dtype_bytes(t.dtype));
  }

  const KernelCase& case_;
  const std::vector<RefTensor>& want_;
  Way way_;
  std::vector<Buffer> buffers_;
  std::vector<Tensor> inputs_, outputs_;
  NodeView view_;
};

// True: it ran.
bool try_way(const KernelCase& c, const std::vector<RefTensor>& want, Way way) {
  Run run(c, want, way);
  if (!run.accepted() || (way.in_place && !run.may_be_in_place())) return false;
  SCOPED_TRACE(way.text());
  run.go();
  return true;
}

}  // namespace

std::vector<std::string> check_kernels(const KernelCase& c) {
  static const std::unique_ptr<Team> kTeams[] = {make_team(1, false), make_team(2, false),
                                                 make_team(3, false)};
  std::vector<const RefTensor*> inputs;
  for (const auto& in : c.inputs) inputs.push_back(in ? &*in : nullptr);
  const auto want = run_reference_node(c.node, inputs);
  EXPECT_TRUE(want.ok()) << want.status().to_string();
  if (!want.ok()) return {};
  const std::vector<Isa> levels = isas();  // before oneDNN is asked anything
  std::vector<std::string> names;
  for (const Kernel* kernel : cpu_backend().kernels) {
    if (kernel->op != c.node.op) continue;
    bool ran = false;
    for (const Isa isa : levels)
      for (const auto& team : kTeams)
        for (const bool misaligned : {false, true})
          for (const bool in_place : {false, true}) {
            ran |= try_way(c, *want, {kernel, isa, team.get(), misaligned, in_place});
            if (testing::Test::HasFatalFailure()) return names;
          }
    if (ran) names.emplace_back(kernel->name);
  }
  EXPECT_FALSE(names.empty()) << "no kernel accepts " << ir::op_name(c.node.op);
  seen().insert(seen().end(), names.begin(), names.end());
  return names;
}

const std::vector<std::string>& kernels_seen() { return seen(); }

ir::Node node_of(ir::OpKind op, std::initializer_list<std::pair<const char*, ir::Attr>> attrs,
                 std::size_t num_inputs, std::size_t num_outputs) {
  ir::Node node;
  node.op = op;
  node.name = "node";
  for (const auto& [name, value] : attrs) node.attrs.set(name, value);
  for (std::size_t i = 0; i < num_inputs; ++i) node.inputs.push_back(static_cast<int>(i));
  for (std::size_t i = 0; i < num_outputs; ++i) node.outputs.push_back(static_cast<int>(100 + i));
  return node;
}

RefTensor random_whole(std::vector<std::int64_t> dims, std::uint64_t seed, DType dtype, int low,
                       int high) {
  RefTensor t{dtype, std::move(dims), {}};
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int> value(low, high);
  t.values.resize(static_cast<std::size_t>(num_elements(t.dims)));
  for (double& v : t.values) v = value(random);
  return t;
}

std::vector<Isa> isas() {
  static const Isa kMost = [] {
    const char* cap = std::getenv("ANTIPHON_MAX_ISA");
    if (!cap) return detect_isa();
    const auto isa = parse_isa(cap);
    EXPECT_TRUE(isa.ok() && cap_onednn(*isa).ok()) << cap;
    return isa.ok() ? highest_under(*isa) : detect_isa();
  }();
  std::vector<Isa> all;
  for (int i = 0; i <= static_cast<int>(kMost); ++i)
    if (supports(static_cast<Isa>(i))) all.push_back(static_cast<Isa>(i));
  return all;
}

}  // namespace antiphon::test
