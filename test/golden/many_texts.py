"""2,400 texts that try a tokenizer, made from fragments of our own by a generator that test/unit/text/many-texts.ts has too."""
from texts import FRAGMENTS, HAND_MADE

COUNT = 2400
MORE = [
    "<bos>", "<eos>", "<pad>", "<unk>", "<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>", "<|endoftext|>",
    "<start_of_image>", "<unused42>", "<table>", "</td>", "<h1>", "<0x0A>", "<0xE2>", "[multimodal]", "<mask>",
    " " * 2, " " * 3, " " * 8, " " * 13, " " * 33, " " * 65, "\n" * 3, "\n" * 7, "\n" * 32, "\t" * 2, "\t" * 9, "\r\n", "\u00a0\u00a0", "\u3000",
    "\u0000", "\u0003", "\u001b[31m", "\u007f", "\u0080", "\u0085", "\u200b", "\u200d", "\u202e", "\ufeff", "\ufffd", "\ue123", "\U000f0000", "\U0001f9ff",
    "function add(a, b) { return a + b; }", "const x = `${y}`;", "for i in range(10):\n    print(i)\n", "SELECT * FROM t WHERE a >= 3;",
    "#include <stdio.h>\nint main(void) { return 0; }\n", "<div class=\"a\">b</div>", "{\"a\": [1, 2, {\"b\": null}]}", "a_very_long_identifier_name", "0b1010",
    "A man of 60 has chest pain that spreads to the left arm.", "Die Patientin klagt über Müdigkeit und Blässe.", "Le médecin a prescrit un traitement.",
    "El niño tiene fiebre desde hace tres días.", "Пациент жалуется на боль в груди.", "Ο ασθενής έχει πυρετό.", "المريض يشكو من الحمى", "החולה מתלונן על כאב ראש",
    "患者有发热和咳嗽三天。", "患者は三日前から発熱している。", "환자는 사흘 전부터 열이 난다.", "रोगी को तीन दिन से बुखार है।", "ผู้ป่วยมีไข้สามวัน", "Bệnh nhân bị sốt ba ngày.",
    "Hasta üç gündür ateşli.", "Pacjent ma gorączkę od trzech dni.", "ರೋಗಿಗೆ ಜ್ವರವಿದೆ", "நோயாளிக்கு காய்ச்சல்", "রোগীর জ্বর আছে", "ანთება", "հիվանդ", "ទ្រូង", "የታመመ", "ᚠᚢᚦᚨᚱᚲ", "𐎀𐎁𐎂", "𒀀𒁀",
    "😀😃😄", "🧑🏽‍🔬", "🏳️‍🌈", "👨‍👩‍👧", "🇩🇪🇫🇷", "♥️", "🫀🫁", "⌨️", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "ｆｕｌｌ ｗｉｄｔｈ", "ﷺ", "ẞ", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "12 mg/dL", "3,5", "10^-6", "1/2", "٤٥٦", "໑໒໓", "Ⅷ", "²³", "½", "①", "50%", "$1,234.56", "2024-11-25T10:00:00Z", "+49 30 1234567", "192.168.0.1",
    "antidisestablishmentarianism", "Donaudampfschifffahrtsgesellschaft", "pneumonoultramicroscopicsilicovolcanoconiosis", "aaaaaaaaaaaaaaaa", "!?" * 9, "=" * 17,
]
SEPARATORS = ["", "", "", " ", " ", "\n", "  ", ", "]


def fragments():
    return [text for text in [*HAND_MADE, *FRAGMENTS, *MORE] if text != ""]


def many_texts():
    pieces = fragments()
    state = 20251125

    def draw(count):  # the high bits of a linear congruence are its good ones
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return (state >> 8) % count

    texts = list(pieces)
    while len(texts) < COUNT:
        text = ""
        for _ in range(1 + draw(12)):
            text += pieces[draw(len(pieces))] + SEPARATORS[draw(len(SEPARATORS))]
        texts.append(text)
    return texts
