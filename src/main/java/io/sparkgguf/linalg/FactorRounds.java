package io.sparkgguf.linalg;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * {@link InverseFactor}'s R made in rounds of steps, for matrices whose factor is too much for one core: the steps of a round
 * do not depend on each other, may run anywhere, at once, and again.
 *
 * <p>U is made panel by panel, a panel being some rows of tiles, from the rows above it (left-looking): one step factors the
 * square on the panel's diagonal, then others bring groups of columns behind it to an end. So that the first one is short,
 * most of what goes into the next panel's square is subtracted already beside those. In a last round each group of columns of
 * X is made from U alone. No step writes what it, or another one of its round, reads.
 *
 * <p>Each element is the same chain of operations as in {@link InverseFactor}, so that R has the same bits.
 */
public final class FactorRounds {
    private final int order;
    private final int size;
    private final int panel;
    private final int group;
    private final int inverted;
    private final TileSolve solve;
    private final int count;

    /** What a step does. */
    public enum Kind {
        /** Factors the square on a panel's diagonal. */
        DIAGONAL,
        /** Solves columns of a panel behind its square. */
        COLUMNS,
        /** Subtracts from rows of a panel's square all but the panel before it. */
        AHEAD,
        /** Makes columns of X. */
        INVERSE
    }

    /**
     * A piece of work for one task.
     *
     * @param panel index of the panel; 0 for columns of X
     * @param from first column of tiles, in reverse order; of {@link Kind#AHEAD} the first row of tiles
     * @param to one past the last
     */
    public record Step(Kind kind, int panel, int from, int to) implements Serializable {}

    /**
     * Where matrices lie that steps read and write; all of the same order and tile size, all different.
     *
     * @param h symmetric; upper half; only read
     * @param ahead unfinished squares
     * @param u the factor of the reversed matrix, its tiles in the places of H's
     * @param r the result
     */
    public record Matrices(Tiles h, Tiles ahead, Tiles u, Tiles r) {
        public Matrices {
            InverseFactor.requireAlike(h, ahead);
            InverseFactor.requireAlike(h, u);
            InverseFactor.requireAlike(h, r);
        }
    }

    /**
     * @param order rows and columns of the matrix
     * @param tileSize rows and columns of a tile
     * @param panel rows of tiles in a panel
     * @param group columns of tiles that a step solves
     * @param inverted columns of tiles that a step inverts; it holds all their tiles
     */
    public FactorRounds(int order, int tileSize, int panel, int group, int inverted) {
        if (order < 1 || tileSize < 1 || panel < 1 || group < 1 || inverted < 1) {
            throw new IllegalArgumentException(
                    "Cannot factor in rounds: order %d, tiles of %d, panels of %d, %d columns solved and %d inverted"
                            .formatted(order, tileSize, panel, group, inverted));
        }
        this.order = order;
        this.size = tileSize;
        this.panel = panel;
        this.group = group;
        this.inverted = inverted;
        solve = new TileSolve(order, tileSize);
        count = solve.count();
    }

    /** All steps; those of a round need all rounds before it. */
    public List<List<Step>> rounds() {
        List<List<Step>> rounds = new ArrayList<>();
        int panels = (count + panel - 1) / panel;
        for (int p = 0; p < panels; p++) {
            rounds.add(List.of(new Step(Kind.DIAGONAL, p, first(p), end(p))));
            if (p < panels - 1) {
                List<Step> steps = groups(Kind.COLUMNS, p, end(p), count, group);
                if (p > 0) {
                    steps.addAll(groups(Kind.AHEAD, p + 1, first(p + 1), end(p + 1), group));
                }
                rounds.add(steps);
            }
        }
        rounds.add(groups(Kind.INVERSE, 0, 0, count, inverted));
        return rounds;
    }

    private static List<Step> groups(Kind kind, int p, int from, int to, int most) {
        List<Step> steps = new ArrayList<>();
        for (int i = from; i < to; i += most) {
            steps.add(new Step(kind, p, i, Math.min(to, i + most)));
        }
        return steps;
    }

    private int first(int p) {
        return p * panel;
    }

    private int end(int p) {
        return Math.min(count, first(p + 1));
    }

    /** The rows of tiles that are subtracted ahead from the square of a panel. */
    private int ahead(int p) {
        return p < 2 ? 0 : first(p - 1);
    }

