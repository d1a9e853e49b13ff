package io.sparkgguf.quant.linear;

import io.sparkgguf.tensor.Shape;
import java.util.Objects;

/**
 * Integers of a few bits and a scale, shared by all weights, a row or a group.
 *
 * @param bits of an integer: 2, 3, 4, 5, 6 or 8
 * @param symmetric whether levels reach equally far on both sides of zero; else a zero point of as many bits is kept
 * @param granularity which weights share a scale
 * @param range how far it reaches
 */
public record LinearScheme(int bits, boolean symmetric, Granularity granularity, RangeRule range) implements Scheme {
    public LinearScheme {
        if (bits < 2 || bits > 8 || bits == 7) {
            throw new IllegalArgumentException(
                    "Cannot use integers of " + bits + " bits: 2, 3, 4, 5, 6 or 8 are known");
        }
        Objects.requireNonNull(granularity, "granularity");
        Objects.requireNonNull(range, "range");
    }

    @Override
    public String label() {
        return "int" + bits + (symmetric ? "" : "-asym") + granularity.label() + range.label();
    }

    /** Any: the last group of a row may be shorter. */
    @Override
    public boolean fits(long columns) {
        return true;
    }

    /**
     * Bytes of a tensor: rows of integers, each padded to whole bytes; a scale for each tensor, row or group; and, when
     * asymmetric, zero points of as many bits, those of a row's groups padded to whole bytes.
     */
    @Override
    public long bytes(Shape shape) {
        long rows = shape.rows();
        long columns = shape.columns();
        long codes = rows * ((columns * bits + 7) / 8);
        long runs = granularity.kind() == Granularity.Kind.GROUP
                ? (columns + granularity.group() - 1) / granularity.group()
                : 1;
        long zeroPoints = symmetric ? 0 : (runs * bits + 7) / 8;
        long shared = runs * granularity.scaleBytes() + zeroPoints;
        return codes + (granularity.kind() == Granularity.Kind.TENSOR ? 1 : rows) * shared;
    }

    /** Whether a scale must know the whole tensor. */
    public boolean isWholeTensor() {
        return granularity.kind() == Granularity.Kind.TENSOR;
    }

    /** The grid that reaches from one end of a range to the other. */
    public LinearGrid grid(ValueRange ends) {
        boolean half = granularity.scaleBytes() == 2;
        return symmetric
                ? LinearGrid.symmetric(bits, ends.limit(), half)
                : LinearGrid.asymmetric(bits, ends.lowest(), ends.highest(), half);
    }

    @Override
    public String toString() {
        return label();
    }
}
