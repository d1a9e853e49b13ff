package io.sparkgguf.kernel;

import static jdk.incubator.vector.VectorOperators.AND;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.OR;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Weights of a tile to levels. Four levels of a lane, one after the other in its block, become the bytes of an int, the
 * first lowest: a quad. The quads of a tile are laid like the tile, a quarter as many.
 */
final class LevelLanes {
    private static final VectorSpecies<Float> FLOATS = Lanes.FLOATS;
    private static final int WIDTH = Lanes.WIDTH;
    private static final VarHandle BYTES_AS_INTS =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private static final int MANTISSA = 0x7fffff;
    private static final int ZERO = 0x400000;

    private LevelLanes() {}

    /** Copies a block of {@code elements} weights into one lane of the tile at {@code at - lane}. */
    static void toLane(float[] x, int from, int elements, float[] tile, int at) {
        for (int i = 0; i < elements; i++) {
            tile[at + i * WIDTH] = x[from + i];
        }
    }

    /** Copies the levels of one lane, {@code quads} quads with the first at {@code at}, into bytes. */
    static void fromLane(int[] tile, int at, int quads, byte[] levels, int to) {
        for (int i = 0; i < quads; i++) {
            BYTES_AS_INTS.set(levels, to + 4 * i, tile[at + i * WIDTH]);
        }
    }

    /** The levels that a search chose: {@code inverse * (x - base)}, rounded and clamped. */
    static void chosen(float[] x, int tile, int size, int maxLevel, AsymmetricLanes search, int r, int[] quads) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, search.inverse, r);
        FloatVector base = FloatVector.fromArray(FLOATS, search.base, r);
        int top = ZERO + maxLevel;
        for (int i = tile; i < tile + size; i += 4 * WIDTH) {
            FloatVector a = inverse.mul(FloatVector.fromArray(FLOATS, x, i).sub(base));
            FloatVector b =
                    inverse.mul(FloatVector.fromArray(FLOATS, x, i + WIDTH).sub(base));
            FloatVector c =
                    inverse.mul(FloatVector.fromArray(FLOATS, x, i + 2 * WIDTH).sub(base));
            FloatVector d =
                    inverse.mul(FloatVector.fromArray(FLOATS, x, i + 3 * WIDTH).sub(base));
            quad(a, b, c, d, top).intoArray(quads, i / 4);
        }
    }

    /** The levels by scales and minima as stored, {@code (x + minimum) / scale}; lanes without a scale stay. */
    static void nearest(
            float[] x, int tile, int size, int maxLevel, float[] scales, float[] minima, int r, int[] quads) {
        FloatVector scale = FloatVector.fromArray(FLOATS, scales, r);
        FloatVector minimum = FloatVector.fromArray(FLOATS, minima, r);
        int top = ZERO + maxLevel;
        for (int i = tile; i < tile + size; i += 4 * WIDTH) {
            FloatVector a = FloatVector.fromArray(FLOATS, x, i).add(minimum).div(scale);
            FloatVector b =
                    FloatVector.fromArray(FLOATS, x, i + WIDTH).add(minimum).div(scale);
            FloatVector c =
                    FloatVector.fromArray(FLOATS, x, i + 2 * WIDTH).add(minimum).div(scale);
            FloatVector d =
                    FloatVector.fromArray(FLOATS, x, i + 3 * WIDTH).add(minimum).div(scale);
            FloatVector stays = IntVector.fromArray(Lanes.INTS, quads, i / 4).reinterpretAsFloats();
            quad(a, b, c, d, top)
                    .reinterpretAsFloats()
                    .blend(stays, scale.compare(EQ, 0f))
                    .reinterpretAsInts()
                    .intoArray(quads, i / 4);
        }
    }

    private static IntVector quad(FloatVector a, FloatVector b, FloatVector c, FloatVector d, int top) {
        return level(a, top)
                .lanewise(OR, level(b, top).lanewise(LSHL, 8))
                .lanewise(OR, level(c, top).lanewise(LSHL, 16))
                .lanewise(OR, level(d, top).lanewise(LSHL, 24));
    }

    /** {@link AsymmetricSearch#level}: also right where v leaves the range of exact rounding, or is none. */
    private static IntVector level(FloatVector v, int top) {
        return v.add(Lanes.ROUND)
                .reinterpretAsInts()
                .lanewise(AND, MANTISSA)
                .max(ZERO)
                .min(top)
                .lanewise(AND, 0xff);
    }
}
