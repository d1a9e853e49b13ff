package io.sparkgguf.evaluate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.InvalidInputException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The statistics against their definitions, computed in double from random logits. */
class DivergenceTest {
    private static final long SEED = 20240607;

    /** Logits of some tokens by two models that mostly agree, and the tokens that followed. */
    private static final class Text {
        final int vocabulary;
        final float[][] base;
        final float[][] model;
        final int[] next;

        Text(int tokens, int vocabulary) {
            this.vocabulary = vocabulary;
            Random random = new Random(SEED + 31L * tokens + vocabulary);
            base = new float[tokens][vocabulary];
            model = new float[tokens][vocabulary];
            next = new int[tokens];
            for (int token = 0; token < tokens; token++) {
                double noise = 0.5 * random.nextDouble();
                for (int i = 0; i < vocabulary; i++) {
                    base[token][i] = (float) (4 * random.nextGaussian() - 3);
                    model[token][i] = (float) (base[token][i] + noise * random.nextGaussian() + 2);
                }
                next[token] = random.nextInt(vocabulary);
            }
        }

        /** Scores of the tokens from {@code from} on, as a task would take them: in slabs. */
        Divergence score(int from, int to, int slab) {
            Divergence divergence = new Divergence(to - from);
            Distributions expected = new Distributions(slab, vocabulary);
            Distributions actual = new Distributions(slab, vocabulary);
            for (int at = from; at < to; at += slab) {
                int rows = Math.min(slab, to - at);
                fill(expected, base, at, rows);
                fill(actual, model, at, rows);
                for (int row = 0; row < rows; row++) {
                    divergence.add(expected, actual, row, next[at + row]);
                }
            }
            return divergence;
        }

        private void fill(Distributions distributions, float[][] logits, int at, int rows) {
            for (int row = 0; row < rows; row++) {
                System.arraycopy(logits[at + row], 0, distributions.logits(), row * vocabulary, vocabulary);
            }
            distributions.normalize(rows, "it");
        }

        int tokens() {
            return next.length;
        }

        double kl(int token) {
            return io.sparkgguf.llamacpp.Divergence.kl(base[token], model[token]);
        }

        double loss(float[][] logits, int token) {
            return -io.sparkgguf.llamacpp.Divergence.logSoftmax(logits[token])[next[token]];
        }

        double delta(int token) {
            return Math.exp(-loss(model, token)) - Math.exp(-loss(base, token));
        }

        double mean(IntToDoubleFunction value) {
            return IntStream.range(0, tokens()).mapToDouble(value).average().orElseThrow();
        }

        /** Standard deviation of the mean. */
        double error(IntToDoubleFunction value) {
            double mean = mean(value);
            return Math.sqrt(mean(i -> Math.pow(value.applyAsDouble(i) - mean, 2)) / (tokens() - 1));
        }
    }

    private static int top(float[] logits) {
        return IntStream.range(0, logits.length)
                .reduce((a, b) -> logits[b] > logits[a] ? b : a)
                .orElseThrow();
    }

    @ParameterizedTest
    @CsvSource({"40, 3, 7", "200, 97, 64", "33, 4096, 8"})
    void figuresAreThoseOfTheDefinitions(int tokens, int vocabulary, int slab) {
        Text text = new Text(tokens, vocabulary);
        Divergence found = text.score(0, tokens, slab);
        assertEquals(tokens, found.kld().count());
        assertClose(text.mean(text::kl), found.kld().mean());
        assertClose(text.error(text::kl), found.kld().error());
        assertClose(
                Math.exp(text.mean(i -> text.loss(text.base, i))), found.base().perplexity());
        double perplexity = Math.exp(text.mean(i -> text.loss(text.model, i)));
        assertClose(perplexity, found.model().perplexity());
        assertClose(
                perplexity * text.error(i -> text.loss(text.model, i)),
                found.model().perplexityError());
        IntToDoubleFunction ratio = i -> text.loss(text.model, i) - text.loss(text.base, i);
        assertClose(text.mean(ratio), found.logRatio());
        assertClose(text.error(ratio), found.logRatioError());
        assertClose(text.mean(text::delta), found.deltaP().mean());
        assertClose(text.error(text::delta), found.deltaP().error());
        double meanSquare = text.mean(i -> Math.pow(text.delta(i), 2));
        assertClose(Math.sqrt(meanSquare), found.rmsDeltaP());
        assertClose(text.error(i -> Math.pow(text.delta(i), 2)) / (2 * Math.sqrt(meanSquare)), found.rmsDeltaPError());
        double same = text.mean(i -> top(text.base[i]) == top(text.model[i]) ? 1 : 0);
        assertEquals(same, found.sameTop());
        assertTrue(same > 0 && same < 1, "the models agree always or never, " + same);
        assertEquals(Math.sqrt(same * (1 - same) / (tokens - 1)), found.sameTopError(), 1e-15);
    }

