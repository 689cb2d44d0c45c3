// A plug-in that does one thing wrong: BAD says which.
#include <stdexcept>

#include "engine/kernels/plugin_abi.h"

namespace {

enum Bad { kMajor, kNullTable, kThrowingEntry, kNoRun, kRepeated, kOrphan, kCalls };

std::int32_t infer(antiphon_plugin_call* call) {
  call->outputs[0] = call->inputs[0];
  call->outputs[0].data = nullptr;
  switch (call->num_inputs) {
    case 2: throw std::runtime_error("infer");
    case 3: call->outputs[0].rank = 99; return 0;
    case 4: call->outputs[0].extents[0] = -77; return 0;
    case 5: call->outputs[0].dtype = 42; return 0;
    case 6: return 5;
    default: return 0;
  }
}

// The first element of the input says what goes wrong; 5: nothing, the result is the level.
std::int32_t run(antiphon_plugin_call* call) {
  const float wish = *static_cast<const float*>(call->inputs[0].data);
  if (wish == 1) throw 7;
  if (wish == 2) return 1;
  if (wish == 3) {
    for (size_t i = 0; i < call->message_bytes; ++i) call->message[i] = 'm';
    return 1;
  }
  *static_cast<float*>(call->outputs[0].data) = wish == 5 ? static_cast<float>(call->isa) : wish;
  return 0;
}

constexpr antiphon_plugin_operator kOperators[] = {
    {sizeof(antiphon_plugin_operator), "bad", "Op", 1, 6, 1, infer},
    {sizeof(antiphon_plugin_operator), "bad", "Op", 1, 6, 1, infer}};
constexpr antiphon_plugin_kernel kKernels[] = {
    {sizeof(antiphon_plugin_kernel), "bad", BAD == kOrphan ? "Other" : "Op", "bad/op", "cpu",
     nullptr, nullptr, nullptr, nullptr, BAD == kNoRun ? nullptr : run}};
constexpr antiphon_plugin kPlugin = {sizeof(antiphon_plugin),
                                     BAD == kMajor ? 9 : ANTIPHON_PLUGIN_MAJOR,
                                     3,
                                     "bad",
                                     "0.1",
                                     kOperators,
                                     BAD == kRepeated ? 2 : 1,
                                     kKernels,
                                     1,
                                     nullptr};

}  // namespace

extern "C" const antiphon_plugin* antiphon_plugin_entry(const antiphon_plugin_host*) {
  if (BAD == kThrowingEntry) throw std::runtime_error("entry");
  return BAD == kNullTable ? nullptr : &kPlugin;
}
