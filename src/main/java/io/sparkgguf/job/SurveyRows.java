package io.sparkgguf.job;

import io.sparkgguf.format.imatrix.ImatrixEntry;
import io.sparkgguf.format.imatrix.Importance;
import io.sparkgguf.kernel.Finite;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.Serializable;
import java.util.Arrays;
import java.util.HashMap;

/** Reads the rows of slices, a slab at a time, and what their columns count. */
record SurveyRows(Storage storage, BlendedWeights weights, HashMap<String, ImatrixEntry> importance)
        implements Serializable {
    /** Weights of a slab, unless a row has more: so that it fits a core's cache. */
    private static final int SLAB_WEIGHTS = 1 << 18;

    /** Takes a slab: {@code rows} rows from index 0, finite; until the call returns. */
    interface Slab {
        void accept(float[] x, int rows);
    }

    static int slabRows(int columns) {
        return Math.max(1, SLAB_WEIGHTS / columns);
    }

    /** The importance of the columns of a slice, or null. */
    float[] importance(SurveySlice slice) throws IOException {
        ImatrixEntry entry = importance.get(slice.name());
        if (entry == null) {
            return null;
        }
        try (RangeReader reader = storage.open(entry.file())) {
            return Importance.load(reader, entry, slice.columns(), slice.matrix());
        }
    }

    /** The same, ones where nothing is known. */
    float[] weightsOfErrors(SurveySlice slice) throws IOException {
        float[] known = importance(slice);
        if (known == null) {
            known = new float[slice.columns()];
            Arrays.fill(known, 1f);
        }
        return known;
    }

    /** Hands all rows of a slice to {@code taker}, in order. */
    void read(SurveySlice slice, Slab taker) throws IOException {
        int columns = slice.columns();
        int most = Math.min(slice.rows(), slabRows(columns));
        float[] x = new float[Math.multiplyExact(most, columns)];
        try (WeightSource source = weights.open(storage)) {
            for (int from = 0; from < slice.rows(); from += most) {
                int rows = Math.min(most, slice.rows() - from);
                for (int i = 0; i < rows; ) {
                    int run = 1; // rows that follow each other are read at once
                    while (i + run < rows && slice.row(from + i + run) == slice.row(from + i) + run) {
                        run++;
                    }
                    source.rows(slice.name(), slice.row(from + i), run, x, i * columns);
                    i += run;
                }
                requireFinite(slice, from, x, rows * columns);
                taker.accept(x, rows);
            }
        }
    }

    private static void requireFinite(SurveySlice slice, int firstRow, float[] x, int count) {
        int bad = Finite.firstNonFinite(x, 0, count);
        if (bad >= 0) {
            throw new InvalidInputException("Cannot survey tensor %s: the weight at row %d, column %d is %s"
                    .formatted(
                            slice.name(), slice.row(firstRow + bad / slice.columns()), bad % slice.columns(), x[bad]));
        }
    }
}
