package io.sparkgguf.model.forward;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.Metadata;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Rotary frequencies against their formulas in float64, and rotations against complex numbers. */
class RotaryTest {
    private static final int SIZE = 64;
    private static final double BASE = 10000;

    private static Rotary rotary(Metadata scaling) {
        Metadata metadata = RandomModel.metadata("qwen2", 1, 64, 8, 1, 1, SIZE).putAll(scaling);
        return DecoderConfig.of("qwen2", metadata, "blk.0.attn_norm.weight"::equals)
                .rotary();
    }

    private static double plain(int pair) {
        return Math.pow(BASE, -2.0 * pair / SIZE);
    }

    @ParameterizedTest
    @CsvSource({", 1, 1", "none, 4, 1", "linear, 4, 4", "linear, 0, 1", ", 2.5, 2.5"})
    void linearDividesEveryFrequency(String type, float factor, double divisor) {
        Metadata scaling = new Metadata().putF32("qwen2.rope.scaling.factor", factor);
        if (type != null) {
            scaling.putString("qwen2.rope.scaling.type", type);
        }
        Rotary rotary = rotary(scaling);
        float[] frequencies = rotary.frequencies(null);
        assertEquals(SIZE / 2, frequencies.length);
        for (int i = 0; i < frequencies.length; i++) {
            assertEquals(plain(i) / divisor, frequencies[i], 1e-6 * plain(i), "pair " + i);
        }
        assertEquals(1f, rotary.magnitude());
    }

    @Test
    void theOldKeyOfLinearScalingIsReadToo() {
        float[] frequencies =
                rotary(new Metadata().putF32("qwen2.rope.scale_linear", 8)).frequencies(null);
        assertEquals(0.125f, frequencies[0]);
    }

    @Test
    void divisorsDivide() {
        float[] divisors = new float[SIZE / 2];
        for (int i = 0; i < divisors.length; i++) {
            divisors[i] = 1 + i / 4f;
        }
        float[] frequencies = rotary(new Metadata()).frequencies(divisors);
        for (int i = 0; i < frequencies.length; i++) {
            assertEquals(plain(i) / divisors[i], frequencies[i], 1e-6 * plain(i), "pair " + i);
        }
    }

    /** The paper's: dimensions of many turns keep their frequency, those of few are interpolated, a ramp between. */
    @ParameterizedTest
    @CsvSource({"4, 1024, 32, 1, 1", "16, 512, 32, 1, 1", "4, 1024, 24, 2, 0.5", "1, 4096, 32, 1, 1"})
    void yarnInterpolatesSlowDimensions(float factor, int original, float fast, float slow, float extrapolation) {
        Rotary rotary = rotary(new Metadata()
                .putString("qwen2.rope.scaling.type", "yarn")
                .putF32("qwen2.rope.scaling.factor", factor)
                .putU32("qwen2.rope.scaling.original_context_length", original)
                .putF32("qwen2.rope.scaling.yarn_beta_fast", fast)
                .putF32("qwen2.rope.scaling.yarn_beta_slow", slow)
                .putF32("qwen2.rope.scaling.yarn_ext_factor", extrapolation));
        double low = Math.floor(SIZE * Math.log(original / (fast * 2 * Math.PI)) / (2 * Math.log(BASE)));
        double high = Math.ceil(SIZE * Math.log(original / (slow * 2 * Math.PI)) / (2 * Math.log(BASE)));
        assertTrue(low > 0 && high < SIZE - 1 && low < high, low + " to " + high);
        float[] frequencies = rotary.frequencies(null);
        for (int i = 0; i < frequencies.length; i++) {
            double ramp = Math.min(1, Math.max(0, (i - low) / (high - low)));
            double kept = (1 - ramp) * extrapolation;
            double expected = plain(i) * (kept + (1 - kept) / factor);
            assertEquals(expected, frequencies[i], 1e-6 * plain(i), "pair " + i);
        }
        assertEquals(0.1 * Math.log(factor) + 1, rotary.magnitude(), 1e-6);
    }

    @Test
    void yarnTakesItsMagnitudeFromTheModel() {
        Metadata scaling = new Metadata()
                .putString("qwen2.rope.scaling.type", "yarn")
                .putF32("qwen2.rope.scaling.factor", 4)
                .putF32("qwen2.rope.scaling.yarn_attn_factor", 0.75f);
        assertEquals(0.75f, rotary(scaling).magnitude());
        assertEquals(
                1.5f,
                rotary(scaling.putF32("qwen2.rope.scaling.attn_factor", 2)).magnitude());
    }

    @ParameterizedTest
    @EnumSource
    void headsTurnByPositionTimesFrequency(Rotary.Pairing pairing) {
        Rotary plain = rotary(
                new Metadata().putString("qwen2.rope.scaling.type", "yarn").putF32("qwen2.rope.scaling.factor", 2));
        Rotary rotary = new Rotary(pairing, SIZE, BASE, plain.scaling(), 2, plain.yarn());
        float[] frequencies = rotary.frequencies(null);
        int heads = 3;
        Random random = new Random(5);
        RotaryTable table = new RotaryTable(rotary, null);
        for (int tokens : new int[] {10, 200, 50}) { // the table grows, and stays
            float[] x = new float[7 + tokens * heads * SIZE];
            for (int i = 0; i < x.length; i++) {
                x[i] = (float) random.nextGaussian();
            }
            float[] turned = x.clone();
            table.turn(turned, 7, tokens, heads);
            for (int i = 0; i < tokens * heads * SIZE / 2; i++) {
                int head = 7 + i / (SIZE / 2) * SIZE;
                int pair = i % (SIZE / 2);
                int position = i / (SIZE / 2) / heads;
                int first = head + (pairing == Rotary.Pairing.HALVES ? pair : 2 * pair);
                int second = head + (pairing == Rotary.Pairing.HALVES ? pair + SIZE / 2 : 2 * pair + 1);
                double angle = position * (double) frequencies[pair];
                double magnitude = 0.1 * Math.log(2) + 1;
                double a = magnitude * (x[first] * Math.cos(angle) - x[second] * Math.sin(angle));
                double b = magnitude * (x[first] * Math.sin(angle) + x[second] * Math.cos(angle));
                assertEquals(a, turned[first], 1e-4, "position " + position + ", pair " + pair);
                assertEquals(b, turned[second], 1e-4, "position " + position + ", pair " + pair);
            }
        }
    }
}
