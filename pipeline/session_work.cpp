// What a session has done on lanes, and the answer that it begins before a turn's end is decided.
#include <utility>

#include "pipeline/session.h"

namespace antiphon {

// ---- work on lanes ----

// `work` runs on the lane and returns what then runs on the strand. Dropped before it starts where
// the turn is over or its answer is given up.
Status Session::run(Lane& lane, const Work& what, std::function<std::function<void()>()> work) {
  return lane.post({what.due_ns, [self = shared_from_this(), what, work = std::move(work)] {
                      if (self->live_turn_.load() != what.ref.turn) return;
                      if (what.early && what.early->dropped.load()) return;
                      std::function<void()> then = work();
                      Executor& executor = *self->executor_;
                      executor.post([self, then = std::move(then)] { then(); });
                    }});
}

Status Session::ask_understander(const Work& what, std::string text,
                                 std::function<void(Result<Understanding>)> then) {
  return run(*stages_.nlu_lane, what,
             [this, text = std::move(text), state = dialog_state_,
              then = std::move(then)]() -> std::function<void()> {
               Result<Understanding> result = stages_.understander->understand(
                   {.text = text, .context = config_.context, .dialog = &state});
               return [then, result = std::move(result)]() mutable { then(std::move(result)); };
             });
}

Status Session::ask_dialog(const Work& what, Understanding understanding,
                           std::function<void(EarlyReply)> then) {
  return run(*stages_.dialog_lane, what,
             [this, understanding = std::move(understanding), state = dialog_state_,
              then = std::move(then)]() -> std::function<void()> {
               DialogState after = state;
               Result<Reply> reply = stages_.dialog->respond(understanding, after);
               return [then, answer = EarlyReply{std::move(reply), std::move(after)}]() mutable {
                 then(std::move(answer));
               };
             });
}

// The first chunk of `text` where stream is null, else the next one of the stream.
Status Session::ask_synthesizer(const Work& what, SynthesisHandle stream, std::string text,
                                std::function<void(EarlyAudio)> then) {
  return run(*stages_.tts_lane, what,
             [this, stream = std::move(stream), text = std::move(text),
              then = std::move(then)]() -> std::function<void()> {
               EarlyAudio audio{stream, internal_error("synthesis did not start")};
               if (!audio.stream) {
                 auto opened = stages_.synthesizer->open(text, config_.synthesis);
                 if (opened.ok())
                   audio.stream = std::move(opened).value();
                 else
                   audio.chunk = opened.status();
               }
               if (audio.stream) audio.chunk = audio.stream->next();
               return [then, audio = std::move(audio)]() mutable { then(std::move(audio)); };
             });
}

// ---- before the end of a turn ----

// The turn will be over if this pause goes on. Its answer is begun as if `text` were all: nothing
// of it is sent, and another text takes its place.
void Session::think_ahead(std::string text) {
  if (!config_.think_ahead || text.empty()) return;
  if (open_->early && open_->early->text == text) return;
  drop_early();
  open_->early = std::make_shared<EarlyAnswer>(text);
  const Work what{open_->ref, open_->early, deadline_ns()};
  const Status posted =
      ask_understander(what, std::move(text), [this, what](Result<Understanding> understanding) {
        if (!given_up(what)) early_understood(what, std::move(understanding));
      });
  if (posted.ok())
    open_->early->understanding.begin();
  else
    drop_early();
}

void Session::early_understood(const Work& what, Result<Understanding> understanding) {
  // Other dialogues may do more than answer: they hear of a turn when it is over.
  if (understanding.ok() && config_.reply != ReplyMode::kNone && stages_.dialog->answers_only()) {
    understanding->ref = what.ref;
    const Status posted = ask_dialog(what, *understanding, [this, what](EarlyReply answer) {
      if (!given_up(what)) early_replied(what, std::move(answer));
    });
    if (posted.ok()) what.early->reply.begin();
  }
  what.early->understanding.give(std::move(understanding));
}

void Session::early_replied(const Work& what, EarlyReply answer) {
  if (answer.reply.ok() && config_.reply == ReplyMode::kAudio && !answer.reply->text.empty()) {
    const Status posted =
        ask_synthesizer(what, nullptr, answer.reply->text, [this, what](EarlyAudio audio) {
          if (!given_up(what)) what.early->audio.give(std::move(audio));
        });
    if (posted.ok()) what.early->audio.begin();
  }
  what.early->reply.give(std::move(answer));
}

// True: the turn's answer was begun with just this text. Another one is given up.
bool Session::take_early(const std::string& text) {
  if (!open_->early) return false;
  if (open_->early->text != text) {
    drop_early();
    return false;
  }
  open_->early->taken = true;
  return true;
}

void Session::drop_early() {
  if (!open_ || !open_->early) return;
  if (open_->early->understanding.begun() && !open_->early->taken) ++open_->num_in_vain;
  open_->early->dropped.store(true);
  open_->early = nullptr;
}

}  // namespace antiphon
