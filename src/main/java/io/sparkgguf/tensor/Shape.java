package io.sparkgguf.tensor;

import java.io.Serializable;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The dimensions of a tensor, outermost first, as safetensors and numpy write them. GGUF writes them the other way
 * round, see {@link #reversed()}. The last dimension is the row: contiguous in memory, and the one that blocks divide.
 *
 * <p>Immutable. The number of elements always fits a long.
 */
public final class Shape implements Serializable {
    private static final long serialVersionUID = 1L;

    private final long[] dimensions;
    private final long elements;

    private Shape(long[] dimensions) {
        this.dimensions = dimensions;
        this.elements = checkedProduct(dimensions);
    }

    /**
     * A shape of these dimensions, outermost first; none at all is a scalar of one element.
     *
     * @throws IllegalArgumentException when a dimension is negative or the product does not fit a long
     */
    public static Shape of(long... dimensions) {
        return new Shape(dimensions.clone());
    }

    private static long checkedProduct(long[] dimensions) {
        long product = 1;
        boolean zero = false;
        for (long dimension : dimensions) {
            if (dimension < 0) {
                throw new IllegalArgumentException(
                        "Cannot use shape " + Arrays.toString(dimensions) + ": a dimension is negative");
            }
            if (dimension == 0) {
                zero = true; // the others must still not overflow
            } else {
                if (product > Long.MAX_VALUE / dimension) {
                    throw new IllegalArgumentException("Cannot use shape " + Arrays.toString(dimensions)
                            + ": the number of elements exceeds 2^63 - 1");
                }
                product *= dimension;
            }
        }
        return zero ? 0 : product;
    }

    /** Number of dimensions. */
    public int rank() {
        return dimensions.length;
    }

    /** The size of dimension {@code axis}, 0 being the outermost. */
    public long dimension(int axis) {
        return dimensions[axis];
    }

    /** Product of the dimensions. */
    public long elements() {
        return elements;
    }

    /** Elements of one row: the last dimension, or 1 for a scalar. */
    public long columns() {
        return dimensions.length == 0 ? 1 : dimensions[dimensions.length - 1];
    }

    /** Rows of the tensor seen as a matrix: the product of all dimensions but the last. */
    public long rows() {
        long columns = columns();
        return columns == 0 ? 0 : elements / columns;
    }

    /** The same dimensions, innermost first and the other way round. */
    public Shape reversed() {
        long[] turned = new long[dimensions.length];
        for (int i = 0; i < turned.length; i++) {
            turned[i] = dimensions[dimensions.length - 1 - i];
        }
        return new Shape(turned);
    }

    /** A copy of the dimensions, outermost first. */
    public long[] toArray() {
        return dimensions.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(dimensions, shape.dimensions);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dimensions);
    }

    /** For people: {@code [4096, 1024]}, outermost first. */
    @Override
    public String toString() {
        return Arrays.stream(dimensions).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"));
    }
}
