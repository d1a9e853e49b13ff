package io.sparkgguf.job;

import io.sparkgguf.calibrate.SquareSums;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.kernel.RmsNorm;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.model.forward.BlockObserver;
import io.sparkgguf.model.forward.Decoder;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Runs one passage through the model and writes the sums of squares of all columns that linear layers read, as
 * little-endian doubles. Sums of passages are added in the order of the text, by {@link #add}.
 */
final class ImatrixTask implements Stage.Task<Passage, Integer> {
    private static final long serialVersionUID = 1L;
    private static final int CHUNK = 1 << 16;

    private final Storage storage;
    private final String folder;
    private final RunnableModel model;
    private final InputColumns columns;

    /**
     * @param folder existing folder that receives the sums; null when none are written
     */
    ImatrixTask(Storage storage, String folder, RunnableModel model, InputColumns columns) {
        this.storage = storage;
        this.folder = folder;
        this.model = model;
        this.columns = columns;
    }

    /** Bytes that a passage of so many tokens takes. */
    long memory(int tokens) throws IOException {
        try (WeightSource weights = model.open(storage)) {
            return 4L * tokens * model.config().width() * (columns.output() ? 2 : 1)
                    + 8L * columns.count()
                    + model.weights().memory()
                    + model.decoder(weights).memory(tokens);
        }
    }

    /** The sums of a passage, by column. */
    double[] sums(Passage passage) throws IOException {
        double[] sums = new double[columns.count()];
        BlockObserver observer =
                (block, input, x, tokens, width) -> SquareSums.add(x, 0, tokens, width, sums, columns.at(block, input));
        try (WeightSource weights = model.open(storage)) {
            Decoder decoder = model.decoder(weights);
            int tokens = passage.tokens().length;
            float[] hidden = new float[Math.multiplyExact(tokens, decoder.width())];
            decoder.embed(passage.tokens(), 0, tokens, hidden);
            for (int block = 0; block < decoder.blocks(); block++) {
                decoder.block(block, hidden, passage.ends(), observer, null);
            }
            if (columns.output()) {
                addOutput(weights, hidden, tokens, sums);
            }
        }
        return sums;
    }

    @Override
    public Integer run(Passage passage) throws IOException {
        double[] sums = sums(passage);
        WholeFile.write(storage, file(passage.index()), out -> {
            ByteBuffer chunk = ByteBuffer.allocate(8 * CHUNK).order(ByteOrder.LITTLE_ENDIAN);
            for (int at = 0; at < sums.length; at += CHUNK) {
                int count = Math.min(CHUNK, sums.length - at);
                chunk.asDoubleBuffer().put(sums, at, count);
                out.write(chunk.array(), 0, 8 * count);
            }
        });
        return passage.index();
    }

    /** What the output head reads: the last block's result, normed. */
    private void addOutput(WeightSource weights, float[] hidden, int tokens, double[] sums) throws IOException {
        int width = model.config().width();
        float[] norm = new float[width];
        weights.rows("output_norm.weight", 0, 1, norm, 0);
        float[] normed = new float[hidden.length];
        RmsNorm.of(hidden, 0, tokens, width, norm, model.config().epsilon(), normed, 0);
        SquareSums.add(normed, 0, tokens, width, sums, columns.atOutput());
    }

    /** Adds a passage's sums to {@code sums}. */
    void add(int passage, double[] sums) throws IOException {
        String file = file(passage);
        try (RangeReader reader = storage.open(file)) {
            if (reader.length() != 8L * sums.length) {
                throw new IOException(
                        "Cannot use %s: it has %d bytes, not %d".formatted(file, reader.length(), 8L * sums.length));
            }
            byte[] chunk = new byte[8 * CHUNK];
            for (int at = 0; at < sums.length; at += CHUNK) {
                int count = Math.min(CHUNK, sums.length - at);
                reader.readFully(8L * at, chunk, 0, 8 * count);
                ByteBuffer values = ByteBuffer.wrap(chunk).order(ByteOrder.LITTLE_ENDIAN);
                for (int i = 0; i < count; i++) {
                    sums[at + i] += values.getDouble(8 * i);
                }
            }
        }
    }

    private String file(int passage) {
        return storage.resolve(folder, "sums-%06d".formatted(passage));
    }
}
