"""Texts built in for verification: short code to answer, and hard text to tokenise.

All of it is in Unicode's composed form (NFC): Qwen's tokenizer composes what it reads where
llama.cpp takes it as it stands, and source code is composed already.
"""

PROMPTS: tuple[str, ...] = (
    'def mean(values: list[float]) -> float:\n    """Return the arithmetic mean."""\n    return ',
    "function unique(items) {\n  const seen = new Set();\n  return items.filter((item) => {\n    ",
    "#include <stdio.h>\n\nint main(int argc, char **argv) {\n    while (--argc > 0) {\n",
    "fn largest(list: &[i32]) -> Option<i32> {\n    let mut best = None;\n    for &one in list {\n",
    'package main\n\nimport "os"\n\nfunc exists(path string) bool {\n\t_, err := os.Stat(path)\n\t',
)

TEXTS: tuple[str, ...] = (
    *PROMPTS,
    "a  b   c    d     e\n\n\n\n    f\n        \n\tg\t\th\t \t i \n ",
    "if a:\r\n\treturn b\r\n\r\n\r\n\t\t\tc = 1\r\n",
    "x = 0x1F + 1_000_000 - 3.14159e-10 * 12345678901234567890; y2k 007 v1.2.3-rc4\n",
    "don't we'll I'VE they're it's 'tis O'Neill's I'M WE'D\n",
    "naïve café Ærøskøbing Straße ÀÉÎÕÜ ½ ² ³ ¼ № ™ © µ\n",
    "русский язык, ελληνικά, עברית, العربية, हिन्दी, ไทย, 한국어, 漢字かな混じり文、中文。\n",
    "😀 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ☕️ 𝒳𝓎𝓏 𐍈 \U000e0001\n",
    "a\u00a0b\u2003c\u3000d\u200be\u2028f\ufefff\n",
    "<|endoftext|><|im_start|>system<|im_end|> <s> </s> <unk> <pad>\n",
    "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>c<|repo_name|>d<|file_sep|>e\n",
    "<repo_name>a<reponame>b<file_sep>c<filename>d <fim_prefix><fim_suffix><fim_middle>\n",
    "!= == === => -> <- <= >= ... :: ;; /* */ // # $ @ ~ ` ^^ || && ?? ?. **= <<= >>>\n",
    "\x00\x01\x1b[0m\x7f\x80\x9f\n",
    "lower UPPER CamelCase snake_case SCREAMING_SNAKE kebab-case iPhone15Pro __dunder__\n",
    "trailing space \n  leading\n\n\n   \n" + " " * 40 + "deep" + "\t" * 9 + "end" + "=" * 79,
    '{\n  "json": [1, 2.5, -3e8, null, true],\n  "nested": {"k": "v\\n\\u00e9"}\n}\n',
    "SELECT * FROM t WHERE a='it''s' AND b LIKE '%_x' -- comment\n",
)