    private static void assertClose(double expected, double actual) {
        assertEquals(expected, actual, 1e-5 * Math.abs(expected) + 1e-8, "seed " + SEED);
    }

    @Test
    void quantilesLieBetweenNeighbours() {
        Text text = new Text(21, 50);
        double[] sorted = IntStream.range(0, 21).mapToDouble(text::kl).sorted().toArray();
        double[] found = text.score(0, 21, 4).quantiles(List.of(0.0, 0.5, 0.525, 0.999, 1.0));
        double[] expected = {
            sorted[0],
            sorted[10],
            0.5 * (sorted[10] + sorted[11]),
            sorted[19] + 0.98 * (sorted[20] - sorted[19]),
            sorted[20]
        };
        assertArrayEquals(expected, found, 1e-6);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 64})
    void partsMergedInOrderGiveTheSameBits(int slab) {
        Text text = new Text(60, 300);
        Divergence whole = new Divergence(0);
        Divergence other = new Divergence(0);
        for (int at = 0; at < 60; at += 20) {
            whole.merge(text.score(at, at + 20, 20));
            other.merge(text.score(at, at + 20, slab));
        }
        assertEquals(whole.kld().mean(), other.kld().mean());
        assertEquals(whole.model().perplexity(), other.model().perplexity());
        assertEquals(whole.rmsDeltaP(), other.rmsDeltaP());
        assertArrayEquals(whole.quantiles(List.of(0.1, 0.9)), other.quantiles(List.of(0.1, 0.9)));
        assertEquals(text.score(0, 60, 60).kld().mean(), whole.kld().mean(), 1e-15);
    }

    @Test
    void aModelIsNotFarFromItself() {
        Text text = new Text(50, 70);
        for (int token = 0; token < text.tokens(); token++) {
            System.arraycopy(text.base[token], 0, text.model[token], 0, text.vocabulary);
        }
        Divergence found = text.score(0, 50, 50);
        assertEquals(0, found.kld().mean());
        assertEquals(0, found.rmsDeltaP());
        assertEquals(0, found.rmsDeltaPError());
        assertEquals(0, found.logRatioError());
        assertEquals(1, found.sameTop());
    }

    @Test
    void ofEquallyLikelyTokensTheFirstIsTheTop() {
        Distributions distributions = new Distributions(1, 4);
        System.arraycopy(new float[] {1, 3, 3, 2}, 0, distributions.logits(), 0, 4);
        distributions.normalize(1, "it");
        assertEquals(1, distributions.top(0));
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void logitsThatAreNoNumbersAreRefused(float bad) {
        Distributions distributions = new Distributions(3, 5);
        Arrays.fill(distributions.logits(), 1);
        distributions.logits()[8] = bad;
        assertEquals(
                "Cannot evaluate it.gguf: its logit for token 3 is " + bad,
                assertThrows(InvalidInputException.class, () -> distributions.normalize(2, "it.gguf"))
                        .getMessage());
        distributions.normalize(1, "it.gguf");
    }

    @ParameterizedTest
    @CsvSource({"512, 256, 255", "5, 2, 2", "4, 2, 1", "2, 1, 0", "1, 0, 0"})
    void theSecondHalfIsScored(int length, int first, int count) {
        assertEquals(first, Scored.first(length));
        assertEquals(count, Scored.count(length));
    }
}
