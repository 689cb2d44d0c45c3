// A turn's work that was begun before its end was decided.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/stages.h"

namespace antiphon {

// One result on its way: begun, then given once, and taken once; either may come first. Lives on a
// strand.
template <typename T>
class Early {
 public:
  void begin() { begun_ = true; }
  bool begun() const { return begun_; }
  void give(T result) {
    if (taker_)
      std::exchange(taker_, nullptr)(std::move(result));
    else
      result_ = std::move(result);
  }
  // then(result), now or once it is given. Only where begun().
  void take(std::function<void(T)> then) {
    if (result_)
      then(*std::exchange(result_, std::nullopt));
    else
      taker_ = std::move(then);
  }

 private:
  bool begun_ = false;
  std::optional<T> result_;
  std::function<void(T)> taker_;
};

struct EarlyReply {
  Result<Reply> reply;
  DialogState state;  // after it
};

struct EarlyAudio {
  std::shared_ptr<SynthesisStream> stream;  // null: it did not open
  Result<AudioChunk> chunk;
};

// What is known of the answer to `text`, which may still turn out not to be all that is said.
struct EarlyAnswer {
  explicit EarlyAnswer(std::string heard) : text(std::move(heard)) {}

  const std::string text;
  std::atomic<bool> dropped{false};  // lanes look before they start on it
  bool taken = false;                // the turn ended with this text
  Early<Result<Understanding>> understanding;
  Early<EarlyReply> reply;
  Early<EarlyAudio> audio;
};

}  // namespace antiphon
