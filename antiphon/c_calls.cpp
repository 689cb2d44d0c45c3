// Errors by thread.
#include "antiphon/c_calls.h"

#include <cstdlib>
#include <exception>

namespace antiphon::c {
namespace {

// The C contract is an error text a thread; nothing else in the project is kept this way.
std::string& error_text() {
  static thread_local std::string text;
  return text;
}

}  // namespace

const std::string& last_error() { return error_text(); }

int32_t guarded(const std::function<Status()>& call) {
  try {
    const Status status = call();
    error_text() = status.ok() ? "" : status.to_string();
    return static_cast<int32_t>(status.code());
  } catch (const std::exception& error) {
    error_text() = error.what();
    return static_cast<int32_t>(StatusCode::kInternal);
  }
}

Status give(const std::string& text, char** out) {
  *out = static_cast<char*>(std::malloc(text.size() + 1));
  if (!*out) return exhausted("out of memory");
  std::memcpy(*out, text.c_str(), text.size() + 1);
  return {};
}

}  // namespace antiphon::c
