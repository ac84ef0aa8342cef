"""Wordings of the user's turns in short everyday dialogue."""

from __future__ import annotations

from story import define

ASK = "[Tell me|Can you tell me|Do you know|I want to know|Please tell me]"

define(
    "talk_greet",
    "[Hi|Hello|Hey|Hello there|Hi there][!|.|, Talon!|, my friend!]",
    "[Good morning|Good evening|Good afternoon|Good day][!|.|, Talon!]",
    "[Hi|Hello|Hey], [nice to see you|nice to meet you|I am back|I have a question][!|.]",
)
define(
    "talk_how_are_you",
    "[Hi|Hello|Hey], how are you[?| today?| doing?]",
    "How [are you|are you doing|do you feel][?| today?| right now?]",
    "[How is it going|How is your day|Are you well|Is everything fine][?| today?| so far?]",
)
define(
    "talk_my_name",
    "[My name is|I am|I am called|You can call me|They call me] {x}[.|!]",
    "[Hi|Hello|Hey], [my name is|I am|this is] {x}[.|!]",
)
define(
    "talk_ask_my_name",
    "[What is|Do you know|Do you remember|Tell me|Can you say] my name[?| now?| again?]",
    "[What am I called|Who am I|How am I called][?| again?| now?]",
)
define(
    "talk_your_name",
    "[What is|Tell me|May I know|Can you tell me] your name[?|, please?]",
    "[Who are you|What are you|How are you called|What are you called][?| anyway?| exactly?]",
)
define(
    "talk_what_can_you_do",
    "[What can you do|What are you good at|How can you help|What do you know][?| for me?| here?]",
    "[Tell me|Can you say|Please tell me] what you can do[.| for me.|, please.]",
    "[Can you help me|Will you help me|I need help][?| with something?| today?]",
)
define(
    "talk_thanks",
    "[Thanks|Thank you|Many thanks|Thanks a lot][.|!|, Talon.|, that helps.]",
    "[Thanks|Thank you] [so much|very much|for your help|for that][.|!]",
)
define(
    "talk_bye",
    "[Bye|Goodbye|See you|See you later|Good night][.|!|, Talon.]",
    "I [have to go|must go|am leaving][.| now.| now, bye.]",
)
define(
    "talk_capital",
    "[What|Which city] is the capital [of|city of] {x}?",
    ASK + " the capital [of|city of] {x}[?|.|, please.]",
    "{x} has which capital[?| city?]",
    "[Name|Give me] the capital [of|city of] {x}[.|, please.]",
)
define(
    "talk_continent",
    "[On|In] [which|what] continent is {x}?",
    "[Where|On which continent] can I find {x}[?| on the map?]",
    ASK + " the continent of {x}[?|.|, please.]",
)
define(
    "talk_color",
    "What [color|colour] [is|has|does] {x}[?| have?]",
    "[Which|What] is the [color|colour|usual color] of {x}?",
    ASK + " the [color|colour] of {x}[?|.|, please.]",
)
define(
    "talk_opposite",
    "What is the [opposite|contrary] of [|the word ]{x}[?|, please?]",
    ASK + " the opposite of [|the word ]{x}[?|.|, please.]",
    "[Give me|Name|Say] the opposite of [|the word ]{x}[.|, please.]",
)
define(
    "talk_plural",
    "What is the plural [of|form of] [|the word ]{x}[?|, please?]",
    ASK + " the plural of [|the word ]{x}[?|.|, please.]",
    "[How do you say|How do I say] {x} in the plural[?|, please?]",
)
define(
    "talk_past",
    "What is the past tense of [|the verb ]{x}[?|, please?]",
    ASK + " the past tense of [|the verb ]{x}[?|.|, please.]",
    "[How do you say|How do I say] {x} in the past[?| tense?]",
)
define(
    "talk_sound",
    "What [sound|noise] does a {x} make[?| usually?]",
    "[How does|What does] a {x} [sound like|sound][?|, please?]",
    ASK + " the [sound|noise] of a {x}[?|.|, please.]",
)
define(
    "talk_home",
    "Where does a {x} [live|sleep|stay][?| usually?]",
    ASK + " where a {x} [lives|stays][?|.|, please.]",
    "[Where can I find|Where do I find|Where is] a {x}[?| usually?]",
)
define(
    "talk_food",
    "What does a {x} [eat|like to eat][?| usually?| most?]",
    ASK + " what a {x} [eats|likes to eat][?|.|, please.]",
    "[What is|Name] the [food|favorite food] of a {x}[?|, please?]",
)
define(
    "talk_young",
    "What is a [young|baby|little] {x} called[?| in English?]",
    ASK + " the name of a [young|baby] {x}[?|.|, please.]",
    "[How do you call|What do you call] a [young|baby|little] {x}?",
)
define(
    "talk_legs",
    "How many legs does [a|one] {x} have[?| in total?]",
    ASK + " how many legs a {x} has[?|.|, please.]",
    "[What is|Say|Give me] the number of legs of a {x}[?|, please?]",
)
define(
    "talk_day_after",
    "[What|Which] day comes [right |]after {x}?",
    "[Which day|What day] [follows|comes after|is after] {x}?",
    ASK + " the day after {x}[?|.|, please.]",
    "If [today is|it is] {x}, what day is [tomorrow|it tomorrow]?",
)
define(
    "talk_day_before",
    "[What|Which] day comes [right |just ]before {x}?",
    ASK + " the day before {x}[?|.|, please.]",
    "If [today is|it is] {x}, what day was [yesterday|it yesterday]?",
)
define(
    "talk_month_after",
    "[What|Which] month [comes after|follows|is after] {x}?",
    ASK + " the month after {x}[?|.|, please.]",
)
define(
    "talk_month_before",
    "[What|Which] month [comes before|is before|is right before] {x}?",
    ASK + " the month before {x}[?|.|, please.]",
)
define(
    "talk_month_days",
    "How many days [does {x} have|are in {x}|has {x}][?| usually?]",
    ASK + " how many days {x} has[?|.|, please.]",
)
define(
    "talk_season",
    "[In which|In what|Which] season is {x}[?|, please?]",
    ASK + " the season of {x}[?|.|, please.]",
    "Is {x} in [spring or autumn|summer or winter|which season]?",
)
define(
    "talk_clock",
    "It is {n} o'clock[.| now.] What time is it [in|after] {m} hours?",
    "If it is {n} o'clock [now|right now], what time is it [in|after] {m} hours?",
    "[Now|At the moment] it is {n} o'clock. What [time will it be|will the clock show] in {m} "
    "hours?",
)
define(
    "talk_sum",
    "[What is|How much is|Calculate|Tell me] {n} plus {m}[?|, please?]",
    "[Can you add|Please add|Add] {n} and {m}[?|, please.| for me.]",
)
define(
    "talk_minus",
    "[What is|How much is|Calculate|Tell me] {n} minus {m}[?|, please?]",
    "[Can you subtract|Please subtract|Subtract] {m} from {n}[?|, please.| for me.]",
)
define(
    "talk_count",
    "[Count|Please count|Can you count] [from|up from] {n} to {m}[.|?|, please.]",
    "[Say|List|Give me] the numbers from {n} to {m}[.|, please.]",
)
define(
    "talk_spell",
    "[How do you spell|How do I spell|Spell|Please spell] [|the word ]{x}[?|.|, please.]",
    "[What are|Give me] the letters of [|the word ]{x}[?|, please.]",
)
define(
    "talk_letter",
    "[What|Which] letter [comes after|follows|is after] {x}[?| in the alphabet?]",
    ASK + " the letter after {x}[?|.|, please.]",
)
define(
    "talk_kind",
    "What [kind|sort|type] of thing is {x}[?|, please?]",
    "[What is|Explain to me what is|Tell me what is] {x}, [roughly|in general|in one word]?",
    ASK + " what [kind|sort] of thing {x} is[?|.|, please.]",
)
define(
    "talk_definition",
    "[What is|Explain|What do you know about|Describe] {x}[?|, please?| to me.]",
    ASK + " what {x} is[?|.|, please.]",
    "What does the word {x} [mean|stand for][?|, please?]",
)
define(
    "talk_units",
    "How many {x}[?|, please?| exactly?]",
    ASK + " how many {x}[?|.|, please.]",
    "[I forgot|I do not know|Say again] how many {x}[.|, help me.]",
)
define(
    "talk_word",
    "[How do you say|How do I say|What is|Say] {x} in {y}[?|, please?]",
    "[What is|Give me|Tell me] the {y} word for {x}[?|, please.]",
    "[Translate|Please translate|Can you translate] {x} [into|to] {y}[.|?|, please.]",
)
define(
    "talk_can_fly",
    "Can a {x} {y}[?|, do you think?| at all?]",
    "[Is|Would] a {x} [able to|be able to] {y}[?|, please?]",
    "Do you [know|think] [if|that] a {x} can {y}?",
)
define(
    "talk_made_of",
    "What is a {x} [made of|made from][?| usually?]",
    ASK + " what a {x} is made of[?|.|, please.]",
    "[Which|What] material is a {x} [made of|made from]?",
)
define(
    "talk_job",
    "What does a {x} do[?| all day?| at work?| for a living?]",
    "[What is|Describe|Explain] the [job|work] of a {x}[?|, please?]",
    ASK + " what a {x} does[?|.|, please.]",
)
define(
    "talk_use",
    "What is [a|the] {x} [used for|good for][?|, please?]",
    "What can I do with [a|the] {x}[?| at home?]",
    ASK + " what [a|the] {x} is for[?|.|, please.]",
)
define(
    "talk_bigger",
    "[What is|Which is|Which one is] bigger, {x} or {y}?",
    "Is {x} [bigger|larger] than {y}[?|, or smaller?]",
    "[Tell me|Do you know|Can you say] what is [bigger|larger], {x} or {y}[?|.]",
)
define(
    "talk_feeling",
    "I am {x}[.|!| today.| right now.| again.]",
    "I feel {x}. [What should I do|What can I do|Can you help me|Any advice]?",
    "I am {x}. [What should I do|What can I do|Can you help me|Any tips]?",
    "[Help|Hey], I am [so |very |]{x}[.|!]",
)
define(
    "talk_weather",
    "It is {x}[.| today.| outside.] What [should|can|do] I wear?",
    "[What should|What can] I [wear|put on] when it is {x}[?| outside?]",
    "[Look|Oh no|Hm], it is {x}. [What now|Any advice|What should I wear]?",
)
define(
    "talk_meal",
    "What [should|can|could] I [eat|have|make|cook] for {x}?",
    "[Give me|Do you have|I need] [an idea|a tip] for {x}[?|, please.]",
    "[What is good|What is nice|Any idea|What do you suggest] for {x}?",
)
define(
    "talk_favorite",
    "What is your [favorite|best loved] {x}[?|, Talon?]",
    "[Which|What] {x} do you like [best|most|a lot]?",
    "[Do you have|Have you got] a favorite {x}[?|, Talon?]",
)
define(
    "talk_joke",
    "[Tell me|Do you know|Can you tell me|Give me] a joke[?|, please.| now.]",
    "[Make me laugh|Say something funny|I want to laugh][.|, please.|!]",
)
define(
    "talk_joke_about",
    "[Tell me|Do you know|Can you tell me|Give me] a joke about {x}[?|, please.]",
    "[Say something funny|Joke a little|Make a joke] about {x}[.|, please.]",
)
define(
    "talk_story",
    "[Tell me|Write|Can you tell me|I want to hear] a [short |little |]story about a {x}"
    "[.|, please.]",
    "[Make up|Invent|Please tell me] a [story|tale] about a {x}[.|!]",
)
define(
    "talk_story_two",
    "[Tell me|Write|Can you tell me|I want to hear] a [short |little |]story about a {x} and a {y}"
    "[.|, please.]",
    "[Make up|Invent|Please tell me] a [story|tale] about a {x} and a {y}[.|!]",
)
define(
    "talk_poem",
    "[Write|Give me|Can you write|I want] a [short |little |]poem about {x}[.|, please.]",
    "[Make up|Invent|Please write] a [rhyme|poem] about {x}[.|!]",
)
define(
    "talk_repeat",
    "[Say|Repeat|Please say|Please repeat][:| this:| after me:] {x}",
    "[Can you say|Can you repeat|I want you to say] [this|the following]: {x}",
)
define(
    "talk_pet",
    "I have a {c} {x}[ called| named|, its name is] {y}[.|!]",
    "My {x} is {c} and [is called|its name is|is named] {y}[.|!]",
    "[At home|In my house] I have a {c} {x}. [It is called|Its name is] {y}.",
)
define(
    "talk_ask_pet",
    "[What is|Do you remember|Tell me] the name of my {x}[?| again?]",
    "[How is|What is] my {x} [called|named][?| again?]",
)
define(
    "talk_ask_pet_color",
    "[What color is|Which color is|What color has] my {x}[?| again?]",
    "[Do you remember|Do you know|Tell me] the color of my {x}[?| again?]",
)
define(
    "talk_from",
    "I [am|come] from {x}[.|!|, by the way.]",
    "[My home is|I live in|I was born in|My family lives in] {x}[.|!]",
)
define(
    "talk_ask_from",
    "[Where do I come from|Where am I from|Where do I live|What is my home][?| again?| now?]",
    "[Do you remember|Do you know|Tell me] where I [am from|live][?| again?]",
)
define(
    "talk_book_table",
    "[I want to|I would like to|Can you help me] book a table[.|, please.| for dinner.]",
    "[Book|Reserve|Please book] a table [for me|for dinner|for tonight][.|, please.]",
    "I need a [table|reservation] [in a restaurant|for dinner][.|, please.]",
)
define(
    "talk_people_count",
    "[We are|There are|It is for|For] {n} [people|persons][.| in total.]",
    "{n} [people|persons|of us][.|, please.]",
)
define(
    "talk_on_day",
    "[On|We come on|For|Make it] {x}[.|, please.| evening.]",
    "{x} [is good|is fine|would be nice][.|, please.| for us.]",
)
define(
    "talk_at_time",
    "[At|We come at|Around|Make it] {n} o'clock[.|, please.]",
    "{n} o'clock [is good|is fine|would be nice][.|, please.]",
)
define(
    "talk_yes",
    "[Yes|Sure|Yes, please|That is right|Right][.|!|, thank you.]",
    "[Yes|Sure], [book it|do that|that is fine|that is correct][.|!]",
)
define(
    "talk_remind",
    "[Remind me|Please remind me|Can you remind me] to {x} at {n} o'clock[.|, please.]",
    "At {n} o'clock I [must|have to|want to] {x}. [Remind me|Please remind me].",
)
define(
    "talk_unknown",
    "[What is|Tell me|Do you know|I need] {x}[?|, please.]",
    "[Can you tell me|Please tell me|Explain to me] {x}[.|?|, please.]",
    "[What do you know|What can you say] about {x}[?|, please?]",
)
define(
    "talk_praise",
    "[You are|I think you are|Wow, you are] [great|very good|nice|clever|funny][.|!]",
    "[Well done|Good job|Very good|That was nice|I like that][.|!|, Talon!]",
)
define(
    "talk_blame",
    "[You are|I think you are] [bad|silly|not good|slow][.|!]",
    "[That was|That is|This is] [wrong|bad|not good|silly][.|!]",
)
define(
    "talk_note",
    "[Note|Remember|Please note|Please remember]: {x} has {n} {items}.",
    "[Note|Remember|Please note|Please remember] that {x} has {n} {items}[.|, please.]",
)
define(
    "talk_ask_note",
    "How many {items} does {x} have[?| again?| now?]",
    "[Do you remember|Can you say|Tell me|Do you know] how many {items} {x} has[?|.]",
)
define(
    "talk_problem",
    "{q}",
    "[Please solve this|Can you solve this|Solve this|Help me with this][:|, please:] {q}",
    "[Here is a problem|I have a problem|Try this][:|, please:] {q}",
)
