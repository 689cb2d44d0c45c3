"""Sentences made from patterns: letters, numbers, times, dates, names, orders, short answers."""
from .spoken import MONTHS, say_digits, say_int, say_ordinal, say_time, say_year

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
DRINKS = ("espresso;double espresso;cappuccino;latte;flat white;americano;mocha;macchiato;cold brew;iced coffee;"
          "hot chocolate;green tea;black tea;chai latte;filter coffee;decaf coffee;iced latte").split(";")
MILKS = "oat milk;soy milk;almond milk;whole milk;skimmed milk;coconut milk;no milk;regular milk".split(";")
EXTRAS = "sugar;two sugars;vanilla syrup;caramel;whipped cream;cinnamon;an extra shot;ice;no sugar;honey".split(";")
SIZES = "small medium large tall grande regular".split()
SHORT = ("yes;no;okay;stop;cancel;thank you;help;go back;never mind;hello;yes please;no thanks;sure;maybe;"
         "not now;that's right;that's wrong;of course;good morning;good evening;goodbye;repeat that;say that again;"
         "what;why;when;where;who;how;please;continue;next;previous;louder;quieter;pause;play;resume;wait;"
         "I don't know;I'm not sure;exactly;correct;never;always;today;tomorrow;tonight;yesterday;later").split(";")
DEVICES = "heating;volume;lights;fan;brightness;thermostat;speaker;air conditioning".split(";")
ROOMS = "kitchen;bedroom;living room;bathroom;hall;garage;office;garden".split(";")
STREETS = "Street Avenue Road Lane Drive Boulevard Court Place".split()
ITEMS = "milk;bread;eggs;butter;apples;rice;coffee;onions;cheese;tomatoes;soap;batteries;flour;salt;bananas".split(";")


def _time(rng):
    minute = rng.choice([0, 0, 5, 10, 15, 20, 25, 30, 30, 40, 45, 50, 55, rng.randint(0, 59)])
    return say_time(rng.randint(1, 12), minute, rng.choice(["", "am", "pm"]))


def _day(rng):
    return rng.choice([rng.choice(DAYS), f"{rng.choice(MONTHS)} {say_ordinal(rng.randint(1, 31))}",
                       f"the {say_ordinal(rng.randint(1, 31))} of {rng.choice(MONTHS)}", "tomorrow", "next week"])


def _number(rng):
    top = rng.choice([20, 100, 100, 1000, 10000, 1000000])
    return say_int(rng.randint(0, top))


def _order(rng):
    milk = rng.choice(["", "", f" with {rng.choice(MILKS)}", f" with {rng.choice(EXTRAS)}",
                       f" with {rng.choice(MILKS)} and {rng.choice(EXTRAS)}"])
    many = rng.choice(["a", "a", "one", "two", "three", "four"])
    drink = rng.choice(DRINKS) + ("s" if many in ("two", "three", "four") else "")
    ask = rng.choice(["I'd like {}", "Can I get {}", "Could I have {}", "I want to order {}", "I'll have {}", "Give me {}",
                      "May I have {}", "Order {}", "Make it {}", "{}"])
    size = rng.choice(SIZES) + " " if rng.random() < 0.6 else ""
    said = ask.format(f"{many} {size}{drink}{milk}{rng.choice(['', '', ' please', ' to go'])}")
    return said[0].upper() + said[1:] + ("?" if said.startswith(("Can", "Could", "May")) else ".")


def template(rng, words, names):
    """One sentence; words: common words in lower case, names: words of a wider lexicon."""
    name = lambda: rng.choice(names).capitalize()
    items = lambda: rng.sample(ITEMS, 3)
    end = lambda: rng.choice([".", "."])
    kinds = [
        lambda: " ".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 7))) + ".",
        lambda: say_digits(str(rng.randint(10 ** 2, 10 ** rng.randint(3, 11)))) + ".",
        lambda: _number(rng) + ".",
        lambda: f"{_time(rng)}.",
        lambda: f"Set an alarm for {_time(rng)}.",
        lambda: f"Set a timer for {say_int(rng.randint(2, 90))} {rng.choice(['minutes', 'seconds', 'hours'])}.",
        lambda: f"Remind me at {_time(rng)} to call {name()}.",
        lambda: f"Wake me up {rng.choice(['at', 'before'])} {_time(rng)} on {rng.choice(DAYS)}.",
        lambda: f"{rng.choice(MONTHS)} {say_ordinal(rng.randint(1, 31))}, {say_year(rng.randint(1900, 2035))}.",
        lambda: f"The meeting is on {_day(rng)} at {_time(rng)}.",
        lambda: f"It costs {say_int(rng.randint(2, 900))} dollars and {say_int(rng.randint(2, 99))} cents.",
        lambda: f"{say_int(rng.randint(1, 999))} {name()} {rng.choice(STREETS)}.",
        lambda: f"My name is {name()} {name()}.",
        lambda: f"{name()}, {name()} and {name()}.",
        lambda: f"Call {name()}.",
        lambda: " ".join(rng.sample(words, rng.randint(2, 9))) + end(),
        lambda: rng.choice(words).capitalize() + ".",
        lambda: rng.choice(names).capitalize() + ".",
        lambda: rng.choice(SHORT).capitalize() + rng.choice([".", ".", "?", "!"]),
        lambda: f"Turn the {rng.choice(DEVICES)} {rng.choice(['up', 'down'])} to {say_int(rng.randint(1, 100))} percent.",
        lambda: f"{rng.choice(['Turn on', 'Turn off', 'Dim', 'Switch on', 'Switch off'])} the lights in the {rng.choice(ROOMS)}.",
        lambda: _order(rng), lambda: _order(rng),
        lambda: rng.choice(SIZES + DRINKS + MILKS + EXTRAS).capitalize() + rng.choice([".", " please."]),
        lambda: "Add {}, {} and {} to my shopping list.".format(*items()),
        lambda: f"What is {_number(rng)} {rng.choice(['plus', 'minus', 'times', 'divided by'])} {_number(rng)}?",
        lambda: f"How do you {rng.choice(['spell', 'say', 'pronounce'])} {rng.choice(words)}?",
        lambda: f"What does {rng.choice(words)} mean?",
        lambda: f"Book a table for {say_int(rng.randint(2, 12))} at {_time(rng)} {rng.choice(['on', 'for'])} {_day(rng)}.",
        lambda: f"The answer is {_number(rng)} {rng.choice(['percent', 'degrees', 'miles', 'kilometers', 'people', 'dollars'])}.",
    ]
    return rng.choice(kinds)()
