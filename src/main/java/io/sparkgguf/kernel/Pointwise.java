package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;

/** What a forward pass does element by element, each operation rounded by itself. */
public final class Pointwise {
    private static final int CHUNK = 1024;
    private static final float[] ZEROS = new float[CHUNK];
    private static final ThreadLocal<float[]> POWERS = ThreadLocal.withInitial(() -> new float[CHUNK]);

    private Pointwise() {}

    /** x += y. */
    public static void add(float[] x, int at, float[] y, int yAt, int count) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, x, at + i)
                    .add(FloatVector.fromArray(Lanes.FLOATS, y, yAt + i))
                    .intoArray(x, at + i);
        }
        addScalar(x, at + i, y, yAt + i, count - i);
    }

    static void addScalar(float[] x, int at, float[] y, int yAt, int count) {
        for (int i = 0; i < count; i++) {
            x[at + i] += y[yAt + i];
        }
    }

    /** x *= y. */
    public static void multiply(float[] x, int at, float[] y, int yAt, int count) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, x, at + i)
                    .mul(FloatVector.fromArray(Lanes.FLOATS, y, yAt + i))
                    .intoArray(x, at + i);
        }
        multiplyScalar(x, at + i, y, yAt + i, count - i);
    }

    static void multiplyScalar(float[] x, int at, float[] y, int yAt, int count) {
        for (int i = 0; i < count; i++) {
            x[at + i] *= y[yAt + i];
        }
    }

    /** x /= y. */
    public static void divide(float[] x, int at, float[] y, int yAt, int count) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, x, at + i)
                    .div(FloatVector.fromArray(Lanes.FLOATS, y, yAt + i))
                    .intoArray(x, at + i);
        }
        divideScalar(x, at + i, y, yAt + i, count - i);
    }

    static void divideScalar(float[] x, int at, float[] y, int yAt, int count) {
        for (int i = 0; i < count; i++) {
            x[at + i] /= y[yAt + i];
        }
    }

    /** SwiGLU: gate becomes gate / (1 + exp(-gate)) * up. */
    public static void gate(float[] gate, int at, float[] up, int upAt, int count) {
        float[] powers = POWERS.get();
        for (int i = 0; i < count; i += CHUNK) {
            int some = Math.min(CHUNK, count - i);
            Exponential.ofDifference(ZEROS, 0, gate, at + i, some, powers, 0);
            gate(gate, at + i, powers, up, upAt + i, some);
        }
    }

    private static void gate(float[] gate, int at, float[] powers, float[] up, int upAt, int count) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, gate, at + i)
                    .div(FloatVector.fromArray(Lanes.FLOATS, powers, i).add(1f))
                    .mul(FloatVector.fromArray(Lanes.FLOATS, up, upAt + i))
                    .intoArray(gate, at + i);
        }
        gateScalar(gate, at + i, up, upAt + i, count - i);
    }

    static void gateScalar(float[] gate, int at, float[] up, int upAt, int count) {
        for (int i = 0; i < count; i++) {
            float g = gate[at + i];
            gate[at + i] = g / (Exponential.of(0f - g) + 1f) * up[upAt + i];
        }
    }

    /** Gates of squared ReLU: gate becomes max(gate, 0)² * up. */
    public static void gateSquaredRelu(float[] gate, int at, float[] up, int upAt, int count) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector positive =
                    FloatVector.fromArray(Lanes.FLOATS, gate, at + i).max(0f);
            positive.mul(positive)
                    .mul(FloatVector.fromArray(Lanes.FLOATS, up, upAt + i))
                    .intoArray(gate, at + i);
        }
        gateSquaredReluScalar(gate, at + i, up, upAt + i, count - i);
    }

    static void gateSquaredReluScalar(float[] gate, int at, float[] up, int upAt, int count) {
        for (int i = 0; i < count; i++) {
            float positive = Math.max(gate[at + i], 0f);
            gate[at + i] = positive * positive * up[upAt + i];
        }
    }
}
