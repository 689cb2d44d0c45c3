/* An ONNX model of one input and one output: calibrated on noise, built in f32 and in int8, run.

     network MODEL.onnx INPUT OUTPUT DIM...      e.g. network tones.onnx x y 1 1 256

   The first axis may be open; its symbol is B. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "antiphon/c_api.h"
#include "antiphon/engine_c_api.h"

enum { MAX_RANK = 8, NUM_SAMPLES = 4 };

typedef struct model {
  const char* input;
  const char* output;
  int64_t dims[MAX_RANK];
  int32_t rank;
  size_t num_elements;
  float* noise; /* one sample */
} model;

static int fail(const char* what) {
  fprintf(stderr, "network: %s: %s\n", what, antiphon_last_error());
  return 1;
}

/* The same numbers for the same sample each time: a calibration reads them more than once. */
static void make_noise(const model* m, size_t sample) {
  uint32_t state = 12345u + (uint32_t)sample;
  for (size_t i = 0; i < m->num_elements; ++i) {
    state = state * 1664525u + 1013904223u;
    m->noise[i] = (float)(state >> 8) / (float)(1 << 23) - 1.0f;
  }
}

static int32_t read_sample(void* user, size_t sample, const char* name, antiphon_tensor* tensor) {
  model* m = user;
  if (strcmp(name, m->input) != 0) return 1; /* there is one input */
  make_noise(m, sample);
  tensor->dims = m->dims;
  tensor->rank = m->rank;
  tensor->dtype = ANTIPHON_F32;
  tensor->data = m->noise;
  return 0;
}

/* Runs the plan on a sample; the output is valid until the context's next call. */
static int run(antiphon_context* context, const model* m, antiphon_tensor* output) {
  void* memory = NULL;
  if (antiphon_input(context, m->input, m->dims, m->rank, &memory) != 0) return fail(m->input);
  make_noise(m, 0);
  memcpy(memory, m->noise, m->num_elements * sizeof(float));
  if (antiphon_run(context) != 0) return fail("run");
  if (antiphon_output(context, m->output, output) != 0) return fail(m->output);
  return 0;
}

static double difference(const antiphon_tensor* a, const antiphon_tensor* b) {
  size_t count = 1;
  double most = 0;
  for (int32_t i = 0; i < a->rank; ++i) count *= (size_t)a->dims[i];
  for (size_t i = 0; i < count; ++i) {
    const double off = fabs((double)((const float*)a->data)[i] - ((const float*)b->data)[i]);
    if (off > most) most = off;
  }
  return most;
}

static int build_and_run(const char* path, model* m) {
  const char* ranges_path = "network.ranges";
  const antiphon_range batch = {"B", 1, m->dims[0], m->dims[0] > 4 ? m->dims[0] : 4};
  antiphon_build_options options = {sizeof(antiphon_build_options)};
  options.profile = &batch;
  options.num_ranges = 1;

  antiphon_network* network = antiphon_import_onnx(path, NULL);
  if (!network) return fail(path);
  if (antiphon_calibrate(network, NUM_SAMPLES, read_sample, m, NULL, ranges_path) != 0)
    return fail("calibrate");
  antiphon_plan* f32 = antiphon_build(network, &options);
  if (!f32) return fail("build in f32");
  options.ranges = ranges_path;
  antiphon_plan* int8 = antiphon_build(network, &options);
  if (!int8) return fail("build in int8");
  antiphon_network_destroy(network);
  remove(ranges_path);

  antiphon_context* a = antiphon_context_create(f32, 1);
  antiphon_context* b = antiphon_context_create(int8, 1);
  antiphon_plan_destroy(f32); /* a context keeps its plan */
  antiphon_plan_destroy(int8);
  if (!a || !b) return fail("context");
  antiphon_tensor in_f32, in_int8;
  if (run(a, m, &in_f32) != 0 || run(b, m, &in_int8) != 0) return 1;
  printf("%s: [", m->output);
  for (int32_t i = 0; i < in_f32.rank; ++i)
    printf("%s%lld", i ? ", " : "", (long long)in_f32.dims[i]);
  printf("], int8 differs by %.4g\n", difference(&in_f32, &in_int8));
  antiphon_context_destroy(a);
  antiphon_context_destroy(b);
  return 0;
}

int main(int argc, char** argv) {
  if (argc < 5 || argc > 4 + MAX_RANK) {
    fprintf(stderr, "usage: network MODEL.onnx INPUT OUTPUT DIM...\n");
    return 2;
  }
  model m = {argv[2], argv[3], {0}, argc - 4, 1, NULL};
  for (int32_t i = 0; i < m.rank; ++i) {
    m.dims[i] = atoll(argv[4 + i]);
    if (m.dims[i] < 1) {
      fprintf(stderr, "network: extent '%s', wanted 1 or more\n", argv[4 + i]);
      return 2;
    }
    m.num_elements *= (size_t)m.dims[i];
  }
  m.noise = malloc(m.num_elements * sizeof(float));
  if (!m.noise) return 1;
  const int code = build_and_run(argv[1], &m);
  free(m.noise);
  return code;
}
