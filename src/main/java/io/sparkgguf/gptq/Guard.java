package io.sparkgguf.gptq;

import java.util.Locale;

/** Decides by inputs that the solver never saw whether a tensor takes its result or stays with importance-weighted rounding. */
public final class Guard {
    private Guard() {}

    /**
     * @param taken whether the solver's result is better
     * @param reason one line for the report
     */
    public record Verdict(boolean taken, String reason) {}

    /**
     * @param solved tr(D H Dᵀ) of the solver's result under the held-out Hessian
     * @param rounded that of importance-weighted rounding
     */
    public static Verdict decide(double solved, double rounded) {
        if (!Double.isFinite(solved)) {
            return new Verdict(false, "its held-out error is " + solved);
        }
        if (solved < rounded) {
            return new Verdict(
                    true, String.format(Locale.ROOT, "held-out error %.4g, importance-weighted %.4g", solved, rounded));
        }
        return new Verdict(
                false,
                String.format(
                        Locale.ROOT,
                        "its held-out error %.4g is not below importance-weighted rounding's %.4g",
                        solved,
                        rounded));
    }
}
