// The whole pipeline on random graphs: valid after every pass, and equal numbers.
#include <array>
#include <random>

#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

class RandomGraphs : public PassTest, public testing::WithParamInterface<int> {
 protected:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }
  // [B, T, 4]
  Value any() { return values_[below(values_.size())]; }

  Value step(int depth) {
    const Value x = any(), y = any();
    switch (below(depth == 0 ? 14 : 13)) {
      case 0: return net_.add(x, y);
      case 1: return net_.mul(x, net_.sigmoid(y));
      case 2: return net_.sub(x, net_.scalar(static_cast<float>(below(3)) * 0.5f));
      case 3: return net_.unary(below(2) ? Unary::kTanh : Unary::kRelu, x);
      case 4: return net_.linear(x, weights("w", {4, 4}), below(2) ? weights("b", {4}) : Value{});
      case 5: return net_.softmax(x, 2);
      case 6: return net_.layer_norm(net_.add(x, y), weights("g", {4}), weights("b", {4}));
      case 7: {
        const auto begin = static_cast<std::int64_t>(below(5));
        return net_.slice(net_.concat({x, y}, 2), 2, begin, begin + 4);
      }
      case 8: return net_.transpose(net_.transpose(x, {0, 2, 1}), {0, 2, 1});
      case 9: return net_.where(net_.binary(Binary::kGreater, x, y), x, net_.clamp(y, -0.5f, 0.5f));
      case 10: return net_.add(x, net_.reduce(Reduce::kMax, y, 1, true));
      case 11:
        return net_.attention(net_.linear(x, weights("q", {4, 4})),
                              net_.linear(x, weights("k", {4, 4})), y, 2);
      case 12: return net_.add(x, net_.mul(weights("c", {4}), weights("d", {1, 4})));
      default: return scan(x);
    }
  }

  Value scan(Value x) {
    const std::array<Value, 1> carried = {net_.zeros({"B", 4})};
    const std::array<Value, 1> scanned = {x};
    const Value invariant = net_.reduce(Reduce::kMean, any(), 1);
    const auto out = net_.loop("scan", carried, scanned, 1, 0, [&](LoopBody& body) {
      const Value h = body.carried(0), s = body.scanned(0);
      const Value a = net_.linear(below(2) ? h : s, weights("wa", {4, 4})),
                  b = net_.linear(h, weights("wb", {4, 4}), weights("bb", {4}));
      const Value gate = net_.sigmoid(net_.add(a, s));
      body.next(0, net_.add(net_.mul(gate, net_.tanh(b)), net_.mul(invariant, h)));
      body.emit(gate);
    });
    return out[1];
  }

  std::mt19937_64 engine_;
  std::vector<Value> values_;
};

TEST_P(RandomGraphs, KeepTheirNumbers) {
  engine_.seed(static_cast<std::uint64_t>(GetParam()));
  values_ = {net_.input("x", DType::kF32, {"B", "T", 4}),
             net_.input("y", DType::kF32, {"B", "T", 4})};
  for (int i = 0; i < 25; ++i) {
    Value v = step(i % 8 == 0 ? 0 : 1);
    ASSERT_TRUE(net_.status().ok()) << net_.status().to_string();
    values_.push_back(v);
  }
  net_.output("last", values_.back());
  net_.output("other", any());
  ir::Graph graph = net_.graph().clone();
  const auto report = passes::run_passes(graph, {});
  ASSERT_TRUE(report.ok()) << report.status().to_string() << "\n" << ir::to_text(net_.graph());
  expect_equal(graph);
  if (HasFatalFailure()) ADD_FAILURE() << ir::to_text(graph);
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomGraphs, testing::Range(0, 150));

}  // namespace
}  // namespace antiphon::test
