package io.sparkgguf.qat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.model.forward.DecoderConfig;
import io.sparkgguf.model.forward.Rotary;
import java.io.IOException;
import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** All gradients of a block, element by element, against those that PyTorch's autograd finds in float64. */
@EnabledIf("hasTorch")
class AutogradTest {
    private static final long SEED = 20261127;

    /** Its natives are for one platform. */
    static boolean hasTorch() {
        return System.getProperty("os.name").equals("Linux")
                && System.getProperty("os.arch").equals("amd64");
    }

    @ParameterizedTest
    @CsvSource({"llama, 200", "qwen2, 60", "qwen3, 200"})
    void gradientsAreThoseOfAutograd(String architecture, int tokens) throws IOException {
        RandomBlock block = new RandomBlock(architecture, 64, 96, new int[] {8, 2, 16}, tokens, SEED);
        float[] slope = RandomBlock.normals(new Random(SEED), block.hidden.length, 1);
        BlockPass pass = new BlockPass(block.config, block.vectors);
        BlockMatrices gradients = BlockMatrices.zeros(block.config, List.of(Layer.values()));
        float[] d = slope.clone();
        pass.forward(block.matrices, block.hidden, tokens, new float[block.hidden.length]);
        pass.backward(block.matrices, d, gradients, true);
        try (PointerScope scope = new PointerScope()) {
            TorchBlock torchBlock = new TorchBlock(block);
            torchBlock.backward(slope);
            for (Layer layer : Layer.values()) {
                compare(layer + " of " + architecture, torchBlock.weights.get(layer), gradients.of(layer));
            }
            compare("the input of " + architecture, torchBlock.input, d);
        }
    }

    private static void compare(String what, Tensor parameter, float[] gradient) {
        DoubleBuffer expected = parameter.grad().contiguous().createBuffer();
        assertEquals(gradient.length, expected.remaining(), what);
        double error = 0;
        double square = 0;
        for (int i = 0; i < gradient.length; i++) {
            double difference = expected.get(i) - gradient[i];
            error += difference * difference;
            square += expected.get(i) * expected.get(i);
        }
        assertTrue(square > 0, what + " has a gradient");
        double relative = Math.sqrt(error / square);
        assertTrue(relative < 2e-6, "relative error of " + what + ": " + relative + ", seed " + SEED);
    }

    /** The same block in PyTorch's own operations; weights are by columns. */
    private static final class TorchBlock {
        private final DecoderConfig config;
        private final BlockVectors vectors;
        private final int tokens;
        final Map<Layer, Tensor> weights = new EnumMap<>(Layer.class);
        final Tensor input;

        TorchBlock(RandomBlock block) {
            config = block.config;
            vectors = block.vectors;
            tokens = block.tokens;
            for (Layer layer : Layer.values()) {
                Tensor weight = tensor(block.matrices.of(layer), layer.columns(config), layer.rows(config));
                weights.put(layer, weight.set_requires_grad(true));
            }
            input = tensor(block.hidden, tokens, config.width()).set_requires_grad(true);
        }

        private static Tensor tensor(float[] x, long... shape) {
            double[] doubles = new double[x.length];
            for (int i = 0; i < x.length; i++) {
                doubles[i] = x[i];
            }
            return Tensor.create(doubles, shape);
        }

        void backward(float[] slope) {
            Tensor normed = norm(input, vectors.attentionNorm());
            Tensor middle = input.add(linear(Layer.ATTENTION_OUTPUT, attention(normed)));
            normed = norm(middle, vectors.feedForwardNorm());
            Tensor inner =
                    torch.silu(linear(Layer.FEED_FORWARD_GATE, normed)).mul(linear(Layer.FEED_FORWARD_UP, normed));
            Tensor out = middle.add(linear(Layer.FEED_FORWARD_DOWN, inner));
            out.mul(tensor(slope, tokens, config.width())).sum().backward();
        }

        private Tensor norm(Tensor x, float[] weight) {
            return torch.rms_norm(
                    x,
                    new long[] {weight.length},
                    new TensorOptional(tensor(weight, weight.length)),
                    new DoubleOptional(config.epsilon()));
        }

        private Tensor linear(Layer layer, Tensor x) {
            Tensor product = x.matmul(weights.get(layer));
            float[] bias = vectors.biases().get(layer);
            return bias == null ? product : product.add(tensor(bias, bias.length));
        }

        /** A token's heads, as heads by tokens by elements. */
        private Tensor heads(Layer layer, Tensor x, int heads, float[] norm, boolean turns) {
            Tensor split = linear(layer, x).view(tokens, heads, config.headSize());
            Tensor normed = norm == null ? split : norm(split, norm);
            return (turns ? turn(normed, heads) : normed).transpose(0, 1);
        }

        private Tensor attention(Tensor x) {
            int group = config.heads() / config.keyValueHeads();
            Tensor q = heads(Layer.ATTENTION_QUERY, x, config.heads(), vectors.queryNorm(), true);
            Tensor k = heads(Layer.ATTENTION_KEY, x, config.keyValueHeads(), vectors.keyNorm(), true);
            Tensor v = heads(Layer.ATTENTION_VALUE, x, config.keyValueHeads(), null, false);
            k = k.repeat_interleave(group, new LongOptional(0), new LongOptional());
            v = v.repeat_interleave(group, new LongOptional(0), new LongOptional());
            Tensor scores = q.matmul(k.transpose(1, 2)).mul(new Scalar(1 / Math.sqrt(config.headSize())));
            Tensor brought = scores.add(mask()).softmax(2).matmul(v);
            return brought.transpose(0, 1).reshape(tokens, config.queryColumns());
        }

        private Tensor mask() {
            float[] mask = new float[tokens * tokens];
            for (int query = 0; query < tokens; query++) {
                for (int key = query + 1; key < tokens; key++) {
                    mask[query * tokens + key] = Float.NEGATIVE_INFINITY;
                }
            }
            return tensor(mask, tokens, tokens);
        }

        /** Rotary position as a product of complex numbers, which the pairs of elements are. */
        private Tensor turn(Tensor x, int heads) {
            int pairs = config.headSize() / 2;
            boolean halves = config.rotary().pairing() == Rotary.Pairing.HALVES;
            float[] frequencies = config.rotary().frequencies(vectors.rotaryDivisors());
            float[] ones = new float[tokens * pairs];
            double[] angles = new double[tokens * pairs];
            Arrays.fill(ones, 1);
            for (int i = 0; i < angles.length; i++) {
                angles[i] = (double) (i / pairs) * frequencies[i % pairs];
            }
            Tensor turning = torch.polar(tensor(ones, tokens, 1, pairs), Tensor.create(angles, tokens, 1, pairs));
            Tensor split = halves ? x.view(tokens, heads, 2, pairs).transpose(2, 3) : x.view(tokens, heads, pairs, 2);
            Tensor turned =
                    torch.view_as_real(torch.view_as_complex(split.contiguous()).mul(turning));
            return (halves ? turned.transpose(2, 3) : turned).reshape(tokens, heads, 2L * pairs);
        }
    }
}
