package io.sparkgguf.kernel;

import java.util.Arrays;

/**
 * Codes the scales (or minima) of a super-block's sub-blocks as small integers times one factor, each scale weighted
 * by the importance of its sub-block: the scalar definition.
 *
 * <p>First a search over nine factors by squared error, then the factor in closed form, then up to five sweeps of
 * coordinate descent: each code moves to its optimum given the others when that brings the fit closer.
 *
 * <p>Codes are kept as unsigned bytes, so a negative one, which only a degenerate fit can cause, wraps.
 *
 * <p>Source: make_qp_quants of ggml; operations and their order are its own.
 */
final class ScaleCodeSearch {
    /** Below this a super-block's scales are all taken for zero. */
    static final float NOTHING = 1e-15f;

    static final int SWEEPS = 5;

    private ScaleCodeSearch() {}

    /** The inverse factor of candidate {@code c}, -4 to 4, before it is divided by the largest scale. */
    static float stepsOfRange(int c, int maxCode) {
        return 0.1f * c + maxCode;
    }

    /**
     * @param scales {@code n} values
     * @param w their weights
     * @param codes receives {@code n} numbers from 0 to 255
     * @return the factor: scale ≈ factor * code
     */
    static float fit(float[] scales, float[] w, int n, int maxCode, int[] codes) {
        float max = 0;
        for (int i = 0; i < n; i++) {
            max = max > scales[i] ? max : scales[i];
        }
        if (max < NOTHING) {
            Arrays.fill(codes, 0, n, 0);
            return 0f;
        }
        float inverse = maxCode / max;
        float best = 0;
        for (int i = 0; i < n; i++) {
            int code = NearestInt.nearest(inverse * scales[i]) & 0xff;
            float e = scales[i] - 1 / inverse * code;
            best += w[i] * e * e;
        }
        for (int c = -4; c <= 4; c++) {
            if (c == 0) {
                continue;
            }
            float candidate = stepsOfRange(c, maxCode) / max;
            float factor = 1 / candidate;
            float error = 0;
            for (int i = 0; i < n; i++) {
                float e = scales[i] - factor * code(candidate * scales[i], maxCode);
                error += w[i] * e * e;
            }
            if (error < best) {
                best = error;
                inverse = candidate;
            }
        }
        float sumXL = 0;
        float sumL2 = 0;
        for (int i = 0; i < n; i++) {
            int code = code(inverse * scales[i], maxCode);
            codes[i] = code & 0xff;
            sumXL += w[i] * scales[i] * code;
            sumL2 += w[i] * code * code;
        }
        for (int sweep = 0; sweep < SWEEPS; sweep++) {
            boolean changed = false;
            for (int i = 0; i < n; i++) {
                float wx = w[i] * scales[i];
                float restXL = sumXL - wx * codes[i];
                float restL2 = sumL2 - w[i] * codes[i] * codes[i];
                if (restXL > 0 && restL2 > 0) {
                    int code = code(scales[i] * restL2 / restXL, maxCode);
                    if (code != codes[i]) {
                        restXL += wx * code;
                        restL2 += w[i] * code * code;
                        if (restXL * restXL * sumL2 > sumXL * sumXL * restL2) {
                            codes[i] = code & 0xff;
                            sumXL = restXL;
                            sumL2 = restL2;
                            changed = true;
                        }
                    }
                }
            }
            if (!changed) {
                break;
            }
        }
        return sumL2 > 0 ? sumXL / sumL2 : 0f;
    }

    private static int code(float v, int maxCode) {
        return Math.min(maxCode, NearestInt.nearest(v));
    }
}
