package io.sparkgguf.qat;

import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.Rotary;
import java.util.EnumMap;
import java.util.Map;

/** A block's forward pass by its definition, in float64: what gradients are differences of. */
final class ReferenceBlock {
    private final DecoderConfig config;
    private final BlockVectors vectors;
    private final int tokens;
    final Map<Layer, double[]> weights = new EnumMap<>(Layer.class);
    final double[] input;

    ReferenceBlock(DecoderConfig config, BlockVectors vectors, BlockMatrices matrices, float[] hidden, int tokens) {
        this.config = config;
        this.vectors = vectors;
        this.tokens = tokens;
        for (Layer layer : Layer.values()) {
            weights.put(layer, doubles(matrices.of(layer)));
        }
        input = doubles(hidden);
    }

    private static double[] doubles(float[] x) {
        double[] doubles = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            doubles[i] = x[i];
        }
        return doubles;
    }

    /** The residual stream after the block. */
    double[] run() {
        double[] normed = norm(input, vectors.attentionNorm(), config.width());
        double[] q = linear(Layer.ATTENTION_QUERY, normed);
        double[] k = linear(Layer.ATTENTION_KEY, normed);
        double[] v = linear(Layer.ATTENTION_VALUE, normed);
        if (config.headNorms()) {
            q = norm(q, vectors.queryNorm(), config.headSize());
            k = norm(k, vectors.keyNorm(), config.headSize());
        }
        turn(q, config.heads());
        turn(k, config.keyValueHeads());
        double[] middle = plus(input, linear(Layer.ATTENTION_OUTPUT, attention(q, k, v)));
        normed = norm(middle, vectors.feedForwardNorm(), config.width());
        double[] gate = linear(Layer.FEED_FORWARD_GATE, normed);
        double[] up = linear(Layer.FEED_FORWARD_UP, normed);
        for (int i = 0; i < gate.length; i++) {
            gate[i] = gate[i] / (1 + StrictMath.exp(-gate[i])) * up[i];
        }
        return plus(middle, linear(Layer.FEED_FORWARD_DOWN, gate));
    }

    private static double[] plus(double[] x, double[] y) {
        double[] sum = x.clone();
        for (int i = 0; i < sum.length; i++) {
            sum[i] += y[i];
        }
        return sum;
    }

    private double[] norm(double[] x, float[] weight, int columns) {
        double[] out = new double[x.length];
        for (int row = 0; row < x.length / columns; row++) {
            double squares = 0;
            for (int i = 0; i < columns; i++) {
                squares += x[row * columns + i] * x[row * columns + i];
            }
            for (int i = 0; i < columns; i++) {
                out[row * columns + i] =
                        x[row * columns + i] / Math.sqrt(squares / columns + config.epsilon()) * weight[i];
            }
        }
        return out;
    }

    private double[] linear(Layer layer, double[] x) {
        int rows = layer.rows(config);
        int columns = layer.columns(config);
        double[] matrix = weights.get(layer);
        float[] bias = vectors.biases().get(layer);
        double[] out = new double[tokens * rows];
        for (int token = 0; token < tokens; token++) {
            for (int r = 0; r < rows; r++) {
                double sum = bias == null ? 0 : bias[r];
                for (int c = 0; c < columns; c++) {
                    sum += x[token * columns + c] * matrix[c * rows + r];
                }
                out[token * rows + r] = sum;
            }
        }
        return out;
    }

    private void turn(double[] x, int heads) {
        int size = config.headSize();
        float[] frequencies = config.rotary().frequencies(vectors.rotaryDivisors());
        boolean halves = config.rotary().pairing() == Rotary.Pairing.HALVES;
        for (int token = 0; token < tokens; token++) {
            for (int head = 0; head < heads; head++) {
                int at = (token * heads + head) * size;
                for (int i = 0; i < size / 2; i++) {
                    int first = at + (halves ? i : 2 * i);
                    int second = halves ? first + size / 2 : first + 1;
                    double cos = StrictMath.cos((double) token * frequencies[i]);
                    double sin = StrictMath.sin((double) token * frequencies[i]);
                    double a = x[first];
                    double b = x[second];
                    x[first] = a * cos - b * sin;
                    x[second] = b * cos + a * sin;
                }
            }
        }
    }

    private double[] attention(double[] q, double[] k, double[] v) {
        int heads = config.heads();
        int keyHeads = config.keyValueHeads();
        int size = config.headSize();
        double[] out = new double[q.length];
        double[] weight = new double[tokens];
        for (int token = 0; token < tokens; token++) {
            for (int head = 0; head < heads; head++) {
                int at = (token * heads + head) * size;
                int keyHead = head / (heads / keyHeads);
                double sum = 0;
                for (int key = 0; key <= token; key++) {
                    double score = 0;
                    for (int d = 0; d < size; d++) {
                        score += q[at + d] * k[(key * keyHeads + keyHead) * size + d];
                    }
                    weight[key] = StrictMath.exp(score / Math.sqrt(size));
                    sum += weight[key];
                }
                for (int key = 0; key <= token; key++) {
                    for (int d = 0; d < size; d++) {
                        out[at + d] += weight[key] / sum * v[(key * keyHeads + keyHead) * size + d];
                    }
                }
            }
        }
        return out;
    }
}
