// Status and Result: errors as values, with one code and one message.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace antiphon {

enum class StatusCode {
  kOk,
  kInvalidArgument,
  kNotFound,
  kUnsupported,
  kExhausted,
  kCancelled,
  kTimeout,
  kDeviceLost,
  kInternal,
};

// The code as protocols and logs write it: "invalid_argument".
std::string_view code_name(StatusCode code);

// Owns its message. Copyable; any thread.
class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // The same code with `context: ` before the message. Add it once, where a name is known.
  Status with_context(std::string_view context) const;
  // "invalid_argument: message", or "ok".
  std::string to_string() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

Status invalid_argument(std::string message);
Status not_found(std::string message);
Status unsupported(std::string message);
Status exhausted(std::string message);
Status cancelled(std::string message);
Status timed_out(std::string message);
Status internal_error(std::string message);

// Either a value or an error. value() may be called only when ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& value() & { return *value_; }
  const T& value() const& { return *value_; }
  T&& value() && { return *std::move(value_); }
  T& operator*() & { return *value_; }
  const T& operator*() const& { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace antiphon

#define ANTIPHON_RETURN_IF_ERROR(expr)                                        \
  do {                                                                        \
    if (::antiphon::Status antiphon_status_ = (expr); !antiphon_status_.ok()) \
      return antiphon_status_;                                                \
  } while (false)

#define ANTIPHON_CONCAT_INNER(a, b) a##b
#define ANTIPHON_CONCAT(a, b) ANTIPHON_CONCAT_INNER(a, b)
// ANTIPHON_ASSIGN_OR_RETURN(auto x, f()): x takes the value, or the error is returned.
#define ANTIPHON_ASSIGN_OR_RETURN(lhs, expr) \
  ANTIPHON_ASSIGN_OR_RETURN_INNER(ANTIPHON_CONCAT(antiphon_result_, __LINE__), lhs, expr)
#define ANTIPHON_ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                                    \
  if (!tmp.ok()) return tmp.status();                   \
  lhs = std::move(tmp).value()

// For our own broken invariants only; never reachable from network bytes, a model, a plan or a
// config.
#define ANTIPHON_CHECK(condition)                                                            \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
