package io.sparkgguf.quant;

import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.gptq.HessianError;
import io.sparkgguf.gptq.HessianFactor;
import io.sparkgguf.gptq.HessianSummary;
import io.sparkgguf.gptq.RowSolver;
import io.sparkgguf.gptq.TilePanels;
import io.sparkgguf.kernel.Gram;
import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Digests of what the solver makes of seeded rows and inputs: Gram matrix, factor, column loop, refinement, errors. */
final class SolveDigests {
    private static final int COLUMNS = 256;
    private static final int ROWS = 3;
    private static final int TOKENS = 60;

    private SolveDigests() {}

    /** Puts an entry for each of some types, and one for all errors. */
    static void add(Map<String, String> digests, long seed) {
        try {
            Random random = new Random(seed);
            float[] inputs = new float[TOKENS * COLUMNS];
            for (int t = 0; t < TOKENS; t++) {
                float shared = (float) random.nextGaussian();
                for (int c = 0; c < COLUMNS; c++) {
                    inputs[t * COLUMNS + c] = shared + (1 + c % 7) * (float) random.nextGaussian();
                }
            }
            double[] gram = new double[COLUMNS * COLUMNS];
            Gram.add(inputs, 0, TOKENS, COLUMNS, 0, COLUMNS, 0, COLUMNS, gram, COLUMNS);
            MemoryTiles hessian = MemoryTiles.ofSymmetric(gram, COLUMNS, 96);
            MemoryTiles factor = new MemoryTiles(COLUMNS, 96);
            HessianSummary summary =
                    HessianFactor.compute(hessian, TOKENS, GptqOptions.DEFAULT, factor, Long.MAX_VALUE);
            float[] weights = new float[ROWS * COLUMNS];
            for (int i = 0; i < weights.length; i++) {
                weights[i] = (float) random.nextGaussian();
            }
            ByteBuffer errors = ByteBuffer.allocate(Double.BYTES * ROWS * 4);
            for (BlockType type : List.of(BlockType.Q2_K, BlockType.Q3_K, BlockType.Q4_K, BlockType.IQ4_NL)) {
                RowSolver solver = new RowSolver(
                        type,
                        GptqOptions.DEFAULT.withSweeps(1, true),
                        summary,
                        TilePanels.factor(factor),
                        TilePanels.hessian(hessian));
                byte[] blocks = new byte[Math.toIntExact(ROWS * type.bytes(COLUMNS))];
                solver.solve(weights, 0, ROWS, blocks, 0);
                digests.put("solve-" + type.label(), SeededDigests.hex(blocks));
                float[] change = HessianError.change(type, blocks, 0, weights, 0, ROWS, COLUMNS);
                double[] rows = HessianError.ofRows(TilePanels.hessian(hessian), List.of(change), ROWS)[0];
                Arrays.stream(rows).forEach(errors::putDouble);
            }
            digests.put("solve-errors", SeededDigests.hex(errors.array()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
