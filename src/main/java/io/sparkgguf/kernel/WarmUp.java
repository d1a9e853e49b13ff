package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Lets the JDK's vector methods meet operators of all kinds before HotSpot compiles them.
 *
 * <p>The methods behind all operators are compiled by themselves too. If they met one kind only until then, the next kind
 * fails their class checks, and HotSpot adds these failures up over all the methods inlined into one it compiles. A kernel
 * of more than some 25 operations so reaches the limit (PerMethodTrapLimit, 100), above which C2 no longer trusts the
 * classes of vectors: it makes objects of them and the kernel becomes ten times slower, for the life of the process.
 */
final class WarmUp {
    /** Past the threshold of C1, which records the classes met, and below that of C2. */
    private static final int ROUNDS = 1000;

    private WarmUp() {}

    /** Takes about a tenth of a second. */
    static void run() {
        float[] floats = new float[Lanes.WIDTH];
        int[] ints = new int[Lanes.WIDTH];
        for (int i = 0; i < ROUNDS; i++) {
            useOperators(floats, ints);
        }
    }

    private static void useOperators(float[] floats, int[] ints) {
        FloatVector x = FloatVector.fromArray(Lanes.FLOATS, floats, 0);
        FloatVector y = FloatVector.broadcast(Lanes.FLOATS, 1f);
        VectorMask<Float> less = x.abs().compare(VectorOperators.LT, y).and(x.compare(VectorOperators.NE, 0f));
        FloatVector z = x.mul(y)
                .add(1f)
                .sub(y)
                .div(2f)
                .neg()
                .blend(x, less)
                .blend(0f, less)
                .sqrt();
        z.lanewise(VectorOperators.FMA, x, y).intoArray(floats, 0);
        IntVector i = z.reinterpretAsInts()
                .and(0x7fff)
                .max(1)
                .min(IntVector.broadcast(Lanes.INTS, 9))
                .or(3);
        IntVector j = i.lanewise(VectorOperators.LSHL, 3)
                .lanewise(VectorOperators.ASHR, 2)
                .lanewise(VectorOperators.XOR, i);
        VectorMask<Integer> more = j.compare(VectorOperators.GT, i);
        if (more.anyTrue()) {
            j = j.blend(i, more).lanewise(VectorOperators.NOT);
        }
        j.lanewise(VectorOperators.BITWISE_BLEND, i, i)
                .reinterpretAsFloats()
                .reinterpretAsInts()
                .intoArray(ints, 0);
    }
}