    /** Multiply-subtracts that a step does, for comparing steps. */
    public double cost(Step step) {
        double tile = Math.pow(size, 3);
        double rows = end(step.panel()) - first(step.panel());
        double columns = step.to() - step.from();
        return tile
                * switch (step.kind()) {
                    case DIAGONAL -> rows * rows / 2 * (first(step.panel()) - ahead(step.panel()) + rows / 3);
                    case AHEAD ->
                        columns * (end(step.panel()) - (step.from() + step.to() - 1) / 2.0) * ahead(step.panel());
                    case COLUMNS -> rows * columns * (first(step.panel()) + rows / 2);
                    case INVERSE -> columns * Math.pow(count - step.from() - columns / 3, 2) / 2;
                };
    }

    /** Tiles that a step reads. */
    public long tilesRead(Step step) {
        long rows = end(step.panel()) - first(step.panel());
        long columns = step.to() - step.from();
        long before = first(step.panel());
        return switch (step.kind()) {
            case DIAGONAL -> rows * (rows + 1) / 2 + rows * (before - ahead(step.panel()));
            case AHEAD -> rows * columns + rows * ahead(step.panel());
            case COLUMNS -> rows * columns + before * (rows + columns) + rows * (rows + 1) / 2;
            case INVERSE -> (long) (count - step.from()) * (count - step.from() + 1) / 2;
        };
    }

    /** Tiles that a step writes. */
    public long tilesWritten(Step step) {
        long rows = end(step.panel()) - first(step.panel());
        long columns = step.to() - step.from();
        return switch (step.kind()) {
            case DIAGONAL -> rows * (rows + 1) / 2;
            case AHEAD, COLUMNS -> rows * columns;
            case INVERSE -> columns * (count - step.from());
        };
    }

    /** Bytes that any of the steps holds. */
    public long memory() {
        long tile = (long) size * size * Double.BYTES;
        long rows = Math.min(panel, count);
        long square = rows * (rows + 1) / 2 + rows;
        long columns = rows * group + group + 1;
        return tile * Math.max(Math.max(square, columns) + 1, (long) inverted * (count + 1) + 2);
    }

    /**
     * Runs a step.
     *
     * @throws NotPositiveDefiniteException by a step of the kind {@link Kind#DIAGONAL}, with the row of H at which a pivot was
     *     not positive: the same that {@link InverseFactor} finds
     */
    public void run(Step step, Matrices matrices) throws IOException, NotPositiveDefiniteException {
        if (matrices.h().order() != order || matrices.h().tileSize() != size) {
            throw new IllegalArgumentException("Cannot run a step of order %d and tiles of %d on a matrix of %d and %d"
                    .formatted(order, size, matrices.h().order(), matrices.h().tileSize()));
        }
        switch (step.kind()) {
            case DIAGONAL -> diagonal(step.panel(), matrices);
            case AHEAD -> ahead(step, matrices);
            case COLUMNS -> columns(step, matrices);
            case INVERSE -> inverse(step, matrices);
        }
    }

    private double[] tile() {
        return new double[size * size];
    }

    private double[][] tiles(int many) {
        double[][] tiles = new double[many][];
        Arrays.setAll(tiles, i -> tile());
        return tiles;
    }

    /** Rows of the square on the diagonal of a panel, each from the diagonal on. */
    private final class Square {
        private final int first;
        private final int last;
        private final int end;
        private final double[][][] targets;
        private final double[] buffer = tile();

        /**
         * @param first row of tiles
         * @param last one past the last
         * @param end of the panel
         */
        Square(int first, int last, int end) {
            this.first = first;
            this.last = last;
            this.end = end;
            targets = new double[last - first][][];
            for (int j = first; j < last; j++) {
                targets[j - first] = tiles(end - j);
            }
        }

        double[] target(int j, int i) {
            return targets[j - first][i - j];
        }

        void load(Tiles h) throws IOException {
            for (int j = first; j < last; j++) {
                for (int i = j; i < end; i++) {
                    solve.loadReversed(h, j, i, buffer, target(j, i));
                }
            }
        }

        void read(Tiles from) throws IOException {
            for (int j = first; j < last; j++) {
                for (int i = j; i < end; i++) {
                    solve.read(from, j, i, target(j, i));
                }
            }
        }

        void subtract(Tiles u, int from, int to) throws IOException {
            double[][] buffers = tiles(from < to ? end - first : 0);
            double[][] row = new double[end - first][];
            for (int k = from; k < to; k++) {
                for (int i = first; i < end; i++) {
                    row[i - first] = solve.look(u, k, i, buffers[i - first]);
                }
                for (int j = first; j < last; j++) {
                    for (int i = j; i < end; i++) {
                        solve.subtractRow(k, row[j - first], row[i - first], i == j, target(j, i));
                    }
                }
            }
        }

