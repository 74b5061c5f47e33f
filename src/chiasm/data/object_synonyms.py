"""The words people use for the 80 object categories of COCO: data of `chiasm.data.object_names`, nothing else.

The lists are ours and kept short on purpose: a word that often means something else ("glass", "seat", "plant") is not
in them, so that what is found can be held against boxes. "desk" is out because it has no box: of 332 captions of
COCO val2017 with a desk and no other table, 16 have a dining table boxed. The categories are those of Lin et al. 2014,
"Microsoft COCO: Common Objects in Context", in the order of their ids.
"""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Category: other English words for it, singular. Plurals are formed from the last word.
ENGLISH = {
    "person": "man, woman, child, kid, boy, girl, guy, lady, gentleman, human, adult, teen, teenager, toddler, "
    "infant, baby, newborn, male, female, someone, somebody, individuals, mother, father, mom, dad, parent, son, "
    "daughter, brother, sister, wife, husband, grandmother, grandfather, grandma, grandpa, bride, groom, friend, "
    "boyfriend, girlfriend, crowd, audience, spectator, onlooker, bystander, pedestrian, passerby, passenger, "
    "driver, rider, cyclist, bicyclist, biker, motorcyclist, skateboarder, skater, skier, snowboarder, surfer, "
    "swimmer, runner, jogger, hiker, golfer, athlete, player, batter, pitcher, catcher, umpire, referee, goalie, "
    "jockey, cowboy, cowgirl, chef, baker, waiter, waitress, bartender, vendor, worker, farmer, fisherman, "
    "soldier, sailor, pilot, officer, police officer, policeman, policewoman, cop, fireman, firefighter, "
    "lifeguard, security guard, doctor, nurse, dentist, student, teacher, tourist, traveler, traveller, visitor, "
    "customer, shopper, businessman, businesswoman, photographer, cameraman, musician, singer, dancer, performer, "
    "artist, actor, actress, clown, monk, nun, priest, owner, princess, folk",
    "bicycle": "bike, cycle, mountain bike",
    "car": "automobile, sedan, suv, taxi, cab, taxi cab, taxicab, van, minivan, jeep, limousine, limo, hatchback, "
    "convertible, station wagon, race car, racecar, sports car, police car",
    "motorcycle": "motorbike, motor bike, motor cycle, dirt bike, moped, scooter, motor scooter, vespa",
    "airplane": "plane, aeroplane, air plane, aircraft, airliner, jetliner, jet, biplane, seaplane, jet plane",
    "bus": "minibus, school bus, double decker, double decker bus, trolley bus, shuttle bus",
    "train": "locomotive, steam engine, tram, trolley, trolley car, streetcar, street car, monorail, caboose, "
    "railcar, rail car, train car, train engine, subway car, subway train, boxcar, box car",
    "truck": "lorry, pickup, pick up truck, pickup truck, fire truck, firetruck, fire engine, semi truck, "
    "tractor trailer, dump truck, tow truck",
    "boat": "ship, sailboat, sail boat, rowboat, row boat, speedboat, speed boat, motorboat, motor boat, tugboat, "
    "tug boat, houseboat, canoe, kayak, ferry, ferryboat, ferry boat, yacht, dinghy, barge, catamaran, "
    "cruise ship, raft",
    "traffic light": "stop light, stoplight, traffic signal, traffic lamp",
    "fire hydrant": "hydrant, fire plug, fireplug",
    "stop sign": "stopsign",
    "parking meter": "",
    "bench": "park bench, pew",
    "bird": "duck, duckling, goose, gosling, swan, seagull, sea gull, gull, pigeon, dove, owl, parrot, parakeet, "
    "cockatoo, eagle, hawk, falcon, vulture, ostrich, emu, penguin, flamingo, peacock, pelican, heron, egret, "
    "stork, crow, raven, sparrow, finch, hummingbird, bluebird, blackbird, seabird, songbird, woodpecker, toucan, "
    "puffin, cormorant, rooster, hen",
    "cat": "kitten, kitty, kitty cat, feline, tabby, tabby cat, house cat",
    "dog": "puppy, pup, puppy dog, doggy, doggie, canine, hound, mutt, retriever, labrador, poodle, terrier, "
    "dachshund, wiener dog, bulldog, bull dog, pit bull, pitbull, husky, chihuahua, collie, beagle, corgi, "
    "spaniel, pug, dalmatian, rottweiler, doberman, greyhound, sheepdog, sheep dog, german shepherd, schnauzer, "
    "guide dog",
    "horse": "pony, foal, colt, mare, stallion, racehorse, race horse, clydesdale, horseback",
    "sheep": "lamb, ewe, ram",
    "cow": "cattle, bull, calf, ox, heifer, bovine",
    "elephant": "elephant calf",
    "bear": "polar bear, grizzly, grizzly bear, panda, panda bear, bear cub",
    "zebra": "",
    "giraffe": "giraffe calf",
    "backpack": "back pack, rucksack, knapsack, book bag, bookbag",
    "umbrella": "parasol",
    "handbag": "hand bag, purse, tote, tote bag, shoulder bag, pocketbook",
    "tie": "necktie, neck tie, bow tie, bowtie",
    "suitcase": "suit case, luggage, baggage, briefcase",
    "frisbee": "flying disc, flying disk",
    "skis": "ski, snow skis, pair of skis",
    "snowboard": "snow board",
    "sports ball": "ball, soccer ball, tennis ball",
    "kite": "",
    "baseball bat": "bat, cricket bat",
    "baseball glove": "baseball mitt, mitt, catcher mitt, catchers mitt, catcher glove",
    "skateboard": "skate board",
    "surfboard": "surf board, surfing board, boogie board, bodyboard, body board, paddleboard, paddle board",
    "tennis racket": "tennis racquet, racket, racquet",
    "bottle": "water bottle, wine bottle, beer bottle",
    "wine glass": "wineglass, glass of wine, glasses of wine, champagne glass, champagne flute, wine goblet, goblet, "
    "glass of champagne, glasses of champagne",
    "cup": "mug, teacup, tea cup, coffee cup, coffee mug, paper cup, drinking glass, beer glass, glass of water, "
    "glasses of water, glass of milk, glasses of milk, glass of juice, glass of beer, glasses of beer, "
    "glass of orange juice, tumbler",
    "fork": "",
    "knife": "pocket knife, butter knife",
    "spoon": "teaspoon, tablespoon, soup spoon",
    "bowl": "",
    "banana": "plantain",
    "apple": "",
    "sandwich": "burger, hamburger, cheeseburger, panini, hoagie",
    "orange": "tangerine, clementine, mandarin",
    "broccoli": "",
    "carrot": "",
    "hot dog": "hotdog, chili dog, frankfurter",
    "pizza": "",
    "donut": "doughnut",
    "cake": "cupcake, cup cake, cheesecake, birthday cake, wedding cake, carrot cake",
    "chair": "armchair, arm chair, recliner, stool, bar stool, barstool, high chair, highchair, rocking chair, "
    "lawn chair, office chair",
    "couch": "sofa, loveseat, love seat, futon, settee, sofa bed",
    "potted plant": "houseplant, house plant, pot plant, potted flower, potted tree, flower pot, flowerpot, planter",
    "bed": "bunk bed, bunkbed",
    "dining table": "table, dining room table, kitchen table, dinner table, picnic table, coffee table, tabletop",
    "toilet": "toilet bowl, toilet seat, commode, urinal",
    "tv": "television, tv set, television set, flat screen, flatscreen, monitor, computer monitor, tv screen",
    "laptop": "laptop computer, notebook computer, macbook, netbook, chromebook",
    "mouse": "computer mouse",
    "remote": "remote control, remote controller, tv remote, tv remote control, television remote, game controller, "
    "wii remote, wii controller, wiimote",
    "keyboard": "computer keyboard",
    "cell phone": "cellphone, cellular phone, mobile phone, smartphone, smart phone, iphone, phone, flip phone",
    "microwave": "microwave oven",
    "oven": "stove, stove top, stovetop, stove top oven, toaster oven",
    "toaster": "",
    "sink": "washbasin, wash basin",
    "refrigerator": "fridge, mini fridge, freezer",
    "book": "textbook, cookbook",
    "clock": "alarm clock, clocktower",
    "vase": "",
    "scissors": "scissor",
    "teddy bear": "teddy, teddybear, stuffed bear, stuffed teddy bear, toy bear, plush bear",
    "hair drier": "hair dryer, hairdryer, hairdrier, blow dryer, blow drier, blowdryer",
    "toothbrush": "tooth brush",
}

