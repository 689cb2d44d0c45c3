// The loop program against PyTorch's nn.LSTM (tests/golden/engine/make_lstm_golden.py).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/kernels/isa.h"
#include "tests/unit/engine/kernels/loop/loop_harness.h"

namespace antiphon::test {
namespace {

RefTensor tensor(const nlohmann::json& entry) {
  return {DType::kF32, entry.at("dims").get<std::vector<std::int64_t>>(),
          entry.at("values").get<std::vector<double>>()};
}

void expect_near(const RefTensor& got, const RefTensor& want, double tolerance) {
  ASSERT_EQ(got.dims, want.dims);
  for (std::size_t i = 0; i < want.values.size(); ++i)
    ASSERT_NEAR(got.values[i], want.values[i], tolerance) << i;
}

class LstmGolden : public testing::TestWithParam<bool> {};

TEST_P(LstmGolden, EqualsPyTorch) {
  const bool reverse = GetParam();
  std::ifstream file(ANTIPHON_SOURCE_DIR "/tests/golden/engine/lstm.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  const RefTensor weights = tensor(golden.at("w_hh"));
  const std::vector<float> w_hh(weights.values.begin(), weights.values.end());
  const std::int64_t hidden = weights.dims[1];

  Network net("lstm");
  const Value x = net.input("x", DType::kF32, {"B", "T", Dim(hidden)});
  const Value h = net.input("h", DType::kF32, {"B", Dim(hidden)});
  const Value c = net.input("c", DType::kF32, {"B", Dim(hidden)});
  const Value w_ih = random_constant(net, "w_ih", {4 * hidden, hidden}, 1);  // outside the loop
  const Value w = net.constant("w_hh", {DType::kF32, weights.dims, w_hh.data()});
  net.output("y", net.lstm(x, h, c, w_ih, w, {}, {}, reverse).y);

  const ir::Node node = optimized_loop_of(net);
  const Outputs inputs = {tensor(golden.at("h")), tensor(golden.at("c")),
                          tensor(golden.at("from_x"))};
  const nlohmann::json& want = golden.at(reverse ? "reverse" : "forward");
  for (int isa = 0; isa <= static_cast<int>(detect_isa()); ++isa) {
    if (!supports(static_cast<Isa>(isa))) continue;
    for (const int threads : {1, 2}) {
      LoopRunner runner(node, inputs, threads, static_cast<Isa>(isa));
      ASSERT_TRUE(runner.prepare().ok());
      ASSERT_TRUE(runner.run().ok());
      const Outputs got = runner.outputs();
      // Six steps of sums of 33 products in single precision, and the gates' 5e-7.
      expect_near(got[0], tensor(want.at("h")), 3e-6);
      expect_near(got[1], tensor(want.at("c")), 3e-6);
      expect_near(got[2], tensor(want.at("y")), 3e-6);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Directions, LstmGolden, testing::Bool());

}  // namespace
}  // namespace antiphon::test