        void factor() throws NotPositiveDefiniteException {
            for (int j = first; j < last; j++) {
                for (int i = j; i < end; i++) {
                    for (int k = first; k < j; k++) {
                        solve.subtractRow(k, target(k, j), target(k, i), i == j, target(j, i));
                    }
                    if (i == j) {
                        solve.factor(j, target(j, j));
                    } else {
                        solve.solveRow(j, target(j, j), target(j, i));
                    }
                }
            }
        }

        void store(Tiles into) throws IOException {
            for (int j = first; j < last; j++) {
                for (int i = j; i < end; i++) {
                    solve.store(into, j, i, target(j, i));
                }
            }
        }
    }

    private void ahead(Step step, Matrices matrices) throws IOException {
        Square square = new Square(step.from(), step.to(), end(step.panel()));
        square.load(matrices.h());
        square.subtract(matrices.u(), 0, ahead(step.panel()));
        square.store(matrices.ahead());
    }

    private void diagonal(int p, Matrices matrices) throws IOException, NotPositiveDefiniteException {
        Square square = new Square(first(p), end(p), end(p));
        if (ahead(p) == 0) {
            square.load(matrices.h());
        } else {
            square.read(matrices.ahead());
        }
        square.subtract(matrices.u(), ahead(p), first(p));
        square.factor();
        square.store(matrices.u());
    }

    private void columns(Step step, Matrices matrices) throws IOException {
        int first = first(step.panel());
        int end = end(step.panel());
        int columns = step.to() - step.from();
        double[][][] targets = new double[end - first][][];
        double[] left = tile();
        for (int j = first; j < end; j++) {
            targets[j - first] = tiles(columns);
            for (int c = 0; c < columns; c++) {
                solve.loadReversed(matrices.h(), j, step.from() + c, left, targets[j - first][c]);
            }
        }
        double[][] buffers = tiles(columns);
        double[][] row = new double[columns][];
        for (int k = 0; k < first; k++) {
            for (int c = 0; c < columns; c++) {
                row[c] = solve.look(matrices.u(), k, step.from() + c, buffers[c]);
            }
            for (int j = first; j < end; j++) {
                double[] a = solve.look(matrices.u(), k, j, left);
                for (int c = 0; c < columns; c++) {
                    solve.subtractRow(k, a, row[c], false, targets[j - first][c]);
                }
            }
        }
        for (int j = first; j < end; j++) {
            for (int k = first; k < j; k++) {
                double[] a = solve.look(matrices.u(), k, j, left);
                for (int c = 0; c < columns; c++) {
                    solve.subtractRow(k, a, targets[k - first][c], false, targets[j - first][c]);
                }
            }
            double[] diagonal = solve.look(matrices.u(), j, j, left);
            for (int c = 0; c < columns; c++) {
                solve.solveRow(j, diagonal, targets[j - first][c]);
                solve.store(matrices.u(), j, step.from() + c, targets[j - first][c]);
            }
        }
    }

    private void inverse(Step step, Matrices matrices) throws IOException {
        int columns = step.to() - step.from();
        double[][][] x = new double[columns][][];
        double[] buffer = tile();
        double[] reversed = tile();
        for (int c = 0; c < columns; c++) {
            x[c] = new double[count - step.from() - c][];
        }
        for (int i = step.from(); i < count; i++) {
            int begun = Math.min(columns, i - step.from()); // columns whose tile on the diagonal lies above
            for (int c = 0; c < begun; c++) {
                x[c][i - step.from() - c] = tile();
            }
            for (int k = step.from(); k < i; k++) {
                double[] u = solve.look(matrices.u(), k, i, buffer);
                for (int c = 0; c < Math.min(columns, k + 1 - step.from()); c++) {
                    int j = step.from() + c;
                    if (k == j) {
                        solve.subtractDiagonal(j, u, x[c][0], x[c][i - j]);
                    } else {
                        solve.subtractBelow(j, u, x[c][k - j], x[c][i - j]);
                    }
                }
            }
            double[] diagonal = solve.look(matrices.u(), i, i, buffer);
            for (int c = 0; c < begun; c++) {
                solve.solveBelow(step.from() + c, diagonal, x[c][i - step.from() - c]);
            }
            if (i < step.to()) {
                x[begun][0] = tile();
                solve.invertDiagonal(i, diagonal, x[begun][0]);
            }
            for (int c = 0; c < Math.min(columns, i + 1 - step.from()); c++) {
                int j = step.from() + c;
                TileSolve.reverse(x[c][i - j], reversed);
                solve.store(matrices.r(), j, i, reversed);
            }
        }
    }
}
