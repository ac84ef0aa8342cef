"""Wordings of the sentences about prices, wages, savings and shares of a whole."""

from __future__ import annotations

from story import define

define(
    "buys_at",
    "{A} [buys|gets|orders] {n} {things} [at|for] {m} dollars each.",
    "{A} [buys|gets|orders] {n} {things} that cost {m} dollars [each|apiece].",
    "{He} [also buys|buys|pays for] {n} {things} at {m} dollars [each|apiece].",
    "[Each|Every] {thing} costs {m} dollars, and {A} [buys|gets|orders] {n} of them.",
    "A {thing} costs {m} dollars[| there], and {A} [buys|takes] {n} [{things}|of them].",
    unseen=("{n} {things} go into {A}'s cart, priced at {m} dollars a piece.",),
)
define(
    "ask_pay",
    "How many dollars does {A} [pay|spend] [in total|altogether|in all]?",
    "[In total|Altogether], how many dollars does {A} [pay|spend]?",
    "What is the total [cost|price] in dollars[| of everything| of {A}'s shopping]?",
    "[Find|Work out|Calculate] the total [cost|price] in dollars.",
    "How much does {A} [pay|spend] [in total|altogether|for everything]?",
    unseen=("What does the bill come to for {A}?", "Give the sum on {A}'s receipt in dollars."),
)
define(
    "pays_with",
    "{A} [pays with|hands over|gives the cashier] {n} dollars[| in cash].",
    "{He} [pays with|hands over|gives the clerk] {n} dollars[| in cash| at the desk].",
    "To pay, {A} [hands over|gives|puts down] {n} dollars[| in cash].",
    unseen=("{n} dollars leave {A}'s wallet at the counter.",),
)
define(
    "ask_change",
    "How much change does {A} [get|receive|get back][| in dollars]?",
    "How many dollars does {A} get [back|in change]?",
    "What is {A}'s change[| in dollars| at the end]?",
    "[Find|Work out|Calculate] {A}'s change[| in dollars].",
    unseen=("What sum comes back to {A}?", "State the money returned to {A}."),
)
define(
    "has_money",
    "{A} has {n} dollars[| in a wallet| in a purse| saved].",
    "[At first|To begin with|At the start], {A} [has|holds] {n} dollars.",
    "{A} [starts with|takes along|brings] {n} dollars[| that day].",
    "There are {n} dollars in {A}'s [purse|wallet|pocket].",
    unseen=("{A}'s budget is {n} dollars.",),
)
define(
    "ask_money_left",
    "How many dollars does {A} have [left|now|in the end]?",
    "[In the end|After that], how many dollars does {A} [have|have left]?",
    "How much money [is left|does {A} have left|remains][| in dollars]?",
    "[Find|Work out|Calculate] how many dollars [are left|{A} has left].",
    unseen=("What remains in {A}'s purse?", "State {A}'s remaining cash."),
)
define(
    "unit_cost",
    "{n} {things} cost {m} dollars[| in total| altogether| in the shop].",
    "{A} [pays|paid] {m} dollars for {n} {things}[| in total].",
    "The [price|cost] of {n} {things} is {m} dollars[| in total].",
    "[A shop|A store|The market] [sells|offers] {n} {things} for {m} dollars[| in total].",
    unseen=("{m} dollars is what {n} {things} set you back.",),
)
define(
    "ask_cost_of",
    "How many dollars do {n} {things} cost[| at this price| at the same price]?",
    "What is the [cost|price] of {n} {things}[| at this price| in dollars]?",
    "[Find|Work out|Calculate] the [cost|price] of {n} {things}.",
    "How much would {n} {things} cost[| at this price| at the same price]?",
    unseen=("Tell what {n} {things} would set {A} back.",),
)
define(
    "ask_unit",
    "How many dollars does [each|one|every] {thing} cost?",
    "What is the [price|cost] of [one|each|a single] {thing}[| in dollars]?",
    "[Find|Work out|Calculate] the [price|cost] of one {thing}.",
    unseen=("Tell the price tag of a lone {thing}.",),
)
define(
    "wage",
    "{A} [earns|makes|gets] {m} dollars [an hour|per hour|every hour].",
    "{A}'s [job|work|boss] pays {m} dollars [an hour|per hour|for each hour].",
    "For [each|every] hour of work, {A} [earns|gets|is paid] {m} dollars.",
    unseen=("{A}'s hourly rate is {m} dollars.",),
)
define(
    "works_hours",
    "{He} [works|worked] {n} hours[| this week| last week| that month].",
    "[This week|Last week|In May|That month], {A} [works|worked] {n} hours.",
    "{A} [works|worked] for {n} hours[| this week| last week].",
    unseen=("{His} time sheet shows {n} hours.",),
)
define(
    "bonus",
    "{He} also [gets|receives|earns] [a bonus|a tip|an extra payment] of {n} dollars.",
    "[On top of that|Besides|In addition], {A} [gets|receives] {n} dollars [in tips|as a bonus].",
    "[A client|{His} boss] [gives|pays] {him} {n} dollars [more|extra][| as a bonus].",
    unseen=("An extra {n} dollars comes along as a reward.",),
)
define(
    "ask_earn",
    "How many dollars does {A} [earn|make|get] [in total|altogether|in all]?",
    "[In total|Altogether], how many dollars does {A} [earn|make|get]?",
    "What is {A}'s total pay[| in dollars| for this work]?",
    "[Find|Work out|Calculate] {A}'s total [pay|income][| in dollars].",
    unseen=("What does {A}'s paycheck come to?",),
)
define(
    "wants",
    "{A} [wants to buy|is saving for|dreams of] a [bike|guitar|camera|tent|desk] that costs {n} "
    "dollars.",
    "A [bike|guitar|camera|tent|desk] costs {n} dollars, and {A} wants [it|to buy it].",
    "{A} [needs|wants] {n} dollars for a [bike|guitar|camera|tent|desk].",
    unseen=("{A}'s dream is a canoe priced at {n} dollars.",),
)
define(
    "already_saved",
    "{He} [already has|has already saved|has] {n} dollars.",
    "[So far|Until now], {A} has [saved|put aside|collected] {n} dollars.",
    "{A} [already has|has already saved] {n} dollars[| in the bank| at home].",
    "{n} dollars are already in {his} [bank|savings box|account].",
    unseen=("{His} savings stand at {n} dollars.",),
)
define(
    "saves_weekly",
    "{He} [saves|puts aside|earns] {n} dollars [a week|every week|each week].",
    "[Each|Every] week, {A} [saves|puts aside|adds] {n} dollars.",
    "{A} [saves|can save|puts away] {n} dollars [a week|every week|per week].",
    unseen=("Weekly, {n} dollars flow into {his} savings.",),
)
define(
    "ask_weeks",
    "How many weeks [does {A} need to save|does {A} have to save|must {A} save]?",
    "[For how many|How many] weeks [must {A} save|does {A} need to save] to [buy it|have enough]?",
    "[Find|Work out|Calculate] the number of weeks {A} [needs|must save].",
    "After how many weeks does {A} have [enough|enough money|the full price]?",
    unseen=("State the count of weeks until {A} reaches the goal.",),
)
define(
    "ask_saved",
    "How many dollars does {A} have after {n} weeks[| in total]?",
    "After {n} weeks, how many dollars does {A} [have|have in total]?",
    "How much money does {A} [have|hold] after {n} weeks[| in total]?",
    "[Find|Work out|Calculate] {A}'s [money|savings] after {n} weeks.",
    unseen=("To what do the savings climb once {n} weeks are over?",),
)
define(
    "price_tag",
    "A [coat|bike|phone|table|tent] costs {n} dollars[| in a shop| in a store].",
    "The [price|normal price|full price] of a [coat|bike|phone|table|tent] is {n} dollars.",
    "{A} [wants|looks at|chooses] a [coat|bike|phone|table|tent] that costs {n} dollars.",
    "A shop [sells|offers] a [coat|bike|phone|table|tent] for {n} dollars.",
    unseen=("On the label of a coat stands {n} dollars.",),
)
define(
    "discount",
    "[Today|This week|In a sale], the price is [reduced|lowered|cut] by {n}%.",
    "There is a [discount|reduction] of {n}%[| today| this week].",
    "{A} gets a {n}% [discount|reduction][| with a coupon| from the shop].",
    "[Today|This week], it is {n}% [off|cheaper].",
    unseen=("A coupon knocks {n}% off.",),
)
define(
    "ask_price_now",
    "How many dollars does {A} pay[| now| for it| in the end]?",
    "What is the [new|final|reduced] price[| in dollars]?",
    "[Find|Work out|Calculate] the [new|final|reduced] price[| in dollars].",
    "How much does it cost [now|in the end|after that]?",
    unseen=("What sum is finally due?",),
)
define(
    "tax",
    "[A tax|A fee|A tip] of {n}% is [added|added to it|put on top].",
    "{A} [also pays|pays] {n}% [in tax|as a tip|in fees].",
    "The price [rises|goes up|grows] by {n}%[| this year| today].",
    unseen=("On top of it comes a charge of {n}%.",),
)
define(
    "crowd",
    "There are {n} {people} [in a school|in a club|at a party|in a town hall].",
    "[A school|A club|A camp] has {n} {people}[| this year| in total].",
    "{n} {people} [come to|join|visit] a [party|meeting|concert|camp].",
    unseen=("A gathering counts {n} {people}.",),
)
define(
    "percent_part",
    "{n}% of [them|the {people}] [wear|have|bring] a [hat|red shirt|bag].",
    "[Of these|Of them], {n}% [like|play|prefer] [music|football|chess].",
    "{n}% of the {people} [like|play|prefer] [music|football|chess].",
    unseen=("Among those, {n}% are fond of dancing.",),
)
define(
    "ask_part",
    "How many {people} [is that|are these|are they]?",
    "What is the number of [these|those|such] {people}?",
    "[Find|Work out|Calculate] the number of [these|those|such] {people}.",
    "How many [of the {people}|{people}] [belong to this group|are meant]?",
    unseen=("State how large that group of {people} is.",),
)
define(
    "ask_rest",
    "How many {people} [do not|don't][| belong to them]?",
    "How many [{people} are left over|of the {people} do not|other {people} are there]?",
    "[Find|Work out|Calculate] the number of [the other|the remaining] {people}.",
    "What is the number of the [other|remaining] {people}[| there]?",
    unseen=("State how many {people} fall outside that group.",),
)
define(
    "fraction_part",
    "One {part} of [them|the {people}] [wear|have|bring] a [hat|red shirt|bag].",
    "[Of these|Of them], one {part} [like|play|prefer] [music|football|chess].",
    "One {part} of the {people} [like|play|prefer] [music|football|chess].",
    unseen=("Among those, one {part} are fond of dancing.",),
)
define(
    "buys_stock",
    "{A} [buys|gets|orders] {n} {things} [at|for] {m} dollars each.",
    "A [shop|trader|seller] pays {m} dollars [each|apiece] for {n} {things}.",
    "{n} {things} are [bought|ordered] [at|for] {m} dollars [each|apiece].",
    "{A} [buys|gets] {n} {things} that cost {m} dollars [each|apiece].",
    unseen=("A trade of {n} {things} costs {A} {m} dollars a piece.",),
)
define(
    "sells_stock",
    "[Then |Later, ]{he} sells [them|all of them] [at|for] {m} dollars each.",
    "[All of them|They|All the {things}] are sold [at|for] {m} dollars [each|apiece].",
    "{A} sells [each|every] {thing} for {m} dollars[| later| in the end].",
    unseen=("Customers later pay {m} dollars a piece for them.",),
)
define(
    "ask_profit",
    "How many dollars of profit [are made|does {A} make|are there]?",
    "What is the [profit|total profit|gain] in dollars?",
    "[Find|Work out|Calculate] the [profit|total profit|gain] in dollars.",
    "How much [profit|gain] [is made|is there|does {A} make]?",
    unseen=("State how much richer {A} is afterwards.",),
)
define(
    "tickets",
    "A ticket costs {p} dollars for [an adult|adults] and {q} dollars for [a child|children].",
    "[Adults|Grown-ups] pay {p} dollars and [children|kids] pay {q} dollars[| for a ticket].",
    "The [ticket|entry] price is {p} dollars for [an adult|grown-ups] and {q} dollars for "
    "[a child|kids].",
    unseen=("Entry is {p} dollars per grown person and {q} dollars per young one.",),
)
define(
    "visitors",
    "{n} adults and {m} children [come|visit|buy tickets|go in].",
    "[On Sunday|On Friday|Today], {n} adults and {m} children [come|visit|buy tickets].",
    "{A} sells tickets to {n} adults and {m} children[| on Sunday| today].",
    "A group of {n} adults and {m} children [comes|buys tickets|goes in].",
    unseen=("Through the gate walk {n} adults and {m} children.",),
)
define(
    "ask_tickets",
    "How many dollars do they pay [in total|altogether|in all]?",
    "[In total|Altogether], how many dollars are [paid|collected|taken in]?",
    "What is the total [cost|price] of the tickets[| in dollars]?",
    "[Find|Work out|Calculate] the total [cost|price] of the tickets.",
    unseen=("What sum does the ticket desk take?",),
)
