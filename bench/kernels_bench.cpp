// Speed of every kernel candidate of the CPU table on the shapes of our networks, with oneDNN's
// sgemm, 1x1 convolution and matmul beside them; of MobileNetV2's depthwise layers, what finding
// the range of their input and making bytes of it takes: kernels_bench [THREADS] [ISA].
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/backend.h"
#include "engine/kernels/cpu/dynamic_bytes.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/team.h"
#include "engine/machine.h"

extern "C" void omp_set_num_threads(int);

namespace antiphon {
namespace {

using ir::OpKind;

// Best of several short series: what the machine gives when nobody disturbs.
template <typename F>
double best_seconds(F&& f) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  for (int series = 0; series < 25; ++series) {
    int runs = 0;
    const auto start = Clock::now();
    double seconds = 0;
    do {
      f();
      ++runs;
      seconds = std::chrono::duration<double>(Clock::now() - start).count();
    } while (seconds < 0.004);
    best = std::min(best, seconds / runs);
  }
  return best;
}

void report(const std::string& shape, const char* kernel, const char* weights, double macs,
            double seconds, Isa isa, int threads) {
  std::printf(
      "{\"bench\": \"kernels\", \"case\": \"%s\", \"kernel\": \"%s\", \"precision\": \"%s\", "
      "\"us\": %.1f, \"gmacs\": %.2f, \"isa\": \"%s\", \"threads\": %d, \"machine\": \"%s\"}\n",
      shape.c_str(), kernel, weights, seconds * 1e6, macs / seconds * 1e-9,
      std::string(isa_name(isa)).c_str(), threads, machine_name().c_str());
  std::fflush(stdout);
}

struct Shape {
  OpKind op;
  const char* text;
  std::vector<std::int64_t> x, w, y;
  std::int64_t groups = 1, pad = 0, stride = 1;

  double macs() const {
    double n = 1;
    for (const std::int64_t d : y) n *= static_cast<double>(d);
    for (std::size_t i = 1; i < w.size(); ++i) n *= static_cast<double>(w[i]);
    return n;
  }
};

const Shape kShapes[] = {
    {OpKind::kLinear, "linear [84,256]x[512,256]", {84, 256}, {512, 256}, {84, 512}},
    {OpKind::kLinear, "linear [84,256]x[256,256]", {84, 256}, {256, 256}, {84, 256}},
    {OpKind::kLinear, "linear [1,688]x[2752,688]", {1, 688}, {2752, 688}, {1, 2752}},
    {OpKind::kLinear, "linear [4,688]x[2752,688]", {4, 688}, {2752, 688}, {4, 2752}},
    {OpKind::kLinear, "linear [8,688]x[2752,688]", {8, 688}, {2752, 688}, {8, 2752}},
    {OpKind::kLinear, "linear [25,384]x[1152,384]", {25, 384}, {1152, 384}, {25, 1152}},
    {OpKind::kLinear, "linear [25,384]x[1536,384]", {25, 384}, {1536, 384}, {25, 1536}},
    {OpKind::kLinear, "linear [25,1536]x[384,1536]", {25, 1536}, {384, 1536}, {25, 384}},
    {OpKind::kConv, "depthwise 256x84 k3", {1, 256, 84}, {256, 1, 3}, {1, 256, 84}, 256, 1},
    {OpKind::kConv, "conv 256x84 -> 688 k5", {1, 256, 84}, {688, 256, 5}, {1, 688, 84}, 1, 2},
    {OpKind::kConv, "conv 256x84 -> 512 k1", {1, 256, 84}, {512, 256, 1}, {1, 512, 84}},
    {OpKind::kConv, "conv 256x4 -> 688 k5", {1, 256, 8}, {688, 256, 5}, {1, 688, 4}},
};

// Depthwise, 3x3: x [1, extent, extent, channels].
struct Depthwise {
  const char* text;
  std::int64_t extent, channels, stride;
};
const Depthwise kDepthwise[] = {
    {"depthwise 112x112x32", 112, 32, 1},   {"depthwise 112x112x96 /2", 112, 96, 2},
    {"depthwise 56x56x144", 56, 144, 1},    {"depthwise 56x56x144 /2", 56, 144, 2},
    {"depthwise 28x28x192", 28, 192, 1},    {"depthwise 28x28x192 /2", 28, 192, 2},
    {"depthwise 14x14x384", 14, 384, 1},    {"depthwise 14x14x576", 14, 576, 1},
    {"depthwise 14x14x576 /2", 14, 576, 2}, {"depthwise 7x7x960", 7, 960, 1}};

class Memory {
 public:
  Tensor tensor(DType dtype, const std::vector<std::int64_t>& dims, bool constant) {
    Tensor t;
    t.dtype = dtype;
    t.rank = static_cast<std::int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), t.dims.begin());
    t.is_constant = constant;
    t.data = std::aligned_alloc(64, (t.bytes() + 127) / 64 * 64);
    buffers_.push_back(t.data);
    std::uniform_real_distribution<float> value(-1, 1);
    for (std::int64_t i = 0; i < t.num_elements(); ++i) {
      if (dtype == DType::kF32) t.f32()[i] = value(random_);
      if (dtype == DType::kI8)
        static_cast<std::int8_t*>(t.data)[i] = static_cast<std::int8_t>(127 * value(random_));
    }
    return t;
  }
  ~Memory() {
    for (void* p : buffers_) std::free(p);
  }

 private:
  std::mt19937 random_{7};
  std::vector<void*> buffers_;
};

