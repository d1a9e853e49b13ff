package io.sparkgguf.quant.linear;

import java.io.Serializable;

/**
 * Which weights share a scale, and a zero point: all, those of a row, or each {@code group} of a row that follow each
 * other. The last group of a row may be shorter.
 *
 * <p>Scales of tensors and rows are kept as float32; those of groups as binary16, since there they count, rounded up so
 * that the range stays covered.
 *
 * @param kind what is shared
 * @param group weights of a group; 0 for the other kinds
 */
public record Granularity(Kind kind, int group) implements Serializable {
    /** The whole tensor. */
    public static final Granularity TENSOR = new Granularity(Kind.TENSOR, 0);
    /** A row: an output channel. */
    public static final Granularity ROW = new Granularity(Kind.ROW, 0);

    static final int LEAST_GROUP = 8;
    static final int LARGEST_GROUP = 1 << 16;

    /** What is shared by whom. */
    public enum Kind {
        TENSOR,
        ROW,
        GROUP
    }

    public Granularity {
        if (kind == Kind.GROUP ? group < LEAST_GROUP || group > LARGEST_GROUP || group % 8 != 0 : group != 0) {
            throw new IllegalArgumentException("Cannot share a scale by " + group + " weights: a group has "
                    + LEAST_GROUP + " to " + LARGEST_GROUP + ", a multiple of 8");
        }
    }

    /** Groups of so many weights. */
    public static Granularity groups(int weights) {
        return new Granularity(Kind.GROUP, weights);
    }

    /** How many share a scale in a row of so many columns. */
    int run(int columns) {
        return kind == Kind.GROUP ? Math.min(group, columns) : columns;
    }

    /** Bytes of a scale. */
    int scaleBytes() {
        return kind == Kind.GROUP ? 2 : 4;
    }

    /** The part of a scheme's name; empty for the whole tensor. */
    String label() {
        return switch (kind) {
            case TENSOR -> "";
            case ROW -> "-row";
            case GROUP -> "-g" + group;
        };
    }
}
