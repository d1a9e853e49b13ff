package io.sparkgguf.job;

import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.imatrix.ImatrixWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;

/** Importance matrices made up for a model: not natural, but of the right shape. */
final class Imatrices {
    private static final int TOKENS = 5120;

    private Imatrices() {}

    /** Writes a matrix with an entry for every matrix in the layers of a model. */
    static Path write(Path file, GgufHeader model) throws IOException {
        Map<String, Integer> columns = model.tensors().stream()
                .filter(tensor ->
                        tensor.name().startsWith("blk.") && tensor.shape().rank() == 2)
                .collect(Collectors.toMap(
                        tensor -> tensor.name(), tensor -> (int) tensor.shape().columns()));
        return write(file, columns);
    }

    /** Writes a matrix with these entries and numbers of columns. */
    static Path write(Path file, Map<String, Integer> columns) throws IOException {
        List<ImatrixWriter.Collected> entries = columns.entrySet().stream()
                .map(entry -> new ImatrixWriter.Collected(entry.getKey(), entry.getValue(), new long[] {TOKENS}))
                .toList();
        try (OutputStream out = Files.newOutputStream(file)) {
            new ImatrixWriter(List.of("made up"), 10, 512).writeGguf(out, entries, (name, index) -> {
                Random random = new Random(name.hashCode()); // seeded by the name, so the same every time
                float[] sums = new float[columns.get(name)];
                for (int column = 0; column < sums.length; column++) {
                    sums[column] = (float) (TOKENS * Math.exp(2 * random.nextGaussian()));
                }
                return sums;
            });
        }
        return file;
    }
}
