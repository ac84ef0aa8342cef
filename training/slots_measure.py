"""Wordings of the sentences about days, distances, pages, ages, rows, machines and the like."""

from __future__ import annotations

from story import define

define(
    "daily",
    "[Each|Every] day, {A} [makes|collects|finds|buys] {n} {items}.",
    "{A} [makes|collects|finds|buys] {n} {items} [a day|every day|each day|per day].",
    "{A} gets {n} [new|more] {items} [a day|every day|each day].",
    "[Every morning|Each evening], {A} [makes|collects|finds] {n} {items}.",
    unseen=("{A}'s daily output is {n} {items}.",),
)
define(
    "ask_after_days",
    "How many {items} does {A} [have|own|hold] after {n} days[| in total]?",
    "After {n} days, how many {items} [does {A} have|are there]?",
    "What is the number of {items} after {n} days[| in total]?",
    "[Find|Work out|Calculate] the number of {items} after {n} days.",
    unseen=("Once {n} days are over, what does {A}'s pile count?",),
)
define(
    "ask_in_weeks",
    "How many {items} is that in {n} weeks[| in total]?",
    "[In|Within] {n} weeks, how many {items} is that[| in total]?",
    "What is the number of {items} [in|for] {n} weeks[| in total]?",
    "[Find|Work out|Calculate] the number of {items} in {n} weeks.",
    unseen=("To what count of {items} do {n} weeks lead?",),
)
define(
    "leg_speed",
    "{A} [drives|rides|travels] for {n} hours at {m} kilometers per hour.",
    "For {n} hours, {A} [drives|rides|travels|goes] at {m} kilometers [per|an] hour.",
    "{He} [goes on|drives|rides] for {n} hours at {m} kilometers [per|an] hour.",
    "At {m} kilometers [per|an] hour, {A} [drives|rides|travels] for {n} hours.",
    unseen=("{n} hours pass on the road with {A}'s speed at {m} kilometers an hour.",),
)
define(
    "ask_distance",
    "How many kilometers [does {A} go|does {A} travel|is that] [in total|altogether|in all]?",
    "What is the total distance in kilometers[| for {A}| of the trip]?",
    "[Find|Work out|Calculate] the total [distance|way] in kilometers.",
    "How [far|long] is the whole [trip|way] in kilometers?",
    unseen=("State how far {A} gets.",),
)
define(
    "trip",
    "A [trip|route|road|path] is {n} kilometers long[| in total].",
    "{A} [plans|starts|makes] a [trip|walk|ride] of {n} kilometers.",
    "{A} [has to go|wants to go|must travel] {n} kilometers[| in total].",
    unseen=("The journey before {A} spans {n} kilometers.",),
)
define(
    "covers",
    "[On the first day|On Monday|In the morning], {A} [goes|covers|travels] {n} kilometers.",
    "{He} [goes|covers|travels] {n} kilometers [on the first day|on Monday|in the morning].",
    "{A} [first goes|first covers|goes] {n} kilometers[| before lunch].",
    unseen=("{n} kilometers are done by {A} early on.",),
)
define(
    "covers_next",
    "[On the next day|On Tuesday|In the afternoon], {A} [goes|covers|travels] {n} kilometers.",
    "{He} [goes|covers|travels] {n} kilometers [on the next day|on Tuesday|in the afternoon].",
    "{A} [then goes|then covers|goes on for] {n} kilometers[| after lunch].",
    unseen=("{n} further kilometers are done by {A} later.",),
)
define(
    "ask_to_go",
    "How many kilometers [are left|remain|are still to go]?",
    "How many kilometers does {A} [still have|have] to [go|travel]?",
    "What is the [remaining|rest of the] distance in kilometers[| for {A}]?",
    "[Find|Work out|Calculate] the [remaining|rest of the] distance in kilometers.",
    unseen=("State how far {A} is from the end.",),
)
define(
    "book",
    "{A} [reads|has|starts] a book with {n} pages[| from the library].",
    "A book [has|contains] {n} pages[| in total], and {A} [reads it|wants to read it].",
    "{A}'s [book|new book] [has|contains] {n} pages[| in total].",
    unseen=("The novel on {A}'s desk runs to {n} pages.",),
)
define(
    "reads_daily",
    "{He} reads {m} pages [a day|per day|every day] for {n} days.",
    "For {n} days, {A} [reads|finishes|gets through] {m} pages [a day|per day|every day].",
    "{A} [reads|finishes] {m} pages on each of {n} days[| in a row].",
    unseen=("Over {n} days, {m} pages a day are read by {A}.",),
)
define(
    "ask_pages_left",
    "How many pages [are left|remain|are still unread]?",
    "How many pages does {A} [still have|have] to [read|finish]?",
    "What is the number of [unread|remaining] pages[| now| in the book]?",
    "[Find|Work out|Calculate] the number of [unread|remaining] pages.",
    unseen=("State how much of the book is still ahead, in pages.",),
)
define(
    "read_so_far",
    "{He} [has already read|has read|already finished] {n} pages.",
    "[So far|Until now], {A} has [read|finished] {n} pages.",
    "{A} has [already |]read {n} pages[| of it| so far].",
    "{n} pages are already [read|done|finished].",
    unseen=("{n} pages lie behind {A}.",),
)
define(
    "ask_pages_daily",
    "How many pages [a day|per day|each day] must {A} read to finish in {n} [days|more days]?",
    "To finish in {n} [days|more days], how many pages must {A} read [a day|per day|each day]?",
    "[Find|Work out] the pages per day that {A} needs to finish in {n} [days|more days].",
    unseen=("What daily amount of pages gets {A} to the end in {n} days?",),
)
define(
    "task_minutes",
    "{A} needs {n} minutes to [cook|clean|shop|write|paint|walk home].",
    "{He} [spends|needs] {n} minutes on [cooking|cleaning|shopping|writing|painting|homework].",
    "[Cooking|Cleaning|Shopping|Writing|Painting|Homework] takes {A} {n} minutes.",
    "{A} [reads|rests|works|sings|plays] for {n} minutes.",
    unseen=("{n} minutes of {A}'s day go to gardening.",),
)
define(
    "ask_minutes",
    "How many minutes is that [in total|altogether|in all]?",
    "[In total|Altogether], how many minutes [is that|does this take|does {A} need]?",
    "What is the total time in minutes[| for {A}| for all this]?",
    "[Find|Work out|Calculate] the total time in minutes.",
    unseen=("State how long it all lasts, in minutes.",),
)
define(
    "hours_minutes",
    "A [film|show|trip|lesson|game] [lasts|takes] {n} hours and {m} minutes.",
    "{A} [works|reads|sleeps|walks] for {n} hours and {m} minutes.",
    "It takes {A} {n} hours and {m} minutes to [clean|finish a race|paint a room|fix a car].",
    unseen=("{n} hours plus {m} minutes go by for {A}.",),
)
define(
    "ask_in_minutes",
    "How many minutes is that[| in total| altogether| in all]?",
    "What is [this|that|the] time in minutes[| only]?",
    "[Find|Work out|Calculate] [this|that|the] time in minutes.",
    unseen=("Express this in minutes.",),
)
define(
    "age",
    "{A} is {n} years old[| now| this year| today].",
    "[Now|This year|Today], {A} is {n} years old.",
    "{A}'s age is {n} years[| now| this year].",
    unseen=("{n} candles are on {A}'s cake.",),
)
define(
    "older",
    "{X} is {n} years older than {Y}[| is].",
    "[Compared with|Compared to] {Y}, {X} is {n} years older.",
    "{X}'s age is {n} years [more than|above] {Y}'s[| age].",
    "{Y} is {n} years younger than {X}[| is].",
    unseen=("{X} was born {n} years before {Y}.",),
)
define(
    "ask_age_in",
    "How old will {X} be in {n} years[| from now| time]?",
    "[In|After] {n} years, how old will {X} be?",
    "What will {X}'s age be in {n} years[| from now]?",
    "[Find|Work out|Calculate] {X}'s age in {n} years[| from now].",
    unseen=("When {n} years have gone by, what age does {X} reach?",),
)
define(
    "ask_age_sum",
    "What is the sum of their ages[| now| today| this year]?",
    "How old are {who} [together|in total|altogether]?",
    "[Find|Work out|Calculate] the sum of [their|the] ages.",
    unseen=("Add up the years of {who}.",),
)
define(
    "rows",
    "A [hall|theater|garden|field] has {n} rows [of|with] {m} {things} [each|in each].",
    "There are {n} rows [in|of] a [hall|theater|garden], [each with|each holding] {m} {things}.",
    "{A} [sets|puts] {n} rows with {m} {things} [each|in each row].",
    "[Each|Every one] of the {n} rows [has|holds|contains] {m} {things}.",
    unseen=("{n} lines of {m} {things} stand one behind another.",),
)
define(
    "rows_empty",
    "{n} of [them|the {things}] are [empty|broken|not used|missing].",
    "[Today|Now|This week], {n} {things} are [empty|broken|not used].",
    "{A} [takes away|removes|sells] {n} {things}[| later| in the end].",
    unseen=("For {n} of the {things}, nobody has any use.",),
)
define(
    "ask_rows_left",
    "How many {things} are [left|used|fine|in use]?",
    "[In the end|Now], how many {things} are [left|used|fine]?",
    "[Find|Work out|Calculate] the number of the [other|remaining] {things}.",
    "What is the number of the [other|remaining] {things}?",
    unseen=("State how many {things} do serve.",),
)
define(
    "rectangle",
    "A [garden|field|room|yard|park] is {n} meters long and {m} meters wide.",
    "{A} has a [garden|field|room|yard] that is {n} meters long and {m} meters wide.",
    "The [length|long side] of a [garden|field|room] is {n} meters and its width is {m} meters.",
    unseen=("{A}'s plot measures {n} meters by {m} meters.",),
)
define(
    "ask_area",
    "What is [its|the] area in square meters[|, please]?",
    "How many square meters [is that|is it|is its area][| in total]?",
    "[Find|Work out|Calculate] [its|the] area in square meters.",
    unseen=("State the surface in square meters.",),
)
define(
    "ask_fence",
    "How many meters of fence [go around it|are needed around it|does {A} need for all sides]?",
    "What is [its|the] perimeter in meters[| in total]?",
    "[Find|Work out|Calculate] [its|the] perimeter in meters.",
    "How long is the [fence|way] around it in meters[| in total]?",
    unseen=("State the length of its border in meters.",),
)
define(
    "scores",
    "{A} [scores|gets|wins] {list} points in {n} [games|rounds|tests].",
    "In {n} [games|rounds|tests], {A} [scores|gets|wins] {list} points.",
    "{A}'s points in {n} [games|rounds|tests] [are|were] {list}.",
    unseen=("The points {list} stand beside {A}'s name for {n} matches.",),
)
define(
    "ask_average",
    "What is the average[| number of points| score]?",
    "How many points does {A} get on average[| per game| each time]?",
    "[Find|Work out|Calculate] the average [score|number of points].",
    "What is {A}'s average [score|number of points]?",
    unseen=("State the mean.",),
)
define(
    "animals",
    "A farm has {n} {xs} and {m} {ys}[| in total| this year].",
    "There are {n} {xs} and {m} {ys} [on a farm|in a field|in a barn|at {A}'s place].",
    "{A} [has|sees|counts|keeps] {n} {xs} and {m} {ys}[| on a farm| in a field].",
    unseen=("{n} {xs} live beside {m} {ys}.",),
)
define(
    "ask_legs",
    "How many legs [are there|do they have|do the animals have] [in total|altogether|in all]?",
    "[In total|Altogether], how many legs [are there|do they have]?",
    "What is the total number of legs[| there| of the animals]?",
    "[Find|Work out|Calculate] the total number of legs.",
    unseen=("Count all their legs.",),
)
define(
    "machines",
    "A [factory|shop|plant] has {n} machines that [make|fill|pack] {m} {items} [an|per] hour each.",
    "{n} machines [make|fill|pack] {m} {items} [an|per] hour each.",
    "[Each|Every one] of {n} machines [makes|fills|packs] {m} {items} [an|per] hour.",
    unseen=("Per hour, {m} {items} leave each of the {n} machines.",),
)
define(
    "ask_machines",
    "How many {items} is that in {n} hours[| in total]?",
    "[In|Within] {n} hours, how many {items} [is that|are there]?",
    "What is the number of {items} [in|after] {n} hours[| in total]?",
    "[Find|Work out|Calculate] the number of {items} [in|after] {n} hours.",
    unseen=("To what count of {items} do {n} hours lead?",),
)
define(
    "bus_start",
    "There are {n} people on a [bus|train|boat|tram][| in the morning| at the start].",
    "A [bus|train|boat|tram] [starts|leaves] with {n} people[| on board].",
    "{n} people [ride|sit|are] on a [bus|train|boat|tram].",
    unseen=("A coach carries {n} people.",),
)
define(
    "bus_off",
    "[At the first stop|At the next stop|Then], {n} people get [off|out].",
    "{n} people [leave|get off|get out][| at the first stop| at a stop].",
    "[At the station|At the park|In town], {n} [of them|people] [leave|get off].",
    unseen=("The doors open and the load drops by {n} people.",),
)
define(
    "bus_on",
    "[At the second stop|At the last stop|After that], {n} [new |]people get [on|in].",
    "{n} [new |]people [join|get on|get in][| later| after that].",
    "[At the market|At the school|In a village], {n} people [join|get on].",
    unseen=("Then the load rises by {n} people.",),
)
define(
    "ask_bus",
    "How many people are [on board|there|riding] [now|in the end|after that]?",
    "[Now|In the end|After that], how many people are [on board|there]?",
    "[Find|Work out|Calculate] the number of people on board [now|in the end].",
    unseen=("State the final passenger count.",),
)
define(
    "tank",
    "A [tank|pool|barrel] [holds|contains|has] {n} liters of water[| at first].",
    "There are {n} liters of water in a [tank|pool|barrel][| at first| at noon].",
    "{A} has a [tank|pool|barrel] with {n} liters of water[| in it].",
    unseen=("{n} liters of water stand in {A}'s cistern.",),
)
define(
    "tank_out",
    "[Each|Every] minute, {m} liters [flow out|leak out|are used].",
    "It [loses|leaks] {m} liters [a minute|per minute|every minute].",
    "{m} liters [flow out|leak out|are used] [a minute|per minute|every minute].",
    unseen=("A hole drains {m} liters by the minute.",),
)
define(
    "tank_in",
    "[Each|Every] minute, {m} liters [flow in|are added|run in].",
    "A pipe [adds|brings] {m} liters [a minute|per minute|every minute].",
    "{m} liters [flow in|are added] [a minute|per minute|every minute].",
    unseen=("A hose supplies {m} liters by the minute.",),
)
define(
    "ask_tank",
    "How many liters are [there|in it] after {n} minutes[| in total]?",
    "After {n} minutes, how many liters are [there|in it|inside]?",
    "[Find|Work out|Calculate] the number of liters after {n} minutes.",
    "What is the amount of water in liters after {n} minutes[| in total]?",
    unseen=("Once {n} minutes are over, what volume in liters is inside?",),
)
define(
    "recipe",
    "A recipe for {n} [people|guests] [needs|takes|uses] {m} grams of [flour|rice|sugar].",
    "For {n} [people|guests], {A} [needs|takes|uses] {m} grams of [flour|rice|sugar].",
    "{A} [needs|takes|uses] {m} grams of [flour|rice|sugar] for {n} [people|guests].",
    unseen=("To feed {n}, the cook measures {m} grams of lentils.",),
)
define(
    "ask_recipe",
    "How many grams are needed for {n} [people|guests][| in total]?",
    "For {n} [people|guests], how many grams [are needed|does {A} need]?",
    "[Find|Work out|Calculate] the grams for {n} [people|guests].",
    unseen=("To feed {n}, what weight in grams is right?",),
)
define(
    "temperature",
    "[At noon|In the morning|On Monday|At first], it is {n} degrees[| outside| in {A}'s town].",
    "The temperature is {n} degrees[| in the morning| at first| at noon].",
    "{A} measures {n} degrees[| at noon| in the morning| outside].",
    unseen=("A thermometer points to {n} degrees.",),
)
define(
    "warmer",
    "[Then|Later|By evening] it [rises|goes up|climbs] by {n} degrees.",
    "It gets {n} degrees [warmer|hotter][| later| after that| by evening].",
    "The temperature [rises|goes up|climbs] by {n} degrees[| later].",
    unseen=("The sun lifts this by {n} degrees.",),
)
define(
    "colder",
    "[Then|Later|At night] it [falls|goes down|drops] by {n} degrees.",
    "It gets {n} degrees [colder|cooler][| later| after that| at night].",
    "The temperature [falls|goes down|drops] by {n} degrees[| later].",
    unseen=("The night takes {n} degrees away.",),
)
define(
    "ask_temperature",
    "What is the temperature [now|in the end|after that]?",
    "How many degrees is it [now|in the end|after that]?",
    "[Find|Work out|Calculate] the temperature [now|in the end].",
    "[Now|In the end|After that], how many degrees is it?",
    unseen=("State the last reading.",),
)
