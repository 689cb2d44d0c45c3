// Slots: a free list, zeroed on acquisition.
#include "engine/runtime/state_pool.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>

#include "engine/base/huge_pages.h"
#include "engine/ir/dims.h"

namespace antiphon {
namespace runtime {
namespace {
constexpr std::size_t kLine = 64;
}

AlignedBuffer::AlignedBuffer(std::size_t bytes)
    : data_(static_cast<std::byte*>(allocate_huge(std::max(bytes, kLine)))),
      bytes_(std::max(bytes, kLine)) {}

AlignedBuffer::~AlignedBuffer() {
  if (data_) free_huge(data_, bytes_);
}

StatePoolImpl::StatePoolImpl(std::shared_ptr<const Plan> plan, std::vector<StatePlace> places,
                             std::size_t slot_bytes, int num_slots)
    : plan_(std::move(plan)),
      places_(std::move(places)),
      slot_bytes_(slot_bytes),
      memory_(slot_bytes * static_cast<std::size_t>(num_slots)),
      used_(static_cast<std::size_t>(num_slots), false) {
  for (int slot = num_slots; slot-- > 0;) free_.push_back(slot);
}

Result<int> StatePoolImpl::acquire() {
  int slot = -1;
  {
    const std::scoped_lock lock(mutex_);
    if (free_.empty())
      return exhausted("all " + std::to_string(used_.size()) + " state slots of " + plan_->name() +
                       " are in use");
    slot = free_.back();
    free_.pop_back();
    used_[static_cast<std::size_t>(slot)] = true;
  }
  reset(slot);
  return slot;
}

void StatePoolImpl::release(int slot) {
  const std::scoped_lock lock(mutex_);
  ANTIPHON_CHECK(slot >= 0 && static_cast<std::size_t>(slot) < used_.size() &&
                 used_[static_cast<std::size_t>(slot)]);
  used_[static_cast<std::size_t>(slot)] = false;
  free_.push_back(slot);
}

void StatePoolImpl::reset(int slot) {
  std::memset(memory_.data() + static_cast<std::size_t>(slot) * slot_bytes_, 0, slot_bytes_);
}

void StatePoolImpl::copy(int from, int to) {
  ANTIPHON_CHECK(in_use(from) && in_use(to));
  std::memmove(memory_.data() + static_cast<std::size_t>(to) * slot_bytes_,
               memory_.data() + static_cast<std::size_t>(from) * slot_bytes_, slot_bytes_);
}

int StatePoolImpl::num_used() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<int>(used_.size() - free_.size());
}

bool StatePoolImpl::in_use(int slot) const {
  const std::scoped_lock lock(mutex_);
  return slot >= 0 && static_cast<std::size_t>(slot) < used_.size() &&
         used_[static_cast<std::size_t>(slot)];
}

namespace {

Result<StatePlace> place_state(const plan::PlanData& data, ir::ValueId id,
                               std::size_t* slot_bytes) {
  const ir::ValueInfo& info = data.graph.values[static_cast<std::size_t>(id)];
  StatePlace place;
  place.value = id;
  std::size_t elements = 1;
  for (std::size_t axis = 0; axis < info.shape.size(); ++axis) {
    const Dim& dim = info.shape[axis];
    if (axis == 0 && dim.symbol == "B") {
      place.batched = true;
      continue;
    }
    if (!dim.is_static())
      return invalid_argument("state '" + info.name + "': axis " + std::to_string(axis) +
                              " must be static");
    elements *= static_cast<std::size_t>(dim.extent);
  }
  place.bytes = elements * dtype_bytes(info.dtype);
  place.offset = *slot_bytes;
  *slot_bytes = (*slot_bytes + place.bytes + kLine - 1) / kLine * kLine;
  return place;
}

std::string type_text(const ir::ValueInfo& info) {
  return std::string(dtype_name(info.dtype)) + ir::shape_text(info.shape);
}

}  // namespace

Result<std::vector<StatePlace>> places_in(const StatePoolImpl& pool, const Plan& plan) {
  const auto graph_of = [](const Plan& p) -> const ir::Graph& {
    return static_cast<const plan::PlanImpl&>(p).data().graph;
  };
  const ir::Graph &graph = graph_of(plan), &pools = graph_of(*pool.plan());
  const auto info_in = [](const ir::Graph& g, ir::ValueId id) -> const ir::ValueInfo& {
    return g.values[static_cast<std::size_t>(id)];
  };
  std::vector<StatePlace> places;
  for (const ir::ValueId id : graph.states) {
    const ir::ValueInfo& wanted = info_in(graph, id);
    const auto found = std::find_if(
        pool.places().begin(), pool.places().end(),
        [&](const StatePlace& place) { return info_in(pools, place.value).name == wanted.name; });
    const std::string named =
        "state '" + wanted.name + "': the pool of " + pool.plan()->name() + " has ";
    if (found == pool.places().end()) return invalid_argument(named + "none of this name");
    const ir::ValueInfo& got = info_in(pools, found->value);
    if (got.dtype != wanted.dtype || got.shape != wanted.shape)
      return invalid_argument(named + type_text(got) + ", wanted " + type_text(wanted));
    places.push_back(*found);
    places.back().value = id;
  }
  return places;
}

}  // namespace runtime

Result<std::unique_ptr<StatePool>> StatePool::create(std::shared_ptr<const Plan> plan,
                                                     int num_slots) {
  if (!plan) return invalid_argument("state pool: plan is null");
  if (num_slots < 1)
    return invalid_argument("state pool: num_slots is " + std::to_string(num_slots) +
                            ", wanted >= 1");
  const auto& data = static_cast<const plan::PlanImpl&>(*plan).data();
  std::vector<runtime::StatePlace> places;
  std::size_t slot_bytes = 0;
  for (const ir::ValueId id : data.graph.states) {
    ANTIPHON_ASSIGN_OR_RETURN(auto place, runtime::place_state(data, id, &slot_bytes));
    places.push_back(place);
  }
  auto pool = std::make_unique<runtime::StatePoolImpl>(std::move(plan), std::move(places),
                                                       slot_bytes, num_slots);
  return std::unique_ptr<StatePool>(std::move(pool));
}

}  // namespace antiphon
