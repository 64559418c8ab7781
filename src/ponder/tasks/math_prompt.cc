#include "ponder/tasks/math_prompt.h"

namespace ponder::tasks {

const std::vector<WorkedExample>& worked_examples() {
  static const std::vector<WorkedExample> examples{
      {"A bakery fills 6 trays with 12 rolls each. By noon it has sold 45 of them. How many rolls are left?",
       "The bakery makes 6 * 12 = 72 rolls.\nAfter the sale 72 - 45 = 27 rolls are left.\n#### 27"},
      {"Nadia reads 18 pages a day. Her book has 216 pages. How many days does she need for it?",
       "She needs 216 / 18 = 12 days.\n#### 12"},
      {"A bus leaves with 31 passengers. At the first stop 9 get off and 14 get on. How many are on the bus then?",
       "After 9 get off there are 31 - 9 = 22 passengers.\nAfter 14 get on there are 22 + 14 = 36.\n#### 36"},
      {"Three friends share the cost of a tent equally. The tent costs 96 dollars and there is a discount of 15 "
       "dollars. "
       "How much does each of them pay?",
       "With the discount the tent costs 96 - 15 = 81 dollars.\nEach friend pays 81 / 3 = 27 dollars.\n#### 27"},
      {"In a hall there are 14 rows of 20 chairs and 25 more chairs along the wall. How many chairs are in the hall?",
       "The rows hold 14 * 20 = 280 chairs.\nWith those along the wall there are 280 + 25 = 305.\n#### 305"},
      {"Omar has 75 stamps and his sister has 28 more than he has. How many stamps do they have together?",
       "His sister has 75 + 28 = 103 stamps.\nTogether they have 75 + 103 = 178.\n#### 178"},
      {"A tank holds 240 liters. A pump empties it at 16 liters a minute. After 10 minutes, how many liters are left?",
       "In 10 minutes the pump takes 16 * 10 = 160 liters.\nThere are 240 - 160 = 80 liters left.\n#### 80"},
      {"Pencils come in boxes of 8 and there are 15 boxes, of which 3 are empty. How many pencils are there?",
       "There are 15 - 3 = 12 full boxes.\nThey hold 12 * 8 = 96 pencils.\n#### 96"}};
  return examples;
}

}  // namespace ponder::tasks
