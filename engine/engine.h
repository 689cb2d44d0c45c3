// The engine's façade: build a plan from a network, save and load it, run it with state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/log.h"
#include "engine/base/status.h"
#include "engine/network.h"
#include "engine/plugins.h"
#include "engine/tensor.h"

namespace antiphon {

struct Calibration;  // engine/calibrate.h

enum class Precision : std::uint8_t {
  kF32,   // int8 constants are expanded at load
  kInt8,  // int8 constants are streamed as int8, or u8 x s8 where the tuner finds it faster
};

// The smallest, usual and largest extent of a symbol. The arena is planned for the largest.
struct DimRange {
  std::int64_t min = 1, opt = 1, max = 1;
};

struct BuildOptions {
  Precision precision = Precision::kInt8;
  std::map<std::string, DimRange> profile;  // every symbol of the inputs
  bool tune = false;                        // time candidates; else the first that accepts
  // Precision int8: tuning may take kernels that quantise activations to bytes (u8 x s8), where
  // they are faster. Off: int16, nearly lossless.
  bool u8_activations = false;
  // Precision int8 of an imported network: its layers get int8 weights and inputs of these ranges.
  std::shared_ptr<const Calibration> calibration;  // may be null
  std::string timing_cache;  // file, read and extended when tuning; empty: none
  std::string dump_dir;      // graph text after every pass; empty: none
  std::string max_isa;  // "portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8"; empty: what
                        // the CPU has
  int num_threads = 1;  // of the team that will run it
  std::shared_ptr<const PluginSet> plugins;  // their kernels are tried first; may be null
  Logger* logger = nullptr;                  // may be null
};

// A kernel that a build looked at for a layer, at the usual extents.
struct KernelChoice {
  std::string kernel;
  std::string refusal;  // why it cannot run the layer; empty: it can
  double time_us = 0;   // when it was timed
};
// What a build or a load did.
struct LayerReport {
  std::string name, op, kernel;
  std::string output;                    // type and usual extents of the first: "f32[1,64,56,56]"
  std::size_t workspace_bytes = 0;       // at the usual extents
  std::size_t constant_bytes = 0;        // that it reads
  std::size_t live_bytes = 0;            // of the arena while it runs, at the largest extents
  double time_us = 0;                    // when tuned
  std::vector<KernelChoice> considered;  // in the table's order; a plan from a file has none
};
// What one pass did to the number of nodes, bodies of loops included.
struct PassEffect {
  std::string name;
  int changes = 0;  // nodes that it took away, or changed
  int nodes_before = 0, nodes_after = 0;
};
struct PlanReport {
  int nodes_before = 0, nodes_after = 0;
  std::vector<std::string> passes;  // "fuse_bias: 12", those that changed something
  std::vector<PassEffect> effects;  // of each that ran, in order; a plan from a file has none
  std::vector<LayerReport> layers;
  std::size_t arena_bytes = 0, live_bytes_bound = 0, constant_bytes = 0, state_bytes = 0;
  std::size_t workspace_bytes = 0;  // the largest of any layer
  std::string isa;
  bool tuned = false;
};

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
};

// A compiled network. Immutable: any thread. Shared by its contexts.
class Plan {
 public:
  virtual ~Plan() = default;
  // kInternal: the file could not be written.
  virtual Status save(const std::string& path) const = 0;
  // Maps the file. kInvalidArgument: truncated, or made by another version, for another device or
  // precision; the message says which field differs, with both values.
  // kNotFound: an operator whose plug-in is not among `plugins`.
  static Result<std::shared_ptr<const Plan>> load(
      const std::string& path, std::string_view max_isa = {},
      std::shared_ptr<const PluginSet> plugins = nullptr);
  virtual const std::string& name() const = 0;
  virtual const PlanReport& report() const = 0;
  virtual std::vector<TensorSpec> inputs() const = 0;
  virtual std::vector<TensorSpec> outputs() const = 0;
};

