/* The assistant for every language that calls C. Strings are UTF-8; results are JSON. */
#ifndef ANTIPHON_C_API_H_
#define ANTIPHON_C_API_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct antiphon_assistant antiphon_assistant;
typedef struct antiphon_conversation antiphon_conversation;

/* Grows only at its end. Set struct_bytes to sizeof(antiphon_options); null strings and zeros mean
   the default. */
typedef struct antiphon_options {
  size_t struct_bytes;
  const char* models_dir;
  const char* assistant_path;
  int32_t f32;
  int32_t threads;
  int32_t max_sessions;
} antiphon_options;

/* Null on failure: antiphon_last_error() of the same thread says why. */
antiphon_assistant* antiphon_create(const antiphon_options* options);
void antiphon_destroy(antiphon_assistant* assistant);

/* The text of this thread's last failure; valid until its next call. */
const char* antiphon_last_error(void);

/* Each returns 0, or a code above 0 as antiphon_last_error() tells. What they give is freed with
   antiphon_free(). samples: mono, [-1, 1]. Any thread. */
int32_t antiphon_transcribe(antiphon_assistant* assistant, const float* samples, size_t num_samples,
                            int32_t rate_hz, char** json);
int32_t antiphon_understand(antiphon_assistant* assistant, const char* text, const char* context,
                            char** json);
int32_t antiphon_synthesize(antiphon_assistant* assistant, const char* text, float** samples,
                            size_t* num_samples, int32_t* rate_hz);
int32_t antiphon_ask(antiphon_assistant* assistant, const float* samples, size_t num_samples,
                     int32_t rate_hz, char** json, float** answer, size_t* num_answer_samples,
                     int32_t* answer_rate_hz);

/* Streaming. Events are the messages of the native protocol as JSON, or reply audio (json is null).
   They come one at a time on the assistant's thread; what they point to is valid during the call.
 */
typedef void (*antiphon_event)(void* user, const char* json, const float* audio,
                               size_t num_samples);
antiphon_conversation* antiphon_open(antiphon_assistant* assistant, antiphon_event event,
                                     void* user);
void antiphon_push(antiphon_conversation* conversation, const float* samples_16khz,
                   size_t num_samples);
void antiphon_end(antiphon_conversation* conversation);
void antiphon_cancel(antiphon_conversation* conversation);
/* No event comes after it. Not from within an event. */
void antiphon_close(antiphon_conversation* conversation);

void antiphon_free(void* memory);
int32_t antiphon_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ANTIPHON_C_API_H_ */
