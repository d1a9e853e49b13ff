package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorShuffle;

/**
 * Sixteen rows of floats to columns, in registers: four rounds of the perfect shuffle, which interleaves row r with row r + 8
 * into rows 2r and 2r + 1. Two rounds are taken at a time, on four rows.
 *
 * <p>Interleaving takes the lanes of one vector doubled where the lane's number is even and those of the other where it is
 * odd. It does so by integer operations, since masks are slow on JDK 17.
 */
final class Transposition {
    /** Rows and columns that are exchanged at a time. */
    static final int SIZE = 16;

    /** Whether {@link #columns} works: vectors hold a row. */
    static final boolean WORKS = Lanes.WIDTH == SIZE;

    private static final VectorShuffle<Integer> FIRST_HALF = VectorShuffle.fromOp(Lanes.INTS, i -> i / 2);
    private static final VectorShuffle<Integer> SECOND_HALF =
            VectorShuffle.fromOp(Lanes.INTS, i -> (i + Lanes.WIDTH) / 2);
    private static final int[] ODD = new int[Lanes.WIDTH];

    static {
        for (int i = 1; i < Lanes.WIDTH; i += 2) {
            ODD[i] = -1;
        }
    }

    private Transposition() {}

    /**
     * Element i of row r, {@code x[starts[r] + i]}, to {@code out[outAt + 16 * i + r]}.
     *
     * @param elements of a row, a multiple of 16
     */
    static void columns(float[] x, int[] starts, int elements, float[] out, int outAt) {
        firstHalf(x, starts, elements, out, outAt);
        secondHalf(elements, out, outAt);
    }

    /** Rows r, r + 4, r + 8 and r + 12 of each sixteen through rounds one and two; they are left at distances of four rows. */
    private static void firstHalf(float[] x, int[] starts, int elements, float[] out, int outAt) {
        IntVector odd = IntVector.fromArray(Lanes.INTS, ODD, 0);
        IntVector even = odd.not();
        for (int r = 0; r < 4; r++) {
            int start0 = starts[r];
            int start1 = starts[r + 4];
            int start2 = starts[r + 8];
            int start3 = starts[r + 12];
            for (int i = 0; i < elements; i += SIZE) {
                IntVector a = FloatVector.fromArray(Lanes.FLOATS, x, start0 + i).reinterpretAsInts();
                IntVector b = FloatVector.fromArray(Lanes.FLOATS, x, start1 + i).reinterpretAsInts();
                IntVector c = FloatVector.fromArray(Lanes.FLOATS, x, start2 + i).reinterpretAsInts();
                IntVector d = FloatVector.fromArray(Lanes.FLOATS, x, start3 + i).reinterpretAsInts();
                IntVector ac0 = a.rearrange(FIRST_HALF)
                        .and(even)
                        .or(c.rearrange(FIRST_HALF).and(odd));
                IntVector ac1 = a.rearrange(SECOND_HALF)
                        .and(even)
                        .or(c.rearrange(SECOND_HALF).and(odd));
                IntVector bd0 = b.rearrange(FIRST_HALF)
                        .and(even)
                        .or(d.rearrange(FIRST_HALF).and(odd));
                IntVector bd1 = b.rearrange(SECOND_HALF)
                        .and(even)
                        .or(d.rearrange(SECOND_HALF).and(odd));
                a = ac0.rearrange(FIRST_HALF)
                        .and(even)
                        .or(bd0.rearrange(FIRST_HALF).and(odd));
                b = ac0.rearrange(SECOND_HALF)
                        .and(even)
                        .or(bd0.rearrange(SECOND_HALF).and(odd));
                c = ac1.rearrange(FIRST_HALF)
                        .and(even)
                        .or(bd1.rearrange(FIRST_HALF).and(odd));
                d = ac1.rearrange(SECOND_HALF)
                        .and(even)
                        .or(bd1.rearrange(SECOND_HALF).and(odd));
                int to = outAt + (i + r) * SIZE;
                a.reinterpretAsFloats().intoArray(out, to);
                b.reinterpretAsFloats().intoArray(out, to + 4 * SIZE);
                c.reinterpretAsFloats().intoArray(out, to + 8 * SIZE);
                d.reinterpretAsFloats().intoArray(out, to + 12 * SIZE);
            }
        }
    }

    /** Four neighbouring rows at a time through rounds three and four, in place. */
    private static void secondHalf(int elements, float[] out, int outAt) {
        IntVector odd = IntVector.fromArray(Lanes.INTS, ODD, 0);
        IntVector even = odd.not();
        for (int at = outAt; at < outAt + elements * SIZE; at += 4 * SIZE) {
            IntVector a = FloatVector.fromArray(Lanes.FLOATS, out, at).reinterpretAsInts();
            IntVector b = FloatVector.fromArray(Lanes.FLOATS, out, at + SIZE).reinterpretAsInts();
            IntVector c =
                    FloatVector.fromArray(Lanes.FLOATS, out, at + 2 * SIZE).reinterpretAsInts();
            IntVector d =
                    FloatVector.fromArray(Lanes.FLOATS, out, at + 3 * SIZE).reinterpretAsInts();
            IntVector ac0 =
                    a.rearrange(FIRST_HALF).and(even).or(c.rearrange(FIRST_HALF).and(odd));
            IntVector ac1 = a.rearrange(SECOND_HALF)
                    .and(even)
                    .or(c.rearrange(SECOND_HALF).and(odd));
            IntVector bd0 =
                    b.rearrange(FIRST_HALF).and(even).or(d.rearrange(FIRST_HALF).and(odd));
            IntVector bd1 = b.rearrange(SECOND_HALF)
                    .and(even)
                    .or(d.rearrange(SECOND_HALF).and(odd));
            a = ac0.rearrange(FIRST_HALF).and(even).or(bd0.rearrange(FIRST_HALF).and(odd));
            b = ac0.rearrange(SECOND_HALF)
                    .and(even)
                    .or(bd0.rearrange(SECOND_HALF).and(odd));
            c = ac1.rearrange(FIRST_HALF).and(even).or(bd1.rearrange(FIRST_HALF).and(odd));
            d = ac1.rearrange(SECOND_HALF)
                    .and(even)
                    .or(bd1.rearrange(SECOND_HALF).and(odd));
            a.reinterpretAsFloats().intoArray(out, at);
            b.reinterpretAsFloats().intoArray(out, at + SIZE);
            c.reinterpretAsFloats().intoArray(out, at + 2 * SIZE);
            d.reinterpretAsFloats().intoArray(out, at + 3 * SIZE);
        }
    }
}
