/* The engine for every language that calls C: ONNX models are imported, calibrated, built and run.

   Errors: functions that give an int32_t return 0, or a code above 0; those that make something
   return null on failure. antiphon_last_error() (c_api.h) then says why, for the calling thread.
   Null handles are errors, not crashes; null where a *_destroy() takes it is nothing.
   Ownership: what the caller was given by *_create(), _import(), _build() and _load() is ended by
   its own *_destroy(), in any order: a context keeps its plan. Text is freed with antiphon_free().
   What the caller hands over is copied, or read during the call. Threads: networks and plans may be
   used by any number of threads at once; a context by one at a time. Text is UTF-8. Structs with
   struct_bytes grow only at their end. */
#ifndef ANTIPHON_ENGINE_C_API_H_
#define ANTIPHON_ENGINE_C_API_H_

#include <stddef.h>
#include <stdint.h>

#include "engine/base/element_type.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct antiphon_network antiphon_network; /* an imported model */
typedef struct antiphon_plan antiphon_plan;       /* what runs */
typedef struct antiphon_context antiphon_context; /* the memory of one thread that runs a plan */

/* Row-major, without gaps, of at most 8 axes. Never grows. */
typedef struct antiphon_tensor {
  const char* name;
  const int64_t* dims; /* [rank] */
  const void* data;
  int32_t rank;
  int32_t dtype; /* ANTIPHON_F32... */
} antiphon_tensor;

typedef struct antiphon_extent {
  const char* symbol;
  int64_t extent;
} antiphon_extent;

/* The smallest, usual and largest extent that a symbol may have. */
typedef struct antiphon_range {
  const char* symbol;
  int64_t min, usual, max;
} antiphon_range;

typedef struct antiphon_import_options {
  size_t struct_bytes;
  const antiphon_tensor* frozen; /* inputs that become constants */
  size_t num_frozen;
  const antiphon_extent* extents; /* symbols that are fixed */
  size_t num_extents;
  const char* const* plugins; /* paths of shared objects with more operators and kernels */
  size_t num_plugins;
  const char* onnxruntime; /* null: nodes that cannot be imported are an error; else they run in
                              ONNX Runtime: its shared object, "" for the system's */
} antiphon_import_options;

/* options may be null. `name` stands for the path in messages; external data lies in `folder`
   (null: the current one). */
antiphon_network* antiphon_import_onnx(const char* path, const antiphon_import_options* options);
antiphon_network* antiphon_import_onnx_bytes(const void* bytes, size_t num_bytes, const char* name,
                                             const char* folder,
                                             const antiphon_import_options* options);
void antiphon_network_destroy(antiphon_network* network);
/* {"inputs":[{"name":"ids","dtype":"i64","shape":["B",16]}]}: a text is an open
   extent. */
int32_t antiphon_network_describe(const antiphon_network* network, char** json);

enum { ANTIPHON_ENTROPY = 0, ANTIPHON_PERCENTILE = 1, ANTIPHON_MINMAX = 2 };

/* Fills in input `name` of a sample (dims, data, rank, dtype); what it points to is read before the
   next call. Anything but 0 ends the calibration with an error that has the number. Each sample is
   read up to three times, on the calling thread. */
typedef int32_t (*antiphon_read_sample)(void* user, size_t sample, const char* name,
                                        antiphon_tensor* tensor);

/* Zeros and nulls mean the default. */
typedef struct antiphon_calibration_options {
  size_t struct_bytes;
  int32_t method;    /* ANTIPHON_ENTROPY... */
  int32_t threads;   /* 1 */
  double percentile; /* 99.99 */
  const char* max_isa;
} antiphon_calibration_options;

/* Writes the ranges of every layer's input over `num_samples` samples to the file. */
int32_t antiphon_calibrate(const antiphon_network* network, size_t num_samples,
                           antiphon_read_sample read, void* user,
                           const antiphon_calibration_options* options, const char* ranges_path);

/* Zeros and nulls mean the default. */
typedef struct antiphon_build_options {
  size_t struct_bytes;
  const antiphon_range* profile; /* one for every open extent of the inputs */
  size_t num_ranges;
  const char* ranges;       /* a file of antiphon_calibrate(): layers run in int8 */
  int32_t int8;             /* 1: what the model itself has in int8 stays so, else f32 */
  int32_t tune;             /* 1: kernels are timed and the fastest is kept */
  int32_t threads;          /* of each context that will run it: 1 */
  int32_t reserved;         /* 0 */
  const char* timing_cache; /* a file of times, read and extended; the same gives the same bytes */
  const char* max_isa;      /* "portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8" */
} antiphon_build_options;

/* options may be null for a network without open extents. The plan does not need the network. */
antiphon_plan* antiphon_build(const antiphon_network* network,
                              const antiphon_build_options* options);

/* Tells how accurate a plan is (higher is better); anything but 0 is an error. The plan is valid
   during the call. */
typedef int32_t (*antiphon_evaluate)(void* user, antiphon_plan* plan, double* accuracy);
/* The same with options->ranges, but fails if the plan's accuracy is lower than that of f32 by more
   than max_loss: "0.6%" of it, or "0.006" in its own unit. */
antiphon_plan* antiphon_build_within(const antiphon_network* network,
                                     const antiphon_build_options* options, const char* max_loss,
                                     antiphon_evaluate evaluate, void* user);

/* Zeros and nulls mean the default. */
typedef struct antiphon_load_options {
  size_t struct_bytes;
  const char* max_isa;
  const char* const* plugins; /* as antiphon_import_options has them */
  size_t num_plugins;
  const char* onnxruntime;
} antiphon_load_options;

/* A plan file is for one version and instruction set; the error names the field that differs. */
antiphon_plan* antiphon_plan_load(const char* path, const antiphon_load_options* options);
int32_t antiphon_plan_save(const antiphon_plan* plan, const char* path);
void antiphon_plan_destroy(antiphon_plan* plan);
/* Inputs and outputs as antiphon_network_describe() has them (null: an extent of an output that has
   no name), and the plan's report: passes, layers
   with their kernels, bytes. */
int32_t antiphon_plan_describe(const antiphon_plan* plan, char** json);
/* An HTML page about the build; runs the plan. The network is the one it was built of. */
int32_t antiphon_plan_report(const antiphon_network* network, const antiphon_plan* plan,
                             char** html);

/* threads: 0 or 1 is the caller's thread alone. */
antiphon_context* antiphon_context_create(const antiphon_plan* plan, int32_t threads);
void antiphon_context_destroy(antiphon_context* context);
/* The memory of an input for these extents, to be written before the run; every input anew for
   every run, and all of them again after an error. */
int32_t antiphon_input(antiphon_context* context, const char* name, const int64_t* dims,
                       int32_t rank, void** memory);
/* Allocates nothing but for extents that this context has not seen before. */
int32_t antiphon_run(antiphon_context* context);
/* What it points to is valid until the next antiphon_input(), _run() or _destroy(). */
int32_t antiphon_output(const antiphon_context* context, const char* name, antiphon_tensor* tensor);

#ifdef __cplusplus
}
#endif

#endif /* ANTIPHON_ENGINE_C_API_H_ */
