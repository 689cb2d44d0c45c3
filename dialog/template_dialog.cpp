// The dialogue as a small machine over DialogState: fill, ask, confirm, do.
#include "dialog/template_dialog.h"

#include <algorithm>
#include <utility>

#include "dialog/responses.h"

namespace antiphon::dialog {
namespace {

Slot* find_slot(std::vector<Slot>& slots, const std::string& name) {
  const auto at =
      std::find_if(slots.begin(), slots.end(), [&](const Slot& s) { return s.name == name; });
  return at == slots.end() ? nullptr : &*at;
}

void merge(std::vector<Slot>& into, const std::vector<Slot>& from) {
  for (const Slot& slot : from) {
    if (Slot* there = find_slot(into, slot.name))
      *there = slot;
    else
      into.push_back(slot);
  }
}

class TemplateDialog final : public Dialog {
 public:
  TemplateDialog(TemplateDialogConfig config, Responses responses)
      : config_(std::move(config)), responses_(std::move(responses)) {}

  bool answers_only() const override { return true; }

  Result<Reply> respond(const Understanding& u, DialogState& state) override {
    DialogState next = state;
    Reply reply;
    reply.ref = u.ref;
    const IntentSpec* pending = config_.assistant.find(state.pending_intent);
    const IntentSpec* said =
        u.domain == kAssistantDomain ? config_.assistant.find(u.intent) : nullptr;
    if (said && pending && said != pending && is_side_question(*said)) {
      fill_template(said->reply, u.slots, reply.text);
      append_question(*pending, next, reply);
    } else if (said) {
      say_for_assistant(*said, u, next, reply);
    } else if (pending && u.domain == kDialogDomain && u.intent == kCancel) {
      cancel(*pending, next, reply);
    } else if (pending && state.awaiting_confirmation && u.domain == kDialogDomain) {
      if (u.intent == kAffirm)
        finish(*pending, next, reply);
      else
        cancel(*pending, next, reply);
    } else if (!u.answer.empty()) {
      reply.text = u.answer;
      if (pending) append_question(*pending, next, reply);
    } else if (u.in_scope && u.domain != kDialogDomain) {
      reply.text = responses_.reply(u.intent, u.slots);
      if (reply.text.empty()) reply.text = not_understood();
      if (pending) append_question(*pending, next, reply);
    } else if (pending) {
      ask_again(*pending, next, reply);
    } else {
      reply.text = not_understood();
    }
    state = std::move(next);
    return reply;
  }

 private:
  const std::string& not_understood() const {
    return responses_.not_understood().empty() || !config_.assistant.intents.empty()
               ? config_.assistant.not_understood
               : responses_.not_understood();
  }

  // Answered at once, so that the dialogue it came into goes on: "what time do you close?"
  static bool is_side_question(const IntentSpec& intent) {
    const bool asks = std::any_of(intent.slots.begin(), intent.slots.end(), [](const SlotSpec& s) {
      return s.required && s.fallback.empty();
    });
    return !asks && intent.confirm.empty() && !intent.ends_dialog;
  }

  static void cancel(const IntentSpec& intent, DialogState& state, Reply& reply) {
    reply.text = intent.cancelled;
    state = {};
  }

  void say_for_assistant(const IntentSpec& intent, const Understanding& u, DialogState& state,
                         Reply& reply) const {
    if (state.pending_intent != intent.name) state = {};
    state.pending_intent = intent.name;
    state.awaiting_confirmation = false;
    merge(state.filled, u.slots);
    state.misses = 0;
    ask_or_finish(intent, state, reply);
  }

  void ask_or_finish(const IntentSpec& intent, DialogState& state, Reply& reply) const {
    for (const SlotSpec& slot : intent.slots) {
      if (find_slot(state.filled, slot.name)) continue;
      if (!slot.fallback.empty()) {
        state.filled.push_back({slot.name, slot.fallback, "", 0, 0});
      } else if (slot.required) {
        state.asked_slot = slot.name;
        reply.text = slot.ask;
        return;
      }
    }
    state.asked_slot.clear();
    std::string question;
    if (!intent.confirm.empty() && fill_template(intent.confirm, state.filled, question)) {
      state.awaiting_confirmation = true;
      reply.text = question;
      return;
    }
    finish(intent, state, reply);
  }

  void finish(const IntentSpec& intent, DialogState& state, Reply& reply) const {
    // The reply names a slot outside of [brackets] that was not said.
    if (!fill_template(intent.reply, state.filled, reply.text)) reply.text = "Done.";
    reply.end_of_dialog = intent.ends_dialog;
    state = {};
  }

  void ask_again(const IntentSpec& intent, DialogState& state, Reply& reply) const {
    if (++state.misses >= config_.max_misses) {
      reply.text = not_understood() + " " + intent.cancelled;
      state = {};
      return;
    }
    reply.text = not_understood();
    append_question(intent, state, reply);
  }

  // What the assistant asked last, once more.
  static void append_question(const IntentSpec& intent, const DialogState& state, Reply& reply) {
    std::string question;
    if (state.awaiting_confirmation) {
      fill_template(intent.confirm, state.filled, question);
    } else {
      for (const SlotSpec& slot : intent.slots)
        if (slot.name == state.asked_slot) question = slot.ask;
    }
    if (!question.empty()) reply.text += (reply.text.empty() ? "" : " ") + question;
  }

  TemplateDialogConfig config_;
  Responses responses_;
};

}  // namespace

Result<std::unique_ptr<Dialog>> create_dialog(const TemplateDialogConfig& config) {
  Responses responses;
  if (!config.responses_path.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(responses, Responses::load(config.responses_path));
  }
  if (config.max_misses < 1)
    return invalid_argument("dialog: max_misses is " + std::to_string(config.max_misses) +
                            ", wanted >= 1");
  return std::unique_ptr<Dialog>(std::make_unique<TemplateDialog>(config, std::move(responses)));
}

}  // namespace antiphon::dialog
