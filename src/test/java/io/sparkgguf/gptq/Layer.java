package io.sparkgguf.gptq;

import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.Random;

/** A seeded layer: weights with heavy tails, and inputs that depend on each other, seen and held out. */
final class Layer {
    static final long SEED = 20261123;

    final int rows;
    final int columns;
    final float[] weights;
    /** Sum of x xᵀ, row-major. */
    final double[] seen;

    final double[] heldOut;
    final int tokens;

    Layer(int rows, int columns, int tokens, long seed) {
        Random random = new Random(seed);
        this.rows = rows;
        this.columns = columns;
        this.tokens = tokens;
        weights = new float[rows * columns];
        for (int i = 0; i < weights.length; i++) {
            double z = random.nextGaussian();
            weights[i] = (float) (0.02 * z * (1 + 0.3 * z * z));
        }
        // each input is a mix of a few hidden ones and noise of its own; some channels are large
        int hidden = Math.max(2, columns / 8);
        float[] mix = new float[hidden * columns];
        float[] size = new float[columns];
        for (int c = 0; c < columns; c++) {
            size[c] = (float) StrictMath.exp(0.7 * random.nextGaussian());
            for (int h = 0; h < hidden; h++) {
                mix[h * columns + c] = (float) (random.nextGaussian() / (1 + h));
            }
        }
        seen = gram(random, mix, hidden, size);
        heldOut = gram(random, mix, hidden, size);
    }

    private double[] gram(Random random, float[] mix, int hidden, float[] size) {
        double[] gram = new double[columns * columns];
        double[] x = new double[columns];
        for (int t = 0; t < tokens; t++) {
            for (int c = 0; c < columns; c++) {
                x[c] = 0.3 * random.nextGaussian();
            }
            for (int h = 0; h < hidden; h++) {
                double z = random.nextGaussian();
                for (int c = 0; c < columns; c++) {
                    x[c] += z * mix[h * columns + c];
                }
            }
            for (int c = 0; c < columns; c++) {
                x[c] *= size[c];
            }
            for (int i = 0; i < columns; i++) {
                for (int j = 0; j < columns; j++) {
                    gram[i * columns + j] += x[i] * x[j];
                }
            }
        }
        return gram;
    }

    /** The Hessian of the inputs that the solver saw. */
    MemoryTiles hessian(int tileSize) {
        return MemoryTiles.ofSymmetric(seen, columns, tileSize);
    }

    /** A solver's needs, once made. */
    Factored factor(GptqOptions options) throws IOException {
        return factor(hessian(256), tokens, options);
    }

    static Factored factor(MemoryTiles hessian, long tokens, GptqOptions options) throws IOException {
        MemoryTiles factor = new MemoryTiles(hessian.order(), hessian.tileSize());
        HessianSummary summary = HessianFactor.compute(hessian, tokens, options, factor, Long.MAX_VALUE);
        return new Factored(summary, TilePanels.factor(factor));
    }

    record Factored(HessianSummary summary, FactorPanels panels) {}

    /** d H dᵀ of these blocks, summed over rows. */
    double error(double[] hessian, byte[] blocks, BlockType type) {
        float[] decoded = new float[weights.length];
        BlockFormats.of(type).decode(blocks, 0, decoded.length, decoded, 0);
        return error(hessian, weights, decoded, rows, columns);
    }

    /** d H dᵀ summed over rows, in double: the definition. */
    static double error(double[] hessian, float[] weights, float[] decoded, int rows, int columns) {
        double sum = 0;
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < columns; i++) {
                double di = (double) decoded[r * columns + i] - weights[r * columns + i];
                for (int j = 0; j < columns; j++) {
                    sum += di
                            * hessian[i * columns + j]
                            * ((double) decoded[r * columns + j] - weights[r * columns + j]);
                }
            }
        }
        return sum;
    }
}
