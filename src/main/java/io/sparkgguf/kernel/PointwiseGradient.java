package io.sparkgguf.kernel;

import jdk.incubator.vector.FloatVector;

/** Gradients of what a forward pass does element by element, each operation rounded by itself. */
public final class PointwiseGradient {
    private static final int CHUNK = 1024;
    private static final float[] ZEROS = new float[CHUNK];
    private static final ThreadLocal<float[]> POWERS = ThreadLocal.withInitial(() -> new float[CHUNK]);

    private PointwiseGradient() {}

    /**
     * The gradient of {@link Pointwise#gate}: with s = 1 / (1 + exp(-gate)) and d the gradient of the result, gate becomes
     * {@code d up s (1 + gate (1 - s))} and up becomes {@code d gate s}.
     */
    public static void gate(float[] gate, int at, float[] up, int upAt, float[] d, int dAt, int count) {
        float[] powers = POWERS.get();
        for (int i = 0; i < count; i += CHUNK) {
            int some = Math.min(CHUNK, count - i);
            Exponential.ofDifference(ZEROS, 0, gate, at + i, some, powers, 0);
            gate(gate, at + i, powers, up, upAt + i, d, dAt + i, some);
        }
    }

    private static void gate(
            float[] gate, int at, float[] powers, float[] up, int upAt, float[] d, int dAt, int count) {
        FloatVector one = FloatVector.broadcast(Lanes.FLOATS, 1f);
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector g = FloatVector.fromArray(Lanes.FLOATS, gate, at + i);
            FloatVector given = FloatVector.fromArray(Lanes.FLOATS, d, dAt + i);
            FloatVector s =
                    one.div(FloatVector.fromArray(Lanes.FLOATS, powers, i).add(1f));
            FloatVector slope = g.mul(one.sub(s)).add(1f).mul(s);
            given.mul(FloatVector.fromArray(Lanes.FLOATS, up, upAt + i))
                    .mul(slope)
                    .intoArray(gate, at + i);
            given.mul(g.mul(s)).intoArray(up, upAt + i);
        }
        gateScalar(gate, at + i, up, upAt + i, d, dAt + i, count - i);
    }

    static void gateScalar(float[] gate, int at, float[] up, int upAt, float[] d, int dAt, int count) {
        for (int i = 0; i < count; i++) {
            float g = gate[at + i];
            float given = d[dAt + i];
            float s = 1f / (Exponential.of(0f - g) + 1f);
            float slope = (g * (1f - s) + 1f) * s;
            gate[at + i] = given * up[upAt + i] * slope;
            up[upAt + i] = given * (g * s);
        }
    }

    /**
     * The gradient of softmax, queries lying in lanes as in {@link StreamingSoftmax}: d becomes {@code weight (d - mean)}.
     *
     * @param weights what softmax gave for one key and {@code count} queries
     * @param d its gradients, which are replaced by those of the scores
     * @param means for each query the sum over all keys of {@code weight d}, from index 0
     */
    public static void softmax(float[] weights, int at, float[] d, int dAt, float[] means, int count) {
        int i = 0;
        for (; i <= count - Lanes.WIDTH; i += Lanes.WIDTH) {
            FloatVector.fromArray(Lanes.FLOATS, d, dAt + i)
                    .sub(FloatVector.fromArray(Lanes.FLOATS, means, i))
                    .mul(FloatVector.fromArray(Lanes.FLOATS, weights, at + i))
                    .intoArray(d, dAt + i);
        }
        softmaxScalar(weights, at, d, dAt, means, i, count);
    }

    static void softmaxScalar(float[] weights, int at, float[] d, int dAt, float[] means, int from, int count) {
        for (int i = from; i < count; i++) {
            d[dAt + i] = (d[dAt + i] - means[i]) * weights[at + i];
        }
    }
}
