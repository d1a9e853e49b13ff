package io.sparkgguf.model.forward;

import io.sparkgguf.kernel.Rotation;

/** Cosines and sines of the positions met so far. Angles are float32 products; their functions are taken in float64. */
public final class RotaryTable {
    private final Rotary rotary;
    private final float[] frequencies;
    private final int pairs;

    /** Angles of a position: one for each pair, or for each element where neighbours turn. */
    private final int angles;

    private float[] cos = new float[0];
    private float[] sin = new float[0];
    private float[] back = new float[0];
    private int positions;

    /** @param divisors of the frequencies, one for each pair, or null for none */
    public RotaryTable(Rotary rotary, float[] divisors) {
        this.rotary = rotary;
        this.frequencies = rotary.frequencies(divisors);
        this.pairs = frequencies.length;
        this.angles = rotary.pairing() == Rotary.Pairing.HALVES ? pairs : 2 * pairs;
    }

    /** Bytes that are held for sequences of so many tokens. */
    public static long memory(DecoderConfig config, long tokens) {
        return Float.BYTES * config.headSize() * (2 * tokens + 1);
    }

    /** Turns the heads of a sequence whose first token's heads begin at {@code at}. */
    public void turn(float[] x, int at, int tokens, int heads) {
        reach(tokens);
        turn(x, at, tokens, heads, sin);
    }

    /** The transpose of {@link #turn}, which takes gradients of turned heads to those of the heads before. */
    public void turnBack(float[] x, int at, int tokens, int heads) {
        reach(tokens);
        if (back.length < sin.length) {
            back = new float[sin.length];
            for (int i = 0; i < back.length; i++) {
                back[i] = -sin[i];
            }
        }
        turn(x, at, tokens, heads, back);
    }

    private void turn(float[] x, int at, int tokens, int heads, float[] sines) {
        int size = 2 * pairs;
        for (int token = 0; token < tokens; token++) {
            int from = at + token * heads * size;
            if (rotary.pairing() == Rotary.Pairing.HALVES) {
                Rotation.halves(x, from, heads, size, cos, sines, token * angles);
            } else {
                Rotation.neighbours(x, from, heads, size, cos, sines, token * angles);
            }
        }
    }

    private void reach(int tokens) {
        if (tokens <= positions) {
            return;
        }
        float[] moreCos = new float[Math.multiplyExact(tokens, angles)];
        float[] moreSin = new float[moreCos.length];
        System.arraycopy(cos, 0, moreCos, 0, positions * angles);
        System.arraycopy(sin, 0, moreSin, 0, positions * angles);
        float magnitude = rotary.magnitude();
        for (int position = positions; position < tokens; position++) {
            for (int i = 0; i < pairs; i++) {
                double angle = position * frequencies[i];
                float c = (float) StrictMath.cos(angle) * magnitude;
                float s = (float) StrictMath.sin(angle) * magnitude;
                if (rotary.pairing() == Rotary.Pairing.HALVES) {
                    moreCos[position * angles + i] = c;
                    moreSin[position * angles + i] = s;
                } else {
                    moreCos[position * angles + 2 * i] = c;
                    moreCos[position * angles + 2 * i + 1] = c;
                    moreSin[position * angles + 2 * i] = -s;
                    moreSin[position * angles + 2 * i + 1] = s;
                }
            }
        }
        cos = moreCos;
        sin = moreSin;
        positions = tokens;
    }
}
