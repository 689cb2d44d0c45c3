// Network: loops, and the blocks that are built from operations: attention, delay lines, LSTM.
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/ir/dims.h"
#include "engine/network/impl.h"

namespace antiphon {

using ir::Attrs;
using ir::kNoValue;
using ir::OpKind;

Network::Impl& Network::begin_loop(std::string_view name, std::span<const Value> carried,
                                   std::span<const Value> scanned, int scan_axis,
                                   std::int64_t trip_limit) {
  Impl::Scope scope;
  scope.serial = ++impl_->num_scopes;
  ir::Node& loop = scope.loop;
  loop.op = OpKind::kLoop;
  loop.name = std::string(name);
  loop.body = std::make_unique<ir::Graph>();
  loop.body->name = std::string(name);
  loop.attrs.set("num_carried", static_cast<std::int64_t>(carried.size()));
  loop.attrs.set("num_scanned", static_cast<std::int64_t>(scanned.size()));
  loop.attrs.set("scan_axis", std::int64_t{scan_axis});
  loop.attrs.set("trip_limit", trip_limit);
  scope.graph = loop.body.get();
  scope.next.assign(carried.size(), kNoValue);
  const std::size_t depth = impl_->scopes.size() - 1;
  const auto add_input = [&](Value value, bool slice, std::size_t index) {
    const ir::ValueInfo* from = impl_->info_of(value);
    const ir::ValueId outer = from ? impl_->local_id(value, depth) : kNoValue;
    ir::ValueInfo info;
    if (outer == kNoValue) {
      impl_->fail(name, invalid_argument("an initial or scanned value is not one of this network"));
    } else {
      info = impl_->scopes[depth].graph->values[static_cast<std::size_t>(outer)];
      if (slice && (scan_axis < 0 || static_cast<std::size_t>(scan_axis) >= info.shape.size()))
        impl_->fail(name, invalid_argument("scan axis " + std::to_string(scan_axis) + " of " +
                                           ir::shape_text(info.shape)));
      else if (slice)
        info.shape.erase(info.shape.begin() + scan_axis);
    }
    info.name = (slice ? "scanned_" : "carried_") + std::to_string(index);
    info.kind = ir::ValueKind::kInput;
    info.constant = {};
    info.next = kNoValue;
    loop.inputs.push_back(outer);
    loop.body->inputs.push_back(loop.body->add_value(std::move(info)));
  };
  if (!impl_->failed()) {
    for (std::size_t i = 0; i < carried.size(); ++i) add_input(carried[i], false, i);
    for (std::size_t i = 0; i < scanned.size(); ++i) add_input(scanned[i], true, i);
  }
  impl_->scopes.push_back(std::move(scope));
  return *impl_;
}

std::vector<Value> Network::end_loop(LoopBody&) {
  Impl::Scope scope = std::move(impl_->scopes.back());
  impl_->scopes.pop_back();
  const std::string name = scope.loop.name;
  const std::size_t results =
      scope.next.size() + scope.emitted.size() + (scope.stop != kNoValue ? 1 : 0);
  std::vector<Value> invalid(results +
                             1);  // so that callers may index before they look at status()
  if (impl_->failed()) return invalid;
  ir::Graph& body = *scope.loop.body;
  for (std::size_t i = 0; i < scope.next.size(); ++i) {
    if (scope.next[i] == kNoValue) {
      impl_->fail(name, invalid_argument("no next() for carried value " + std::to_string(i)));
      return invalid;
    }
    body.outputs.push_back({"next_" + std::to_string(i), scope.next[i]});
  }
  for (std::size_t i = 0; i < scope.emitted.size(); ++i)
    body.outputs.push_back({"emitted_" + std::to_string(i), scope.emitted[i]});
  if (scope.stop != kNoValue) body.outputs.push_back({"stop", scope.stop});
  scope.loop.attrs.set("num_emitted", static_cast<std::int64_t>(scope.emitted.size()));
  scope.loop.attrs.set("has_stop", std::int64_t{scope.stop != kNoValue ? 1 : 0});
  scope.loop.outputs.assign(results, kNoValue);
  std::vector<Value> inputs;
  for (const ir::ValueId id : scope.loop.inputs) inputs.push_back(impl_->handle_of(id));
  scope.loop.inputs.clear();
  std::vector<Value> out = impl_->add_node(std::move(scope.loop), name, inputs);
  return out.empty() ? invalid : out;
}

Value LoopBody::carried(int index) const {
  Network::Impl& impl = *network_.impl_;
  if (impl.failed()) return {};
  const ir::Node& loop = impl.scope().loop;
  if (index < 0 || index >= loop.attrs.i("num_carried"))
    return impl.fail(loop.name, invalid_argument("no carried value " + std::to_string(index))),
           Value{};
  return impl.handle_of(loop.body->inputs[static_cast<std::size_t>(index)]);
}

Value LoopBody::scanned(int index) const {
  Network::Impl& impl = *network_.impl_;
  if (impl.failed()) return {};
  const ir::Node& loop = impl.scope().loop;
  if (index < 0 || index >= loop.attrs.i("num_scanned"))
    return impl.fail(loop.name, invalid_argument("no scanned value " + std::to_string(index))),
           Value{};
  return impl.handle_of(
      loop.body->inputs[static_cast<std::size_t>(loop.attrs.i("num_carried") + index)]);
}

void LoopBody::next(int index, Value value) {
  Network::Impl& impl = *network_.impl_;
  if (impl.failed()) return;
  Network::Impl::Scope& scope = impl.scope();
  if (index < 0 || static_cast<std::size_t>(index) >= scope.next.size() || !impl.info_of(value))
    return impl.fail(scope.loop.name, invalid_argument("next(" + std::to_string(index) +
                                                       "): no such carried value, or not a value"));
  if (scope.next[static_cast<std::size_t>(index)] != kNoValue)
    return impl.fail(scope.loop.name,
                     invalid_argument("next(" + std::to_string(index) + ") called twice"));
  const ir::ValueId id = impl.local_id(value);
  impl.scope().next[static_cast<std::size_t>(index)] = id;
}

void LoopBody::emit(Value value) {
  Network::Impl& impl = *network_.impl_;
  if (impl.failed()) return;
  if (!impl.info_of(value))
    return impl.fail(impl.scope().loop.name,
                     invalid_argument("emit(): not a value of this network"));
  impl.scope().emitted.push_back(impl.local_id(value));
}

void LoopBody::stop(Value value) {
  Network::Impl& impl = *network_.impl_;
  if (impl.failed()) return;
  if (!impl.info_of(value) || impl.scope().stop != kNoValue)
    return impl.fail(impl.scope().loop.name,
                     invalid_argument("stop(): called twice, or not a value"));
  impl.scope().stop = impl.local_id(value);
}

Value Network::attention(Value q, Value k, Value v, int heads, Value mask_bias) {
  const ir::ValueInfo* info = impl_->info_of(q);
  if (impl_->failed()) return {};
  if (!info || info->shape.size() != 3 || !info->shape[2].is_static() || heads < 1 ||
      info->shape[2].extent % heads != 0)
    return impl_->fail("attention",
                       invalid_argument("q: wanted [B, T, heads * d], got " +
                                        (info ? ir::shape_text(info->shape) : "nothing"))),
           Value{};
  const std::int64_t width = info->shape[2].extent, d = width / heads;
  const ir::ValueInfo* mask = mask_bias.valid() ? impl_->info_of(mask_bias) : nullptr;
  if (mask && mask->shape.size() == 3) {  // spelled out it would need two extents without a number
    Attrs attrs;
    attrs.set("heads", std::int64_t{heads});
    return impl_->add(OpKind::kAttention, "attention", {q, k, v, mask_bias}, std::move(attrs));
  }
  const auto by_head = [&](Value x) {
    return transpose(reshape(x, {0, 0, heads, d}), {0, 2, 1, 3});
  };
  const Value qh = by_head(q), kh = by_head(k), vh = by_head(v);
  Attrs attrs;
  attrs.set("transpose_b", std::int64_t{1});
  attrs.set("alpha", 1.0 / std::sqrt(static_cast<double>(d)));
  Value scores = impl_->add(OpKind::kMatMul, "matmul", {qh, kh}, std::move(attrs));
  if (mask_bias.valid()) scores = add(scores, reshape(mask_bias, {0, 1, 1, -1}));
  const Value mixed = matmul(softmax(scores, -1), vh);
  return reshape(transpose(mixed, {0, 2, 1, 3}), {0, 0, width});
}

Value Network::delay_line(std::string_view name, Value x, int history) {
  const ir::ValueInfo* info = impl_->info_of(x);
  if (impl_->failed()) return {};
  if (!info || info->shape.size() != 3 || history < 0)
    return impl_->fail("delay line '" + std::string(name) + "'",
                       invalid_argument("wanted x [B, C, T] and a history of 0 or more")),
           Value{};
  if (history == 0) return x;
  const Value past = state(name, {info->shape[0], info->shape[1], Dim(history)});
  const Value all = concat({past, x}, 2);
  update(past, slice(all, 2, -history, std::numeric_limits<std::int64_t>::max()));
  return all;
}

Network::LstmResult Network::lstm(Value x, Value h0, Value c0, Value w_ih, Value w_hh, Value b_ih,
                                  Value b_hh, bool reverse) {
  Value bias = b_ih.valid() ? b_ih : b_hh;
  if (b_ih.valid() && b_hh.valid()) bias = add(b_ih, b_hh);
  // What does not depend on the recurrence is one product over all steps.
  const Value from_x = linear(x, w_ih, bias);
  const std::array<Value, 2> carried = {h0, c0};
  const std::array<Value, 1> scanned = {from_x};
  const std::vector<Value> out = loop("lstm", carried, scanned, 1, 0, [&](LoopBody& body) {
    if (reverse) impl_->scope().loop.attrs.set("reverse", std::int64_t{1});
    const Value sum = add(linear(body.carried(0), w_hh), body.scanned(0));
    std::vector<Value> gates = split(sum, 4, -1);
    gates.resize(4);
    // One call a statement: the order of the nodes must not depend on the compiler.
    const Value kept = mul(sigmoid(gates[1]), body.carried(1));
    const Value written = sigmoid(gates[0]);
    const Value c = add(kept, mul(written, tanh(gates[2])));
    const Value open = sigmoid(gates[3]);
    const Value h = mul(open, tanh(c));
    body.next(0, h);
    body.next(1, c);
    body.emit(h);
  });
  return out.size() < 3 ? LstmResult{} : LstmResult{out[2], out[0], out[1]};
}

}  // namespace antiphon
