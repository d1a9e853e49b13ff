package io.sparkgguf.quant.linear;

import java.util.ArrayList;
import java.util.List;

/**
 * Rows of weights as a linear scheme would store them, unpacked: a code from 0 for each weight, and the grids of the runs
 * that share one, in order.
 *
 * @param columns of a row
 * @param codes one a weight, unsigned bytes, row after row
 * @param runs in the order of the weights, without a gap
 */
public record LinearCodes(int columns, byte[] codes, List<Run> runs) {
    /**
     * Weights that share a grid.
     *
     * @param count how many
     */
    public record Run(int count, LinearGrid grid) {}

    /** Writes the weights that the codes stand for. */
    public void decode(float[] y, int yAt) {
        int at = 0;
        for (Run run : runs) {
            for (int i = at; i < at + run.count(); i++) {
                y[yAt + i] = run.grid().value(codes[i] & 0xff);
            }
            at += run.count();
        }
    }

    /** Puts them together run by run. */
    static final class Builder {
        private final int columns;
        private final byte[] codes;
        private final List<Run> runs = new ArrayList<>();
        private int done;

        Builder(int rows, int columns) {
            this.columns = columns;
            codes = new byte[rows * columns];
        }

        void add(float[] x, int at, int count, LinearGrid grid) {
            for (int i = 0; i < count; i++) {
                codes[done + i] = (byte) grid.code(x[at + i]);
            }
            done += count;
            runs.add(new Run(count, grid));
        }

        LinearCodes build() {
            return new LinearCodes(columns, codes, List.copyOf(runs));
        }
    }
}
