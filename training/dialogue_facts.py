"""Small tables of everyday facts for the dialogue generator. Standard library only."""

from __future__ import annotations


def table(text: str) -> dict[str, str]:
    """Entries `key=value` separated by semicolons."""
    pairs = (" ".join(entry.split()).split("=") for entry in text.split(";") if entry.strip())
    return {key.strip(): value.strip() for key, value in pairs}


CAPITALS = table(
    """France=Paris; Germany=Berlin; Italy=Rome; Spain=Madrid; Portugal=Lisbon; Greece=Athens;
    Austria=Vienna; Poland=Warsaw; Sweden=Stockholm; Norway=Oslo; Finland=Helsinki;
    Denmark=Copenhagen; Ireland=Dublin; Hungary=Budapest; Belgium=Brussels; Russia=Moscow;
    Ukraine=Kyiv; Turkey=Ankara; Egypt=Cairo; Kenya=Nairobi; Morocco=Rabat; Nigeria=Abuja;
    Japan=Tokyo; China=Beijing; India=New Delhi; Thailand=Bangkok; Vietnam=Hanoi; Canada=Ottawa;
    Mexico=Mexico City; Cuba=Havana; Peru=Lima; Chile=Santiago; Brazil=Brasilia;
    Argentina=Buenos Aires; Colombia=Bogota; Australia=Canberra; New Zealand=Wellington;
    Iceland=Reykjavik; Romania=Bucharest; Bulgaria=Sofia; Croatia=Zagreb; Serbia=Belgrade;
    Iran=Tehran; Iraq=Baghdad; Jordan=Amman; Nepal=Kathmandu; Indonesia=Jakarta;
    South Korea=Seoul; Switzerland=Bern; the Netherlands=Amsterdam"""
)
CONTINENTS = table(
    """France=Europe; Germany=Europe; Italy=Europe; Spain=Europe; Greece=Europe; Poland=Europe;
    Sweden=Europe; Norway=Europe; Ireland=Europe; Austria=Europe; Egypt=Africa; Kenya=Africa;
    Morocco=Africa; Nigeria=Africa; Japan=Asia; China=Asia; India=Asia; Thailand=Asia;
    Vietnam=Asia; Nepal=Asia; Canada=North America; Mexico=North America; Cuba=North America;
    Peru=South America; Chile=South America; Brazil=South America; Argentina=South America"""
)
COLORS = table(
    """grass=green; the sky=blue; snow=white; coal=black; blood=red; milk=white; chocolate=brown;
    a banana=yellow; a lemon=yellow; a tomato=red; a carrot=orange; a cherry=red; a frog=green;
    an orange=orange; a pumpkin=orange; a pea=green; a leaf=green; a swan=white; a raven=black;
    an elephant=gray; a flamingo=pink; a strawberry=red; the sun=yellow; the sea=blue;
    a plum=purple; a polar bear=white; a fire truck=red; wood=brown; cotton=white; gold=yellow;
    silver=gray; a cucumber=green; a pig=pink; an eggplant=purple; a cloud=white; rice=white;
    broccoli=green; a chick=yellow; a mouse=gray; salt=white; spinach=green; honey=yellow"""
)
OPPOSITES = table(
    """hot=cold; big=small; tall=short; fast=slow; old=young; happy=sad; light=dark; full=empty;
    open=closed; hard=soft; wet=dry; early=late; high=low; near=far; rich=poor; strong=weak;
    thick=thin; wide=narrow; clean=dirty; loud=quiet; good=bad; right=wrong; up=down; in=out;
    left=right; day=night; black=white; sweet=sour; deep=shallow; heavy=light; cheap=expensive;
    easy=difficult; first=last; inside=outside; always=never; begin=end; buy=sell; give=take;
    push=pull; win=lose; love=hate; laugh=cry; sit=stand; come=go; find=lose; brave=afraid;
    polite=rude; sharp=dull; smooth=rough; tight=loose; safe=dangerous; summer=winter"""
)
PLURALS = table(
    """cat=cats; dog=dogs; house=houses; box=boxes; bus=buses; fox=foxes; baby=babies; city=cities;
    lady=ladies; story=stories; child=children; man=men; woman=women; foot=feet; tooth=teeth;
    goose=geese; mouse=mice; sheep=sheep; fish=fish; leaf=leaves; knife=knives; wolf=wolves;
    wife=wives; tomato=tomatoes; potato=potatoes; hero=heroes; person=people; key=keys; toy=toys;
    day=days; watch=watches; dish=dishes; brush=brushes; class=classes; book=books; car=cars;
    tree=trees; half=halves; ox=oxen; party=parties; berry=berries; cherry=cherries"""
)
PAST = table(
    """go=went; see=saw; eat=ate; drink=drank; run=ran; swim=swam; sing=sang; write=wrote;
    read=read;
    take=took; give=gave; come=came; buy=bought; bring=brought; think=thought; catch=caught;
    teach=taught; find=found; lose=lost; make=made; say=said; tell=told; know=knew; grow=grew;
    fly=flew; draw=drew; drive=drove; ride=rode; break=broke; speak=spoke; sleep=slept; keep=kept;
    feel=felt; leave=left; meet=met; sit=sat; stand=stood; win=won; begin=began; forget=forgot;
    walk=walked; play=played; talk=talked; jump=jumped; cook=cooked; help=helped; call=called"""
)
# animal: sound, home, food, young, legs
ANIMALS = {
    "dog": ("barks", "in a house", "meat", "puppy", 4),
    "cat": ("meows", "in a house", "fish", "kitten", 4),
    "cow": ("moos", "on a farm", "grass", "calf", 4),
    "horse": ("neighs", "in a stable", "hay", "foal", 4),
    "sheep": ("bleats", "on a farm", "grass", "lamb", 4),
    "pig": ("oinks", "on a farm", "corn", "piglet", 4),
    "duck": ("quacks", "near a pond", "seeds", "duckling", 2),
    "hen": ("clucks", "on a farm", "grain", "chick", 2),
    "lion": ("roars", "in the savanna", "meat", "cub", 4),
    "wolf": ("howls", "in the forest", "meat", "pup", 4),
    "frog": ("croaks", "in a pond", "flies", "tadpole", 4),
    "owl": ("hoots", "in the forest", "mice", "owlet", 2),
    "bee": ("buzzes", "in a hive", "nectar", "larva", 6),
    "mouse": ("squeaks", "in a hole", "cheese", "pup", 4),
    "bear": ("growls", "in the forest", "berries", "cub", 4),
    "goat": ("bleats", "in the mountains", "leaves", "kid", 4),
    "elephant": ("trumpets", "in the savanna", "leaves", "calf", 4),
    "monkey": ("chatters", "in the jungle", "bananas", "infant", 4),
    "rabbit": ("squeaks", "in a burrow", "carrots", "kit", 4),
    "fox": ("barks", "in the forest", "mice", "cub", 4),
    "deer": ("grunts", "in the forest", "leaves", "fawn", 4),
    "snake": ("hisses", "in the grass", "mice", "snakelet", 0),
    "spider": ("makes no sound", "in a web", "flies", "spiderling", 8),
    "ant": ("makes no sound", "in an anthill", "crumbs", "larva", 6),
    "squirrel": ("chirps", "in a tree", "nuts", "kit", 4),
    "penguin": ("honks", "on the ice", "fish", "chick", 2),
    "camel": ("grunts", "in the desert", "grass", "calf", 4),
    "parrot": ("talks", "in the jungle", "seeds", "chick", 2),
    "turtle": ("makes no sound", "near the sea", "plants", "hatchling", 4),
    "whale": ("sings", "in the sea", "krill", "calf", 0),
}
JOBS = table(
    """baker=bakes bread and cakes; teacher=teaches children at school; doctor=helps sick people;
    nurse=cares for sick people; farmer=grows food and keeps animals; pilot=flies planes;
    cook=prepares meals; tailor=makes and mends clothes; painter=paints walls and pictures;
    plumber=repairs pipes; firefighter=puts out fires; dentist=takes care of teeth;
    writer=writes books; singer=sings songs; driver=drives cars or buses; gardener=looks after
    plants;
    builder=builds houses; butcher=sells meat; barber=cuts hair; mechanic=repairs cars;
    judge=decides cases in court; librarian=looks after books; fisherman=catches fish;
    carpenter=makes things out of wood; waiter=brings food to the table; vet=helps sick animals;
    actor=plays roles in films; dancer=dances on a stage; sailor=works on a ship;
    scientist=studies how the world works; photographer=takes photos; clerk=works in an office"""
)
USES = table(
    """hammer=drive nails; saw=cut wood; pen=write; knife=cut food; spoon=eat soup; key=open a
    lock;
    umbrella=stay dry in the rain; clock=tell the time; lamp=light a room; broom=sweep the floor;
    needle=sew clothes; ruler=measure length; towel=dry your hands; pillow=rest your head;
    oven=bake food; fridge=keep food cold; phone=call people; camera=take pictures; bed=sleep;
    ladder=climb up high; rope=tie things; soap=wash your hands; brush=clean things;
    backpack=carry things; map=find the way; glasses=see better; boat=travel
    on water;
    bucket=carry water; kettle=boil water; shovel=dig holes; mirror=see yourself"""
)
MATERIALS = table(
    """table=wood; chair=wood; window=glass; bottle=glass or plastic; ring=gold or silver;
    book=paper;
    shirt=cotton; sweater=wool; tire=rubber; nail=iron; brick=clay; shoe=leather; candle=wax;
    coin=metal; bag=cloth or plastic; house=brick or wood; door=wood; pan=metal; sock=cotton;
    newspaper=paper; cup=clay or glass; belt=leather; key=metal; pencil=wood; jar=glass"""
)
KINDS = table(
    """apple=fruit; banana=fruit; pear=fruit; grape=fruit; carrot=vegetable; onion=vegetable;
    cabbage=vegetable; spinach=vegetable; hammer=tool; saw=tool; shovel=tool; piano=musical
    instrument;
    guitar=musical instrument; violin=musical instrument; drum=musical instrument; car=vehicle;
    truck=vehicle; bicycle=vehicle; bus=vehicle; rose=flower; tulip=flower; daisy=flower; oak=tree;
    pine=tree; salmon=fish; shark=fish; eagle=bird; sparrow=bird; ant=insect; bee=insect;
    chair=piece of furniture; table=piece of furniture; sofa=piece of furniture; shirt=piece of
    clothing;
    coat=piece of clothing; football=sport; tennis=sport; gold=metal; iron=metal; tea=drink;
    milk=drink"""
)
DEFINITIONS = table(
    """a volcano=a mountain that can throw out hot lava; a river=a long stream of water that
    flows to
    the sea; a desert=a dry place with very little rain; an island=land with water all around it;
    a planet=a large round body that moves around a star; a star=a huge ball of hot gas that gives
    light; the moon=a round body that moves around the earth; a forest=a large area full of trees;
    a library=a place where you can read and borrow books; a museum=a place where old or special
    things
    are shown; a hospital=a place where sick people are treated; a bakery=a shop that sells bread;
    a pharmacy=a shop that sells medicine; a bridge=a structure that leads a road over water;
    a dictionary=a book that explains words; a recipe=a list of steps for cooking a dish;
    a rainbow=an arc of colors that appears when sun meets rain; a storm=bad weather with strong
    wind
    and rain; an earthquake=a shaking of the ground; a lake=a large area of water with land
    around it;
    a mountain=a very high piece of land; a village=a place smaller than a town where people live;
    a computer=a machine that works with data; a battery=an object that stores electric energy;
    a compass=a tool that shows where north is; a thermometer=a tool that measures temperature;
    a holiday=a day on which people do not work; a breakfast=the first meal of the day;
    a neighbor=a person who lives next to you; a language model=a program that predicts the next
    word;
    an ocean=a very large sea; ice=water that is frozen; steam=water that has become a gas;
    a shadow=a dark shape made when something blocks the light; gravity=the force that pulls things
    to the ground; oxygen=a gas in the air that we need to breathe; a seed=the small part of a
    plant
    from which a new plant grows"""
)
UNITS = table(
    """seconds are in a minute=A minute has 60 seconds; minutes are in an hour=An hour has 60
    minutes;
    hours are in a day=A day has 24 hours; days are in a week=A week has 7 days;
    months are in a year=A year has 12 months; days are in a year=A year has 365 days;
    weeks are in a year=A year has 52 weeks; years are in a century=A century has 100 years;
    centimeters are in a meter=A meter has 100 centimeters; grams are in a kilogram=A kilogram
    has 1000 grams;
    meters are in a kilometer=A kilometer has 1000 meters; cents are in a dollar=A dollar has
    100 cents;
    sides does a triangle have=A triangle has 3 sides; sides does a square have=A square has 4
    sides;
    items are in a dozen=A dozen has 12 items; letters are in the alphabet=The alphabet has 26
    letters;
    fingers are on one hand=One hand has 5 fingers; seasons are in a year=A year has 4 seasons;
    wheels does a car have=A car has 4 wheels; wheels does a bicycle have=A bicycle has 2 wheels"""
)
WORDS = {
    "French": table(
        """hello=bonjour; thank you=merci; yes=oui; no=non; water=eau; bread=pain; house=maison;
        cat=chat; dog=chien; good night=bonne nuit; friend=ami; red=rouge; milk=lait; book=livre"""
    ),
    "Spanish": table(
        """hello=hola; thank you=gracias; yes=si; no=no; water=agua; bread=pan; house=casa;
        cat=gato; dog=perro; good night=buenas noches; friend=amigo; red=rojo; milk=leche;
        book=libro"""
    ),
    "German": table(
        """hello=hallo; thank you=danke; yes=ja; no=nein; water=Wasser; bread=Brot; house=Haus;
        cat=Katze; dog=Hund; good night=gute Nacht; friend=Freund; red=rot; milk=Milch; book=Buch"""
    ),
}
FEELINGS = table(
    """tired=Take a short break and drink some water; hungry=Eat a sandwich or a warm soup;
    thirsty=Drink a glass of cool water; cold=Put on a sweater and drink some hot tea;
    hot=Open a window and drink something cold; bored=Read a book or go for a walk;
    sad=I am sorry to hear that. Talk to a good friend about it; nervous=Breathe slowly and
    count to ten;
    angry=Take a deep breath and wait a moment; sick=Stay in bed, drink tea and see a doctor if
    it gets worse;
    lonely=Call a friend or meet someone for a coffee; stressed=Make a short list and do one
    thing at a time;
    happy=That is wonderful! Enjoy your day; sleepy=Go to bed early tonight; lost=Look at a map
    or ask someone for the way;
    confused=Read it again slowly and ask a question; afraid=Stay calm and tell someone you trust;
    late=Call them and say when you will arrive; busy=Do the most important thing first;
    excited=That sounds great! Have a lot of fun; worried=Talk about it with someone you trust;
    in love=How lovely! Tell them how you feel; unhappy with my work=Talk to your boss and look
    for small changes;
    out of milk=Go to the shop or ask a neighbor"""
)
WEATHER = table(
    """raining=Wear a raincoat and take an umbrella; snowing=Wear a warm coat, gloves and boots;
    sunny=Wear a hat and use sun cream; windy=Wear a jacket and hold on to your hat;
    very cold=Wear a thick coat and a scarf; very hot=Wear light clothes and drink a lot of water;
    foggy=Wear bright clothes and walk carefully; stormy=Stay inside if you can"""
)
MEALS = table(
    """breakfast=some oatmeal with fruit; lunch=a salad with bread; dinner=pasta with vegetables;
    dessert=a bowl of fresh berries; a picnic=sandwiches and apples; a party=pizza and lemonade;
    a snack=some nuts or an apple; a cold day=a hot soup; a hot day=a cold salad;
    a birthday=a chocolate cake"""
)
JOKES = table(
    """cats=Why did the cat sit on the computer? To keep an eye on the mouse.;
    school=Why did the boy eat his homework? Because the teacher said it was a piece of cake.;
    math=Why was the math book sad? It had too many problems.;
    clocks=Why did the girl throw the clock away? She wanted to see time fly.;
    food=What do you call cheese that is not yours? Nacho cheese.;
    animals=What do you call a sleeping bull? A bulldozer.;
    the sea=Why is the sea so friendly? It always waves.;
    trees=How do trees get on the internet? They log in.;
    numbers=Why was six afraid of seven? Because seven eight nine.;
    bees=Why do bees have sticky hair? They use honeycombs.;
    ghosts=Where do ghosts go on holiday? To the boo-hamas.;
    bread=Why did the bread go to the doctor? It felt crumby."""
)
SIZES = (
    "an ant,a bee,a mouse,a bird,a rabbit,a cat,a dog,a sheep,a pig,a lion,a horse,a car,"
    "an elephant,a bus,a whale,a house,a castle,a mountain,the moon,the earth,the sun"
).split(",")
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
    "January February March April May June July August September October November December"
).split()
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
SEASON_OF = dict(zip(MONTHS, "winter winter spring spring spring summer summer summer".split()))
SEASON_OF |= dict(zip(MONTHS[8:], "autumn autumn autumn winter".split()))
UNKNOWN = (
    "the news of today;the price of a stock;the result of the game last night;my bank balance;"
    "the weather of tomorrow;my password;the meaning of life;the winner of the election;"
    "the traffic on my street;your phone number;the lottery numbers;the next train to the city;"
    "the theory of everything;the history of ancient Rome;the best hotel in town;the law of taxes"
).split(";")
TASKS = (
    "call my mother;buy some milk;water the plants;feed the cat;pay the rent;clean the kitchen;"
    "send a letter;wash the car;bake a cake;visit my aunt;book a doctor;read my book;take a walk;"
    "charge my phone;walk the dog;wash my clothes;fix my bike;learn new words;drink some water"
).split(";")
