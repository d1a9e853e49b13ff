package io.sparkgguf.qat;

import io.sparkgguf.kernel.PointwiseGradient;
import io.sparkgguf.kernel.RmsNormGradient;
import io.sparkgguf.kernel.Steps;
import io.sparkgguf.kernel.StraightThrough;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** The bits of seeded trainings and of their kernels, for comparing one JVM with another. */
public final class TrainingDigest {
    private static final int KERNEL_PASSES = 2000;
    private static final int ELEMENTS = 300;

    private TrainingDigest() {}

    /** Puts them into the digest. Few and small, for JVMs that take microseconds for a fused multiply-add. */
    public static void update(MessageDigest digest, long seed) throws IOException {
        train(digest, "llama", BlockType.Q4_0, QatSettings.Mode.WEIGHTS, seed);
        train(digest, "qwen3", BlockType.Q5_1, QatSettings.Mode.WEIGHTS, seed);
        train(digest, "qwen2", BlockType.IQ4_NL, QatSettings.Mode.ROUNDING, seed);
        trainTogether(digest, seed);
        Random random = new Random(seed);
        for (int pass = 0; pass < KERNEL_PASSES; pass++) {
            kernels(digest, random, 1 + pass % 9);
        }
    }

    private static void train(
            MessageDigest digest, String architecture, BlockType type, QatSettings.Mode mode, long seed)
            throws IOException {
        RandomBlock block = new RandomBlock(architecture, 32, 64, new int[] {4, 2, 8}, 7, seed);
        Map<Layer, BlockTrainer.Coded> start = new EnumMap<>(Layer.class);
        for (Layer layer : Layer.values()) {
            float[] matrix = block.matrices.of(layer);
            byte[] blocks = new byte[Math.toIntExact(type.bytes(matrix.length))];
            BlockFormats.of(type)
                    .encode(matrix, 0, layer.rows(block.config), layer.columns(block.config), null, 0, blocks, 0);
            start.put(layer, new BlockTrainer.Coded(type, blocks));
        }
        List<MemoryGradients.Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            Random random = new Random(seed + i);
            float[] target = RandomBlock.normals(random, block.hidden.length, 1);
            sequences.add(new MemoryGradients.Sequence(RandomBlock.normals(random, target.length, 1), target));
        }
        MemoryGradients source = new MemoryGradients(
                block.config, block.vectors, MemoryGradients.Measure.RELATIVE, sequences, start.keySet());
        QatSettings settings = new QatSettings(mode, 8, 2, 0.05, 0.01, 0.4, 1, 2, 9, seed);
        BlockTrainer.Result result = new BlockTrainer(block.config, settings, source, block.matrices, start).train();
        result.blocks().values().forEach(coded -> digest.update(coded.blocks()));
        digest.update((result.training() + " " + result.heldOut()).getBytes(StandardCharsets.UTF_8));
    }

    private static void trainTogether(MessageDigest digest, long seed) throws IOException {
        RandomStack stack = new RandomStack("llama", 32, 64, new int[] {4, 2, 8}, 13, seed);
        QatSettings settings = new QatSettings(QatSettings.Mode.WEIGHTS, 6, 2, 0.05, 0.01, 0.4, 1, 2, 9, seed);
        ModelTrainer.Result result = new ModelTrainer(
                        stack.config,
                        settings,
                        stack.model(stack.sequences(4, 7)),
                        stack.matrices,
                        stack.rounded(BlockType.Q4_0))
                .train();
        result.blocks().forEach(block -> block.values().forEach(coded -> digest.update(coded.blocks())));
        digest.update(result.log().toString().getBytes(StandardCharsets.UTF_8));
    }

    private static void kernels(MessageDigest digest, Random random, int number) {
        float[] x = RandomBlock.normals(random, ELEMENTS, 1);
        float[] y = RandomBlock.normals(random, ELEMENTS, 1);
        float[] d = RandomBlock.normals(random, ELEMENTS, 1);
        float[] sums = RandomBlock.normals(random, ELEMENTS, 1);
        float[] others = sums.clone();
        float[] values = x.clone();
        float[] given = d.clone();
        StraightThrough.values(values, 0, ELEMENTS, y, d, 0);
        StraightThrough.gradient(x, values, given, 0, ELEMENTS, y, d, 0, -0.5f, 3.5f, sums, others);
        update(digest, given, sums, others);
        float[] squares = new float[ELEMENTS];
        Steps.adamW(
                new Steps.AdamW(0.01f, 0.9f, 0.95f, number, 1e-10f, 0.01f), x, d, others, squares, 0, ELEMENTS, y, 0);
        Steps.sign(0.1f, 0.5f, values, d, y, 0, ELEMENTS, squares, 0);
        update(digest, x, others, squares, values);
        RmsNormGradient.add(x, 0, 3, ELEMENTS / 3, y, 1e-5f, d, 0, sums, 0);
        PointwiseGradient.softmax(x, 0, d, 0, y, ELEMENTS);
        PointwiseGradient.gate(x, 0, y, 0, d, 0, ELEMENTS);
        update(digest, sums, d, x, y);
    }

    private static void update(MessageDigest digest, float[]... arrays) {
        for (float[] array : arrays) {
            ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * array.length);
            bytes.asFloatBuffer().put(array);
            digest.update(bytes.array());
        }
    }
}
