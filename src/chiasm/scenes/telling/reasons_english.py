"""The cases of `reasons` in English: questions and answers with slots."""

from __future__ import annotations

from collections.abc import Mapping

from chiasm.scenes.telling.reason import Reason

ENGLISH_SIGNS: Mapping[str, str] = {
    "OPEN": "one may go in", "CAFE": "one can drink coffee here", "TAXI": "one can get a taxi here",
    "EXIT": "this is the way out", "SHOP": "one can buy something here", "BANK": "there is a bank for money matters",
    "ZOO": "there are animals to look at nearby", "HOTEL": "one can spend the night here",
    "SLOW": "drivers should not go fast", "STOP": "one has to stop here", "WAIT": "one has to wait here",
    "SALE": "things are sold cheaper than usual", "SCHOOL": "there is a school nearby, so drivers should take care",
    "BAKERY": "one can buy bread here", "CINEMA": "one can watch films here", "COFFEE": "one can drink coffee here",
    "MARKET": "one can buy food here", "METRO": "one can take the underground train here",
    "MUSEUM": "there are old and beautiful things to look at inside", "DOCTOR": "ill people get help here",
    "POLICE": "police officers work here", "POST": "one can send letters here", "TICKET": "one can buy tickets here",
    "PIZZA": "one can eat pizza here", "BUS": "buses stop here", "BEACH": "the beach is near",
}  # fmt: skip

