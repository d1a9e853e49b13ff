package io.sparkgguf.job;

import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.kernel.WeightedErrorSums;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;

/**
 * Rounds the rows of a slice to all types that the tensor may get and adds up the squared errors, each column's counted by
 * its importance: the error of the outputs, were the columns of the inputs uncorrelated. Row after row in double.
 */
record TypeErrors(SurveyRows rows) implements Stage.Task<TypeErrors.Item, TypeErrors.Sums> {

    /**
     * @param importance of its columns; null for what an importance matrix says
     * @param searched whether importance has a say in how rows are rounded, too
     * @param types to try
     */
    record Item(SurveySlice slice, float[] importance, boolean searched, ArrayList<BlockType> types)
            implements Serializable {
        /** Its name in the journal. */
        String key() {
            return slice.name() + " " + slice.first();
        }
    }

    /**
     * @param squares of weights
     * @param errors squared errors, by type
     */
    record Sums(double squares, double[] errors) implements Serializable {
        Sums and(Sums next) {
            double[] both = errors.clone();
            Arrays.setAll(both, i -> both[i] + next.errors[i]);
            return new Sums(squares + next.squares, both);
        }

        /** The squared error by a type's number, relative to the squares. */
        double relative(int type) {
            return errors[type] == 0 ? 0 : errors[type] / squares;
        }
    }

    /** Bytes that a task holds for rows of so many columns, beside an opened source. */
    static long memory(int columns) {
        long slab = (long) SurveyRows.slabRows(columns) * columns;
        return Float.BYTES * slab + RoundedRows.memory(slab) + 16L * columns;
    }

    @Override
    public Sums run(Item item) throws IOException {
        SurveySlice slice = item.slice();
        float[] importance = item.importance() != null ? item.importance() : rows.importance(slice);
        float[] counted = importance != null ? importance : rows.weightsOfErrors(slice);
        int columns = slice.columns();
        double[] squares = new double[1];
        double[] errors = new double[item.types().size()];
        double[] row = new double[2];
        RoundedRows rounding = new RoundedRows();
        rows.read(slice, (x, count) -> {
            for (int t = 0; t < errors.length; t++) {
                float[] rounded =
                        rounding.round(item.types().get(t), x, 0, count, columns, item.searched() ? importance : null);
                for (int r = 0; r < count; r++) {
                    WeightedErrorSums.sum(x, r * columns, rounded, r * columns, counted, 0, columns, row);
                    errors[t] += row[0];
                    squares[0] += t == 0 ? row[1] : 0;
                }
            }
        });
        return new Sums(squares[0], errors);
    }
}
