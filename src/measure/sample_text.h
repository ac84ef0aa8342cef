// Plain text for measurements of what a step costs: questions, worked answers and talk, as people
// send them. Random tokens would do for dense layers only: in text, neighbouring rows share experts
// and attend alike, and that is what makes the rows of a verify cheap.
#pragma once

#include <string_view>

namespace talon {

inline constexpr std::string_view kSampleText =
    "Question: A baker fills 14 trays with 9 rolls each and sells 87 rolls before noon. How many "
    "rolls are left?\n"
    "Answer: 14 trays with 9 rolls each: 14*9 = 126\n126 rolls less 87 sold: 126-87 = 39\n#### 39\n"
    "Question: Nora has 45 stickers. Her brother gives her 3 packs of 12 stickers. How many "
    "stickers does Nora have now?\n"
    "Answer: 3 packs with 12 stickers each: 3*12 = 36\nNora's 45 and 36 stickers more: 45+36 = 81\n"
    "#### 81\n"
    "User: What should I take with me when it rains?\nAssistant: You should take an umbrella, and "
    "a coat that keeps you dry.\n"
    "Question: A train goes 62 miles an hour for 4 hours and then 35 miles more. How far does it "
    "go?\n"
    "Answer: 4 hours at 62 miles each: 4*62 = 248\n248 miles and 35 miles more: 248+35 = 283\n"
    "#### 283\n"
    "User: Can you tell me why leaves fall in autumn?\nAssistant: The days grow short and cold, "
    "so the tree takes back what it needs from its leaves and lets them go.\n"
    "Question: Tickets cost 8 dollars for adults and 5 dollars for children. A family of 2 adults "
    "and 4 children goes to the show. How much do they pay?\n"
    "Answer: 2 adults at 8 dollars each: 2*8 = 16\n4 children at 5 dollars each: 4*5 = 20\n"
    "Together: 16+20 = 36\n#### 36\n"
    "User: Name three things that one finds in a kitchen.\nAssistant: A pot, a knife and a table.\n"
    "Question: A library has 320 books. Half of them are novels, and 40 novels are lent out. How "
    "many novels are on the shelves?\n"
    "Answer: Half of 320 books: 320/2 = 160\n160 novels less 40 lent out: 160-40 = 120\n#### 120\n"
    "User: I had a long day at work and could not sleep.\nAssistant: I am sorry to hear that. A "
    "quiet evening and a warm cup of tea may help you rest.\n";

}  // namespace talon