# Words that look like an object and are none, with all they swallow.
NOTHING = (
    "corn dog, prairie dog, downward dog, dog bed, pet bed, cat bed, flower bed, garden bed, river bed, truck bed, "
    "street light, big cat, sea horse, rocking horse, saw horse, rubber duck, gummy bear, koala bear, fruit bat, "
    "at bat, to bat, up to bat, oven mitt, hand truck, cable car, side car, jet ski, jet black, aircraft carrier, "
    "exercise bike, stationary bike, kick scooter, mobility scooter, record player, cd player, dvd player, "
    "mp3 player, music player, dodge ram, rack of lamb, lamb chop, railroad tie, train tie, rail tie, meat ball, "
    "snow ball, crystal ball, disco ball, cotton ball, ball gown, ball of yarn, gravy boat, world cup, super bowl, "
    "fish bowl, crab cake, rice cake, pool table, ping pong table, changing table, table tennis, baby monitor, "
    "phone booth, pay phone, telephone, life cycle, wheel chair, check book, mickey mouse, orange juice, "
    "toilet paper, banana bread, life raft, its baby, its babies, its mother, bears a, bears an, bears the, "
    "bears resemblance, bear in mind, remote control car, remote control plane, remote control airplane, "
    "remote control boat"
)

# A word finds nothing where one of these follows, and the follower is read on its own: "apple laptop", "bus driver".
NOT_BEFORE = {
    "apple": "computer computers cider device iphone juice laptop laptops logo macbook pie sauce store tree trees "
    "watch",
    "baby": "blue carriage carrot carrots corn crib food shower stroller strollers",
    "ball": "cap caps field fields game games hat hats park player players",
    "bat": "boy signal",
    "bed": "of sheet sheets spread",
    "bike": "lane lanes path paths rack racks trail trails",
    "bird": "bath baths cage cages feeder feeders house houses nest nests",
    "boat": "dock docks house houses ramp",
    "book": "case cases shelf shelves store stores mark",
    "bottle": "cap caps opener openers",
    "bull": "fight riding",
    "bus": "depot driver drivers lane route shelter station stations stop stops terminal",
    "car": "park parks seat seats wash",
    "cab": "of",
    "chair": "lift lifts",
    "crowd": "of",
    "cup": "holder holders",
    "dog": "house houses leash park",
    "fork": "in lift lifts",
    "jet": "stream streams",
    "man": "made hole",
    "mouse": "pad pads",
    "oven": "mitt mitts",
    "passenger": "aircraft airplane airplanes bus buses car cars door ferry jet jets plane planes seat seats side "
    "train trains van window",
    "phone": "booth booths pole poles",
    "pitcher": "of",
    "pizza": "box boxes cutter cutters hut oven ovens parlor restaurant shop",
    "remote": "area areas beach controlled island location locations place region road village",
    "ski": "area areas boots boot gear goggles hill jacket jackets jump jumps lift lifts lodge mask masks mountain "
    "outfit pants pole poles resort resorts run runs slope slopes suit suits trail trails",
    "table": "cloth cloths tennis",
    "taxi": "stand",
    "tie": "dye dyed",
    "toilet": "brush paper",
    "train": "depot line lines platform platforms station stations terminal track tracks tunnel yard yards",
    "tv": "program remote show shows stand stands station tray",
    "television": "program remote show shows stand stands",
    "van": "gogh",
    "zebra": "crossing crossings pattern print stripe stripes",
}