void bench_table(const Shape& shape, bool int8, Isa isa, Team& team) {
  Memory memory;
  ir::Node node;
  node.op = shape.op;
  node.name = "node";
  node.attrs.set("groups", shape.groups);
  node.attrs.set("pad_left", shape.pad);
  node.attrs.set("pad_right", shape.pad);
  node.attrs.set("pads", std::vector<std::int64_t>(4, shape.pad));
  node.attrs.set("strides", std::vector<std::int64_t>(2, shape.stride));
  std::vector<Tensor> inputs = {memory.tensor(DType::kF32, shape.x, false),
                                memory.tensor(int8 ? DType::kI8 : DType::kF32, shape.w, true),
                                memory.tensor(DType::kF32, {shape.w[0]}, true),
                                memory.tensor(DType::kF32, {shape.w[0]}, true)};
  if (!int8) inputs[2].rank = -1;
  const std::vector<Tensor> outputs = {memory.tensor(DType::kF32, shape.y, false)};
  const NodeView view{&node, inputs, outputs, isa, team.size()};
  for (const Kernel* kernel : cpu_backend().kernels) {
    if (kernel->op != shape.op || kernel->refuse(view)) continue;
    std::unique_ptr<Packed> packed;
    std::unique_ptr<Prepared> prepared;
    if (kernel->pack) packed = std::move(kernel->pack(view)).value();
    if (kernel->prepare) prepared = std::move(kernel->prepare(view, packed.get())).value();
    const std::size_t space = kernel->workspace_bytes ? kernel->workspace_bytes(view) : 0;
    auto* workspace = static_cast<std::byte*>(std::aligned_alloc(64, (space + 127) / 64 * 64));
    const LaunchArgs args{workspace, &team, packed.get(), prepared.get()};
    const double seconds = best_seconds([&] { (void)kernel->run(view, args); });
    std::free(workspace);
    report(shape.text, kernel->name, int8 ? "int8" : "f32", shape.macs(), seconds, isa,
           team.size());
  }
}

