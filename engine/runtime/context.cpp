// Binding and running.
#include "engine/runtime/context.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace antiphon {
namespace runtime {
namespace {
std::size_t index(ir::ValueId id) { return static_cast<std::size_t>(id); }

// A larger team than the plan was made for: its members need as much each as the planned ones.
std::size_t workspace_bytes(const plan::PlanData& data, int num_threads) {
  const int planned = std::max(data.num_threads, 1);
  return data.workspace_bytes * static_cast<std::size_t>((num_threads + planned - 1) / planned);
}
}  // namespace

ContextImpl::ContextImpl(std::shared_ptr<const Plan> plan, ThreadTeam* team)
    : plan_(std::move(plan)),
      data_(static_cast<const plan::PlanImpl&>(*plan_).data()),
      team_(team ? &static_cast<ThreadTeamImpl*>(team)->team() : &solo_),
      arena_(data_.memory.arena_bytes + plan::kArenaAlignment),
      workspace_bytes_(workspace_bytes(data_, team_->size())),
      workspace_(workspace_bytes_) {}

Status ContextImpl::init() {
  if (!arena_.data() || !workspace_.data())
    return exhausted(plan_->name() + ": no memory for " + std::to_string(data_.memory.arena_bytes) +
                     " bytes of arena");
  symbols_ = plan::symbols_of(data_.graph);
  extents_.assign(symbols_.size(), -1);
  input_set_.assign(data_.graph.inputs.size(), false);
  return {};
}

void* ContextImpl::address(ir::ValueId id) const {
  const ir::ValueId root = data_.memory.root[index(id)];
  if (data_.graph.values[index(root)].kind == ir::ValueKind::kConstant)
    return const_cast<void*>(data_.graph.values[index(root)].constant.data);
  const std::size_t offset = data_.memory.offset[index(id)];
  return offset == plan::kNoOffset ? nullptr : arena_.data() + offset;
}

Status ContextImpl::set_symbol(const std::string& symbol, std::int64_t extent,
                               const std::string& input_name) {
  const DimRange& range = data_.profile.at(symbol);
  if (extent < range.min || extent > range.max)
    return invalid_argument("input '" + input_name + "': " + symbol + " is " +
                            std::to_string(extent) + ", the plan takes " +
                            std::to_string(range.min) + " to " + std::to_string(range.max));
  const auto at = std::lower_bound(symbols_.begin(), symbols_.end(), symbol) - symbols_.begin();
  std::int64_t& slot = extents_[static_cast<std::size_t>(at)];
  if (slot >= 0 && slot != extent)
    return invalid_argument("input '" + input_name + "': " + symbol + " is " +
                            std::to_string(extent) + ", another input has " + std::to_string(slot));
  slot = extent;
  return {};
}

void ContextImpl::forget_inputs() {
  std::fill(extents_.begin(), extents_.end(), -1);
  std::fill(input_set_.begin(), input_set_.end(), false);
}

Result<void*> ContextImpl::input(std::string_view name, std::span<const std::int64_t> dims) {
  auto memory = bind_input(name, dims);
  if (!memory.ok()) forget_inputs();
  return memory;
}

Result<void*> ContextImpl::bind_input(std::string_view name, std::span<const std::int64_t> dims) {
  for (std::size_t i = 0; i < data_.graph.inputs.size(); ++i) {
    const ir::ValueId id = data_.graph.inputs[i];
    const ir::ValueInfo& info = data_.graph.values[index(id)];
    if (info.name != name) continue;
    if (info.shape.size() != dims.size())
      return invalid_argument("input '" + info.name + "': rank " + std::to_string(dims.size()) +
                              ", wanted " + std::to_string(info.shape.size()));
    for (std::size_t axis = 0; axis < dims.size(); ++axis) {
      const Dim& want = info.shape[axis];
      if (!want.is_static()) {
        ANTIPHON_RETURN_IF_ERROR(set_symbol(want.symbol, dims[axis], info.name));
      } else if (dims[axis] != want.extent) {
        return invalid_argument("input '" + info.name + "': axis " + std::to_string(axis) + " is " +
                                std::to_string(dims[axis]) + ", wanted " +
                                std::to_string(want.extent));
      }
    }
    input_set_[i] = true;
    last_ = nullptr;
    return address(id);
  }
  return invalid_argument(plan_->name() + ": has no input '" + std::string(name) + "'");
}

Result<BoundStep> ContextImpl::bind_step(const plan::Step& step,
                                         const std::vector<Tensor>& tensors) {
  BoundStep bound;
  const ir::Node& node = data_.graph.nodes[step.node];
  bound.view = plan::view_of(node, tensors, data_.isa, team_->size(), bound.inputs, bound.outputs);
  for (const plan::Candidate& candidate : step.candidates) {
    bound.view.self = candidate.kernel->self;
    if (candidate.kernel->refuse(bound.view) != nullptr) continue;
    bound.kernel = candidate.kernel;
    bound.args = {workspace_.data(), team_, candidate.packed.get(), nullptr};
    if (candidate.kernel->workspace_bytes &&
        candidate.kernel->workspace_bytes(bound.view) > workspace_bytes_)
      return internal_error(node.name + ": wants more workspace than was planned");
    if (candidate.kernel->prepare) {
      auto prepared = candidate.kernel->prepare(bound.view, candidate.packed.get());
      if (!prepared.ok()) return prepared.status().with_context(node.name);
      bound.prepared = std::move(prepared).value();
      bound.args.prepared = bound.prepared.get();
    }
    return bound;
  }
  return unsupported(node.name +
                     ": none of the plan's kernels takes these extents; widen the profile");
}

Result<std::unique_ptr<Binding>> ContextImpl::make_binding() {
  plan::Extents extents;
  for (std::size_t i = 0; i < symbols_.size(); ++i) extents[symbols_[i]] = extents_[i];
  auto binding = std::make_unique<Binding>();
  ANTIPHON_ASSIGN_OR_RETURN(binding->tensors, plan::resolve(data_.graph, extents));
  for (std::size_t v = 0; v < binding->tensors.size(); ++v) {
    Tensor& t = binding->tensors[v];
    if (t.rank >= 0 && !t.is_constant) t.data = address(static_cast<ir::ValueId>(v));
  }
  // Where a view begins follows from the extents of this run.
  for (const ir::Node& node : data_.graph.nodes) {
    if (!plan::is_view(node)) continue;
    const Tensor& x = binding->tensors[index(node.inputs[0])];
    binding->tensors[index(node.outputs[0])].data =
        static_cast<std::byte*>(x.data) + plan::view_offset(node, x);
  }
  binding->steps.reserve(data_.steps.size());
  for (const plan::Step& step : data_.steps) {
    ANTIPHON_ASSIGN_OR_RETURN(BoundStep bound, bind_step(step, binding->tensors));
    binding->steps.push_back(std::move(bound));
  }
  for (const ir::NamedOutput& out : data_.graph.outputs) {
    const Tensor& t = binding->tensors[index(out.value)];
    TensorView view;
    view.dtype = t.dtype;
    view.dims.assign(t.dims.begin(), t.dims.begin() + t.rank);
    view.data = t.data;
    binding->outputs.push_back(std::move(view));
  }
  return binding;
}

Result<Binding*> ContextImpl::bind() {
  const auto found = bindings_.find(extents_);
  if (found != bindings_.end()) return found->second.get();
  ANTIPHON_ASSIGN_OR_RETURN(std::unique_ptr<Binding> made, make_binding());
  Binding* binding = made.get();
  bindings_.emplace(extents_, std::move(made));
  return binding;
}

Result<std::span<const StatePlace>> ContextImpl::places_of(const StatePoolImpl& pool) {
  for (const PoolPlaces& known : pools_)
    if (known.pool_plan == pool.plan()) return std::span(known.places);
  auto places = places_in(pool, *plan_);
  if (!places.ok()) return places.status().with_context(plan_->name());
  pools_.push_back({pool.plan(), std::move(places).value()});
  return std::span<const StatePlace>(pools_.back().places);
}

// Where the states of this run lie.
Result<std::span<const StatePlace>> ContextImpl::check_ready(const StatePoolImpl* pool,
                                                             std::span<const int> slots) {
  for (std::size_t i = 0; i < input_set_.size(); ++i)
    if (!input_set_[i])
      return invalid_argument(plan_->name() + ": input '" +
                              data_.graph.values[index(data_.graph.inputs[i])].name +
                              "' was not set");
  if (data_.graph.states.empty()) return std::span<const StatePlace>();
  if (!pool) return invalid_argument(plan_->name() + ": keeps state, but no pool was given");
  ANTIPHON_ASSIGN_OR_RETURN(const std::span<const StatePlace> places, places_of(*pool));
  if (slots.empty()) return invalid_argument(plan_->name() + ": no state slot was given");
  for (const int slot : slots)
    if (!pool->in_use(slot))
      return invalid_argument(plan_->name() + ": state slot " + std::to_string(slot) +
                              " is not in use");
  const bool batched = places.front().batched;
  if (!batched && slots.size() != 1)
    return invalid_argument(plan_->name() + ": takes one state slot, got " +
                            std::to_string(slots.size()));
  if (batched)
    ANTIPHON_RETURN_IF_ERROR(
        set_symbol("B", static_cast<std::int64_t>(slots.size()), "state slots"));
  return places;
}

Status ContextImpl::time_layers(std::span<double> us) {
  if (!us.empty() && us.size() != data_.steps.size())
    return invalid_argument(plan_->name() + ": times of " + std::to_string(us.size()) +
                            " layers, wanted " + std::to_string(data_.steps.size()));
  layer_us_ = us;
  return {};
}

Status ContextImpl::run_steps(Binding& binding) {
  using Clock = std::chrono::steady_clock;
  const bool timed = !layer_us_.empty();
  Clock::time_point begin;
  if (timed) begin = Clock::now();
  for (std::size_t i = 0; i < binding.steps.size(); ++i) {
    const BoundStep& step = binding.steps[i];
    const Status status = step.kernel->run(step.view, step.args);
    if (!status.ok()) return status.with_context(plan_->name() + ": " + step.view.node->name);
    if (!timed) continue;
    const Clock::time_point end = Clock::now();
    layer_us_[i] = std::chrono::duration<double, std::micro>(end - begin).count();
    begin = end;
  }
  return {};
}

Status ContextImpl::run(StatePool* pool, std::span<const int> slots) {
  auto* states = static_cast<StatePoolImpl*>(pool);
  const Result<std::span<const StatePlace>> ready = check_ready(states, slots);
  Binding* binding = nullptr;
  if (ready.ok()) {
    auto bound = bind();
    if (!bound.ok()) return bound.status().with_context(plan_->name());
    binding = *bound;
  }
  forget_inputs();
  if (!ready.ok()) return ready.status();

  for (const StatePlace& place : *ready)
    for (std::size_t b = 0; b < slots.size(); ++b)
      std::memcpy(
          static_cast<std::byte*>(binding->tensors[index(place.value)].data) + b * place.bytes,
          states->at(slots[b], place), place.bytes);
  ANTIPHON_RETURN_IF_ERROR(run_steps(*binding));
  for (const StatePlace& place : *ready) {
    const ir::ValueId next_id = data_.graph.values[index(place.value)].next;
    if (next_id == place.value) continue;  // stays as it is
    const Tensor& next = binding->tensors[index(next_id)];
    for (std::size_t b = 0; b < slots.size(); ++b)
      std::memcpy(states->at(slots[b], place),
                  static_cast<const std::byte*>(next.data) + b * place.bytes, place.bytes);
  }
  last_ = binding;
  return {};
}

const TensorView* ContextImpl::output(std::string_view name) const {
  if (!last_) return nullptr;
  for (std::size_t i = 0; i < data_.graph.outputs.size(); ++i)
    if (data_.graph.outputs[i].name == name) return &last_->outputs[i];
  return nullptr;
}

}  // namespace runtime

Result<std::unique_ptr<Context>> Context::create(std::shared_ptr<const Plan> plan,
                                                 ThreadTeam* team) {
  if (!plan) return invalid_argument("context: plan is null");
  auto context = std::make_unique<runtime::ContextImpl>(std::move(plan), team);
  ANTIPHON_RETURN_IF_ERROR(context->init());
  return std::unique_ptr<Context>(std::move(context));
}

}  // namespace antiphon
