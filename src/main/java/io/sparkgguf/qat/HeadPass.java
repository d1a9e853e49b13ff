package io.sparkgguf.qat;

import io.sparkgguf.kernel.Exponential;
import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.RmsNormGradient;
import io.sparkgguf.model.forward.DecoderConfig;
import java.util.Arrays;

/**
 * How far a student's next-token distributions are from a teacher's, and the gradient of that by the residual stream behind
 * the student's last block.
 *
 * <p>The divergence of a token is that of Kullback and Leibler, {@code sum(p (log p - log q))} with p the teacher's softmax and
 * q the student's, in nats; its gradient by the student's logits is {@code q - p}. Exponentials are float32, sums over the
 * vocabulary are taken in order in float64. A few tokens at a time, so that memory does not grow with the sequence. For one
 * thread.
 */
final class HeadPass {
    /** Tokens whose logits are held at a time. */
    private static final int SLAB = 64;

    private final DecoderConfig config;
    private final OutputHead student;
    private final OutputHead teacher;
    private final int vocabulary;
    private final float[] normed;
    private final float[] dNormed;
    private final float[] logits;
    private final float[] teacherLogits;
    private final float[] powers;
    private final float[] teacherPowers;
    private final float[] largest;

    HeadPass(DecoderConfig config, OutputHead student, OutputHead teacher) {
        if (student.vocabulary() != teacher.vocabulary()) {
            throw new IllegalArgumentException("Cannot compare logits of " + student.vocabulary()
                    + " tokens with those of " + teacher.vocabulary());
        }
        this.config = config;
        this.student = student;
        this.teacher = teacher;
        vocabulary = student.vocabulary();
        normed = new float[SLAB * config.width()];
        dNormed = new float[normed.length];
        logits = new float[Math.multiplyExact(SLAB, vocabulary)];
        teacherLogits = new float[logits.length];
        powers = new float[vocabulary];
        teacherPowers = new float[vocabulary];
        largest = new float[vocabulary];
    }

    /** Bytes that it holds, beside the heads. */
    static long memory(DecoderConfig config, int vocabulary) {
        return Float.BYTES * (2L * SLAB * config.width() + (2L * SLAB + 3) * vocabulary);
    }

    /**
     * The divergence of a sequence, added up over its tokens.
     *
     * @param hidden the student's residual stream, {@code tokens * width} values from index 0; not changed
     * @param target the teacher's, likewise
     * @param d receives the gradient, as many values; null when it is not wanted
     */
    double run(float[] hidden, float[] target, int tokens, float[] d) {
        int width = config.width();
        if (d != null) {
            Arrays.fill(d, 0, tokens * width, 0);
        }
        double sum = 0;
        for (int from = 0; from < tokens; from += SLAB) {
            int count = Math.min(SLAB, tokens - from);
            logits(teacher, target, from * width, count, teacherLogits);
            logits(student, hidden, from * width, count, logits);
            for (int i = 0; i < count; i++) {
                sum += token(i * vocabulary, d != null);
            }
            if (d != null) {
                Gemm.multiply(
                        count,
                        width,
                        vocabulary,
                        logits,
                        0,
                        vocabulary,
                        student.matrix(),
                        0,
                        width,
                        false,
                        dNormed,
                        0,
                        width);
                RmsNormGradient.add(
                        hidden,
                        from * width,
                        count,
                        width,
                        student.norm(),
                        config.epsilon(),
                        dNormed,
                        0,
                        d,
                        from * width);
            }
        }
        return sum;
    }

    private void logits(OutputHead head, float[] hidden, int at, int count, float[] into) {
        head.normed(config, hidden, at, count, normed);
        int width = config.width();
        Gemm.multiplyTransposed(
                count, vocabulary, width, normed, 0, width, head.matrix(), 0, width, false, into, 0, vocabulary);
    }

    /** The divergence of a token, whose logits are replaced by their gradient when that is wanted. */
    private double token(int at, boolean gradient) {
        float top = powers(logits, at, powers);
        float teacherTop = powers(teacherLogits, at, teacherPowers);
        double all = sum(powers);
        double teacherAll = sum(teacherPowers);
        double apart = 0;
        for (int i = 0; i < vocabulary; i++) {
            apart += teacherPowers[i]
                    * ((double) (teacherLogits[at + i] - teacherTop) - (double) (logits[at + i] - top));
        }
        if (gradient) {
            float share = (float) (1 / all);
            float teacherShare = (float) (1 / teacherAll);
            for (int i = 0; i < vocabulary; i++) {
                logits[at + i] = powers[i] * share - teacherPowers[i] * teacherShare;
            }
        }
        return apart / teacherAll + StrictMath.log(all) - StrictMath.log(teacherAll);
    }

    /** Exponentials of a token's logits relative to the largest, which is returned. */
    private float powers(float[] x, int at, float[] into) {
        float top = x[at];
        for (int i = at + 1; i < at + vocabulary; i++) {
            if (x[i] > top) {
                top = x[i];
            }
        }
        Arrays.fill(largest, top);
        Exponential.ofDifference(x, at, largest, 0, vocabulary, into, 0);
        return top;
    }

    private static double sum(float[] x) {
        double sum = 0;
        for (float each : x) {
            sum += each;
        }
        return sum;
    }
}
