/* The C ABI in a C program: a streaming conversation, whose events are JSON.
 *
 *   conversation [TEXT] [MODELS_DIR] [ASSISTANT.toml]
 *
 * The question is synthesized, so that it needs no recording. */
#include <antiphon/c_api.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct turn {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int ended;
  size_t num_answer_samples;
};

/* On the assistant's thread. */
static void on_event(void* user, const char* json, const float* audio, size_t num_samples) {
  struct turn* turn = user;
  (void)audio;
  pthread_mutex_lock(&turn->mutex);
  if (json) {
    printf("%s\n", json);
    if (strstr(json, "\"type\":\"turn_end\"")) turn->ended = 1;
  } else {
    turn->num_answer_samples += num_samples; /* play them here */
  }
  pthread_cond_signal(&turn->changed);
  pthread_mutex_unlock(&turn->mutex);
}

/* The question as audio goes up; events come down. 16 kHz is what a conversation takes. */
static int converse(antiphon_assistant* assistant, const float* samples, size_t num_samples) {
  struct turn turn = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  antiphon_conversation_options options = {sizeof(antiphon_conversation_options)};
  options.push_to_talk = 1; /* the turn ends with antiphon_end() */
  antiphon_conversation* conversation = antiphon_open(assistant, &options, on_event, &turn);
  if (!conversation) return 1;
  for (size_t at = 0; at < num_samples; at += 1600) /* as a microphone gives it */
    antiphon_push(conversation, samples + at, num_samples - at < 1600 ? num_samples - at : 1600);
  antiphon_end(conversation);
  pthread_mutex_lock(&turn.mutex);
  while (!turn.ended) pthread_cond_wait(&turn.changed, &turn.mutex);
  pthread_mutex_unlock(&turn.mutex);
  antiphon_close(conversation);
  printf("answer: %zu samples\n", turn.num_answer_samples);
  return 0;
}

int main(int argc, char** argv) {
  const char* text = argc > 1 ? argv[1] : "What are your opening hours?";
  antiphon_options options = {sizeof(antiphon_options)};
  options.models_dir = argc > 2 ? argv[2] : MODELS_DIR;
  options.assistant_path = argc > 3 ? argv[3] : MODELS_DIR "/assistants/coffee.toml";
  antiphon_assistant* assistant = antiphon_create(&options);
  if (!assistant) {
    fprintf(stderr, "conversation: %s\n", antiphon_last_error());
    return 1;
  }
  char* meant = NULL;
  float *spoken = NULL, *question = NULL;
  size_t num_spoken = 0, num_question = 0;
  int32_t rate_hz = 0;
  int failed = antiphon_understand(assistant, text, NULL, &meant) ||
               antiphon_synthesize(assistant, text, &spoken, &num_spoken, &rate_hz) ||
               antiphon_resample(spoken, num_spoken, rate_hz, 16000, &question, &num_question);
  if (!failed) {
    printf("%s\n", meant);
    failed = converse(assistant, question, num_question);
  }
  if (failed) fprintf(stderr, "conversation: %s\n", antiphon_last_error());
  antiphon_free(meant);
  antiphon_free(spoken);
  antiphon_free(question);
  antiphon_destroy(assistant);
  return failed;
}
