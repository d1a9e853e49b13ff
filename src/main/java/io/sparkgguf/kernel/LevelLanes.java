package io.sparkgguf.kernel;

import static jdk.incubator.vector.VectorOperators.AND;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.OR;

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

    private static final int MANTISSA = 0x7fffff;
    private static final int ZERO = 0x400000;

    private final int size;
    private final float[] scaled;

    /** For blocks of {@code elements} weights. */
    LevelLanes(int elements) {
        this.size = elements * WIDTH;
        this.scaled = new float[size];
    }

    /** Copies a block of {@code elements} weights into one lane of the tile at {@code at - lane}. */
    static void toLane(float[] x, int from, int elements, float[] tile, int at) {
        for (int i = 0; i < elements; i++) {
            tile[at + i * WIDTH] = x[from + i];
        }
    }

    /** Copies the levels of one lane, {@code quads} quads with the first at {@code at}, into bytes. */
    static void fromLane(int[] tile, int at, int quads, byte[] levels, int to) {
        for (int i = 0; i < quads; i++) {
            Words.putInt(levels, to + 4 * i, tile[at + i * WIDTH]);
        }
    }

    /** The levels that a search chose for some tiles: {@code inverse * (x - base)}, rounded and clamped. */
    void chosen(float[] x, int fromTile, int toTile, int maxLevel, AsymmetricLanes search, int[] quads) {
        for (int t = fromTile; t < toTile; t++) {
            scaleDown(x, t * size, size, search.inverse, search.base, t * WIDTH, scaled);
            round(scaled, size, ZERO + maxLevel, quads, t * size / 4);
        }
    }

    /** The levels of all tiles by scales and minima as stored: {@code (x + minimum) / scale}, rounded and clamped. */
    void nearest(float[] x, int tiles, int maxLevel, float[] scales, float[] minima, int[] quads) {
        for (int t = 0; t < tiles; t++) {
            divide(x, t * size, size, scales, minima, t * WIDTH, scaled);
            round(scaled, size, ZERO + maxLevel, quads, t * size / 4);
        }
    }

    private static void scaleDown(float[] x, int at, int size, float[] inverses, float[] bases, int r, float[] scaled) {
        FloatVector inverse = FloatVector.fromArray(FLOATS, inverses, r);
        FloatVector base = FloatVector.fromArray(FLOATS, bases, r);
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector xi = FloatVector.fromArray(FLOATS, x, at + i);
            inverse.mul(xi.sub(base)).intoArray(scaled, i);
        }
    }

    private static void divide(float[] x, int at, int size, float[] scales, float[] minima, int r, float[] scaled) {
        FloatVector scale = FloatVector.fromArray(FLOATS, scales, r);
        FloatVector minimum = FloatVector.fromArray(FLOATS, minima, r);
        for (int i = 0; i < size; i += WIDTH) {
            FloatVector xi = FloatVector.fromArray(FLOATS, x, at + i);
            xi.add(minimum).div(scale).intoArray(scaled, i);
        }
    }

    /** {@link AsymmetricSearch#level}: also right where a value leaves the range of exact rounding, or is none. */
    private static void round(float[] scaled, int size, int top, int[] quads, int to) {
        for (int i = 0; i < size / 4; i += WIDTH) {
            IntVector a = FloatVector.fromArray(FLOATS, scaled, 4 * i)
                    .add(Lanes.ROUND)
                    .reinterpretAsInts();
            IntVector b = FloatVector.fromArray(FLOATS, scaled, 4 * i + WIDTH)
                    .add(Lanes.ROUND)
                    .reinterpretAsInts();
            IntVector c = FloatVector.fromArray(FLOATS, scaled, 4 * i + 2 * WIDTH)
                    .add(Lanes.ROUND)
                    .reinterpretAsInts();
            IntVector d = FloatVector.fromArray(FLOATS, scaled, 4 * i + 3 * WIDTH)
                    .add(Lanes.ROUND)
                    .reinterpretAsInts();
            a = a.lanewise(AND, MANTISSA).max(ZERO).min(top).lanewise(AND, 0xff);
            b = b.lanewise(AND, MANTISSA).max(ZERO).min(top).lanewise(AND, 0xff);
            c = c.lanewise(AND, MANTISSA).max(ZERO).min(top).lanewise(AND, 0xff);
            d = d.lanewise(AND, MANTISSA).max(ZERO).min(top).lanewise(AND, 0xff);
            a.lanewise(OR, b.lanewise(LSHL, 8))
                    .lanewise(OR, c.lanewise(LSHL, 16))
                    .lanewise(OR, d.lanewise(LSHL, 24))
                    .intoArray(quads, to + i);
        }
    }
}
