package io.sparkgguf.quant.linear;

import java.io.Serializable;
import java.math.BigDecimal;

/**
 * How far a grid reaches; what lies beyond is clipped.
 *
 * @param kind see {@link Kind}
 * @param value the limit of a clamp, above zero; percent of a percentile, from 50 to 100; 0 for the others
 */
public record RangeRule(Kind kind, double value) implements Serializable {
    /** All numbers lie within. */
    public static final RangeRule MIN_MAX = new RangeRule(Kind.MIN_MAX, 0);
    /** The clip of least squared error. */
    public static final RangeRule LEAST_ERROR = new RangeRule(Kind.LEAST_ERROR, 0);

    /** How the ends are found. */
    public enum Kind {
        /** The smallest and the largest number. */
        MIN_MAX,
        /** The same, but not beyond a limit on both sides. */
        CLAMP,
        /** So many percent of the numbers lie within; see {@link ValueCounts}. */
        PERCENTILE,
        /** The smallest and the largest number times the factor of least squared error; see {@link ClipSearch}. */
        LEAST_ERROR
    }

    public RangeRule {
        boolean sound = switch (kind) {
            case CLAMP -> value > 0 && value <= Float.MAX_VALUE;
            case PERCENTILE -> value >= 50 && value <= 100;
            default -> value == 0;
        };
        if (!sound) {
            throw new IllegalArgumentException("Cannot find ranges by " + kind + " of " + value);
        }
    }

    /** Not beyond {@code limit} on both sides. */
    public static RangeRule clamp(double limit) {
        return new RangeRule(Kind.CLAMP, limit);
    }

    /** So many percent within. */
    public static RangeRule percentile(double percent) {
        return new RangeRule(Kind.PERCENTILE, percent);
    }

    /** The part of a scheme's name; empty for min/max. */
    String label() {
        return switch (kind) {
            case MIN_MAX -> "";
            case CLAMP -> "-clamp" + plain();
            case PERCENTILE -> "-p" + plain();
            case LEAST_ERROR -> "-mse";
        };
    }

    private String plain() {
        return BigDecimal.valueOf(value).stripTrailingZeros().toPlainString();
    }
}
