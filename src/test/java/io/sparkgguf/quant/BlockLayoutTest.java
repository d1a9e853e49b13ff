package io.sparkgguf.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.sparkgguf.tensor.BlockType;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Decoders against a plain reading of the block layouts, one element at a time, in double. */
class BlockLayoutTest {
    private static final int[] IQ4 = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    private static final int[] FP4 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    static List<BlockType> types() {
        return List.of(
                BlockType.Q4_0,
                BlockType.Q4_1,
                BlockType.Q5_0,
                BlockType.Q5_1,
                BlockType.Q8_0,
                BlockType.TQ1_0,
                BlockType.TQ2_0,
                BlockType.MXFP4,
                BlockType.NVFP4,
                BlockType.Q1_0,
                BlockType.Q2_0,
                BlockType.Q3_K,
                BlockType.Q6_K,
                BlockType.IQ4_NL,
                BlockType.IQ4_XS);
    }

    @ParameterizedTest
    @MethodSource("types")
    void decodesAnyBitsAsTheLayoutSays(BlockType type) {
        BlockFormat format = BlockFormats.of(type);
        int count = 301;
        for (long seed = 1; seed <= 5; seed++) {
            byte[] blocks = new byte[7 + count * type.blockBytes()];
            new Random(seed).nextBytes(blocks);
            float[] decoded = new float[3 + count * type.blockElements()];
            format.decode(blocks, 7, count * type.blockElements(), decoded, 3);
            for (int b = 0; b < count; b++) {
                int from = 7 + b * type.blockBytes();
                byte[] block = Arrays.copyOfRange(blocks, from, from + type.blockBytes());
                for (int i = 0; i < type.blockElements(); i++) {
                    double expected = element(type, block, i);
                    float actual = decoded[3 + b * type.blockElements() + i];
                    if (Double.isNaN(expected) || actual != (float) expected) {
                        // also tells NaN from a number: an infinite scale times a zero level
                        assertEquals((float) expected, actual, "block " + b + ", element " + i + ", seed " + seed);
                    }
                }
            }
        }
    }

    private static double element(BlockType type, byte[] block, int i) {
        return switch (type) {
            case Q4_0 -> half(block, 0) * (nibble(block, 2, 16, i) - 8);
            case Q4_1 -> half(block, 0) * nibble(block, 4, 16, i) + half(block, 2);
            case Q5_0 -> half(block, 0) * (nibble(block, 6, 16, i) + 16 * bit(block, 2, i) - 16);
            case Q5_1 -> half(block, 0) * (nibble(block, 8, 16, i) + 16 * bit(block, 4, i)) + half(block, 2);
            case Q8_0 -> half(block, 0) * block[2 + i];
            case TQ1_0 -> half(block, 52) * (trit(block, i) - 1);
            case TQ2_0 -> half(block, 64) * ((block[i / 128 * 32 + i % 32] >> 2 * (i % 128 / 32) & 3) - 1);
            case MXFP4 -> Math.pow(2, (block[0] & 255) - 128) * FP4[nibble(block, 1, 16, i)];
            case NVFP4 -> ue4m3(block[i / 16] & 255) / 2 * FP4[nibble(block, 4 + i / 16 * 8, 8, i % 16)];
            case Q1_0 -> bit(block, 2, i) == 1 ? half(block, 0) : -half(block, 0);
            case Q2_0 -> half(block, 0) * ((block[2 + i / 4] >> 2 * (i % 4) & 3) - 1);
            case Q3_K -> {
                int j = i / 16;
                int scale = block[96 + j % 8] >> 4 * (j / 8) & 15 | (block[104 + j % 4] >> 2 * (j / 4) & 3) << 4;
                int low = block[32 + i / 128 * 32 + i % 32] >> 2 * (i % 128 / 32) & 3;
                int high = block[i % 32] >> i / 32 & 1;
                yield half(block, 108) * (scale - 32) * (low + 4 * high - 4);
            }
            case Q6_K -> {
                int low = block[i / 128 * 64 + i % 64] >> 4 * (i % 128 / 64) & 15;
                int high = block[128 + i / 128 * 32 + i % 32] >> 2 * (i % 128 / 32) & 3;
                yield half(block, 208) * block[192 + i / 16] * (low + 16 * high - 32);
            }
            case IQ4_NL -> half(block, 0) * IQ4[nibble(block, 2, 16, i)];
            case IQ4_XS -> {
                int j = i / 32;
                int scale = nibble(block, 4 + j / 2, 1, j % 2) | (block[2 + j / 4] >> 2 * (j % 4) & 3) << 4;
                yield half(block, 0) * (scale - 32) * IQ4[nibble(block, 8 + 16 * j, 16, i % 32)];
            }
            default -> throw new IllegalArgumentException(type.name());
        };
    }

    /** Binary16 by its definition. */
    private static double half(byte[] block, int at) {
        int bits = block[at] & 255 | (block[at + 1] & 255) << 8;
        int exponent = bits >> 10 & 31;
        double fraction = (bits & 1023) / 1024.0;
        double magnitude = exponent == 0
                ? fraction * Math.pow(2, -14)
                : exponent < 31
                        ? (1 + fraction) * Math.pow(2, exponent - 15)
                        : fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
        return bits >= 1 << 15 ? -magnitude : magnitude;
    }

    /** Unsigned E4M3, of which 0x7f stands for zero. */
    private static double ue4m3(int code) {
        int exponent = code >> 3 & 15;
        double fraction = (code & 7) / 8.0;
        if (code == 0x7f) {
            return 0;
        }
        return exponent == 0 ? fraction * Math.pow(2, -6) : (1 + fraction) * Math.pow(2, exponent - 7);
    }

    /** Element i of pairs whose low nibbles come first. */
    private static int nibble(byte[] block, int at, int half, int i) {
        return block[at + i % half] >> 4 * (i / half) & 15;
    }

    private static int bit(byte[] block, int at, int i) {
        return block[at + i / 8] >> i % 8 & 1;
    }

    private static int trit(byte[] block, int i) {
        int fraction;
        int n;
        if (i < 160) {
            fraction = block[i % 32];
            n = i / 32;
        } else if (i < 240) {
            fraction = block[32 + (i - 160) % 16];
            n = (i - 160) / 16;
        } else {
            fraction = block[48 + (i - 240) % 4];
            n = (i - 240) / 4;
        }
        return ((fraction & 255) * (int) Math.pow(3, n) % 256) * 3 / 256;
    }
}
