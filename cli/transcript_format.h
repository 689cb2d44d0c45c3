// Transcripts as text, JSON, SRT, WebVTT and TSV.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "antiphon/assistant.h"

namespace antiphon::cli {

// `format`: text, json, srt, vtt or tsv. Captions hold at most 7 s or 80 characters each.
std::string format_transcripts(std::span<const Transcript> transcripts, std::string_view format,
                               std::string_view file);

}  // namespace antiphon::cli
