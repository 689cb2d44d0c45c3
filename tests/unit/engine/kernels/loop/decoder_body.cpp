// A Tacotron 2 decoder as one loop, with random weights.
#include "tests/unit/engine/kernels/loop/decoder_body.h"

#include <cmath>
#include <string>

namespace antiphon::test {
namespace {

// Keeps names and seeds of the weights.
struct Builder {
  Network& net;
  std::uint64_t seed = 100;

  Value weight(std::int64_t rows, std::int64_t cols) {
    ++seed;
    const double range = 1.5 / std::sqrt(static_cast<double>(cols));
    return random_constant(net, "w" + std::to_string(seed), {rows, cols}, seed, range);
  }
  Value dense(Value x, std::int64_t rows, std::int64_t cols) {
    return net.linear(x, weight(rows, cols));
  }
  // Returns {h, c}.
  std::pair<Value, Value> lstm(Value x, std::int64_t width, Value h, Value c, std::int64_t hidden) {
    ++seed;
    const Value bias = random_constant(net, "b" + std::to_string(seed), {4 * hidden}, seed);
    const Value sum = net.add(net.linear(x, weight(4 * hidden, width), bias),
                              net.linear(h, weight(4 * hidden, hidden)));
    const auto gate = net.split(sum, 4, -1);
    const Value next_c =
        net.add(net.mul(net.sigmoid(gate[1]), c), net.mul(net.sigmoid(gate[0]), net.tanh(gate[2])));
    return {net.mul(net.sigmoid(gate[3]), net.tanh(next_c)), next_c};
  }
};

struct Attention {
  Value context, alignment, sum;
};

Attention attend(Builder& b, const DecoderSizes& s, Value query_from, Value alignment, Value sum,
                 Value memory, Value projected) {
  Network& net = b.net;
  const Value both = net.concat(
      {net.reshape(alignment, {0, 1, s.memory_steps}), net.reshape(sum, {0, 1, s.memory_steps})},
      1);
  const Value filters = random_constant(net, "filters", {s.filters, 2, s.taps}, ++b.seed, 0.3);
  const int pad = static_cast<int>(s.taps / 2);
  const Value located = net.conv1d(both, filters, {}, {.pad_left = pad, .pad_right = pad});
  const Value place = b.dense(net.transpose(located, {0, 2, 1}), s.attention, s.filters);
  const Value query = b.dense(query_from, s.attention, s.attention_lstm);
  const Value inner =
      net.tanh(net.add(net.add(place, projected), net.reshape(query, {0, 1, s.attention})));
  const Value energies = net.reshape(b.dense(inner, 1, s.attention), {0, s.memory_steps});
  const Value next = net.softmax(energies);
  const Value context = net.matmul(net.reshape(next, {0, 1, s.memory_steps}), memory);
  return {net.reshape(context, {0, s.encoder}), next, net.add(sum, next)};
}

}  // namespace

Network decoder_network(const DecoderSizes& s) {
  Network net("decoder");
  Builder b{net};
  const Dim batch(s.batch);
  const auto in = [&](const char* name, Shape shape) {
    return net.input(name, DType::kF32, std::move(shape));
  };
  const Value memory = in("memory", {batch, s.memory_steps, s.encoder});
  const Value projected = in("projected", {batch, s.memory_steps, s.attention});
  const std::vector<Value> carried = {
      in("h_a", {batch, s.attention_lstm}),     in("c_a", {batch, s.attention_lstm}),
      in("h_d", {batch, s.decoder_lstm}),       in("c_d", {batch, s.decoder_lstm}),
      in("context", {batch, s.encoder}),        in("frame", {batch, s.mel}),
      in("alignment", {batch, s.memory_steps}), in("sum", {batch, s.memory_steps})};
  const Value stop_bias = net.scalar(static_cast<float>(s.stop_bias));
  const auto out = net.loop("decoder", carried, {}, 1, s.trip_limit, [&](LoopBody& body) {
    const Value first = net.relu(b.dense(body.carried(5), s.prenet, s.mel));
    const Value prenet = net.relu(b.dense(first, s.prenet, s.prenet));
    const auto [h_a, c_a] = b.lstm(net.concat({prenet, body.carried(4)}, -1), s.prenet + s.encoder,
                                   body.carried(0), body.carried(1), s.attention_lstm);
    const Attention a = attend(b, s, h_a, body.carried(6), body.carried(7), memory, projected);
    const auto [h_d, c_d] = b.lstm(net.concat({h_a, a.context}, -1), s.attention_lstm + s.encoder,
                                   body.carried(2), body.carried(3), s.decoder_lstm);
    const Value features = net.concat({h_d, a.context}, -1);
    const Value frame = b.dense(features, s.mel, s.decoder_lstm + s.encoder);
    const Value stop = net.add(b.dense(features, 1, s.decoder_lstm + s.encoder), stop_bias);
    const std::vector<Value> next = {h_a, c_a, h_d, c_d, a.context, frame, a.alignment, a.sum};
    for (int i = 0; i < 8; ++i) body.next(i, next[static_cast<std::size_t>(i)]);
    body.emit(frame);
    body.emit(a.alignment);
    body.emit(stop);
    body.stop(net.unary(Unary::kNeg, net.reduce(Reduce::kMax, net.unary(Unary::kNeg, stop), 0)));
  });
  net.output("frames", out[8]);
  return net;
}

ir::Node decoder_loop(const DecoderSizes& s) { return loop_of(decoder_network(s)); }

Outputs decoder_inputs(const DecoderSizes& s, const ir::Node& node, std::uint64_t seed) {
  return random_inputs(node,
                       {{s.batch, s.attention_lstm},
                        {s.batch, s.attention_lstm},
                        {s.batch, s.decoder_lstm},
                        {s.batch, s.decoder_lstm},
                        {s.batch, s.encoder},
                        {s.batch, s.mel},
                        {s.batch, s.memory_steps},
                        {s.batch, s.memory_steps},
                        {s.batch, s.memory_steps, s.attention},  // in order of first use
                        {s.batch, s.memory_steps, s.encoder}},
                       seed);
}

}  // namespace antiphon::test
