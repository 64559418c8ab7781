#include "ponder/search/replies.h"

#include <gtest/gtest.h>

namespace ponder::search {
namespace {

TEST(Replies, FeedbackIsApprovalOnlyWhereItSaysSo) {
  for (const char* approval : {"Yes.", "yes, 3 + 4 = 7", "Correct!", "This is right.",
                               "The answer is correct, there are "
                               "no mistakes.",
                               "It is right"})
    EXPECT_TRUE(calls_it_right(approval)) << approval;
  for (const char* objection :
       {"", "7", "No, this is not right.", "The correct answer is 12.", "This doesn't look right.", "Is it right?",
        "You incorrectly added; the right sum is 8.", "It is not right.", "This is", "The answer is wrong.",
        "Incorrect."})
    EXPECT_FALSE(calls_it_right(objection)) << objection;
}

TEST(Replies, YesOrNoIsTheFirstWord) {
  EXPECT_EQ(yes_or_no(" Yes."), true);
  EXPECT_EQ(yes_or_no("True"), true);
  EXPECT_EQ(yes_or_no("no, yes"), false);
  EXPECT_EQ(yes_or_no("Not yes"), std::nullopt);
  EXPECT_EQ(yes_or_no("yesterday"), std::nullopt);
  EXPECT_EQ(yes_or_no("3"), std::nullopt);
}

TEST(Replies, OpinionsAreYesOrNoOrAnOutlook) {
  EXPECT_EQ(opinion_in("Yes, it is."), 1);
  EXPECT_EQ(opinion_in("No."), 0);
  EXPECT_EQ(opinion_in("sure"), 1);
  EXPECT_EQ(opinion_in("I am not sure"), 0.5);
  EXPECT_EQ(opinion_in("impossible"), 0);
  EXPECT_EQ(opinion_in("7"), std::nullopt);
}

TEST(Replies, OutlooksAreWholeWords) {
  EXPECT_EQ(outlook_in("Sure."), Outlook::kSure);
  EXPECT_EQ(outlook_in("Likely"), Outlook::kLikely);
  EXPECT_EQ(outlook_in("IMPOSSIBLE!"), Outlook::kImpossible);
  EXPECT_EQ(outlook_in("We measure it"), Outlook::kNone);
  EXPECT_EQ(outlook_in("I am not sure"), Outlook::kLikely);
  EXPECT_EQ(outlook_in("It isn't likely, it is unlikely."), Outlook::kImpossible);
  EXPECT_EQ(outlook_in("sure? no: impossible"), Outlook::kImpossible);
  EXPECT_EQ(outlook_in(""), Outlook::kNone);
}

TEST(Replies, NumbersAreDigits) {
  using Numbers = std::vector<double>;
  EXPECT_EQ(numbers_in("I give it 95 of 100."), (Numbers{95, 100}));
  EXPECT_EQ(numbers_in("none"), Numbers{});
  EXPECT_EQ(numbers_in("7"), Numbers{7});
  EXPECT_EQ(numbers_in("$1,500 or 2,500,000"), (Numbers{1500, 2500000}));
  EXPECT_EQ(numbers_in("1,2,3 and 12,34"), (Numbers{1, 2, 3, 12, 34}));
  EXPECT_EQ(numbers_in("3.5 7.25."), (Numbers{3.5, 7.25}));
  EXPECT_EQ(numbers_in("-3, 8-3, x-2"), (Numbers{-3, 8, 3, 2}));
  EXPECT_EQ(numbers_in(std::string(500, '9')), Numbers{1e12});
}

}  // namespace
}  // namespace ponder::search