ENGLISH_REASONS: Mapping[str, Reason] = {
    "umbrella in the rain": Reason.of(
        ("why is {umbrella} open?", "what is {umbrella} good for here?"),
        ("it is raining.", "the weather is rainy."),
        ("an open umbrella keeps the rain off, so whoever holds it stays dry.",
         "{umbrella} is open so that the person under it does not get wet."),
    ),
    "umbrella in the snow": Reason.of(
        ("why is {umbrella} open?", "what does {umbrella} protect from?"),
        ("it is snowing.", "snow is falling."),
        ("the open umbrella keeps the snow off the person who holds it.",
         "under the umbrella the snow does not fall on one's head and clothes."),
    ),
    "umbrella in the sun": Reason.of(
        ("why might {umbrella} be open although it does not rain?", "what use is {umbrella} on a sunny day?"),
        ("it is a sunny day, so the umbrella is not there for rain.", "there is no rain, but the sun is strong."),
        ("it gives shade and protects from the sun.", "an open umbrella gives shade, where it is cooler."),
    ),
    "umbrella not needed": Reason.of(
        ("why is {umbrella} closed?", "does anybody need {umbrella} right now?"),
        ("it is neither raining nor snowing, so {umbrella} is not needed now.",),
        ("it can stay closed until the weather changes.", "should it rain later, it can be opened quickly."),
    ),
    "umbrella should be open": Reason.of(
        ("what should one do with {umbrella}?", "is it a good idea to leave {umbrella} closed?"),
        ("it is raining and {umbrella} is closed.",),
        ("whoever wants to stay dry should open it.", "one should open it, or everybody gets wet."),
    ),
    "umbrella inside": Reason.of(
        ("is {umbrella} needed here?", "does {umbrella} protect from anything in this room?"),
        ("no, this is inside, and it does not rain under a roof.", "no, the roof keeps rain and sun away."),
        ("the umbrella will be useful again outside.", "one takes it along when one goes out in the rain."),
    ),
    "red light": Reason.of(
        ("why does {it} have to wait?", "may {it} drive on now?", "what should {it} do at the traffic light?"),
        ("the traffic light shows red.", "the light is red."),
        ("red means stop, so {it} has to wait.", "at a red light everybody on the road has to stop."),
        ("it may go on when the light turns green.",),
    ),
    "yellow light": Reason.of(
        ("what should the driver of {it} do now?", "what does the traffic light tell {it}?"),
        ("the traffic light shows yellow.", "the light is yellow."),
        ("yellow means that the light is about to change, so {it} should slow down and get ready to stop.",),
    ),
    "green light": Reason.of(
        ("may {it} go on?", "does {it} have to stop at the traffic light?"),
        ("the traffic light shows green.", "the light is green."),
        ("green means go, so {it} may go on.", "at a green light {it} need not stop."),
        ("the driver should still look out for people on the street.",),
    ),
    "crossing at red": Reason.of(
        ("is it safe for {it} to cross in front of the traffic now?", "can {it} cross the street now?"),
        ("the light for the traffic is red, so the cars have to stop.",),
        ("crossing is fairly safe now.", "{it} can cross."),
        ("all the same, it is wise to look left and right first.",),
    ),
    "crossing at green": Reason.of(
        ("is it safe for {it} to cross in front of the traffic now?", "can {it} cross the street now?"),
        ("no, the light for the traffic is green.", "no, the traffic has a green light and may go."),
        ("{it} should wait until it turns red and the cars stop.",),
    ),
    "crossing without a light": Reason.of(
        ("what should the person do before crossing the street?", "how can one cross this street safely?"),
        ("there is {a_it} on the street and no traffic light.",),
        ("one should look left and right and wait until {it} has passed or stopped.",),
        ("only then is it safe to cross.",),
    ),
    "stop sign": Reason.of(
        ("what does {it} have to do here, and why?", "may {it} drive on without stopping?"),
        ("there is a stop sign.", "the sign beside the street says STOP."),
        ("{it} has to come to a full stop in front of it and look whether the way is free.",),
        ("after that it may go on.",),
    ),
    "cold": Reason.of(
        ("is it warm or cold here, and how can one tell?", "what should one wear here?"),
        ("it is cold.",),
        ("it is snowing, and snow only falls when it is close to freezing.",),
        ("a warm coat, a hat and gloves are a good idea.",),
    ),
    "warm": Reason.of(
        ("is it a good day to be outside?", "what is the weather like, and what follows from it?"),
        ("the sun is shining and it is dry.", "it is a sunny day without rain or snow."),
        ("it is a good day for a walk or for games outside.",),
        ("whoever stays in the sun for long should protect the skin.",),
    ),
    "wet": Reason.of(
        ("what will happen to somebody who stays outside here?", "what should one take along here?"),
        ("it is raining.",),
        ("without an umbrella or a raincoat one gets wet.",),
        ("an umbrella and good shoes help.", "the ground is wet too, so one should watch one's step."),
    ),
    "reading in the dark": Reason.of(
        ("could one read a book here now?", "is there enough light to read?"),
        ("hardly.", "no, not really."),
        ("it is night, and there is no lamp that is on.",),
        ("one would need a light, or wait until morning.",),
    ),
    "reading by the lamp": Reason.of(
        ("could one read a book here now?", "where is the best place to read here?"),
        ("it is night, but {lamp} is lit.",),
        ("close to {lamp} there is enough light to read.",),
    ),
    "reading by day": Reason.of(
        ("could one read a book out here now?", "is there enough light to read?"),
        ("yes.",),
        ("it is day, so there is enough light, and no rain or snow falls on the pages.",),
    ),
    "reading in the rain": Reason.of(
        ("would it be nice to read a book out here?", "could one read a paper book out here?"),
        ("there is enough light, but it is raining.",),
        ("the pages would get wet, so it is better to read inside or under an umbrella.",),
    ),
    "lamp at night": Reason.of(
        ("why is {lamp} lit?", "what is {lamp} for at this hour?"),
        ("it is night and dark.", "it is dark outside."),
        ("{lamp} gives light so that people can see.",),
    ),
    "lamp off by day": Reason.of(
        ("why is {lamp} not lit?", "should somebody switch on {lamp}?"),
        ("it is day, and there is light enough without it.",),
        ("leaving {lamp} off saves electricity.", "it is needed only when it gets dark."),
    ),
    "lamp on by day": Reason.of(
        ("is {lamp} needed now?", "what could one do to save electricity here?"),
        ("{lamp} is lit although it is day.",),
        ("there is light enough, so one could switch it off.", "perhaps somebody forgot to switch it off."),
    ),
    "lamp off at night": Reason.of(
        ("how could it be made brighter here?", "what could one do with {lamp}?"),
        ("it is night and {lamp} is off.",),
        ("if somebody switched it on, one could see better.",),
    ),
    "food": Reason.of(
        ("what could a hungry person eat here?", "what is there to eat in the picture?"),
        ("there is {food}.",),
        ("a hungry person could eat that.", "that would help against hunger."),
    ),
    "drink": Reason.of(
        ("what could one use for drinking here?", "somebody is thirsty: what can help?"),
        ("one could use {it}.", "{it} is made for drinking."),
        ("it can be filled with water, tea or juice.",),
    ),
    "seat": Reason.of(
        ("where could a tired person sit down?", "is there a place to sit?"),
        ("one could sit on {it}.", "{it} is there to sit on."),
        ("after a long walk that gives the legs a rest.",),
    ),
    "wet seat": Reason.of(
        ("would you sit down on {it} now?", "is {it} a good place for a rest right now?"),
        ("better not.", "not really."),
        ("in this weather {it} is wet, and so would be one's clothes.",),
    ),
    "candle lit": Reason.of(
        ("what might people be celebrating here?", "why is there a candle on {it}?"),
        ("there is a lit candle on {it}.",),
        ("that usually means that it is somebody's birthday.",),
        ("next that person makes a wish and blows out the candle.",),
    ),
    "candle out": Reason.of(
        ("what could happen next with {it}?", "has the party begun?"),
        ("the candle on {it} is not lit.",),
        ("either it has been blown out already, or somebody is still going to light it.",),
        ("after that the cake can be cut and eaten.",),
    ),
    "clock": Reason.of(
        ("what will {it} show in an hour?", "one hour from now, what time will it be?"),
        ("{it} shows {hour} now.",),
        ("an hour later it will show {next}.",),
    ),
    "late": Reason.of(
        ("is it time to go to bed?", "what are most people doing at this time?"),
        ("the clock shows {hour} and it is night.",),
        ("at that time most people are in bed or go there soon.",),
    ),
    "tv on": Reason.of(
        ("what could one do here?", "is somebody using {it}?"),
        ('{it} is on and shows "{text}".',),
        ("one could sit down and watch, and somebody probably does.",),
    ),
    "tv off": Reason.of(
        ("is anybody watching television?", "what would one have to do to watch a film here?"),
        ("{it} is off, so nobody is watching.",),
        ("to watch something one has to switch it on first.",),
    ),
    "laptop on": Reason.of(
        ("what might somebody be doing with {it}?", "why might {it} be on?"),
        ("{it} is on, so somebody is probably using it.",),
        ("one can write, read or look at pictures with it.",),
    ),
    "boat": Reason.of(
        ("why is {it} on the water and not on a road?", "how could one travel over the water here?"),
        ("{it} floats and has no wheels.", "{it} is made to float."),
        ("one can get in and cross the water with it.",),
    ),
    "kite held": Reason.of(
        ("what does {it} need to make {other} fly?", "why does {it} need wind for {other}?"),
        ("{it} holds the string of {other}.",),
        ("a kite needs wind to stay in the air.",),
        ("without wind it would sink to the ground.",),
    ),
    "balloon held": Reason.of(
        ("what happens if {it} lets go of {other}?", "why does {it} hold on to the string?"),
        ("{other} is lighter than the air around it.",),
        ("if nobody holds it, it goes up and is lost.",),
    ),
    "balloon aloft": Reason.of(
        ("why is {it} up in the air?", "where will {it} go next?"),
        ("nobody holds {it}, and it is lighter than air.",),
        ("it will go on rising, and the wind will carry it away.",),
    ),
    "bird and dog": Reason.of(
        ("can {other} catch {it}?", "does {it} have to be afraid of {other}?"),
        ("no.", "hardly."),
        ("{it} is flying, and {other} has to stay on the ground.",),
        ("as long as the bird stays in the air, it is safe.",),
    ),
    "cat and bird": Reason.of(
        ("what should {it} watch out for?", "what might {other} want to do?"),
        ("cats like to hunt birds, and {it} is standing on the ground.",),
        ("if {other} comes closer, the bird should fly away.",),
    ),
    "dog and ball": Reason.of(
        ("what might {it} do next?", "how could one play with {it}?"),
        ("there is {a_other}, and dogs love balls.",),
        ("if somebody throws it, {it} will probably run after it and bring it back.",),
    ),
    "person and dog": Reason.of(
        ("what could {other} and {it} be doing together?", "why might {other} be outside?"),
        ("a dog has to go out every day.",),
        ("perhaps {other} is taking {it} for a walk.",),
    ),
    "traveller": Reason.of(
        ("what might {it} be about to do?", "why does {it} carry {other}?"),
        ("people pack clothes into a suitcase when they travel.",),
        ("{it} is probably going on a journey or coming back from one.",),
    ),
    "grazing": Reason.of(
        ("why is the head of {it} near the ground?", "what is {it} doing, and why?"),
        ("{it} is eating grass.",),
        ("grass is its main food, and it eats for many hours of the day.",),
    ),
    "fire hydrant": Reason.of(
        ("what is {it} good for?", "why should no car be parked in front of {it}?"),
        ("firefighters connect their hoses to it and get water.",),
        ("if there is a fire, they must reach it at once.",),
    ),
    "flower in the rain": Reason.of(
        ("is the rain bad for everybody here?", "who may be happy about the rain?"),
        ("no, plants need water to grow.", "the plants may be."),
        ("the rain waters {it}, so nobody has to.",),
    ),
    "plant inside": Reason.of(
        ("what does {it} need to stay alive?", "who has to take care of {it}?"),
        ("it needs light and water.",),
        ("no rain falls inside, so somebody has to water it.",),
    ),
    "snow play": Reason.of(
        ("what could {it} do for fun here?", "what can one only do in this weather?"),
        ("it is snowing.", "there is snow."),
        ("one could build a snowman or throw snowballs.",),
    ),
    "sign": Reason.of(
        ("what does the sign tell people?", 'what does it mean that the sign says "{text}"?'),
        ('the sign says "{text}".',),
        ("that means that {meaning}.",),
    ),
    "animal on the street": Reason.of(
        ("is {it} safe here?", "what is dangerous about this scene?"),
        ("{it} is on a street with traffic.",),
        ("a driver might not see it in time.",),
        ("somebody should take it away from the street.",),
    ),
    "sitting": Reason.of(
        ("why might {it} be sitting?", "does {it} seem to be in a hurry?"),
        ("{it} is sitting, so there is no hurry.",),
        ("perhaps the person is tired and takes a rest.", "perhaps the person is waiting for somebody."),
    ),
    "running in the rain": Reason.of(
        ("why might {it} be running?",),
        ("it is raining.",),
        ("{it} probably wants to get out of the rain quickly.",),
    ),
    "running": Reason.of(
        ("why might {it} be running?", "how will {it} feel after a while?"),
        ("{it} may be running for exercise, or because there is little time.",),
        ("running is hard work, so the person will be warm and tired afterwards.",),
    ),
    "waving": Reason.of(
        ("what does it mean that {it} is waving?", "how could one answer {it}?"),
        ("people wave to say hello or goodbye.",),
        ("{it} has probably seen somebody, who could wave back.",),
    ),
    "bus carries more": Reason.of(
        ("a group of twenty people wants to go to town: what should they take?",
         "which can carry more people, {it} or {other}?"),
        ("{it} is the better choice.",),
        ("a bus has seats for many people, while {other} has room for only a few at most.",),
    ),
    "how one knows it is night": Reason.of(
        ("is it day or night, and how can one tell?",),
        ("it is night.",),
        ("the sky is dark and the sun is not to be seen.",),
    ),
    "ride": Reason.of(
        ("how could {other} get away from here faster than on foot?", "what could {other} use {it} for?"),
        ("{other} could ride {it}.",),
        ("with a bicycle one is about three times as fast as on foot.",),
    ),
    "shelter": Reason.of(
        ("where could one stay dry here?", "what would you do in this weather?"),
        ("it is raining, but there is {a_it}.",),
        ("inside a house one stays dry and warm.",),
    ),
    "teddy bear": Reason.of(
        ("who might live here?", "whose could {it} be?"),
        ("{it} is a toy.",),
        ("it probably belongs to a child, so a family with a child may live here.",),
    ),
    "book held": Reason.of(
        ("what could {it} do with {other}?", "how might {it} pass the time?"),
        ("{it} is holding a book.",),
        ("the person could sit down where it is quiet and read.",),
    ),
    "airplane": Reason.of(
        ("how could one travel to a far country?", "what is {it} good for?"),
        ("one could take {it}.", "airplanes like this one fly from country to country."),
        ("an airplane carries people over long distances in a few hours.",),
    ),
    "park": Reason.of(
        ("what do people come to a place like this for?", "what can one do here in one's free time?"),
        ("this is a park.", "the picture shows a park."),
        ("people come to a park to walk, to play or just to rest under the trees.",
         "a park is a place for walks, for games and for a rest from the noise of the city."),
    ),
    "street": Reason.of(
        ("what should one watch out for in a place like this?", "what is a place like this for?"),
        ("this is a street.", "the picture shows a street."),
        ("cars, buses and bicycles use it, so people on foot should take care when they cross.",
         "people use it to get from one place to another, and everybody has to look out for the others."),
    ),
    "beach": Reason.of(
        ("what do people do in a place like this?", "where are we, and what can one do here?"),
        ("this is a beach.", "the picture shows a beach by the sea."),
        ("people come here to swim, to lie in the sun or to play in the sand.",
         "when it is warm one can swim in the sea and build sandcastles."),
    ),
    "harbour": Reason.of(
        ("what is a place like this for?", "who works in a place like this?"),
        ("this is a harbour.", "the picture shows a harbour."),
        ("boats come here to be loaded and to be safe from wind and waves.",
         "sailors and fishers tie up their boats here and bring their goods to land."),
    ),
    "room": Reason.of(
        ("would one get wet here if it began to rain?", "does the weather matter here?"),
        ("no, this is a room.", "no, the picture shows a room inside a house."),
        ("walls and a roof keep wind and rain away.", "it stays dry and warm here whatever the weather is."),
    ),
    "kitchen": Reason.of(
        ("what do people do in a place like this?", "what is this room used for?"),
        ("this is a kitchen.", "the picture shows a kitchen."),
        ("people cook here, and often they eat here too.", "here meals are made and dishes are washed."),
    ),
    "night inside": Reason.of(
        ("is it bright outside now?", "what does one see through the window?"),
        ("it is night, so it is dark outside.",),
        ("whoever wants to see well in here needs a light.", "most people will go to bed soon."),
    ),
    "cloudy": Reason.of(
        ("should one take an umbrella along?", "could the weather change soon?"),
        ("it is dry now, but the sky is cloudy.", "clouds cover the sky, though it does not rain yet."),
        ("rain may come later, so an umbrella is not a bad idea.",),
    ),
}  # fmt: skip