IRREGULAR = {
    "person": "people",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
    "ox": "oxen",
    "calf": "calves",
    "knife": "knives",
    "passerby": "passersby",
}
OWN_PLURAL = _set("sheep cattle skis scissors luggage baggage someone somebody individuals horseback a an")

# "a baby elephant", "a mother and baby zebra": of an animal these are no people.
KIN = _set("baby babies adult adults mother father mama male female newborn infant young")
ANIMALS = _set("bird cat dog horse sheep cow elephant bear zebra giraffe")

# A colour or a game unless it stands as a thing: "an orange.", "the football on the grass", "apples and oranges".
GAMES = _set("baseball football basketball volleyball softball")
ONE = _set("a an the one another his her its their this that single half whole peeled sliced ripe fresh")
FRUIT = _set("apple apples banana bananas lemon lemons pear pears grape grapes peach peaches")
PARTS = _set("slice slices segment segments wedge wedges fruit fruits half halves peel peels tree trees")
COLOURS = _set("black white red green blue yellow brown pink purple gray grey silver gold tan teal orange dark light")
GOING_ON = _set(
    "and or but on in with at is are was were to from of off for by near next under over behind beside between into "
    "onto while that which who sits lies inside through toward towards down up as being sitting lying"
)

# Category: Chinese words for it, the usual one first. Chinese is not cut into words: CHINESE_NOTHING swallows what only
# contains one.
CHINESE = {
    "person": "人 男人 女人 男子 女子 男士 女士 男孩 女孩 男生 女生 小孩 孩子 儿童 婴儿 宝宝 小伙子 老人 老头 妇女 "
    "姑娘 大妈 人们 人群 行人 路人 游客 乘客 顾客 观众 司机 骑手 球员 运动员 选手 工人 士兵 军人 警察 医生 护士 "
    "老师 学生 厨师 服务员 农民 渔夫 消防员 新娘 新郎 父亲 母亲 爸爸 妈妈 儿子 女儿 兄弟 姐妹 夫妇 夫妻 情侣 朋友 "
    "孩童 幼儿 少年 少女 青年",
    "bicycle": "自行车 单车 脚踏车",
    "car": "汽车 轿车 小汽车 小轿车 出租车 的士 吉普车 面包车 越野车 跑车 警车 赛车",
    "motorcycle": "摩托车 摩托 电动车 踏板车",
    "airplane": "飞机 客机 战斗机 喷气机",
    "bus": "公交车 公共汽车 巴士 大巴 大巴车 校车 公车",
    "train": "火车 列车 动车 高铁 地铁 电车 有轨电车 火车头",
    "truck": "卡车 货车 大卡车 皮卡 皮卡车 消防车 拖车",
    "boat": "船 小船 帆船 轮船 渔船 游船 快艇 皮划艇 独木舟 游艇 小艇 渡轮 舟",
    "traffic light": "交通灯 红绿灯 交通信号灯 信号灯",
    "fire hydrant": "消防栓 消火栓",
    "stop sign": "停车标志 停止标志 停车牌 停止牌",
    "parking meter": "停车计时器 停车收费器 停车咪表",
    "bench": "长椅 长凳 板凳",
    "bird": "鸟 小鸟 鸽子 海鸥 鸭子 鹅 天鹅 老鹰 猫头鹰 鹦鹉 麻雀 乌鸦 企鹅 火烈鸟 孔雀 鸵鸟 公鸡 母鸡",
    "cat": "猫 小猫 猫咪 猫儿",
    "dog": "狗 小狗 狗狗 小狗狗 犬 猎犬 牧羊犬 哈士奇",
    "horse": "马 马匹 小马 骏马 白马 黑马",
    "sheep": "绵羊 羊 羊群 羊羔 小羊",
    "cow": "牛 奶牛 牛群 公牛 母牛 黄牛 水牛 小牛",
    "elephant": "大象 小象 象群",
    "bear": "熊 北极熊 棕熊 黑熊 灰熊 熊猫 大熊猫 狗熊 小熊",
    "zebra": "斑马",
    "giraffe": "长颈鹿",
    "backpack": "背包 书包 双肩包",
    "umbrella": "雨伞 伞 遮阳伞 阳伞",
    "handbag": "手提包 手提袋 提包 手包 挎包 钱包",
    "tie": "领带 领结",
    "suitcase": "行李箱 手提箱 旅行箱 皮箱 行李",
    "frisbee": "飞盘",
    "skis": "滑雪板 雪橇板",
    "snowboard": "单板滑雪板 单板",
    "sports ball": "运动球 足球 篮球 排球 皮球 网球 棒球 橄榄球 垒球",
    "kite": "风筝",
    "baseball bat": "棒球棒 棒球棍 球棒 球棍",
    "baseball glove": "棒球手套 接球手套",
    "skateboard": "滑板",
    "surfboard": "冲浪板",
    "tennis racket": "网球拍 球拍",
    "bottle": "瓶子 酒瓶 水瓶 瓶",
    "wine glass": "酒杯 红酒杯 高脚杯 葡萄酒杯",
    "cup": "杯子 水杯 茶杯 咖啡杯 马克杯 玻璃杯 纸杯 杯",
    "fork": "叉子 叉 餐叉",
    "knife": "刀 刀子 餐刀 小刀",
    "spoon": "勺子 勺 汤匙 调羹",
    "bowl": "碗",
    "banana": "香蕉",
    "apple": "苹果",
    "sandwich": "三明治 汉堡 汉堡包",
    "orange": "橙子 橘子 柑橘 桔子",
    "broccoli": "西兰花 西蓝花 花椰菜",
    "carrot": "胡萝卜",
    "hot dog": "热狗",
    "pizza": "披萨 比萨 披萨饼 比萨饼",
    "donut": "甜甜圈 甜圈",
    "cake": "蛋糕",
    "chair": "椅子 凳子 扶手椅 座椅 躺椅 转椅 摇椅 椅",
    "couch": "沙发",
    "potted plant": "盆栽 盆栽植物 盆景",
    "bed": "床",
    "dining table": "餐桌 桌子 饭桌 书桌 茶几 桌",
    "toilet": "马桶 坐便器 抽水马桶",
    "tv": "电视 电视机 显示器 显示屏",
    "laptop": "笔记本电脑 手提电脑 笔记本",
    "mouse": "鼠标",
    "remote": "遥控器",
    "keyboard": "键盘",
    "cell phone": "手机 移动电话",
    "microwave": "微波炉",
    "oven": "烤箱 炉灶 炉子",
    "toaster": "烤面包机 吐司机",
    "sink": "水槽 洗手池 洗手盆 洗脸盆 水池",
    "refrigerator": "冰箱 电冰箱",
    "book": "书 书本 书籍 图书",
    "clock": "钟 时钟 钟表 挂钟 闹钟 大钟",
    "vase": "花瓶",
    "scissors": "剪刀",
    "teddy bear": "泰迪熊 玩具熊 毛绒熊",
    "hair drier": "吹风机 电吹风",
    "toothbrush": "牙刷",
}

