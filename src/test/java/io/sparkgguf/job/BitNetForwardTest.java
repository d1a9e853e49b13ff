package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.cli.Cli;
import io.sparkgguf.fixtures.BitNetCheckpoint;
import io.sparkgguf.fixtures.Expected;
import io.sparkgguf.fixtures.Fixture;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** BitNet's forward pass from checkpoints: ternary weights, inputs of linear layers rounded to INT8. */
class BitNetForwardTest {
    private static final Expected EXPECTED = Expected.bitLinear();

    @TempDir
    Path folder;

    /**
     * transformers' AutoBitLinear, quantizing online. An activation within float32's noise of the middle between two levels
     * falls to either side, and then all tokens behind it see another key or value: in both sequences that happens once, at
     * tokens 40 and 48. Those before agree as they do without rounding.
     */
    @Test
    void weightsInTrainingRunAsInTransformers() throws IOException {
        Path model = BitNetCheckpoint.online(Fixture.BITNET).write(folder);
        float[][][] logits = BitNetForward.logits(model, EXPECTED.inputIds());
        for (int sequence = 0; sequence < 2; sequence++) {
            for (int position = 0; position < 40; position++) {
                float[] expected = EXPECTED.logits()[sequence][position];
                for (int token = 0; token < expected.length; token++) {
                    assertEquals(
                            expected[token],
                            logits[sequence][position][token],
                            2e-5,
                            "sequence " + sequence + ", position " + position + ", token " + token);
                }
            }
        }
        double all = median(logits, EXPECTED.logits());
        double unrounded =
                median(BitNetForward.logits(model, EXPECTED.inputIds(), "bitnet.activation_bits"), EXPECTED.logits());
        assertTrue(all < unrounded / 5, "logits differ by " + all + ", without rounding by " + unrounded);
    }

    /** Packed levels with a scale of bfloat16 are the same model but for that scale; both meanings of it agree. */
    @ParameterizedTest
    @ValueSource(strings = {"bitlinear", "autobitlinear"})
    void packedWeightsRunAlike(String linearClass) throws IOException {
        Path model = BitNetCheckpoint.packed(Fixture.BITNET, linearClass).write(folder);
        double found = median(BitNetForward.logits(model, EXPECTED.inputIds()), EXPECTED.logits());
        assertTrue(found < 0.05 && found > 1e-4, "median " + found); // 0.016 and 0.015 by the rounding of the scale
    }

    /** The finished file runs as the checkpoint it was made of, when all of it is carried over exactly. */
    @Test
    void theFinishedFileRunsAsTheCheckpoint() throws IOException {
        Path model = BitNetCheckpoint.packed(Fixture.BITNET, "autobitlinear").write(folder.resolve("model"));
        Path file = Cli.quantize(folder.resolve("o.gguf"), model.toString(), "TQ1_0", "--token-embedding-type", "BF16");
        float[][][] expected = BitNetForward.logits(model, EXPECTED.inputIds());
        float[][][] found = BitNetForward.logits(file, EXPECTED.inputIds());
        for (int sequence = 0; sequence < expected.length; sequence++) {
            for (int position = 0; position < expected[sequence].length; position++) {
                assertArrayEquals(expected[sequence][position], found[sequence][position]);
            }
        }
    }

    private static double median(float[][][] found, float[][][] expected) {
        double[] differences = new double[2 * 96 * 512];
        for (int i = 0; i < differences.length; i++) {
            int sequence = i / (96 * 512);
            int position = i / 512 % 96;
            differences[i] = Math.abs(found[sequence][position][i % 512] - expected[sequence][position][i % 512]);
        }
        Arrays.sort(differences);
        return differences[differences.length / 2];
    }
}
