// The shipping networks on seeded weights, and one run of a plan of theirs: for tests and benches.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace antiphon::test {

// A network at one combination of its extents.
struct NetworkCase {
  std::string name;
  std::function<Network(bool int8)> network;
  std::map<std::string, DimRange> profile;
  std::map<std::string, std::int64_t> extents;
  double audio_ms = 0;  // of sound that one run takes in or makes; 0: none
  double frames = 0;    // decoder steps of one run; 0: none
};

NetworkCase acoustic_case(int batch, int steps);
NetworkCase listener_case(int batch, int steps);
NetworkCase bert_case(int tokens);
NetworkCase decoder_case(int symbols);
NetworkCase vocoder_case(int frames);
// Of a vocoder whose last two flows hear harmonics; not among shipping_cases().
NetworkCase pitched_vocoder_case(int frames);
NetworkCase pitch_case(int frames);
std::vector<NetworkCase> shipping_cases();

// A plan with inputs of seeded numbers and a state slot for every item of the batch.
class NetworkRunner {
 public:
  // team may be null.
  static Result<std::unique_ptr<NetworkRunner>> create(std::shared_ptr<const Plan> plan,
                                                       const NetworkCase& c, ThreadTeam* team);
  // Sets every input and runs. Allocates nothing of its own.
  Status run();
  const TensorView* output(std::string_view name) const { return context_->output(name); }

 private:
  struct Input {
    std::string name;
    std::vector<std::int64_t> dims;
    std::vector<char> bytes;
  };
  static std::vector<Input> make_inputs(const Plan& plan, const NetworkCase& c);

  std::vector<Input> inputs_;
  std::unique_ptr<StatePool> pool_;
  std::vector<int> slots_;
  std::unique_ptr<Context> context_;
};

}  // namespace antiphon::test
