// What models reply in words when a search asks them about their own work (core::Ask). Called by the strategies that
// ask.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ponder::search {

// Numbers in order: a sign that stands right before the first digit, thousands in groups ("1,500"), decimals. Beyond a
// million millions they count as that.
std::vector<double> numbers_in(const std::string& reply);

// Does the feedback call the answer right? Its first word says so, as it was asked to, or it says just that; "The right
// answer is 12" is an objection.
bool calls_it_right(const std::string& feedback);

// What the first word says.
std::optional<bool> yes_or_no(const std::string& reply);

// The last such word of a reply, "not sure" being no more than likely.
enum class Outlook { kNone, kSure, kLikely, kImpossible };
Outlook outlook_in(const std::string& reply);

// How sure a reply is that something is, or will be, right: yes 1, no 0; sure 1, likely 0.5, impossible 0.
std::optional<double> opinion_in(const std::string& reply);

}  // namespace ponder::search
