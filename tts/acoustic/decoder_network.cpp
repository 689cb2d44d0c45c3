// The decoder of Tacotron 2: one loop over a block of frames, its guard inside.
#include <string>
#include <vector>

#include "tts/acoustic/decoder_state.h"
#include "tts/acoustic/networks.h"

namespace antiphon::tts {
namespace {

constexpr float kFarBelow = -1e4f;

// The weights and inputs that every step uses.
struct Parts {
  Value pre0, pre1;
  Value att_ih, att_hh, att_b_ih, att_b_hh, dec_ih, dec_hh, dec_b_ih, dec_b_hh;
  Value query, score, loc_conv, loc_dense;
  Value mel_w, mel_b, stop_w, stop_b;
  Value encoder, key, index, limit, expected, reach;
};

Parts read_parts(Network& net, const Weights& w, const AcousticGeometry& g,
                 const DecoderConfig& config) {
  const auto weight = [&](const char* name) {
    return net.weight(w, std::string("decoder.") + name);
  };
  Parts p;
  p.pre0 = weight("prenet.layers.0.linear_layer.weight"),
  p.pre1 = weight("prenet.layers.1.linear_layer.weight");
  p.att_ih = weight("attention_rnn.weight_ih"), p.att_hh = weight("attention_rnn.weight_hh");
  p.att_b_ih = weight("attention_rnn.bias_ih"), p.att_b_hh = weight("attention_rnn.bias_hh");
  p.dec_ih = weight("decoder_rnn.weight_ih"), p.dec_hh = weight("decoder_rnn.weight_hh");
  p.dec_b_ih = weight("decoder_rnn.bias_ih"), p.dec_b_hh = weight("decoder_rnn.bias_hh");
  p.mel_w = weight("linear_projection.linear_layer.weight"),
  p.mel_b = weight("linear_projection.linear_layer.bias");
  p.stop_w = weight("gate_layer.linear_layer.weight"),
  p.stop_b = weight("gate_layer.linear_layer.bias");
  p.encoder = net.input("encoder", DType::kF32, {1, "N", g.encoder});
  if (config.alignment == Alignment::kDurations) return p;
  p.query = weight("attention_layer.query_layer.linear_layer.weight"),
  p.score = weight("attention_layer.v.linear_layer.weight");
  p.loc_conv = weight("attention_layer.location_layer.location_conv.conv.weight");
  p.loc_dense = weight("attention_layer.location_layer.location_dense.linear_layer.weight");
  p.key = net.input("key", DType::kF32, {1, "N", g.attention});
  const auto symbols = [&](const char* name) { return net.input(name, DType::kF32, {1, "N"}); };
  p.index = symbols("index"), p.limit = symbols("limit"), p.expected = symbols("expected"),
  p.reach = symbols("reach");
  return p;
}

struct Cell {
  Value h, c;
};

// One step of an LSTM: x [1, I], h and c [1, H]; gates i, f, g, o.
Cell lstm_step(Network& net, Value x, Value h, Value c, Value w_ih, Value w_hh, Value b_ih,
               Value b_hh) {
  const auto gates =
      net.split(net.add(net.linear(x, w_ih, b_ih), net.linear(h, w_hh, b_hh)), 4, -1);
  if (gates.size() != 4) return {};
  const Value c2 = net.add(net.mul(net.sigmoid(gates[1]), c),
                           net.mul(net.sigmoid(gates[0]), net.tanh(gates[2])));
  return {net.mul(net.sigmoid(gates[3]), net.tanh(c2)), c2};
}

// 1 where the condition holds, else 0.
Value as_number(Network& net, Value condition) {
  return net.where(condition, net.scalar(1), net.scalar(0));
}

// The entry of per_symbol [1, N] at the symbol that one_hot [1, N] marks: [1, 1].
Value at_symbol(Network& net, Value one_hot, Value per_symbol) {
  return net.reduce(Reduce::kSum, net.mul(one_hot, per_symbol), 1, true);
}

// Location-sensitive energies of every symbol, [1, N].
Value energies(Network& net, const Parts& p, const AcousticGeometry& g, Value h, Value previous,
               Value cumulative) {
  const Value both =
      net.concat({net.reshape(previous, {1, 1, -1}), net.reshape(cumulative, {1, 1, -1})}, 1);
  const int pad = g.location_kernel / 2;
  const Value around = net.conv1d(both, p.loc_conv, {}, {.pad_left = pad, .pad_right = pad});
  const Value located = net.linear(net.transpose(around, {0, 2, 1}), p.loc_dense);
  const Value query = net.reshape(net.linear(h, p.query), {1, 1, -1});
  const Value e = net.linear(net.tanh(net.add(net.add(p.key, located), query)), p.score);
  return net.reshape(e, {1, -1});
}

// The guard's state at the start of a step, and what the symbol at the peak allows.
struct Guard {
  Value here;     // [1, N], 1 at the last peak
  Value stalled;  // [1, 1], 1: the symbol has been held for too long
  Value forced;   // [1, 1], 1: the predicted durations lead
};

Guard guard_of(Network& net, const Parts& p, Value position, Value held, Value forced) {
  Guard guard;
  guard.forced = forced;
  guard.here = as_number(net, net.binary(Binary::kEqual, p.index, position));
  // After a forced step the predicted durations lead until the attention walks again by itself.
  const Value limit = at_symbol(net, guard.here, net.where(forced, p.expected, p.limit));
  guard.stalled = as_number(net, net.binary(Binary::kGreater, held, limit));
  return guard;
}

// Attention weights [1, N] inside the window that the guard leaves open.
Value guarded_weights(Network& net, const Parts& p, const Guard& guard, Value position, Value e,
                      int back) {
  // No way back while the durations lead.
  const Value behind =
      net.mul(net.sub(net.scalar(1), guard.forced), net.scalar(static_cast<float>(back)));
  const Value low =
      net.where(guard.stalled, net.add(position, net.scalar(1)), net.sub(position, behind));
  const Value last = net.reduce(Reduce::kMax, p.index, 1, true);
  const Value first = net.binary(Binary::kMin, low, last);
  const Value high = net.add(position, at_symbol(net, guard.here, p.reach));
  const Value too_early = as_number(net, net.binary(Binary::kLess, p.index, first));
  const Value too_late = as_number(net, net.binary(Binary::kGreater, p.index, high));
  return net.softmax(net.where(net.add(too_early, too_late), net.scalar(kFarBelow), e), -1);
}

// What a step makes of the alignment it has.
struct Step {
  Value context, mel, stop;
  Cell decoder;
};

Step finish_step(Network& net, const Parts& p, Value w, Value h, Value decoder_h, Value decoder_c) {
  Step step;
  step.context = net.reshape(net.matmul(net.reshape(w, {1, 1, -1}), p.encoder), {1, -1});
  step.decoder = lstm_step(net, net.concat({h, step.context}, 1), decoder_h, decoder_c, p.dec_ih,
                           p.dec_hh, p.dec_b_ih, p.dec_b_hh);
  const Value d = net.concat({step.decoder.h, step.context}, 1);
  step.mel = net.linear(d, p.mel_w, p.mel_b);
  step.stop = net.sigmoid(net.linear(d, p.stop_w, p.stop_b));
  return step;
}

// Ends the loop: the stop token near the end, or the last symbol held for too long.
Value stop_now(Network& net, const Parts& p, const DecoderConfig& config, Value stop,
               Value position, const Guard& after) {
  const Value last = net.reduce(Reduce::kMax, p.index, 1, true);
  const Value near_end =
      as_number(net, net.binary(Binary::kGreater, position, net.sub(last, net.scalar(1.5f))));
  const Value at_end =
      as_number(net, net.binary(Binary::kGreater, position, net.sub(last, net.scalar(0.5f))));
  const Value asked =
      net.mul(as_number(net, net.binary(Binary::kGreater, stop, net.scalar(config.stop_threshold))),
              near_end);
  return net.binary(Binary::kMax, asked, net.mul(at_end, after.stalled));
}

// One frame: what the loop does in an iteration.
void frame_step(Network& net, const Parts& p, const AcousticGeometry& g,
                const DecoderConfig& config, LoopBody& body) {
  const bool by_attention = config.alignment == Alignment::kAttention;
  Value x = net.relu(net.linear(body.carried(kFrame), p.pre0));
  if (config.dropout) x = net.mul(x, net.slice(body.scanned(0), 1, 0, g.prenet));
  x = net.relu(net.linear(x, p.pre1));
  if (config.dropout) x = net.mul(x, net.slice(body.scanned(0), 1, g.prenet, 2 * g.prenet));
  const Cell a =
      lstm_step(net, net.concat({x, body.carried(kContext)}, 1), body.carried(kAttentionH),
                body.carried(kAttentionC), p.att_ih, p.att_hh, p.att_b_ih, p.att_b_hh);
  const Value position = body.carried(kPosition), held = body.carried(kHeld),
              forced = body.carried(kForced);
  Guard guard;
  Value w;
  if (by_attention) {
    guard = guard_of(net, p, position, held, forced);
    const Value e = energies(net, p, g, a.h, body.carried(kPrevious), body.carried(kCumulative));
    w = guarded_weights(net, p, guard, position, e, config.attention_back);
  } else {
    w = body.scanned(config.dropout ? 1 : 0);
  }
  const Value peak = net.cast(net.reduce(Reduce::kArgMax, w, 1, true), DType::kF32);
  const Value stayed = as_number(net, net.binary(Binary::kEqual, peak, position));
  const Value held2 = net.add(net.mul(stayed, held), net.scalar(1));
  const Step step = finish_step(net, p, w, a.h, body.carried(kDecoderH), body.carried(kDecoderC));
  // forced: set by a stall; kept while the symbol stays; cleared when the attention moves by
  // itself
  const Value forced2 =
      by_attention ? net.binary(Binary::kMax, guard.stalled, net.mul(stayed, forced)) : forced;
  const Value next[] = {
      step.mel,       step.context,   a.h,    a.c,
      step.decoder.h, step.decoder.c, w,      net.add(body.carried(kCumulative), w),
      peak,           held2,          forced2};
  for (int i = 0; i < kNumCarried; ++i) body.next(i, next[i]);
  body.emit(step.mel);
  body.emit(peak);
  body.emit(step.stop);
  if (config.emit_alignment) body.emit(w);
  if (by_attention) {
    const Value ended =
        stop_now(net, p, config, step.stop, peak, guard_of(net, p, peak, held2, forced2));
    body.emit(ended);
    body.stop(ended);
  }
}

}  // namespace

Network decoder_network(const Weights& weights, const AcousticGeometry& g,
                        const DecoderConfig& config) {
  Network net(config.alignment == Alignment::kAttention ? "decoder" : "decoder_by_durations");
  const bool by_attention = config.alignment == Alignment::kAttention;
  const Parts p = read_parts(net, weights, g, config);
  std::vector<Value> carried, scanned;
  const auto sizes = carried_sizes(g);
  for (int i = 0; i < kNumCarried; ++i) {
    const int size = sizes[static_cast<std::size_t>(i)];
    carried.push_back(net.input(kCarriedNames[static_cast<std::size_t>(i)], DType::kF32,
                                size < 0 ? Shape{1, "N"} : Shape{1, size}));
  }
  if (config.dropout)
    scanned.push_back(net.input("masks", DType::kF32, {1, config.block_frames, 2 * g.prenet}));
  if (!by_attention)
    scanned.push_back(net.input("planned", DType::kF32, {1, config.block_frames, "N"}));
  const auto out = net.loop("frames", carried, scanned, 1, config.block_frames,
                            [&](LoopBody& body) { frame_step(net, p, g, config, body); });
  if (!net.status().ok()) return net;
  for (int i = 0; i < kNumCarried; ++i)
    net.output(std::string("next_") + kCarriedNames[static_cast<std::size_t>(i)],
               out[static_cast<std::size_t>(i)]);
  std::size_t at = kNumCarried;
  net.output("mel", out[at++]);
  net.output("position", out[at++]);
  net.output("stop", out[at++]);
  if (config.emit_alignment) net.output("alignment", out[at++]);
  if (by_attention) net.output("ended", out[at]);
  return net;
}

}  // namespace antiphon::tts
