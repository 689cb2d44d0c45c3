// One lane task takes every waiting stream.
#include "pipeline/recognizer_batcher.h"

#include <utility>

namespace antiphon {

Status RecognizerBatcher::submit(RecognizerStream* stream, std::int64_t deadline_ns,
                                 std::function<void(const Status&)> done) {
  std::lock_guard lock(mutex_);
  if (!scheduled_) {
    ANTIPHON_RETURN_IF_ERROR(lane_.post({deadline_ns, [this] { run_batch(); }}));
    scheduled_ = true;
  }
  waiting_.push_back({stream, std::move(done)});
  return {};
}

void RecognizerBatcher::run_batch() {
  std::vector<Item> batch;
  {
    std::lock_guard lock(mutex_);
    batch.swap(waiting_);
    scheduled_ = false;
  }
  std::vector<RecognizerStream*> streams;
  streams.reserve(batch.size());
  for (const Item& item : batch) streams.push_back(item.stream);
  const Status status = recognizer_.advance(streams);
  for (Item& item : batch) item.done(status);
}

}  // namespace antiphon
