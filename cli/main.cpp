// The command-line program: one sub-command a file.
#include <exception>

#include "cli/command.h"
#include "cli/network_options.h"

int main(int argc, char** argv) {
  using namespace antiphon::cli;
  CLI::App app("Antiphon listens, understands and answers.", "antiphon");
  app.require_subcommand(1);
  app.set_version_flag("--version", ANTIPHON_VERSION);
  Chosen chosen;
  add_transcribe(app, chosen);
  add_understand(app, chosen);
  add_synthesize(app, chosen);
  add_converse(app, chosen);
  add_serve(app, chosen);
  add_models(app, chosen);
  add_doctor(app, chosen);
  add_bench(app, chosen);
  add_build(app, chosen);
  add_calibrate(app, chosen);
  add_inspect(app, chosen);
  add_run(app, chosen);
  add_completion(app, chosen);
  try {
    app.parse(argc, argv);
    return chosen();
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitBadUse;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "antiphon: %s\n", error.what());
    return kExitFailure;
  }
}
