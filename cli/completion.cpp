// antiphon completion: a bash script that completes commands and options.
#include "cli/command.h"

namespace antiphon::cli {
namespace {

std::string long_options(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) out += (out.empty() ? "--" : " --") + name;
  return out;
}

int run(const CLI::App& app) {
  std::string names, cases;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names += (names.empty() ? "" : " ") + sub->get_name();
    cases += "    " + sub->get_name() + ") words=\"" + long_options(*sub) + "\" ;;\n";
  }
  std::printf(
      "# Completion of antiphon for bash: source <(antiphon completion)\n"
      "_antiphon() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} words\n"
      "  case ${COMP_WORDS[1]} in\n"
      "%s"
      "    *) words=\"%s\" ;;\n"
      "  esac\n"
      "  [ \"$COMP_CWORD\" = 1 ] && words=\"%s\"\n"
      "  if [ \"$COMP_CWORD\" = 1 ] || [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -f -- \"$word\"))\n"
      "  fi\n"
      "}\n"
      "complete -o filenames -F _antiphon antiphon\n",
      cases.c_str(), names.c_str(), names.c_str());
  return kExitOk;
}

}  // namespace

void add_completion(CLI::App& app, Chosen& chosen) {
  CLI::App* sub = app.add_subcommand("completion", "Completion of commands and options for bash");
  sub->footer(
      "Example:\n  antiphon completion > ~/.local/share/bash-completion/completions/antiphon");
  sub->callback([&app, &chosen] { chosen = [&app] { return run(app); }; });
}

}  // namespace antiphon::cli
