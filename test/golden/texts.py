"""About 300 short texts that try a tokenizer: whitespace runs, digits, contractions, scripts, emoji, controls, code."""
import random

SEED = 20250404

HAND_MADE = [
    "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\t", "\t\t", " \n", "\n ", " \n \n ", "\r\n", "\r\n\r\n", "\r", "\u000b",
    "a", " a", "  a", "a ", "a  ", "a\n", "\na", "a\tb", "a \tb", "a  b", "a   b", "a    b", "    indented", "\tindented",
    " " * 7, " " * 16, " " * 31, " " * 40 + "x", "\n" * 12, "\t" * 5 + "x", " \n" * 4, "x" + " " * 9 + "y",
    "Hello", "hello", "HELLO", " Hello", "Hello world", "Hello, world!", "Hello,world!", "hello world.", "HelloWorld",
    "don't", "DON'T", "Don't we'll I'd you've she's they're I'm", "DON'T WE'LL I'D", "'s 't 're", "it’s", "rock'n'roll", "'''",
    "0", "1", "12", "123", "1234", "12345", "1234567890", " 42", "42 ", "3.14159", "1,000,000", "1e-5", "-273.15", "0x1F",
    "8.2 g/dL", "72 fL", "120/80 mmHg", "5 mg/kg q8h", "37.5°C", "98.6 °F", "pH 7.35", "Na+ 140 mEq/L", "HCO3-", "x10^9/L",
    "A 45-year-old man comes to the physician because of a 3-month history of fatigue.",
    "Which of the following is the most likely diagnosis?", "(A) Iron deficiency (B) Folate deficiency (C) Thalassemia",
    "Nitrofurantoin", "nitrofurantoin", "pseudohypoparathyroidism", "Glucose-6-phosphate dehydrogenase", "β-hydroxybutyrate",
    "<think>because</think><answer>C</answer>", "<think>\nstep\n</think>\n<answer>\nE\n</answer>", "<answer>", "</answer>",
    "\\boxed{E}", "The answer is \\(\\frac{1}{2}\\).", "$x^2 + y^2 = z^2$", "a_b-c.d/e\\f", "foo@example.org", "https://x.org/a?b=c&d=%20",
    "if (x == 1) { return y[0]; }", "def f(x):\n    return x + 1\n", "for(;;){}", "a+=b; c-->0", "/* c */ // d", "#include <x>",
    '{"key": [1, 2.5, null], "b": true}', "| a | b |\n|---|---|\n| 1 | 2 |", "# Title\n\n- one\n- two\n", "**bold** _it_ `code`",
    "...", "....", "…", "!!!", "?!?!", "--", "---", "——", "«quoted»", "“quoted”", "‘q’", "()", "[]", "{}", "<>", "@#$%^&*", "~`|\\",
    "café", "cafe\u0301", "naïve", "Ångström", "STRASSE straße", "İstanbul ı", "Łódź", "ĳ ǆ ﬁ ﬂ", "ñandú", "œuvre", "Ελλάδα", "Привет, мир",
    "Всё хорошо", "שלום", "مرحبا بالعالم", "नमस्ते दुनिया", "ক", "สวัสดีชาวโลก", "안녕하세요", "ᄒ\u1161\u11ab", "こんにちは世界", "カタカナ", "ｶﾀｶﾅ", "你好，世界！",
    "以下哪一项最有可能是诊断？", "中医学的“气”是什么", "繁體中文", "𠮷野家", "Tiếng Việt", "ქართული", "Հայերեն", "አማርኛ", "မြန်မာ", "ខ្មែរ",
    "😀", "😀😀", "👍🏽", "👩‍⚕️", "👨‍👩‍👧‍👦", "🇨🇭", "❤️", "☺", "1️⃣", "a😀b", " 😀 ", "🩺💊",
    "½ ¼ ²³ ₂", "Ⅳ Ⅻ", "①②", "٣٤٥", "१२३", "１２３", "∑∫√∞≈≠≤", "→←⇒", "α=0.05", "µg μg", "±2σ", "№ 5", "€5 £6 ¥7", "™®©",
    "\u00a0", "a\u00a0b", "a\u2003b", "\u3000", "\u200b", "a\u200bb", "\u200d", "\ufeff", "\ufeffa", "\u00ad", "\u202eabc", "\u2028", "\u2029",
    "\u0001", "\u007f", "\u0085", "a\u0000b", "\ue000", "\uffff", "\U0010ffff", "\ufffd", "e\u0301\u0302\u0303", "Z\u0351\u036b\u0343\u032a",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ABABABABABAB", "abcdefghijklmnopqrstuvwxyz", "ALLCAPSWORDSARESPLIT", "camelCaseWord",
    "snake_case_word", "kebab-case-word", "x" * 50, "la" * 20, "1" * 30, "-" * 40, "=" * 33, ". " * 10, "ha ha ha ha",
    "▁", "a▁b", "Ġ", "ĠHello", "Ċ", "<0x41>", "<unk>x", "<s>", "[PAD]", "\\n", "\\u0041", "&amp;", "&#65;", "%20",
]

FRAGMENTS = [
    "the", "The", " patient", "fever", " and", "cough", "37", "120/80", " mg", ".", ", ", "\n", "\n\n", "  ", "\t", "'s", "n't", "é", "β", "中", "文",
    "🙂", "(A)", " B:", "<answer>", "</think>", "=", "->", "0.5", "²", "_", "-", "  \n", "Hyper", "tension", "itis", " ", "Ω", "я", "؟", "\u00a0", "x1", "\"",
]


def texts():
    draw = random.Random(SEED)
    result = list(HAND_MADE)
    while len(result) < 320:
        result.append("".join(draw.choice(FRAGMENTS) for _ in range(draw.randint(2, 9))))
    return result
