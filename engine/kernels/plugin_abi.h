/* The versioned C entry point of plug-ins: operators and kernels from a shared object.

   A plug-in exports one function, antiphon_plugin_entry(). It gets the host's table and gives its
   own, which stays valid until the plug-in's unload(). Nothing is freed across the border: what one
   side makes, that side frees. No function here may let an exception out.

   Majors must be equal; a newer minor only adds fields at the end of tables, which struct_bytes
   tells. Functions return 0, or any other number after writing a reason into call->message. */
#ifndef ANTIPHON_ENGINE_KERNELS_PLUGIN_ABI_H_
#define ANTIPHON_ENGINE_KERNELS_PLUGIN_ABI_H_

#include <stddef.h>
#include <stdint.h>

#include "engine/base/element_type.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ANTIPHON_PLUGIN_MAJOR 1
#define ANTIPHON_PLUGIN_MINOR 0
#define ANTIPHON_PLUGIN_MAX_RANK 6

/* Contiguous, row-major. rank -1: an optional input that is absent. In infer() an extent may be
   negative: not known yet. Copy it to wherever the same extent stands; -1 is "cannot be told". */
typedef struct antiphon_plugin_tensor {
  int32_t dtype;
  int32_t rank;
  int64_t extents[ANTIPHON_PLUGIN_MAX_RANK];
  void* data;          /* null in infer() and refuse() unless it is constant */
  int32_t is_constant; /* data is there from pack() on and never changes */
  int32_t reserved;
} antiphon_plugin_tensor;

typedef struct antiphon_plugin_node antiphon_plugin_node; /* the host's */
typedef struct antiphon_plugin_team antiphon_plugin_team; /* the host's */

/* What the host offers. Attributes that are absent give the fallback (ints: 0 values). */
typedef struct antiphon_plugin_host {
  size_t struct_bytes;
  int32_t major, minor;
  int64_t (*attr_int)(const antiphon_plugin_node* node, const char* name, int64_t fallback);
  double (*attr_float)(const antiphon_plugin_node* node, const char* name, double fallback);
  /* Valid during the call. */
  const char* (*attr_string)(const antiphon_plugin_node* node, const char* name,
                             const char* fallback);
  /* Writes at most `capacity` values and returns how many there are. */
  size_t (*attr_ints)(const antiphon_plugin_node* node, const char* name, int64_t* values,
                      size_t capacity);
  /* In run() alone: task(context, member) on every member of the team; returns when all are done.
     Inside a task, barrier() lets all members meet. */
  int32_t (*team_size)(const antiphon_plugin_team* team);
  void (*team_run)(antiphon_plugin_team* team, void (*task)(void* context, int32_t member),
                   void* context);
  void (*team_barrier)(antiphon_plugin_team* team);
} antiphon_plugin_host;

/* One question about, or run of, one node. */
typedef struct antiphon_plugin_call {
  size_t struct_bytes;
  const antiphon_plugin_node* node;
  const antiphon_plugin_tensor* inputs;
  size_t num_inputs;
  antiphon_plugin_tensor* outputs; /* infer() fills dtype, rank, extents; run() fills data */
  size_t num_outputs;
  int32_t isa; /* 0 portable, 1 AVX2, 2 AVX-512 with VNNI: use no more */
  int32_t num_threads;
  void* workspace; /* run(): workspace_bytes() of it, 64-byte aligned */
  antiphon_plugin_team* team;
  void* packed;  /* what pack() made */
  char* message; /* room for a reason, message_bytes with its 0 */
  size_t message_bytes;
} antiphon_plugin_call;

/* A new operator. In ONNX models it is `name` of `domain`. */
typedef struct antiphon_plugin_operator {
  size_t struct_bytes;
  const char* domain; /* "com.example" */
  const char* name;   /* "Snake" */
  int32_t min_inputs, max_inputs;
  int32_t num_outputs;
  int32_t (*infer)(antiphon_plugin_call* call);
} antiphon_plugin_operator;

/* A kernel of a plug-in's operator. Tried in the table's order, or timed by the tuner. refuse,
   pack, free_packed and workspace_bytes may be null. run() must not allocate, lock or block. */
typedef struct antiphon_plugin_kernel {
  size_t struct_bytes;
  const char* domain;
  const char* operator_name;
  const char* name;   /* "example/snake_avx2" */
  const char* device; /* "cpu" or "cuda"; those of another back end are passed over */
  const char* (*refuse)(const antiphon_plugin_call* call); /* a reason, or null */
  size_t (*workspace_bytes)(const antiphon_plugin_call* call);
  int32_t (*pack)(antiphon_plugin_call* call); /* sets call->packed */
  void (*free_packed)(void* packed);
  int32_t (*run)(antiphon_plugin_call* call);
} antiphon_plugin_kernel;

typedef struct antiphon_plugin {
  size_t struct_bytes;
  int32_t major, minor; /* ANTIPHON_PLUGIN_MAJOR, _MINOR as the plug-in was compiled */
  const char* name;
  const char* version;
  const antiphon_plugin_operator* operators;
  size_t num_operators;
  const antiphon_plugin_kernel* kernels;
  size_t num_kernels;
  void (*unload)(void); /* may be null */
} antiphon_plugin;

typedef const antiphon_plugin* (*antiphon_plugin_entry_function)(const antiphon_plugin_host* host);

/* Null: the plug-in will not run on this host. */
const antiphon_plugin* antiphon_plugin_entry(const antiphon_plugin_host* host);

#ifdef __cplusplus
}
#endif

#endif /* ANTIPHON_ENGINE_KERNELS_PLUGIN_ABI_H_ */
