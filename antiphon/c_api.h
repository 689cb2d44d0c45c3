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
  const char* plan_dir; /* built plans are kept here */
  const char* max_isa;  /* "portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8" */
} antiphon_options;

typedef struct antiphon_hotword {
  const char* text;
  float boost; /* 0: the default, 4 */
} antiphon_hotword;

enum { ANTIPHON_REPLY_AUDIO = 0, ANTIPHON_REPLY_TEXT = 1, ANTIPHON_REPLY_NONE = 2 };

/* Grows as antiphon_options does; zeros mean the default. */
typedef struct antiphon_conversation_options {
  size_t struct_bytes;
  int32_t reply;        /* ANTIPHON_REPLY_... */
  int32_t push_to_talk; /* 1: only antiphon_end() ends a turn; 0: silence does too */
  int32_t no_partials;
  int32_t spoken_text; /* 1: the words as said, in lower case; 0: as people write them */
  const char* context; /* a text that questions are answered from */
  const char* voice;   /* one of antiphon_voices(); null: the assistant's, or the first */
  const antiphon_hotword* hotwords;
  size_t num_hotwords;
} antiphon_conversation_options;

/* Grows as antiphon_options does; null strings and zeros mean the default. */
typedef struct antiphon_speech_options {
  size_t struct_bytes;
  const char* voice; /* one of antiphon_voices(); null: the first */
  float speed;       /* 0.5 to 2: 2 speaks twice as fast */
  int32_t ssml;      /* 1: the text is SSML */
} antiphon_speech_options;

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
int32_t antiphon_synthesize_with(antiphon_assistant* assistant, const char* text,
                                 const antiphon_speech_options* options, float** samples,
                                 size_t* num_samples, int32_t* rate_hz);
/* The names of the voices, an array; the first is the default. */
int32_t antiphon_voices(antiphon_assistant* assistant, char** json);
int32_t antiphon_ask(antiphon_assistant* assistant, const float* samples, size_t num_samples,
                     int32_t rate_hz, char** json, float** answer, size_t* num_answer_samples,
                     int32_t* answer_rate_hz);

/* Any rate from 1000 to 384000 Hz to any other: a conversation takes 16000. */
int32_t antiphon_resample(const float* samples, size_t num_samples, int32_t from_hz, int32_t to_hz,
                          float** resampled, size_t* num_resampled);

/* Streaming. Events are the messages of the native protocol as JSON, or reply audio (json is null)
   at antiphon_reply_rate_hz(). They come one at a time on the assistant's thread, must not block,
   and what they point to is valid during the call. options may be null. */
typedef void (*antiphon_event)(void* user, const char* json, const float* audio,
                               size_t num_samples);
antiphon_conversation* antiphon_open(antiphon_assistant* assistant,
                                     const antiphon_conversation_options* options,
                                     antiphon_event event, void* user);
int32_t antiphon_reply_rate_hz(antiphon_assistant* assistant);
void antiphon_push(antiphon_conversation* conversation, const float* samples_16khz,
                   size_t num_samples);
void antiphon_end(antiphon_conversation* conversation);
/* A typed turn; a turn that only speaks. Each interrupts what is going on. */
void antiphon_text(antiphon_conversation* conversation, const char* text);
void antiphon_speak(antiphon_conversation* conversation, const char* text);
void antiphon_cancel(antiphon_conversation* conversation);
/* No event comes after it. Not from within an event. */
void antiphon_close(antiphon_conversation* conversation);

void antiphon_free(void* memory);
int32_t antiphon_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ANTIPHON_C_API_H_ */
