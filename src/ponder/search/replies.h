// What models reply in words when a search asks them about their own work (core::Ask). Called by the strategies that
// ask.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ponder::search {

// Numbers of digits alone, in order; what is longer than a dozen digits counts as that.
std::vector<int64_t> numbers_in(const std::string& reply);

// Does the feedback call the answer right? Its first word says so, as it was asked to, or it says just that; "The right
// answer is 12" is an objection.
bool calls_it_right(const std::string& feedback);

// What the first word says.
std::optional<bool> yes_or_no(const std::string& reply);

// The last such word of a reply, "not sure" being no more than likely.
enum class Outlook { kNone, kSure, kLikely, kImpossible };
Outlook outlook_in(const std::string& reply);

}  // namespace ponder::search
