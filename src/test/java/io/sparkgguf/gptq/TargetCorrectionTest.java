package io.sparkgguf.gptq;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.linalg.MemoryTiles;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TargetCorrectionTest {
    private static final int COLUMNS = 160;
    private static final int ROWS = 5;
    private static final int TOKENS = 1000;

    private final float[] weights = new float[ROWS * COLUMNS];
    private final double[] now = new double[TOKENS * COLUMNS];
    private final double[] before = new double[TOKENS * COLUMNS];
    private final double[] hessian = new double[COLUMNS * COLUMNS];
    private final double[] delta = new double[COLUMNS * COLUMNS];

    TargetCorrectionTest() {
        Random random = new Random(Layer.SEED);
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) random.nextGaussian();
        }
        double[] shrink = random.doubles(COLUMNS, 0.8, 1.2).toArray();
        for (int i = 0; i < now.length; i++) {
            before[i] = random.nextGaussian();
            now[i] = before[i] * shrink[i % COLUMNS] + 0.05 * random.nextGaussian();
        }
        for (int t = 0; t < TOKENS; t++) {
            for (int i = 0; i < COLUMNS; i++) {
                for (int j = 0; j < COLUMNS; j++) {
                    double x = now[t * COLUMNS + j];
                    hessian[i * COLUMNS + j] += now[t * COLUMNS + i] * x;
                    delta[i * COLUMNS + j] += (before[t * COLUMNS + i] - now[t * COLUMNS + i]) * x;
                }
            }
        }
    }

    @Test
    void outputsComeCloseToWhatTheyWere() throws IOException {
        double off = distance(weights);
        double half = distance(correct(0.5, 0, ROWS));
        double whole = distance(correct(1, 0, ROWS));
        assertTrue(half < 0.5 * off, "seed " + Layer.SEED + ": " + half + " of " + off);
        assertTrue(whole < 0.2 * off, "seed " + Layer.SEED + ": " + whole + " of " + off);
        assertArrayEquals(weights, correct(0, 0, ROWS));
    }

    /** The gradient of |W y - V x|² + |V - W|²_ridge over V vanishes at the target. */
    @Test
    void theWholeStepIsTheLeastSquaresSolution() throws IOException {
        Layer.Factored factored = factor();
        float[] target = correct(1, 0, ROWS);
        for (int r = 0; r < ROWS; r++) {
            for (int j = 0; j < COLUMNS; j++) {
                double gradient = 0;
                double size = 0;
                for (int i = 0; i < COLUMNS; i++) {
                    double step = (double) target[r * COLUMNS + i] - weights[r * COLUMNS + i];
                    double wanted = weights[r * COLUMNS + i] * delta[i * COLUMNS + j];
                    gradient += step * hessian[i * COLUMNS + j] - wanted;
                    size += Math.abs(wanted);
                }
                double own = (double) target[r * COLUMNS + j] - weights[r * COLUMNS + j];
                gradient += own * factored.summary().ridge()[j];
                assertEquals(0, gradient / size, 1e-5, "seed " + Layer.SEED + ", row " + r + ", column " + j);
            }
        }
    }

    /** What is left out of the error towards original outputs is the same for all changes: that of no change. */
    @Test
    void errorsTowardsOriginalOutputsAreThoseOfTheDefinition() throws IOException {
        Random random = new Random(Layer.SEED + 1);
        for (double size : new double[] {0.001, 0.05, 1}) {
            float[] other = new float[weights.length];
            float[] change = new float[weights.length];
            for (int i = 0; i < other.length; i++) {
                other[i] = weights[i] * (float) (1 + size * random.nextGaussian());
                change[i] = other[i] - weights[i];
            }
            List<float[]> changes = List.of(HessianError.byColumns(change, 0, ROWS, COLUMNS));
            HessianRows rows = TilePanels.hessian(MemoryTiles.ofSymmetric(hessian, COLUMNS, 64));
            double own =
                    Arrays.stream(HessianError.ofRows(rows, changes, ROWS)[0]).sum();
            double added = Arrays.stream(HessianError.towardsOriginal(delta(), weights, changes, ROWS)[0])
                    .sum();
            double expected = distance(other) - distance(weights);
            assertEquals(
                    expected,
                    own + added,
                    1e-4 * (own + Math.abs(added)),
                    "change of " + size + ", seed " + Layer.SEED);
        }
    }

    @Test
    void aRowDoesNotDependOnItsNeighbours() throws IOException {
        float[] all = correct(0.5, 0, ROWS);
        for (int r = 0; r < ROWS; r++) {
            assertArrayEquals(Arrays.copyOfRange(all, r * COLUMNS, (r + 1) * COLUMNS), correct(0.5, r, 1), "row " + r);
        }
    }

    @Test
    void refusesAShareBeyondOne() {
        IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, () -> correct(1.5, 0, ROWS));
        assertEquals("Cannot correct a target by a share of 1.5: it must be from 0 to 1", refusal.getMessage());
    }

    private Layer.Factored factor() throws IOException {
        return Layer.factor(MemoryTiles.ofSymmetric(hessian, COLUMNS, 64), TOKENS, GptqOptions.DEFAULT);
    }

    private TargetCorrection.Rows delta() {
        return new TargetCorrection.Rows() {
            @Override
            public int order() {
                return COLUMNS;
            }

            @Override
            public void read(int firstRow, int count, float[] into) {
                for (int i = 0; i < count * COLUMNS; i++) {
                    into[i] = (float) delta[firstRow * COLUMNS + i];
                }
            }
        };
    }

    private float[] correct(double share, int row, int rows) throws IOException {
        Layer.Factored factored = factor();
        float[] target = new float[rows * COLUMNS];
        TargetCorrection.apply(
                factored.summary(), factored.panels(), delta(), share, weights, row * COLUMNS, rows, target, 0);
        return target;
    }

    /** Sum over tokens and rows of (W y - V x)². */
    private double distance(float[] v) {
        double sum = 0;
        for (int t = 0; t < TOKENS; t++) {
            for (int r = 0; r < ROWS; r++) {
                double difference = 0;
                for (int i = 0; i < COLUMNS; i++) {
                    difference += weights[r * COLUMNS + i] * before[t * COLUMNS + i]
                            - v[r * COLUMNS + i] * now[t * COLUMNS + i];
                }
                sum += difference * difference;
            }
        }
        return sum;
    }
}
