package io.sparkgguf.job.qat;

import io.sparkgguf.calibrate.SectionReader;
import io.sparkgguf.calibrate.SectionWriter;
import io.sparkgguf.qat.BlockMatrices;
import io.sparkgguf.qat.Layer;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Locale;

/**
 * The files of a training: what a layer goes on from, its values, gradients of sequences, and blocks; each is named by the
 * steps behind which it was made, so that none is ever replaced by another. Sections carry digests, which are checked.
 */
record TrainingFiles(Storage storage, String folder) {
    private static final int ARRAYS = 22;

    private String name(Layer layer, String what, int step) {
        return storage.resolve(
                folder,
                "step-%06d-%s-%s"
                        .formatted(step, layer.name().toLowerCase(Locale.ROOT).replace('_', '-'), what));
    }

    String state(Layer layer, int step) {
        return name(layer, "state", step);
    }

    String values(Layer layer, int step) {
        return name(layer, "values", step);
    }

    String blocks(Layer layer, int step) {
        return name(layer, "blocks", step);
    }

    /** Of the sequence at this place of a step's batch. */
    String gradient(int place, int step) {
        return storage.resolve(folder, "step-%06d-gradient-%04d".formatted(step, place));
    }

    /** Writes arrays, some of which may have no length. */
    void writeNumbers(String file, List<float[]> numbers) throws IOException {
        int[] lengths = numbers.stream().mapToInt(array -> array.length).toArray();
        if (lengths.length != ARRAYS) {
            throw new IllegalStateException("Cannot keep " + lengths.length + " arrays of a layer, only " + ARRAYS);
        }
        WholeFile.write(storage, file, out -> {
            SectionWriter sections = new SectionWriter(out);
            sections.write(lengths);
            for (float[] array : numbers) {
                sections.write(array, 0, array.length);
            }
        });
    }

    List<float[]> readNumbers(String file) throws IOException {
        try (SectionReader sections = new SectionReader(storage, file)) {
            int[] lengths = new int[ARRAYS];
            sections.read(0, lengths);
            long at = SectionWriter.length(ARRAYS, Integer.BYTES);
            List<float[]> numbers = new ArrayList<>();
            for (int length : lengths) {
                float[] array = new float[length];
                if (length > 0) {
                    sections.read(at, array, 0, length);
                }
                numbers.add(array);
                at += SectionWriter.length(length, Float.BYTES);
            }
            return numbers;
        }
    }

    void writeMatrix(String file, float[] matrix) throws IOException {
        WholeFile.write(storage, file, out -> new SectionWriter(out).write(matrix, 0, matrix.length));
    }

    void readMatrix(String file, float[] into) throws IOException {
        try (SectionReader sections = new SectionReader(storage, file)) {
            sections.read(0, into, 0, into.length);
        }
    }

    /** Writes the matrices of layers, a section each. */
    void writeMatrices(String file, Collection<Layer> layers, BlockMatrices matrices) throws IOException {
        WholeFile.write(storage, file, out -> {
            SectionWriter sections = new SectionWriter(out);
            for (Layer layer : layers) {
                float[] matrix = matrices.of(layer);
                sections.write(matrix, 0, matrix.length);
            }
        });
    }

    /** Reads one of these, behind matrices of so many bytes with their digests. */
    void readSection(String file, long before, float[] into) throws IOException {
        try (SectionReader sections = new SectionReader(storage, file)) {
            sections.read(before, into, 0, into.length);
        }
    }

    /** Writes blocks, and behind them their digest. */
    void writeBlocks(String file, byte[] blocks) throws IOException {
        ByteBuffer digest = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        digest.putLong(Digest.of(blocks, 0, blocks.length));
        WholeFile.write(storage, file, out -> {
            out.write(blocks);
            out.write(digest.array());
        });
    }

    /** Reads so many bytes of blocks. */
    static byte[] readBlocks(Storage storage, String file, int bytes) throws IOException {
        byte[] all = new byte[Math.addExact(bytes, Long.BYTES)];
        try (RangeReader reader = storage.open(file)) {
            reader.readFully(0, all, 0, all.length);
        }
        long written = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).getLong(bytes);
        long found = Digest.of(all, 0, bytes);
        if (found != written) {
            throw new InvalidInputException(
                    "Cannot use %s: its bytes 0 to %d have the digest %s, written were bytes of digest %s; it was changed or damaged"
                            .formatted(file, bytes, Digest.hex(found), Digest.hex(written)));
        }
        return Arrays.copyOf(all, bytes);
    }
}
