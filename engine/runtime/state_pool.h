// State slots of many streams, laid out for one plan, in one allocation.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/plan/plan_impl.h"

namespace antiphon::runtime {

// Where one state lies in a slot.
struct StatePlace {
  ir::ValueId value = ir::kNoValue;
  std::size_t offset = 0, bytes = 0;  // of one batch item
  bool batched = false;               // has the leading dimension "B"
};

// 64-byte aligned memory of its own.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(std::size_t bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AlignedBuffer();
  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
  std::size_t bytes_;
};

class StatePoolImpl final : public StatePool {
 public:
  StatePoolImpl(std::shared_ptr<const Plan> plan, std::vector<StatePlace> places,
                std::size_t slot_bytes, int num_slots);

  Result<int> acquire() override;
  void release(int slot) override;
  void reset(int slot) override;
  void copy(int from, int to) override;
  int num_used() const override;

  bool in_use(int slot) const;
  const std::shared_ptr<const Plan>& plan() const { return plan_; }
  const std::vector<StatePlace>& places() const { return places_; }
  std::byte* at(int slot, const StatePlace& place) const {
    return memory_.data() + static_cast<std::size_t>(slot) * slot_bytes_ + place.offset;
  }

 private:
  std::shared_ptr<const Plan> plan_;
  std::vector<StatePlace> places_;
  std::size_t slot_bytes_;
  AlignedBuffer memory_;
  mutable std::mutex mutex_;  // guards free_ and used_
  std::vector<int> free_;
  std::vector<bool> used_;
};

// Where in the slots of `pool` the states of `plan` lie, which may be another plan than the pool's:
// by name. kInvalidArgument: the pool lacks one, or has it in another type or shape.
Result<std::vector<StatePlace>> places_in(const StatePoolImpl& pool, const Plan& plan);

}  // namespace antiphon::runtime