CHINESE_NOTHING = (
    "机器人 雪人 人行道 人行横道 人工 人造 人类 人物 人像 稻草人 主人公 动车组 电视塔 电视台 马路 马上 马拉松 罗马 "
    "河马 海马 马戏 马车 木马 旋转木马 马甲 马裤 马尾 马赛克 斑马线 牛仔 牛仔裤 牛仔帽 牛奶 牛排 牛肉 蜗牛 犀牛 "
    "海牛 牛油果 羊毛 羊肉 羚羊 山羊 熊掌 狗窝 狗粮 狗绳 猫窝 猫粮 鸟巢 鸟窝 鸟笼 企鹅服 鹅卵石 书架 书柜 书房 "
    "书法 书店 图书馆 秘书 证书 床单 床头柜 河床 车床 机床 床垫 世界杯 杯垫 奖杯 刀削面 冰刀 分钟 秒钟 钟头 点钟 "
    "船员 船坞 船桨 飞船 飞机场 机场 火车站 地铁站 公交车站 公交站 巴士站 车站 汽车站 卡车司机 足球场 足球赛 "
    "足球比赛 足球队 篮球场 篮球赛 篮球比赛 篮球队 篮球架 篮筐 篮球框 排球场 排球网 排球赛 排球比赛 网球场 网球网 "
    "网球赛 网球比赛 棒球场 棒球帽 棒球赛 棒球比赛 棒球队 橄榄球场 橄榄球赛 橄榄球比赛 橄榄球队 桌布 桌球 瓶盖 "
    "打篮球 打棒球 打网球 打排球 打橄榄球 踢足球 玩足球 蹦床 蹦蹦床 跳跳床 吊床 羊皮 小熊维尼 "
    "苹果电脑 苹果手机 伞兵 降落伞 滑板车 叉车 十字路口 手机壳 盆栽架 自行车道 行李架 沙发垫 单板滑雪"
)
