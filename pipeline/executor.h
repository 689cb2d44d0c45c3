// Where a session's own code runs: one task at a time, in order.
#pragma once

#include <functional>

namespace antiphon {

// A strand: tasks run one after the other, never inside post(). post() may be called from any
// thread.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(std::function<void()> task) = 0;
};

}  // namespace antiphon
