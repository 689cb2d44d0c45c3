// Collects the streams that have audio waiting and advances them together on the lane.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "pipeline/lane.h"
#include "pipeline/stages.h"

namespace antiphon {

// Borrows the recogniser and the lane; both outlive it. submit() may be called from any thread.
class RecognizerBatcher {
 public:
  RecognizerBatcher(Recognizer& recognizer, Lane& lane) : recognizer_(recognizer), lane_(lane) {}

  // One advance() of `stream`, together with all others that wait by then. `done` runs on the lane;
  // until then the caller does not touch the stream and keeps it alive (`done` may own it).
  // On error nothing was taken and `done` is not called.
  Status submit(RecognizerStream* stream, std::int64_t deadline_ns,
                std::function<void(const Status&)> done);

 private:
  struct Item {
    RecognizerStream* stream = nullptr;
    std::function<void(const Status&)> done;
  };
  void run_batch();

  Recognizer& recognizer_;
  Lane& lane_;
  std::mutex mutex_;
  std::vector<Item> waiting_;
  bool scheduled_ = false;  // a run_batch() is queued
};

}  // namespace antiphon