// A convolution or (as 1x1 over rows) a linear layer by oneDNN, weights in its own layout.
void bench_onednn_convolution(const Shape& shape, Isa isa) {
  using dnnl::memory;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const bool linear = shape.op == OpKind::kLinear;
  const std::int64_t g = shape.groups;
  const memory::dims x = linear ? memory::dims{1, shape.x[1], shape.x[0]} : shape.x;
  const memory::dims y = linear ? memory::dims{1, shape.y[1], shape.y[0]} : shape.y;
  const std::int64_t taps = linear ? 1 : shape.w[2];
  const memory::dims w = g > 1 ? memory::dims{g, shape.w[0] / g, shape.w[1], taps}
                               : memory::dims{shape.w[0], shape.w[1], taps};
  const auto rows = linear ? memory::format_tag::nwc : memory::format_tag::ncw;
  const auto f32 = memory::data_type::f32;
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto, {x, f32, rows},
      {w, f32, memory::format_tag::any}, {y, f32, rows}, {1}, {0}, {shape.pad}, {shape.pad});
  const dnnl::convolution_forward::primitive_desc pd(desc, engine);
  const memory mx(pd.src_desc(), engine), mw(pd.weights_desc(), engine), my(pd.dst_desc(), engine);
  std::memset(mw.get_data_handle(), 0, pd.weights_desc().get_size());
  std::memset(mx.get_data_handle(), 0, pd.src_desc().get_size());
  const dnnl::convolution_forward conv(pd);
  const std::unordered_map<int, memory> args = {
      {DNNL_ARG_SRC, mx}, {DNNL_ARG_WEIGHTS, mw}, {DNNL_ARG_DST, my}};
  const double seconds = best_seconds([&] {
    conv.execute(stream, args);
    stream.wait();
  });
  report(shape.text, (std::string("oneDNN conv ") + pd.impl_info_str()).c_str(), "f32",
         shape.macs(), seconds, isa, 1);
}

void bench_onednn_sgemm(const Shape& shape, Isa isa) {
  const std::int64_t m = shape.x[0], k = shape.x[1], n = shape.w[0];
  Memory memory;
  const Tensor x = memory.tensor(DType::kF32, shape.x, false);
  const Tensor w = memory.tensor(DType::kF32, {k, n}, false);
  const Tensor y = memory.tensor(DType::kF32, shape.y, false);
  const double seconds = best_seconds(
      [&] { dnnl::sgemm('N', 'N', m, n, k, 1.0f, x.f32(), k, w.f32(), n, 0.0f, y.f32(), n); });
  report(shape.text, "oneDNN sgemm", "f32", shape.macs(), seconds, isa, 1);
}

// The layer in f32, and what a kernel on bytes of a range found as it runs does before it begins.
void bench_depthwise(const Depthwise& d, Isa isa, Team& team) {
  const std::int64_t out = (d.extent - 1) / d.stride + 1;
  const Shape shape = {ir::kOpConvLast,
                       d.text,
                       {1, d.extent, d.extent, d.channels},
                       {d.channels, 1, 3, 3},
                       {1, out, out, d.channels},
                       d.channels,
                       1,
                       d.stride};
  bench_table(shape, false, isa, team);
  Memory memory;
  const Tensor x = memory.tensor(DType::kF32, shape.x, false);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(x.num_elements()));
  std::vector<std::byte> space(dynamic_quantizer_bytes(team.size()) + 64);
  auto* workspace = space.data() + (64 - reinterpret_cast<std::uintptr_t>(space.data()) % 64);
  const double seconds = best_seconds([&] {
    const ir::InputQuantizer q = dynamic_quantizer(isa, x, team, workspace);
    split(team, x.num_elements(), 16384, [&](std::int64_t begin, std::int64_t end, int) {
      quantize_u8_static(isa, x.f32() + begin, end - begin, {q.scale, q.zero}, q.levels,
                         bytes.data() + begin);
    });
  });
  report(d.text, "range and bytes of x alone", "int8", 0, seconds, isa, team.size());
}

int run(int threads, Isa isa) {
  omp_set_num_threads(1);
  if (!cap_onednn(isa).ok()) return 1;
  const auto team = make_team(threads, false);
  for (const Shape& shape : kShapes) {
    for (const bool int8 : {false, true}) bench_table(shape, int8, isa, *team);
    if (threads > 1) continue;
    bench_onednn_convolution(shape, isa);
    if (shape.op == OpKind::kLinear) bench_onednn_sgemm(shape, isa);
  }
  for (const Depthwise& layer : kDepthwise) bench_depthwise(layer, isa, *team);
  return 0;
}

}  // namespace
}  // namespace antiphon

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  auto isa = antiphon::parse_isa(argc > 2 ? std::string_view(argv[2])
                                          : antiphon::isa_name(antiphon::detect_isa()));
  if (!isa.ok() || threads < 1 || *isa > antiphon::detect_isa()) {
    std::fprintf(stderr,
                 "usage: kernels_bench [THREADS] [portable|avx2|avx_vnni|avx512_vnni|amx_int8]\n");
    return 2;
  }
  return antiphon::run(threads, *isa);
}
