// The ordered table of rules, and the loop that applies them.
#include "tts/text/normalise.h"

#include "tts/text/rules.h"
#include "tts/text/tokens.h"

namespace antiphon::tts {
namespace {

// First that takes the tokens wins; `sign` takes anything.
constexpr Rule kRules[] = {web_address,
                           hashtag_or_mention,
                           numeric_date,
                           telephone,
                           dotted_number,
                           clock_time,
                           decade,
                           money,
                           fraction,
                           ratio_or_size,
                           feet_and_inches,
                           day_month_date,
                           code_with_digits,
                           number,
                           month_date,
                           weekday,
                           day_half,
                           dotted_letters,
                           roman_numeral,
                           abbreviation,
                           initialism,
                           plain_word,
                           sign};

}  // namespace

void normalise_folded(const FoldedText& folded, Speech& out) {
  const Tokens tokens(folded);
  for (std::size_t i = 0; i < tokens.count();) {
    std::size_t used = 0;
    for (const Rule rule : kRules) {
      used = rule(tokens, i, out);
      if (used > 0) break;
    }
    i += used > 0 ? used : 1;
  }
}

Result<Speech> normalise(std::string_view text) {
  ANTIPHON_RETURN_IF_ERROR(check_text(text));
  FoldedText folded;
  fold(text, 0, folded);
  Speech speech;
  normalise_folded(folded, speech);
  return speech;
}

}  // namespace antiphon::tts