// Keeps oneDNN at or below an ISA, as `max_isa` keeps our own kernels: without it a plan below the
// machine's ISA runs our own kernels only. For main, before the first build; "" does nothing.
// kInvalidArgument: an unknown name. kInternal: too late.
Status cap_isa(std::string_view max_isa);

// kInvalidArgument: the network's first error; a symbol without a range.
Result<std::shared_ptr<const Plan>> build(const Network& network, const BuildOptions& options);

// The plan at `path` if it is there and fits: made from this network with these weights, for this
// precision, profile, ISA and number of threads, tuned if that is asked for. Else builds it and
// keeps it at `path`; a folder that does not take it is told to the logger only. Empty path:
// builds.
Result<std::shared_ptr<const Plan>> load_or_build(const Network& network,
                                                  const BuildOptions& options,
                                                  const std::string& path);

// Where a stage keeps the plans of its networks between starts.
struct PlanFolder {
  std::string dir;    // empty: plans are built at every start
  bool tune = false;  // plans that are built are tuned; times are kept in DIR/times.txt
};
// The same with DIR/NAME.plan.
Result<std::shared_ptr<const Plan>> load_or_build(const Network& network, BuildOptions options,
                                                  const PlanFolder& folder,
                                                  const std::string& name);

// A pinned team of threads that runs the phases of a plan; owns num_threads - 1 threads (the caller
// is the first member). One run at a time. Spins briefly at barriers, then sleeps.
class ThreadTeam {
 public:
  static Result<std::unique_ptr<ThreadTeam>> create(int num_threads, bool pin = true);
  virtual ~ThreadTeam() = default;
  virtual int num_threads() const = 0;
};

// State slots for many streams, with room for the states of one plan. Other plans that have some of
// these states may run over them, too. acquire() and release() may be called from any thread.
class StatePool {
 public:
  static Result<std::unique_ptr<StatePool>> create(std::shared_ptr<const Plan> plan, int num_slots);
  virtual ~StatePool() = default;
  virtual Result<int> acquire() = 0;  // zeroed. kExhausted: all are in use
  virtual void release(int slot) = 0;
  virtual void reset(int slot) = 0;         // zeroed again
  virtual void copy(int from, int to) = 0;  // both in use: `to` becomes what `from` is
  virtual int num_used() const = 0;
};

// The scratch memory and bindings of one thread that runs a plan. Not thread-safe; allocates in
// create() and the first time a combination of symbol extents or a pool of another plan is seen,
// never after.
class Context {
 public:
  // team may be null: the caller's thread alone. It must outlive the context.
  static Result<std::unique_ptr<Context>> create(std::shared_ptr<const Plan> plan,
                                                 ThreadTeam* team);
  virtual ~Context() = default;
  // Writable memory of an input for the extents given (in the order of its symbols as declared).
  // Set every input, then run. What is written to an input that is an output too, before a run or
  // after it, stays for later runs, whose extents may differ. kInvalidArgument: unknown name, rank
  // or static extent that does not match, extent outside the profile; the message names the input,
  // wanted and got, and no input counts as set any more.
  virtual Result<void*> input(std::string_view name, std::span<const std::int64_t> dims) = 0;
  // slots: one for each item of the batch; empty for a plan without state. The pool may be another
  // plan's: states are found by name, and those that this plan does not have are left untouched.
  // kInvalidArgument: an input was not set, a slot is not in use, or the pool lacks a state or has
  // it in another type or shape, which the message names; nothing was run.
  virtual Status run(StatePool* pool, std::span<const int> slots) = 0;
  Status run() { return run(nullptr, {}); }
  // From now on every run writes to us[i] the microseconds of layer i of the plan's report; empty:
  // no more. kInvalidArgument: not one for each layer. `us` must outlive the runs.
  virtual Status time_layers(std::span<double> us) = 0;
  // Valid until the next input() or run(). Null: there is no such output, or nothing was run yet.
  virtual const TensorView* output(std::string_view name) const = 0;
};

}  // namespace antiphon
