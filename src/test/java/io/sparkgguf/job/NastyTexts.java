package io.sparkgguf.job;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Texts on which tokenizers differ: spaces, digits, contractions, scripts, special tokens, and a seeded mixture. */
final class NastyTexts {
    static final long SEED = 20260;

    /** What the mixtures draw from: ranges of code points. */
    private static final int[][] RANGES = {
        {0x20, 0x7e},
        {0x20, 0x20},
        {0x9, 0xd},
        {0x30, 0x39},
        {0xa0, 0x24f},
        {0x300, 0x36f},
        {0x370, 0x3ff},
        {0x400, 0x4ff},
        {0x5d0, 0x5ea},
        {0x620, 0x64a},
        {0x660, 0x669},
        {0x900, 0x97f},
        {0xe00, 0xe3a},
        {0x2000, 0x200f},
        {0x2028, 0x202f},
        {0x2070, 0x209c},
        {0x20a0, 0x20bf},
        {0x2150, 0x218b},
        {0x2190, 0x22ff},
        {0x3000, 0x30ff},
        {0x4e00, 0x9fff},
        {0xac00, 0xd7a3},
        {0xe000, 0xe0ff},
        {0xfe00, 0xfe0f},
        {0xff01, 0xff5e},
        {0x1d400, 0x1d7ff},
        {0x1f300, 0x1f64f},
        {0x20000, 0x2a6df}
    };

    private NastyTexts() {}

    static List<String> all() {
        List<String> texts = new ArrayList<>(List.of(
                "",
                " ",
                "  two,   three,    four spaces    ",
                "\n",
                "\r\n\r\n \r \n\n\n",
                "a\tb\t\tc \t d\u000b\u000c",
                "I'm you'LL he'd we'Re 's'T 'x don''t \u2019s",
                "1 12 123 1234 12345 1,234.56 1e-5 0xFF \u00bd \u0663\u0664\u0665 \u2167",
                "snake_case CamelCase kebab-case a.b.c(d)[e]{f} ==!= ... --> \\n",
                "caf\u00e9 cafe\u0301 \u1e9b\u0323 \ufb03 \u0130\u0131 \u00df\u1e9e",
                "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f \ud55c\uad6d\uc5b4 \u1112\u1161\u11ab",
                "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0928\u092e\u0938\u094d\u0924\u0947",
                "\ud83d\ude00\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67\u200d\ud83d\udc66\ud83c\uddea\ud83c\uddfa\ud83d\udc4d\ud83c\udffd\u2764\ufe0f",
                "\ufeffbyte order mark \u200b\u200c\u200d\u2060 joiners \u00ad \u2028\u2029\u0085\u00a0\u202f\u3000 spaces",
                "\u0001\u0002\u001f\u007f\u0080\u009f control",
                "<|begin_of_text|>a<|end_of_text|>",
                " <|end_of_text|> <|end_of_text|>\n<|begin_of_text|>",
                "<|begin_of_text |> <|end_of <|END_OF_TEXT|> <<|end_of_text|>>",
                "a".repeat(500),
                " ".repeat(300) + "x" + "\n".repeat(100),
                "=".repeat(79) + "\n" + "ab".repeat(200) + "!?".repeat(100)));
        Random random = new Random(SEED);
        for (int i = 0; i < 300; i++) {
            StringBuilder text = new StringBuilder();
            int length = 1 + random.nextInt(60);
            while (text.length() < length) {
                int[] range = RANGES[random.nextInt(RANGES.length)];
                int run = 1 + random.nextInt(6);
                for (int j = 0; j < run; j++) {
                    text.appendCodePoint(range[0] + random.nextInt(range[1] - range[0] + 1));
                }
            }
            texts.add(text.toString());
        }
        return texts;
    }
}
