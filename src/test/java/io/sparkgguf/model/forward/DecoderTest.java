package io.sparkgguf.model.forward;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.fixtures.Expected;
import io.sparkgguf.fixtures.Fixture;
import io.sparkgguf.kernel.RmsNorm;
import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The forward pass against transformers' on the fixtures. */
class DecoderTest {
    private static final int TOKENS = 96;

    @ParameterizedTest
    @EnumSource
    void agreesWithTransformers(Fixture fixture) throws IOException {
        Decoder decoder = FixtureModel.decoder(fixture);
        Expected expected = fixture.expected();
        int[] ids =
                Arrays.stream(expected.inputIds()).flatMapToInt(Arrays::stream).toArray();
        int[] ends = {TOKENS, 2 * TOKENS};
        float[] hidden = new float[ids.length * decoder.width()];
        decoder.embed(ids, 0, ids.length, hidden);
        for (int block = 0; block < decoder.blocks(); block++) {
            assertHidden(expected.hidden().get(block), hidden, decoder.width(), "before block " + block);
            decoder.block(block, hidden, ends, BlockObserver.NONE, null);
        }
        float[] logits = new float[ids.length * decoder.vocabulary()];
        decoder.logits(hidden, 0, ids.length, logits);
        double worst = 0;
        for (int token = 0; token < ids.length; token++) {
            float[] row = expected.logits()[token / TOKENS][token % TOKENS];
            for (int i = 0; i < row.length; i++) {
                worst = Math.max(worst, Math.abs(row[i] - logits[token * row.length + i]));
            }
        }

        assertTrue(worst <= 2e-4, "logits differ by " + worst);
        float[] normed = new float[hidden.length];
        float[] weight = fixture.weights("model.norm.weight");
        RmsNorm.of(
                hidden, 0, ids.length, decoder.width(), weight, decoder.config().epsilon(), normed, 0);
        assertHidden(expected.hidden().get(decoder.blocks()), normed, decoder.width(), "after the last norm");
    }

    private static void assertHidden(float[][][] expected, float[] hidden, int width, String where) {
        double error = 0;
        double scale = 0;
        for (int sequence = 0; sequence < expected.length; sequence++) {
            for (int position = 0; position < expected[sequence].length; position++) {
                for (int i = 0; i < width; i++) {
                    float value = expected[sequence][position][i];
                    error = Math.max(error, Math.abs(value - hidden[(sequence * TOKENS + position) * width + i]));
                    scale = Math.max(scale, Math.abs(value));
                }
            }
        }

        assertTrue(error <= 1e-5 * scale, where + ": hidden states differ by " + error + " of " + scale);
        assertEquals(16, expected[0].length);
    }
}
