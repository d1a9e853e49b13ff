package io.sparkgguf.calibrate.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.model.tokenizer.TextTokenizer;
import io.sparkgguf.model.tokenizer.TokenizerFacts;
import io.sparkgguf.model.tokenizer.TokenizerFiles;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Windows must give what the whole text gives; {@link LlamaParityTest} shows the same with windows of full size. */
class WindowedEncoderTest {
    private static TextTokenizer tokenizer;

    @BeforeAll
    static void open() throws IOException {
        tokenizer = TextTokenizer.open(TokenizerFiles.read(new TestModel().storage, TestModel.FOLDER));
    }

    @AfterAll
    static void close() {
        tokenizer.close();
    }

    private static int[] windowed(WindowedEncoder encoder, String text, int limit) throws IOException {
        Documents documents = new Documents(TokenizerFacts.of(new Metadata()), true);
        documents.limit(limit);
        documents.begin(false);
        encoder.encode(Characters.of(text), documents);
        return Arrays.copyOf(documents.tokens(), documents.size());
    }

    @ParameterizedTest
    @CsvSource({"400, 100, 8", "1000, 200, 16", "5000, 64, 4", "257, 256, 20"})
    void windowsGiveTheTokensOfTheWhole(int window, int overlap, int agreeing) throws IOException {
        String text = new String(TestModel.resource("samples-eval.txt"), StandardCharsets.UTF_8);
        WindowedEncoder encoder = new WindowedEncoder(tokenizer::encode, window, overlap, agreeing);
        assertArrayEquals(tokenizer.ids(text), windowed(encoder, text, Integer.MAX_VALUE));
        assertEquals(0, encoder.roughJoins());
    }

    @Test
    void charactersOfSeveralBytesAndUnitsDoNotShiftTheWindows() throws IOException {
        SplittableRandom random = new SplittableRandom(5);
        StringBuilder text = new StringBuilder();
        String[] parts = {"word ", "\uD83D\uDE00", "é", "  \n", "中文", "x1 ", "\n\n\n", "e\u0301 ", "don't "};
        for (int i = 0; i < 4000; i++) {
            text.append(parts[random.nextInt(parts.length)]);
        }
        WindowedEncoder encoder = new WindowedEncoder(tokenizer::encode, 600, 150, 20);
        assertArrayEquals(tokenizer.ids(text.toString()), windowed(encoder, text.toString(), Integer.MAX_VALUE));
        assertEquals(0, encoder.roughJoins());
    }

    @Test
    void whereNothingAgreesTextIsCutAndCounted() throws IOException {
        WindowedEncoder encoder = new WindowedEncoder(WindowedEncoderTest::ofTheWhole, 100, 25, 8);
        int[] ids = windowed(encoder, "a".repeat(330), Integer.MAX_VALUE);
        assertEquals(330, ids.length);
        assertEquals(3, encoder.roughJoins());
    }

    /** A tokenizer for which every token depends on the whole text. */
    private static TextTokenizer.Encoded ofTheWhole(String text) {
        int[] places = IntStream.rangeClosed(0, text.length()).toArray();
        int[] ids = new int[text.length()];
        Arrays.fill(ids, text.length());
        return new TextTokenizer.Encoded(
                ids, Arrays.copyOf(places, ids.length), Arrays.copyOfRange(places, 1, places.length));
    }

    @Test
    void itStopsWhenThereIsEnough() throws IOException {
        String text = "one two three ".repeat(1000);
        int[] calls = {0};
        WindowedEncoder encoder = new WindowedEncoder(
                part -> {
                    calls[0]++;
                    return tokenizer.encode(part);
                },
                500,
                100,
                8);
        assertArrayEquals(Arrays.copyOf(tokenizer.ids(text), 300), windowed(encoder, text, 300));
        assertTrue(calls[0] <= 6, calls[0] + " windows");
    }
}
